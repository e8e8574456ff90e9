--! Previous: sha1:28e69bb543e0388353a108c2f8defd18bf05e8a9
--! Hash: sha1:76aeebc0adf77ae075bc3072702da98565e62151
--! Message: what hops and take-overs survive

/*
 * Whoever reports late locks nothing that is not his: he would be in the way of who has that run. An attempt that somebody has put
 * on record already, as the hint of WF001 tells people to, stays as it is. And no take-over that fails keeps a beat from being one.
 * What ends does so after it began, also where the statement is older than the wait for a lock.
 */
create or replace function sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer, p_from bigint default 0)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 started_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
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
    -- For advance. Nothing is taken of a run that these results may stop.
    v_setting := set_config('sluice.hop', array[p_runner_id, case when v_failures then 0 else p_slots end]::text, true);

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
    v_setting := set_config('sluice.hop', '', true);
    v_rows := nullif(current_setting('sluice.ended_runs', true), '');
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
    v_rows := nullif(current_setting('sluice.taken_tasks', true), '');
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
  if v_taken + v_claimed = p_slots and v_results > 0 and p_runner_id is not null then
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

create or replace function sluice.release_tasks(p_runner_id integer, p_outcome text, p_except jsonb default '[]') returns integer
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
     join open_tasks as held on activity.application_name = session_name(held.run_id, held.task_no, held.token)
    where activity.datname = current_database()
      and pg_has_role(activity.usesysid, 'MEMBER')
      and held.runner_id = p_runner_id
      and activity.application_name <> all (v_kept);

  with held as (
    select open_tasks.run_id, open_tasks.task_no, open_tasks.token, open_tasks.attempt, open_tasks.started_at,
           p_outcome = 'LOST' and open_tasks.crashes + 1 >= v_poison as poison
      from open_tasks
     where open_tasks.runner_id = p_runner_id
       and session_name(open_tasks.run_id, open_tasks.task_no, open_tasks.token) <> all (v_kept)
     order by open_tasks.run_id, open_tasks.task_no
       for no key update
  ), recorded as (
    insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
    select held.run_id, held.task_no, held.token, held.attempt, p_outcome, p_runner_id, held.started_at, greatest(statement_timestamp(), held.started_at), v_error
      from held
        on conflict do nothing
  )
  update tasks
     set crashes     = tasks.crashes + (p_outcome = 'LOST')::integer,
         state       = case when held.poison then 'FAILED' else tasks.state end,
         finished_at = case when held.poison then greatest(statement_timestamp(), held.started_at) end,
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

create or replace function sluice.end_ownerless_tasks(p_run_ids bigint[]) returns void
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  update tasks
     set state       = 'FAILED',
         finished_at = clock_timestamp(),
         error       = jsonb_build_object('code', 'RUN_STOPPED', 'message', 'the run stopped before the task could be taken on again')
   where tasks.run_id = any (p_run_ids)
     and tasks.state = 'RUNNING'
     and tasks.runner_id is null;
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
  v_setting := set_config('sluice.hop', '', true);
  failed_runs := (select coalesce(jsonb_agg(jsonb_build_object(
                           'run_id', runs.id::text,
                           'workflow', runs.workflow,
                           'answer', runs.status,
                           'took_ms', round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
                           'failure', jsonb_build_object('task', failed.name, 'reason', runs.reason))), '[]')
                    from runs
                    join workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
                   where runs.ctid = any (nullif(current_setting('sluice.ended_runs', true), '')::tid[]));
  v_setting := set_config('sluice.ended_runs', '', true);

  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;

create or replace function sluice.end_runner(p_runner_id integer, p_ending text) returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_released integer;
begin
  -- A hop holds its runner. One that is thought lost is left to the next beat.
  if p_ending = 'lost' then
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for update skip locked;
  else
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for update;
  end if;
  if not found then
    return null;
  end if;
  v_released := release_tasks(p_runner_id, case p_ending when 'lost' then 'LOST' else 'GIVEN BACK' end);
  update runners set ended_at = clock_timestamp(), ending = p_ending where runners.id = p_runner_id;
  return v_released;
end;
$$;

/* Who has ended holds nothing, and stays on record. */
create function sluice.guard_ended_runner() returns trigger
  language plpgsql
  set search_path = sluice, pg_temp
  set enable_seqscan = off
as $$
begin
  -- A hop holds its runner until what it has claimed is there to be seen; by an older snapshot it would not be.
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception using
      errcode = 'WF011',
      message = format('a runner cannot be ended in a transaction that is %s: it may not see all that it holds', current_setting('transaction_isolation')),
      hint    = 'Do it in one that is read committed: begin isolation level read committed.';
  end if;
  perform from runners where runners.id = old.id for update;
  if old.ended_at is not null or new.id <> old.id or exists (select from open_tasks where open_tasks.runner_id = old.id) then
    raise exception using
      errcode = 'WF001',
      message = case when old.ended_at is not null then format('runner %s has ended', old.id)
                     when new.id <> old.id         then format('runner %s keeps its number', old.id)
                     else                               format('runner %s cannot end, it holds tasks', old.id)
                end,
      hint    = 'sluice.end_runner gives back what it holds, and ends it.';
  end if;
  return new;
end;
$$;

comment on function sluice.guard_ended_runner() is 'A runner ends once, and holds no task then. Raises WF001, and WF011 unless the transaction is read committed.';

create trigger guard_ended_runner before update of id, ended_at on sluice.runners
  for each row when (old.ended_at is distinct from new.ended_at or old.id <> new.id) execute function sluice.guard_ended_runner();

create trigger runners_stay_on_record before delete or truncate on sluice.runners
  for each statement execute function sluice.refuse_to_forget();
