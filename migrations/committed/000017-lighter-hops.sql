--! Previous: sha1:638db10816dac834accd0e58776343641861eadb
--! Hash: sha1:f00eb90d3ba16eb939b6d9a4109b9ea3bc0fa3af
--! Message: lighter hops

/*
 * One hop with less to do. Everything that it takes was weighed: locks that another lock covers are gone (the row of a task
 * is enough to keep a claim and a stop apart, and children are moved only by who holds their run), and functions that run
 * inside of others name the schema instead of setting a path, which was a fifth of a hop with one task.
 *
 * The order of locks is: own tasks, then their runs, each by id; a claim takes what nobody holds and waits for nobody.
 */
alter function sluice.refuse_transition() reset all;
alter function sluice.release_tasks(integer, text, jsonb) set enable_hashjoin = off;
alter function sluice.release_tasks(integer, text, jsonb) set enable_mergejoin = off;

/* The audit. The guard leaves one way into each state, so the new row alone tells which move it was. */
create or replace function sluice.record_transitions() returns trigger
  language plpgsql volatile
as $$
begin
  insert into sluice.transitions (run_id, task_no, from_state, to_state, attempt, runner_id, at)
  select after.run_id,
         after.task_no,
         case when tg_op = 'INSERT' and after.state = 'SUCCESS' then null
              when after.state = 'READY'   then 'PENDING'
              when after.state = 'RUNNING' then 'READY'
              else 'RUNNING'
         end::sluice.task_state,
         after.state,
         after.attempt,
         after.runner_id,
         statement_timestamp()
    from after
   where (after.state = 'READY' and not after.stopped)
      or (after.state = 'RUNNING' and after.token = 1)
      or after.state in ('SUCCESS', 'FAILED');
  return null;
end;
$$;

/*
 * What follows from a move: the doorbell rings, children count down and become READY, runs finish.
 *
 * A run has to be RUNNING for anything of it to become READY or to be tried again, and that is read under a lock on the
 * run, which also keeps two from counting down its tasks at once. A claim needs no lock on the run: a run that stops
 * puts its READY tasks aside, row by row, and waits for those that are being claimed.
 *
 * Plans are those of its callers' settings: report and release_tasks see to it that there is only the one by key.
 */
create or replace function sluice.advance() returns trigger
  language plpgsql volatile
as $$
declare
  v_parent    boolean;
  v_sink      boolean;
  v_failed    boolean;
  v_ready     boolean;
  v_ownerless boolean;
begin
  -- A task that is born SUCCESS (see reruns) is no news: whoever inserts it has counted it.
  select bool_or(after.state = 'SUCCESS' and not after.is_sink) and tg_op = 'UPDATE',
         bool_or(after.state = 'SUCCESS' and after.is_sink)     and tg_op = 'UPDATE',
         bool_or(after.state = 'FAILED'),
         bool_or(after.state = 'READY' and not after.stopped),
         bool_or(after.state = 'RUNNING' and after.runner_id is null)
    into v_parent, v_sink, v_failed, v_ready, v_ownerless
    from after;

  -- Whoever claims in the same transaction looks after what it leaves: see report_and_claim.
  if (v_ready or v_ownerless) and current_setting('sluice.quiet', true) is distinct from 'on' then
    notify task_ready;
  end if;

  if v_parent or v_failed or v_ownerless then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row.
  if v_parent then
    update sluice.tasks
       set waiting_for = tasks.waiting_for - fewer.parents,
           state       = case when tasks.waiting_for = fewer.parents then 'READY' else tasks.state end
      from (select after.run_id, edges.child_no, count(*)::integer as parents
              from after
              join sluice.workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
             where after.state = 'SUCCESS'
             group by after.run_id, edges.child_no) as fewer
      join sluice.runs on runs.id = fewer.run_id and runs.status = 'RUNNING'
     where tasks.run_id = fewer.run_id
       and tasks.task_no = fewer.child_no;
  end if;

  if v_failed then
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

  if v_sink then
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

  -- Tried again or given back, but its run has stopped meanwhile: it ends with the run.
  if v_ownerless then
    perform sluice.end_ownerless_tasks(array(select after.run_id
                                               from after
                                               join sluice.runs on runs.id = after.run_id and runs.status <> 'RUNNING'
                                              where after.state = 'RUNNING' and after.runner_id is null));
  end if;
  return null;
end;
$$;

/* As before: SUCCESS, RETRY, FAILED, ALREADY, LOST for each result, and a row for each run that these results finished. */
create or replace function sluice.report(p_results jsonb)
  returns table (run_id bigint, task_no integer, token integer, answer text, finished jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_succeeded integer;
begin
  -- Successes are written before the others. Where there are both, all are locked first, in the order of everybody.
  if p_results @? '$[*].error' then
    perform from tasks
       join jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer)
         on result.run_id = tasks.run_id and result.task_no = tasks.task_no
      order by tasks.run_id, tasks.task_no
        for no key update of tasks;
  end if;

  -- "finished_at is null" and not "state = 'RUNNING'": statistics from an idle moment must not lead to the index of what runs.
  return query
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
       and tasks.finished_at is null
    returning tasks.run_id, tasks.task_no, tasks.token, 'SUCCESS', null::jsonb;
  get diagnostics v_succeeded = row_count;

  -- The others: failures, what had been reported before, and what was taken over meanwhile.
  if v_succeeded < jsonb_array_length(p_results) then
    return query
      with result as (
        select distinct on (result.run_id, result.task_no, result.token) result.*
          from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, error jsonb)
         order by result.run_id, result.task_no, result.token, result.error
      ), held as (
        select tasks.run_id, tasks.task_no, result.token, result.error,
               tasks.token = result.token as mine,
               result.error is not null and tasks.token = result.token and tasks.runner_id is not null and tasks.finished_at is null as open,
               tasks.attempt <= definition.retries as again,
               tasks.attempt, tasks.runner_id, tasks.started_at
          from result
          join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no
          join workflow_tasks as definition on definition.workflow_id = tasks.workflow_id and definition.task_no = tasks.task_no
         where tasks.state <> 'SUCCESS' or tasks.finished_at <> statement_timestamp()
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
      select held.run_id,
             held.task_no,
             held.token,
             case when held.open and held.again then 'RETRY'
                  when held.open then 'FAILED'
                  when held.mine then 'ALREADY'
                  when exists (select from attempts
                                where attempts.run_id = held.run_id and attempts.task_no = held.task_no
                                  and attempts.token = held.token and attempts.outcome = 'FAILED') then 'ALREADY'
                  else 'LOST'
             end,
             null::jsonb
        from held;
  end if;

  return query
    select run.id, null::integer, null::integer, run.status::text,
           jsonb_build_object('workflow', run.workflow,
                              'took_ms', round(1000 * extract(epoch from run.finished_at - run.created_at)),
                              'failed_task', (select failed.name from workflow_tasks as failed
                                               where failed.workflow_id = run.workflow_id and failed.task_no = run.failed_task_no),
                              'reason', run.reason)
      from (select distinct run_id from jsonb_to_recordset(p_results) as result(run_id bigint)) as result
     -- One look-up by key for each; the planner could also think of reading all runs there are.
     cross join lateral (select * from runs where runs.id = result.run_id offset 0) as run
     where run.finished_at = statement_timestamp();
end;
$$;

/* Takes up to p_slots tasks, oldest run first: READY ones, and RUNNING ones that were given back or are to be tried again. */
create or replace function sluice.claim_tasks(p_runner_id integer, p_slots integer)
  returns table (run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint, started_at timestamptz, input jsonb, outputs jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  -- A runner that was given up must not claim. Taking over locks its row "for update", so one waits for the other.
  perform from runners where runners.id = p_runner_id and runners.ended_at is null for key share;
  if not found then
    raise exception using
      errcode = 'WF006',
      message = format('runner %s is not registered any more: it was stopped, or thought dead and its tasks taken over', p_runner_id),
      hint    = 'Register again and go on under the new identity.';
  end if;

  return query
    with claimable as (
      select tasks.run_id, tasks.task_no
        from tasks
       where tasks.runner_id is null
         and tasks.state in ('READY', 'RUNNING')
         and not tasks.stopped
       order by tasks.run_id, tasks.task_no
       limit p_slots
         for no key update of tasks skip locked
    ), claimed as (
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
    select claimed.run_id, claimed.task_no, claimed.token, claimed.attempt, claimed.workflow_id, runs.created_at, runs.input,
           case when definition.reads <> '{}' then (
             select jsonb_object_agg(upstream.name, tasks.output)
               from unnest(definition.reads) as read(task_no)
               join tasks on tasks.run_id = claimed.run_id and tasks.task_no = read.task_no
               join workflow_tasks as upstream on upstream.workflow_id = claimed.workflow_id and upstream.task_no = read.task_no
           ) end
      from claimed
      join runs on runs.id = claimed.run_id
      join workflow_tasks as definition on definition.workflow_id = claimed.workflow_id and definition.task_no = claimed.task_no;
end;
$$;

/* One hop of a runner: results in, tasks out, in one round trip and one commit. */
create or replace function sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer)
  returns table (run_id bigint, task_no integer, token integer, answer text, finished jsonb,
                 attempt integer, workflow_id bigint, started_at timestamptz, input jsonb, outputs jsonb)
  language plpgsql volatile
  set enable_seqscan = off
as $$
declare
  v_quiet   text    := set_config('sluice.quiet', 'on', true);
  v_claimed integer := 0;
begin
  if p_results <> '[]' then
    return query
      select report.run_id, report.task_no, report.token, report.answer, report.finished,
             null::integer, null::bigint, null::timestamptz, null::jsonb, null::jsonb
        from sluice.report(p_results);
  end if;
  if p_slots > 0 then
    return query
      select claimed.run_id, claimed.task_no, claimed.token, 'CLAIMED', null::jsonb,
             claimed.attempt, claimed.workflow_id, claimed.started_at, claimed.input, claimed.outputs
        from sluice.claim_tasks(p_runner_id, p_slots) as claimed;
    get diagnostics v_claimed = row_count;
  end if;
  v_quiet := set_config('sluice.quiet', 'off', true);

  -- What became claimable by these results was claimed just now, if there was room. Others are rung only for the rest.
  if v_claimed = p_slots and p_results <> '[]' then
    if exists (select from sluice.runners where runners.ended_at is null and runners.id <> p_runner_id)
       and exists (select from sluice.tasks where tasks.runner_id is null and tasks.state in ('READY', 'RUNNING') and not tasks.stopped)
    then
      notify task_ready;
    end if;
  end if;
end;
$$;

/* Runs: a finished one is immutable, and they finish by what their tasks do, or are cancelled. */
create or replace function sluice.refuse_run_change() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_by_trigger constant boolean := pg_trigger_depth() > 1;
begin
  if old.status <> 'RUNNING'
     or new.waiting_for > old.waiting_for
     or ((new.waiting_for < old.waiting_for or new.status in ('COMPLETED', 'FAILED')) and not v_by_trigger)
     or new.id <> old.id or new.workflow_id <> old.workflow_id or new.workflow <> old.workflow
     or new.input <> old.input or new.key is distinct from old.key or new.created_at <> old.created_at
  then
    raise exception using
      errcode = 'WF001',
      message = format('run %s is %s, and this change of it is not allowed', old.id, old.status),
      hint    = 'Runs move RUNNING → COMPLETED | FAILED | CANCELLED; their version, input and key never change.';
  end if;
  return new;
end;
$$;

comment on function sluice.refuse_run_change() is 'Lets legal changes of runs pass, and says why another is refused.';
