--! Previous: sha1:880007de247592e0b8d8395d279ec79601ea6a72
--! Hash: sha1:339f882d67394a20903ae63f82d63dab5b1853d1
--! Message: one function a hop

/*
 * What follows from a move: the doorbell rings, children count down and become READY, runs finish.
 *
 * A run has to be RUNNING for anything of it to become READY or to be tried again, and that is read under a lock on the
 * run, which also keeps two from counting down its tasks at once. A claim needs no lock on the run: a run that stops
 * puts its READY tasks aside, row by row, and waits for those that are being claimed.
 *
 * Plans are those of its callers' settings: report_and_claim and release_tasks see to it that there is only the one by key.
 */
create or replace function sluice.advance() returns trigger
  language plpgsql volatile
as $$
declare
  c_parent    constant integer := 1;
  c_sink      constant integer := 2;
  c_failed    constant integer := 4;
  c_ready     constant integer := 8;
  c_ownerless constant integer := 16;
  v_news      integer;
  v_claimer   constant integer := nullif(current_setting('sluice.claimer', true), '');
  v_room      constant integer := case when v_claimer is not null then current_setting('sluice.room') else '0' end;
  v_setting   text;
begin
  -- What follows from a result leads to nothing further, but for a ring, and whoever claims as well looks after that.
  if v_claimer is not null and pg_trigger_depth() > 1 then
    return null;
  end if;
  -- A claim is no news.
  if v_claimer is null then
    if not exists (select from after where after.state <> 'RUNNING' or after.runner_id is null) then
      return null;
    end if;
  end if;

  -- A task that is born SUCCESS (see reruns) is no news either: whoever inserts it has counted it.
  select bit_or(case after.state
                  when 'SUCCESS' then case when tg_op = 'INSERT' then 0 when after.is_sink then c_sink else c_parent end
                  when 'FAILED'  then c_failed
                  when 'READY'   then case when after.stopped then 0 else c_ready end
                  when 'RUNNING' then case when after.runner_id is null then c_ownerless else 0 end
                  else 0
                end)
    into v_news
    from after;

  -- Whoever claims in the same transaction looks after what it leaves.
  if v_news & (c_ready | c_ownerless) > 0 and v_claimer is null then
    notify task_ready;
  end if;

  if v_news & (c_parent | c_failed | c_ownerless) > 0 then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row. While we hold their runs,
  -- nobody else moves PENDING tasks. Whose result it was takes what becomes READY, as far as it has room.
  if v_news & c_parent > 0 then
    update sluice.tasks
       set waiting_for = tasks.waiting_for - child.parents,
           state       = case when child.taken then 'RUNNING' when child.ready then 'READY' else 'PENDING' end::sluice.task_state,
           token       = child.taken::integer,
           attempt     = child.taken::integer,
           runner_id   = case when child.taken then v_claimer end,
           started_at  = case when child.taken then statement_timestamp() end
      from (select fewer.run_id, fewer.child_no, fewer.parents, waiting.waiting_for = fewer.parents as ready,
                   waiting.waiting_for = fewer.parents
                     and count(*) filter (where waiting.waiting_for = fewer.parents) over (rows unbounded preceding) <= v_room as taken
              from (select after.run_id, edges.child_no, count(*)::integer as parents
                      from after
                      join sluice.workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
                     where after.state = 'SUCCESS'
                     group by after.run_id, edges.child_no
                     order by after.run_id, edges.child_no) as fewer
              join sluice.runs on runs.id = fewer.run_id and runs.status = 'RUNNING'
              join sluice.tasks as waiting on waiting.run_id = fewer.run_id and waiting.task_no = fewer.child_no) as child
     where tasks.run_id = child.run_id
       and tasks.task_no = child.child_no;
    if v_room > 0 then
      v_setting := set_config('sluice.took', 'on', true);
    end if;
  end if;

  if v_news & c_failed > 0 then
    update sluice.runs
       set status         = 'FAILED',
           finished_at    = statement_timestamp(),
           failed_task_no = first.task_no,
           reason         = first.error ->> 'message'
      from (select distinct on (after.run_id) after.run_id, after.task_no, after.error
              from after
             where after.state = 'FAILED'
             order by after.run_id, after.task_no) as first
     where runs.id = first.run_id
       and runs.status = 'RUNNING';
  end if;

  if v_news & (c_sink | c_failed) > 0 then
    v_setting := set_config('sluice.ended', 'on', true);
  end if;

  if v_news & c_sink > 0 then
    update sluice.runs
       set waiting_for = runs.waiting_for - sinks.succeeded,
           status      = case when runs.waiting_for = sinks.succeeded then 'COMPLETED' else runs.status end,
           finished_at = case when runs.waiting_for = sinks.succeeded then statement_timestamp() end
      from (select after.run_id, count(*)::integer as succeeded
              from after
             where after.state = 'SUCCESS'
               and after.is_sink
             group by after.run_id
             order by after.run_id) as sinks
     where runs.id = sinks.run_id
       and runs.status = 'RUNNING';
  end if;

  if v_news & c_ownerless > 0 then
    if exists (select from after
                where after.state = 'RUNNING'
                  and after.runner_id is null
                  and not exists (select from sluice.attempts
                                   where attempts.run_id = after.run_id and attempts.task_no = after.task_no and attempts.token = after.token - 1)) then
      raise exception using
        errcode = 'WF001',
        message = 'a task was taken from its runner, and nothing says so',
        hint    = 'Attempts stay on record: insert one into sluice.attempts first, or let sluice.end_runner do both.';
    end if;
    -- Tried again or given back, but its run has stopped meanwhile: it ends with the run.
    perform sluice.end_ownerless_tasks(array(select after.run_id
                                               from after
                                               join sluice.runs on runs.id = after.run_id and runs.status <> 'RUNNING'
                                              where after.state = 'RUNNING' and after.runner_id is null));
  end if;
  return null;
end;
$$;

/* What a task is given to read: outputs of tasks upstream, by name. */
create function sluice.outputs_of(p_run_id bigint, p_workflow_id bigint, p_task_nos integer[]) returns jsonb
  language sql stable
begin atomic
  select jsonb_object_agg(upstream.name, tasks.output)
    from unnest(p_task_nos) as read(task_no)
    join sluice.tasks on tasks.run_id = p_run_id and tasks.task_no = read.task_no
    join sluice.workflow_tasks as upstream on upstream.workflow_id = p_workflow_id and upstream.task_no = read.task_no;
end;

/*
 * One hop of a runner: results in, tasks out, in one round trip and one commit. It is one function, because each one
 * inside of another costs as much as a small statement. Rows are, in any order:
 *
 *   answers   of results that did not make their task SUCCESS: RETRY, FAILED; ALREADY when the same had been written before
 *             (so a call whose answer was lost can be repeated); LOST when the task was taken over meanwhile, or never was.
 *   runs      without task_no, that these results finished: COMPLETED or FAILED, how long they took and why they stopped.
 *   tasks     to run, p_slots at the most: CLAIMED. First what these results made READY; then, if p_look says to look for
 *             more, READY ones and those that were given back or are to be tried again, oldest run first.
 */
drop function sluice.report_and_claim(integer, jsonb, integer);
drop function sluice.report(jsonb);
drop function sluice.claim_tasks(integer, integer);

create function sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer, p_look boolean default true)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 started_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_results   constant integer := jsonb_array_length(p_results);
  v_failures  constant boolean := p_results @? '$[*].error';
  v_setting   text;
  v_succeeded integer;
  v_taken     integer          := 0;
  v_claimed   integer          := 0;
begin
  -- A runner that was given up must not claim. Taking over locks its row "for update", so one waits for the other.
  if p_slots > 0 then
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for key share;
    if not found then
      raise exception using
        errcode = 'WF006',
        message = format('runner %s is not registered any more: it was stopped, or thought dead and its tasks taken over', p_runner_id),
        hint    = 'Register again and go on under the new identity.';
    end if;
  end if;

  if v_results > 0 then
    -- For advance. Nothing is taken of a run that these results may stop.
    v_setting := set_config('sluice.claimer', coalesce(p_runner_id::text, ''), true);
    v_setting := set_config('sluice.room', case when v_failures then 0 else p_slots end::text, true);
    v_setting := set_config('sluice.took', 'off', true);
    v_setting := set_config('sluice.ended', 'off', true);

    -- Successes are written before the others. Where there are both, all are locked first, in the order of everybody.
    if v_failures then
      perform from tasks
         join jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer)
           on result.run_id = tasks.run_id and result.task_no = tasks.task_no
        order by tasks.run_id, tasks.task_no
          for no key update of tasks;
    end if;

    -- "finished_at is null" and not "state = 'RUNNING'": statistics from an idle moment must not lead to the index of what runs.
    update tasks
       set state       = 'SUCCESS',
           finished_at = statement_timestamp(),
           output      = coalesce(result.output, 'null')
      from (select *
              from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, output jsonb, error jsonb)
             where result.error is null
             order by result.run_id, result.task_no) as result
     where tasks.run_id = result.run_id
       and tasks.task_no = result.task_no
       and tasks.token = result.token
       and tasks.runner_id is not null
       and tasks.finished_at is null;
    get diagnostics v_succeeded = row_count;

    -- The others: failures, what had been reported before, and what was taken over meanwhile.
    if v_succeeded < v_results then
      return query
        with result as (
          select distinct on (result.run_id, result.task_no, result.token) result.*
            from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, error jsonb)
           order by result.run_id, result.task_no, result.token, result.error
        ), held as (
          select tasks.run_id, tasks.task_no, tasks.token, result.token as named, result.error,
                 result.error is not null and tasks.token = result.token and tasks.runner_id is not null and tasks.finished_at is null as open,
                 tasks.attempt <= definition.retries as again,
                 tasks.attempt, tasks.runner_id, tasks.started_at,
                 tasks.token = result.token and tasks.state = 'SUCCESS' and tasks.finished_at = statement_timestamp() as succeeded
            from result
            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no
            join workflow_tasks as definition on definition.workflow_id = tasks.workflow_id and definition.task_no = tasks.task_no
           order by tasks.run_id, tasks.task_no
             for no key update of tasks
        ), failed_attempts as (
          insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
          select held.run_id, held.task_no, held.token, held.attempt, 'FAILED', held.runner_id, held.started_at, statement_timestamp(), held.error
            from held
           where held.open
        ), failed as (
          update tasks
             set state       = (case when held.again then 'RUNNING' else 'FAILED' end)::task_state,
                 finished_at = case when not held.again then statement_timestamp() end,
                 error       = case when not held.again then held.error end,
                 attempt     = tasks.attempt + held.again::integer,
                 token       = tasks.token + held.again::integer,
                 runner_id   = case when not held.again then tasks.runner_id end
            from held
           where held.open
             and tasks.run_id = held.run_id
             and tasks.task_no = held.task_no
        )
        select case when held.open and held.again then 'RETRY'
                    when held.open then 'FAILED'
                    when held.token = held.named then 'ALREADY'
                    when exists (select from attempts
                                  where attempts.run_id = held.run_id and attempts.task_no = held.task_no
                                    and attempts.token = held.named and attempts.outcome = 'FAILED') then 'ALREADY'
                    else 'LOST'
               end,
               held.run_id, held.task_no, held.named,
               null::integer, null::bigint, null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
          from held
         where not held.succeeded
        union all
        select 'LOST', result.run_id, result.task_no, result.token, null, null, null, null, null, null, null
          from result
         where not exists (select from tasks where tasks.run_id = result.run_id and tasks.task_no = result.task_no);
    end if;

    -- One look-up by key for each; the planner could also think of reading all runs there are.
    if current_setting('sluice.ended') = 'on' then
      return query
        select run.status::text, run.id, null::integer, null::integer, null::integer, run.workflow_id,
               null::timestamptz, null::jsonb, null::jsonb,
               round(1000 * extract(epoch from run.finished_at - run.created_at))::double precision,
               case when run.status = 'FAILED' then
                 jsonb_build_object('task', (select failed.name from workflow_tasks as failed
                                              where failed.workflow_id = run.workflow_id and failed.task_no = run.failed_task_no),
                                    'reason', run.reason)
               end
          from (select distinct result.run_id as id from jsonb_to_recordset(p_results) as result(run_id bigint)) as ended
         cross join lateral (select * from runs where runs.id = ended.id offset 0) as run
         where run.finished_at = statement_timestamp();
    end if;
  end if;

  -- What advance took for us bears the number of this transaction (in a savepoint it would not: call this outside of any).
  if v_results > 0 then
    v_setting := set_config('sluice.claimer', '', true);
    if current_setting('sluice.took') = 'on' then
      return query
        select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
               case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
               null::double precision, null::jsonb
          from tasks as task
          join runs on runs.id = task.run_id
          join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no
         where task.runner_id = p_runner_id
           and task.state = 'RUNNING'
           and task.xmin = pg_current_xact_id()::xid;
      get diagnostics v_taken = row_count;
    end if;
  end if;

  if p_slots > v_taken and (p_look or v_failures) then
    return query
      with claimable as (
        select tasks.run_id, tasks.task_no
          from tasks
         where tasks.runner_id is null
           and tasks.state in ('READY', 'RUNNING')
           and not tasks.stopped
         order by tasks.run_id, tasks.task_no
         limit p_slots - v_taken
           for no key update of tasks skip locked
      ), task as (
        update tasks
           set state      = 'RUNNING',
               runner_id  = p_runner_id,
               started_at = statement_timestamp(),
               token      = greatest(tasks.token, 1),
               attempt    = greatest(tasks.attempt, 1)
          from claimable
         where tasks.run_id = claimable.run_id
           and tasks.task_no = claimable.task_no
        returning tasks.run_id, tasks.task_no, tasks.token, tasks.attempt, tasks.workflow_id
      )
      select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
             case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
             null::double precision, null::jsonb
        from task
        join runs on runs.id = task.run_id
        join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no;
    get diagnostics v_claimed = row_count;
  end if;

  -- What became claimable by these results was claimed just now, if there was room. Others are rung only for the rest.
  if v_taken + v_claimed = p_slots and v_results > 0 and p_runner_id is not null then
    if exists (select from runners where runners.ended_at is null and runners.id <> p_runner_id)
       and exists (select from tasks where tasks.runner_id is null and tasks.state in ('READY', 'RUNNING') and not tasks.stopped)
    then
      notify task_ready;
    end if;
  end if;
end;
$$;

comment on function sluice.report_and_claim(integer, jsonb, integer, boolean) is 'One hop of a runner: results in, tasks out, in one transaction. Without a runner it only reports. Raises WF006 when the runner was given up.';
comment on function sluice.outputs_of(bigint, bigint, integer[])                 is 'Outputs of these tasks of a run, as an object by their names.';
