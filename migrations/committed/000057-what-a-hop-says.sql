--! Previous: sha1:56874647627a2ad82b3d18d052c62e0ec9aa58e9
--! Hash: sha1:a0996223a8cc20f264ac001fba86150283465ed5
--! Message: what a hop says

/*
 * A hop says all that came of it, whatever somebody's own triggers do within it: what they end or make READY by hand, by a hop or by a
 * beat is its news. What it says of the time at which a run was started is called so.
 * Its marks are good though the clock goes back meanwhile (see the migration before).
 */
drop function sluice.start_and_claim(integer, integer, text, jsonb, bigint);
drop function sluice.report_and_claim(integer, jsonb, integer, bigint);

create or replace function sluice.advance() returns trigger
  language plpgsql volatile
as $$
declare
  -- What is new, as a sum.
  c_parent    constant integer     := 1;
  c_sink      constant integer     := 2;
  c_failed    constant integer     := 4;
  c_ready     constant integer     := 8;
  c_ownerless constant integer     := 16;
  -- At which depth triggers fire on what another one of these has written.
  v_written   constant text        := coalesce(current_setting('sluice.follows', true), '');
  v_follows   constant boolean     := v_written = pg_trigger_depth()::text;
  -- The runner in whose hop this happens, and how many tasks it has room for.
  v_hop       constant integer[]   := nullif(current_setting('sluice.hop', true), '');
  -- Marks have to be of this very moment. The clock may go back meanwhile.
  v_since     constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until     constant timestamptz := greatest(statement_timestamp(), clock_timestamp());
  -- What follows is later than its cause, which may have been written while this statement waited for the run.
  v_now       timestamptz;
  v_news      integer;
  v_taken     tid[];
  v_ended     tid[];
  v_setting   text;
begin
  -- Whatever is unknown is refused as well.
  select bit_or(case when move.legal and move.broken is null then move.news
                     else sluice.refuse_task(move.run_id, move.task_no, move.was, move.state, case when move.legal then move.broken end)
                end)
    into v_news
    from (select coalesce(before.run_id, after.run_id)   as run_id,
                 coalesce(before.task_no, after.task_no) as task_no,
                 before.state                            as was,
                 after.state,
                 case after.state
                   when 'SUCCESS' then case when after.is_sink then c_sink else c_parent end
                   when 'FAILED'  then c_failed
                   when 'READY'   then case when after.stopped then 0 else c_ready end
                   when 'RUNNING' then case when after.runner_id is null then c_ownerless else 0 end
                   else 0
                 end as news,
                 case
                   -- It ends, as what it was when it ran.
                   when after.state > 'RUNNING' then
                     before.state = 'RUNNING' and after.token = before.token and after.attempt = before.attempt
                     and after.runner_id is not distinct from before.runner_id and after.started_at = before.started_at
                     and (after.finished_at is null or after.finished_at between v_since and greatest(v_until, before.started_at))
                   -- A parent has succeeded, or its run has stopped.
                   when after.state < 'RUNNING' then
                     v_follows and (before.state = 'PENDING' and after.waiting_for < before.waiting_for
                                    or before.state = 'READY' and after.stopped and not before.stopped)
                   -- It is taken from its runner, or tried again.
                   when after.runner_id is null then
                     before.state = 'RUNNING' and after.token > before.token and after.started_at = before.started_at
                     and after.attempt between before.attempt and before.attempt + 1
                   -- It is claimed; maybe in the moment in which it became READY, by the runner whose result it was that made it so.
                   else
                     before.runner_id is null and not before.stopped and before.state <= 'RUNNING'
                     and (before.state > 'PENDING' or v_follows and after.waiting_for < before.waiting_for)
                     and after.token = greatest(before.token, 1) and after.attempt = greatest(before.attempt, 1)
                     and after.started_at between v_since and greatest(v_until, before.ready_at)
                 end
                 and after.workflow_id = before.workflow_id and after.is_sink = before.is_sink
                 and after.crashes between before.crashes
                                       and before.crashes + (before.runner_id is not null and (after.runner_id is null or after.state = 'FAILED'))::integer
                 and case when before.ready_at is not null then after.ready_at = before.ready_at
                          else after.ready_at is null or after.ready_at between v_since and v_until
                     end as legal,
                 sluice.broken_task_rule(after.state, after.waiting_for, after.stopped, after.token, after.ready_at, after.finished_at, after.output, after.error) as broken
            from before
            full join after on after.run_id = before.run_id and after.task_no = before.task_no
          offset 0) as move;

  if v_news = 0 then
    return null;
  end if;
  -- Whoever claims in the same transaction looks after what it leaves; what follows from a result leads to nothing further.
  if v_hop[1] is null then
    if v_news & (c_ready | c_ownerless) > 0 then
      notify task_ready;
    end if;
  elsif v_follows then
    return null;
  end if;
  v_setting := set_config('sluice.follows', (pg_trigger_depth() + 1)::text, true);

  if v_news & (c_parent | c_failed | c_ownerless) > 0 then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
    v_now := greatest(statement_timestamp(), clock_timestamp());
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row. While we hold their runs,
  -- nobody else moves PENDING tasks. Whose result it was takes what becomes READY, as far as it has room.
  if v_news & c_parent > 0 then
    with moved as (
      update sluice.tasks
         set waiting_for = tasks.waiting_for - child.parents,
             state       = case when child.taken then 'RUNNING' when child.ready then 'READY' else 'PENDING' end::sluice.task_state,
             ready_at    = case when child.ready then v_now end,
             token       = child.taken::integer,
             attempt     = child.taken::integer,
             runner_id   = case when child.taken then v_hop[1] end,
             started_at  = case when child.taken then v_now end
        from (select fewer.run_id, fewer.child_no, fewer.parents, waiting.waiting_for = fewer.parents as ready,
                     waiting.waiting_for = fewer.parents
                       and count(*) filter (where waiting.waiting_for = fewer.parents) over (rows unbounded preceding) <= coalesce(v_hop[2], 0) as taken
                from (select after.run_id, edges.child_no, count(*)::integer as parents
                        from after
                        join sluice.workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
                       where after.state = 'SUCCESS'
                       group by after.run_id, edges.child_no
                       order by after.run_id, edges.child_no) as fewer
                join sluice.runs on runs.id = fewer.run_id and runs.status = 'RUNNING'
                join sluice.tasks as waiting on waiting.run_id = fewer.run_id and waiting.task_no = fewer.child_no) as child
       where tasks.run_id = child.run_id
         and tasks.task_no = child.child_no
      returning tasks.ctid, child.taken
    )
    select array_agg(moved.ctid) into v_taken from moved where moved.taken;
    if v_taken is not null then
      v_setting := set_config('sluice.taken_tasks', (nullif(current_setting('sluice.taken_tasks', true), '')::tid[] || v_taken)::text, true);
    end if;
  end if;

  if v_news & c_failed > 0 then
    with ended as (
      update sluice.runs
         set status         = 'FAILED',
             finished_at    = greatest(statement_timestamp(), clock_timestamp(), runs.created_at),
             failed_task_no = first.task_no,
             reason         = first.error ->> 'message'
        from (select distinct on (after.run_id) after.run_id, after.task_no, after.error
                from after
               where after.state = 'FAILED'
               order by after.run_id, after.task_no) as first
       where runs.id = first.run_id
         and runs.status = 'RUNNING'
      returning runs.ctid
    )
    select array_agg(ended.ctid) into v_ended from ended;
  end if;

  if v_news & c_sink > 0 then
    with counted as (
      update sluice.runs
         set waiting_for = runs.waiting_for - sinks.succeeded,
             status      = case when runs.waiting_for = sinks.succeeded then 'COMPLETED' else runs.status end,
             finished_at = case when runs.waiting_for = sinks.succeeded then greatest(statement_timestamp(), clock_timestamp(), runs.created_at) end
        from (select after.run_id, count(*)::integer as succeeded
                from after
               where after.state = 'SUCCESS'
                 and after.is_sink
               group by after.run_id
               order by after.run_id) as sinks
       where runs.id = sinks.run_id
         and runs.status = 'RUNNING'
      returning runs.ctid, runs.finished_at
    )
    select v_ended || array_agg(counted.ctid) into v_ended from counted where counted.finished_at is not null;
  end if;

  -- A hop may have several: successes are written first, the others by a second statement, and somebody's own triggers may write.
  if v_ended is not null and v_hop is not null then
    v_setting := set_config('sluice.ended_runs', (nullif(current_setting('sluice.ended_runs', true), '')::tid[] || v_ended)::text, true);
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
  v_setting := set_config('sluice.follows', v_written, true);
  return null;
end;
$$;

create function sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer, p_from bigint default 0)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 run_created_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_results   constant integer := jsonb_array_length(p_results);
  v_failures  constant boolean := p_results @? '$[*].error';
  -- What is to be tried again may be of any run.
  v_from      constant bigint  := case when v_failures then 0 else p_from end;
  v_setting   text;
  v_outer     text;
  v_rows      tid[];
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
    -- For advance. Nothing is taken of a run that these results may stop. Within another hop, by somebody's own trigger, results are
    -- as what is done by hand, and that hop says what comes of them.
    v_outer := coalesce(current_setting('sluice.hop', true), '');
    v_setting := set_config('sluice.hop', case when v_outer = '' then array[p_runner_id, case when v_failures then 0 else p_slots end]::text
                                               else '{NULL,0}' end, true);

    -- Successes are written before the others. Where there are both, all tasks are locked first that the results are still of,
    -- and then all runs, in the order of everybody.
    if v_failures then
      perform from tasks
         join jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer)
           on result.run_id = tasks.run_id and result.task_no = tasks.task_no and result.token = tasks.token
        where tasks.runner_id is not null and tasks.finished_at is null
        order by tasks.run_id, tasks.task_no
          for no key update of tasks;
      perform from runs
        where runs.id in (select tasks.run_id
                            from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer)
                            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no and tasks.token = result.token
                           where tasks.runner_id is not null and tasks.finished_at is null)
        order by runs.id
          for no key update;
    end if;

    update tasks
       set state       = 'SUCCESS',
           finished_at = greatest(statement_timestamp(), tasks.started_at),
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
                 tasks.attempt <= definition.retries and runs.status = 'RUNNING' as again,
                 tasks.attempt, tasks.runner_id, tasks.started_at,
                 tasks.token = result.token and tasks.state = 'SUCCESS' and tasks.finished_at >= statement_timestamp() as succeeded
            from result
            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no
            join runs on runs.id = tasks.run_id
            join workflow_tasks as definition on definition.workflow_id = tasks.workflow_id and definition.task_no = tasks.task_no
           order by tasks.run_id, tasks.task_no
        ), failed_attempts as (
          insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
          select held.run_id, held.task_no, held.token, held.attempt, 'FAILED', held.runner_id, held.started_at, greatest(statement_timestamp(), held.started_at), held.error
            from held
           where held.open
              on conflict do nothing
        ), failed as (
          update tasks
             set state       = (case when held.again then 'RUNNING' else 'FAILED' end)::task_state,
                 finished_at = case when not held.again then greatest(statement_timestamp(), held.started_at) end,
                 error       = case when not held.again then held.error end,
                 attempt     = tasks.attempt + held.again::integer,
                 token       = tasks.token + held.again::integer,
                 runner_id   = case when not held.again then tasks.runner_id end
            from held
           where held.open
             and tasks.run_id = held.run_id
             and tasks.task_no = held.task_no
        )
        -- What is to be tried again ends with its run, when another result stops that.
        select case when held.open and held.again
                     and not bool_or(held.open and not held.again) over (partition by held.run_id) then 'RETRY'
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

    -- What advance has left here. It names rows by their place: nobody else moves them before we commit.
    v_rows := case when set_config('sluice.hop', v_outer, true) = '' then nullif(current_setting('sluice.ended_runs', true), '') end;
    if v_rows is not null then
      v_setting := set_config('sluice.ended_runs', '', true);
      return query
        select runs.status::text, runs.id, null::integer, null::integer, null::integer, runs.workflow_id,
               null::timestamptz, null::jsonb, null::jsonb,
               round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
               case when runs.status = 'FAILED' then
                 jsonb_build_object('task', (select failed.name from workflow_tasks as failed
                                              where failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no),
                                    'reason', runs.reason)
               end
          from runs
         where runs.ctid = any (v_rows);
    end if;
    v_rows := case when v_outer = '' then nullif(current_setting('sluice.taken_tasks', true), '') end;
    if v_rows is not null then
      v_setting := set_config('sluice.taken_tasks', '', true);
      return query
        select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
               case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
               null::double precision, null::jsonb
          from tasks as task
          join runs on runs.id = task.run_id
          join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no
         where task.ctid = any (v_rows);
      get diagnostics v_taken = row_count;
    end if;
  end if;

  if p_slots > v_taken and v_from is not null then
    return query
      with task as (
        update tasks
           set state      = 'RUNNING',
               runner_id  = p_runner_id,
               started_at = greatest(statement_timestamp(), tasks.ready_at),
               token      = greatest(tasks.token, 1),
               attempt    = greatest(tasks.attempt, 1)
         where tasks.ctid = any (array(
                 select claimable.ctid
                   from tasks as claimable
                  where claimable.run_id >= v_from
                    and claimable.waiting_for = 0
                    and claimable.finished_at is null
                    and not claimable.stopped
                    and claimable.runner_id is null
                  order by claimable.run_id, claimable.task_no
                  limit p_slots - v_taken
                    for no key update skip locked))
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
  if v_taken + v_claimed >= p_slots and v_results > 0 and p_runner_id is not null then
    if exists (select from runners where runners.ended_at is null and runners.id <> p_runner_id)
       and exists (select from open_tasks
                    where open_tasks.run_id >= case when v_claimed > 0 then v_from else 0 end
                      and open_tasks.runner_id is null)
    then
      notify task_ready;
    end if;
  end if;
end;
$$;

create function sluice.start_and_claim(p_runner_id integer, p_slots integer, p_workflow text, p_input jsonb, p_checked_for bigint default null)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 run_created_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off
  set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
  v_run_id bigint;
begin
  select started.run_id into v_run_id
    from start_runs(p_workflow, array[p_input], null, p_checked_for, p_runner_id, p_slots) as started;

  return query
    select 'STARTED', v_run_id, null::integer, null::integer, null::integer, null::bigint,
           null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
     union all
    select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
           null, null, null
      from runs
      join tasks as task on task.run_id = runs.id
     where runs.id = v_run_id
       and task.state = 'RUNNING';
end;
$$;

create or replace function sluice.beat(p_runner_id integer, p_runs bigint[] default '{}')
  returns table (alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[], failed_runs jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_bitmapscan = off
as $$
declare
  v_cut_off_since timestamptz;
  v_setting       text;
  v_dead          integer;
  v_until         constant timestamptz := clock_timestamp() + interval '1 s';
  v_outer         constant text        := coalesce(current_setting('sluice.hop', true), '');
  v_patience      constant text        := current_setting('lock_timeout');
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;

  -- As in a hop that claims nothing, advance leaves the runs that end. One dead runner a beat: with the runs of one in hand
  -- we must not wait for those of another. One that somebody else is ending does not count, nor does one of whose runs
  -- somebody holds one for longer than we wait, or that fails: another one's turn comes first at some beat.
  lost_runners := '{}';
  v_setting := set_config('sluice.hop', '{NULL,0}', true);
  v_setting := set_config('lock_timeout', '500ms', true);
  for v_dead in select dead.id from dead_runners(v_cut_off_since) as dead(id) where dead.id <> p_runner_id order by random() loop
    begin
      if end_runner(v_dead, 'lost') is not null then
        lost_runners := array[v_dead];
      end if;
    exception
      when lock_not_available then
        null;
      when others or assert_failure then
        raise warning 'runner % cannot be taken over from: %', v_dead, sqlerrm;
    end;
    exit when lost_runners <> '{}' or clock_timestamp() > v_until;
  end loop;
  v_setting := set_config('lock_timeout', v_patience, true);
  v_setting := set_config('sluice.hop', v_outer, true);
  failed_runs := (select coalesce(jsonb_agg(jsonb_build_object(
                           'run_id', runs.id::text,
                           'workflow', runs.workflow,
                           'answer', runs.status,
                           'took_ms', round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
                           'failure', jsonb_build_object('task', failed.name, 'reason', runs.reason))), '[]')
                    from runs
                    join workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
                   where runs.ctid = any (nullif(current_setting('sluice.ended_runs', true), '')::tid[])
                     and v_outer = '');
  if v_outer = '' then
    v_setting := set_config('sluice.ended_runs', '', true);
  end if;

  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;

comment on function sluice.report_and_claim(integer, jsonb, integer, bigint)       is 'One hop of a runner: results in, tasks out, in one transaction. Without a runner it only reports. Raises WF006 when the runner was given up.';
comment on function sluice.start_and_claim(integer, integer, text, jsonb, bigint) is 'Starts a run whose first tasks are claimed by a runner, in one commit. Raises what start_runs and report_and_claim raise.';
