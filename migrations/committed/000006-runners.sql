--! Previous: sha1:e24438693410eb142844095e455a273d60981adc
--! Hash: sha1:e6566e016ea283fe6d8a93f2cef0d6ad3138cc54
--! Message: runners

/*
 * What runners call: register, beat, report what they finished and claim what they have room for, take over from runners
 * that are dead, and give back what they leave undone. Everybody else may call it, too.
 */

/* The class of the advisory locks by which living runners are known; the runner's id is the lock's second key. */
create function sluice.runner_lock() returns integer
  language sql immutable
begin atomic
  select hashtext('sluice.runner');
end;

create function sluice.register_runner(p_host text, p_pid integer, p_slots integer) returns integer
  language sql volatile
begin atomic
  insert into sluice.runners (host, pid, slots) values (p_host, p_pid, p_slots) returning id;
end;

/*
 * Writes results: [{"run_id", "task_no", "token", "output": …} or {…, "error": {"code", "message"}}, …]. A failed attempt
 * with retries left leaves the task RUNNING without a runner, to be claimed again at once. The answer to each is SUCCESS,
 * RETRY, FAILED; ALREADY when it had been written before (so a call whose answer was lost can be repeated); LOST when
 * the task was taken over meanwhile. A row without task_no is a run that these results finished; its answer is its status.
 */
create function sluice.report(p_results jsonb)
  returns table (run_id bigint, task_no integer, token integer, answer text, finished jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  return query
    with result as (
      select *
        from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, output jsonb, error jsonb)
    ), held as (
      select tasks.run_id, tasks.task_no, result.token, result.output, result.error,
             tasks.token = result.token as mine,
             tasks.token = result.token and tasks.state = 'RUNNING' and tasks.runner_id is not null as open,
             result.error is not null and tasks.attempt <= definition.retries as again,
             tasks.attempt, tasks.runner_id, tasks.started_at
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
         and held.error is not null
    ), moved as (
      update tasks
         set state       = (case when held.error is null then 'SUCCESS' when held.again then 'RUNNING' else 'FAILED' end)::task_state,
             finished_at = case when not held.again then statement_timestamp() end,
             output      = case when held.error is null then coalesce(held.output, 'null') end,
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
           case when held.open and held.error is null then 'SUCCESS'
                when held.open and held.again then 'RETRY'
                when held.open then 'FAILED'
                when held.mine then 'ALREADY'
                when exists (select from attempts
                              where attempts.run_id = held.run_id and attempts.task_no = held.task_no
                                and attempts.token = held.token and attempts.outcome = 'FAILED') then 'ALREADY'
                else 'LOST'
           end,
           null::jsonb
      from held;

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

/*
 * Takes up to p_slots tasks, oldest run first: READY ones, and RUNNING ones that were given back or are to be tried again.
 * Locking the run "for key share" makes a failure of it wait until this claim has committed, and the other way round.
 */
create function sluice.claim_tasks(p_runner_id integer, p_slots integer)
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
        join runs on runs.id = tasks.run_id and runs.status = 'RUNNING'
       where tasks.runner_id is null
         and tasks.state in ('READY', 'RUNNING')
         and not tasks.stopped
       order by tasks.run_id, tasks.task_no
       limit p_slots
         for no key update of tasks skip locked
         for key share of runs skip locked
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

/*
 * One hop of a runner: results in, tasks out, in one round trip and one commit. Rows are those of report, and then the
 * tasks to run, with the answer CLAIMED.
 */
create function sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer)
  returns table (run_id bigint, task_no integer, token integer, answer text, finished jsonb,
                 attempt integer, workflow_id bigint, started_at timestamptz, input jsonb, outputs jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off
as $$
declare
  v_claimed integer := 0;
begin
  perform set_config('sluice.quiet', 'on', true);
  if p_results <> '[]' then
    return query
      select report.run_id, report.task_no, report.token, report.answer, report.finished,
             null::integer, null::bigint, null::timestamptz, null::jsonb, null::jsonb
        from report(p_results);
  end if;
  if p_slots > 0 then
    return query
      select claimed.run_id, claimed.task_no, claimed.token, 'CLAIMED', null::jsonb,
             claimed.attempt, claimed.workflow_id, claimed.started_at, claimed.input, claimed.outputs
        from claim_tasks(p_runner_id, p_slots) as claimed;
    get diagnostics v_claimed = row_count;
  end if;
  perform set_config('sluice.quiet', 'off', true);

  -- What became claimable by these results was claimed just now, if there was room. Others are rung only for the rest.
  if p_results <> '[]' and v_claimed = p_slots
     and exists (select from runners where runners.ended_at is null and runners.id <> p_runner_id)
     and exists (select from tasks where tasks.runner_id is null and tasks.state in ('READY', 'RUNNING') and not tasks.stopped)
  then
    notify task_ready;
  end if;
end;
$$;

/* The name of the session in which a task's transaction runs, so that it can be found and ended. */
create function sluice.session_name(p_run_id bigint, p_task_no integer, p_token integer) returns text
  language sql immutable
begin atomic
  select format('sluice task %s/%s/%s', p_run_id, p_task_no, p_token);
end;

/*
 * Takes tasks from a runner, inside RUNNING: their token changes, so nothing that it still sends is accepted, and they
 * can be claimed again. LOST counts as a crash, and the fifth crash fails the task as poison; GIVEN BACK costs nothing.
 */
create function sluice.release_tasks(p_runner_id integer, p_outcome text, p_except jsonb default '[]') returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_poison constant integer := 5;
  v_kept   constant text[] := array(select session_name(kept.run_id, kept.task_no, kept.token)
                                      from jsonb_to_recordset(p_except) as kept(run_id bigint, task_no integer, token integer));
  v_count  integer;
  v_error  constant jsonb := jsonb_build_object(
    'code', replace(p_outcome, ' ', '_'),
    'message', case p_outcome when 'LOST' then format('runner %s was lost while it ran the task', p_runner_id)
                              else format('runner %s gave the task back', p_runner_id) end);
begin
  -- A transaction that a stopped or cut-off process left open would hold us up, and later whoever runs the task again.
  perform pg_terminate_backend(activity.pid)
     from pg_stat_activity as activity
     join tasks on activity.application_name = session_name(tasks.run_id, tasks.task_no, tasks.token)
    where activity.datname = current_database()
      and pg_has_role(activity.usesysid, 'MEMBER')
      and tasks.runner_id = p_runner_id
      and tasks.state = 'RUNNING'
      and activity.application_name <> all (v_kept);

  with held as (
    select tasks.run_id, tasks.task_no, tasks.token, tasks.attempt, tasks.started_at,
           p_outcome = 'LOST' and tasks.crashes + 1 >= v_poison as poison
      from tasks
     where tasks.runner_id = p_runner_id
       and tasks.state = 'RUNNING'
       and session_name(tasks.run_id, tasks.task_no, tasks.token) <> all (v_kept)
     order by tasks.run_id, tasks.task_no
       for no key update
  ), recorded as (
    insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
    select held.run_id, held.task_no, held.token, held.attempt, p_outcome, p_runner_id, held.started_at, statement_timestamp(), v_error
      from held
  )
  update tasks
     set crashes     = tasks.crashes + (p_outcome = 'LOST')::integer,
         state       = case when held.poison then 'FAILED' else tasks.state end,
         finished_at = case when held.poison then statement_timestamp() end,
         error       = case when held.poison then jsonb_build_object(
                         'code', 'POISON',
                         'message', format('%s times its runner was lost while it ran this task; it is not tried again', v_poison)) end,
         token       = tasks.token + (not held.poison)::integer,
         runner_id   = case when held.poison then tasks.runner_id end
    from held
   where tasks.run_id = held.run_id
     and tasks.task_no = held.task_no;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;

/*
 * Runners that are dead: the advisory lock is gone and a grace of 1.5 s has passed since the last beat and since Postgres
 * started (so that whoever was cut off has time to come back), or the last sign of life is 15 s old (the process is
 * stopped). A session may set `sluice.silence` to another patience. Who was cut off himself says since when: he knows of
 * nobody's silence from then on.
 */
create function sluice.dead_runners(p_cut_off_since timestamptz default 'infinity') returns setof integer
  language sql volatile
begin atomic
  select runners.id
    from sluice.runners
   cross join lateral (select clock_timestamp() - greatest(runners.beat_at, pg_postmaster_start_time()) as time) as silent
   where runners.ended_at is null
     and runners.beat_at < p_cut_off_since - interval '1.5 s'
     and (silent.time > coalesce(nullif(current_setting('sluice.silence', true), ''), '15 s')::interval
          or (silent.time > interval '1.5 s'
              and not exists (select from pg_locks
                               where pg_locks.locktype = 'advisory'
                                 and pg_locks.database = (select oid from pg_database where datname = current_database())
                                 and pg_locks.classid::bigint = sluice.runner_lock()::bigint & 4294967295
                                 and pg_locks.objid::bigint = runners.id
                                 and pg_locks.objsubid = 2)));
end;

/* Ends a runner and takes its tasks from it. Null when another session is doing so, or it had ended. */
create function sluice.end_runner(p_runner_id integer, p_ending text) returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  perform from runners where runners.id = p_runner_id and runners.ended_at is null for update skip locked;
  if not found then
    return null;
  end if;
  update runners set ended_at = clock_timestamp(), ending = p_ending where runners.id = p_runner_id;
  return release_tasks(p_runner_id, case p_ending when 'lost' then 'LOST' else 'GIVEN BACK' end);
end;
$$;

/*
 * The sign of life, once a second, and all that a runner has to look after meanwhile: takes over from dead runners, says
 * whether it is still registered itself, whether there is something to claim, and which of its runs have stopped.
 */
create function sluice.beat(p_runner_id integer)
  returns table (alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[])
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_cut_off_since timestamptz;
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;
  lost_runners := array(select dead.id from dead_runners(v_cut_off_since) as dead(id)
                         where dead.id <> p_runner_id and end_runner(dead.id, 'lost') is not null);
  claimable := exists (select from tasks
                        where tasks.runner_id is null and tasks.state in ('READY', 'RUNNING') and not tasks.stopped);
  stopped_runs := array(select distinct runs.id
                          from tasks
                          join runs on runs.id = tasks.run_id
                         where tasks.runner_id = p_runner_id and tasks.state = 'RUNNING' and runs.status <> 'RUNNING');
  return next;
end;
$$;

/* Stops a run: what has not begun will not, what runs is told. False when the run had ended before. */
create function sluice.cancel_run(p_run_id bigint, p_by text default session_user) returns boolean
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  update runs
     set status = 'CANCELLED', finished_at = statement_timestamp(), reason = 'cancelled by ' || p_by
   where runs.id = p_run_id
     and runs.status = 'RUNNING';
  if not found and not exists (select from runs where runs.id = p_run_id) then
    raise exception using errcode = 'WF008', message = format('there is no run %s', p_run_id);
  end if;
  return found;
end;
$$;

comment on function sluice.runner_lock()                             is 'The first key of the advisory lock that a living runner holds; its id is the second.';
comment on function sluice.register_runner(text, integer, integer)   is 'A new identity for a runner. Take the advisory lock (runner_lock(), id) next, in a session of its own.';
comment on function sluice.report(jsonb)                             is 'Writes results of tasks, once each; says what became of each, and which runs they finished.';
comment on function sluice.claim_tasks(integer, integer)             is 'Takes READY tasks, and those to be tried again, for a runner. Raises WF006 when the runner was given up.';
comment on function sluice.report_and_claim(integer, jsonb, integer) is 'One hop of a runner: report, then claim_tasks, in one transaction.';
comment on function sluice.session_name(bigint, integer, integer)    is 'The application_name of the session that holds a task''s transaction.';
comment on function sluice.release_tasks(integer, text, jsonb)       is 'Takes from a runner all its tasks but those given, as LOST or GIVEN BACK; says how many.';
comment on function sluice.dead_runners(timestamptz)                 is 'Runners that hold no lock any more, or have not given a sign of life for 15 s.';
comment on function sluice.end_runner(integer, text)                 is 'Ends a runner as stopped or lost and releases its tasks.';
comment on function sluice.beat(integer)                             is 'A runner''s sign of life, once a second; takes over from dead runners meanwhile.';
comment on function sluice.cancel_run(bigint, text)                  is 'Cancels a run; false when it had ended. Raises WF008 when there is none.';
