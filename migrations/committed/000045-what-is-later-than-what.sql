--! Previous: sha1:8bb88e3a49b92d4f5648402a4bfa5c47e488fa98
--! Hash: sha1:f2e642a1ecea86ef5bbf4960b5488c1df6195c05
--! Message: what is later than what

/*
 * The end of a run is later than what has happened in it, also when it had to be waited for; and a task whose run has stopped
 * is not said to be tried again: it has failed, of what it says itself.
 */
create or replace function sluice.cancel_run(p_run_id bigint, p_by text default session_user) returns boolean
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  -- It ends after all that has happened while we waited for it.
  perform from runs where runs.id = p_run_id and runs.status = 'RUNNING' for no key update;
  update runs
     set status = 'CANCELLED', finished_at = clock_timestamp(), reason = 'cancelled by ' || p_by
   where runs.id = p_run_id
     and runs.status = 'RUNNING';
  if not found and not exists (select from runs where runs.id = p_run_id) then
    raise exception using errcode = 'WF008', message = format('there is no run %s', p_run_id);
  end if;
  return found;
end;
$$;

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

    -- Successes are written before the others. Where there are both, all tasks are locked first, and then all runs, in the
    -- order of everybody.
    if v_failures then
      perform from tasks
         join jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer)
           on result.run_id = tasks.run_id and result.task_no = tasks.task_no
        order by tasks.run_id, tasks.task_no
          for no key update of tasks;
      perform from runs
        where runs.id in (select result.run_id from jsonb_to_recordset(p_results) as result(run_id bigint))
        order by runs.id
          for no key update;
    end if;

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
                 tasks.attempt <= definition.retries and runs.status = 'RUNNING' as again,
                 tasks.attempt, tasks.runner_id, tasks.started_at,
                 tasks.token = result.token and tasks.state = 'SUCCESS' and tasks.finished_at = statement_timestamp() as succeeded
            from result
            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no
            join runs on runs.id = tasks.run_id
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
