--! Previous: sha1:8d5c6529e0975c3bab778dba5be4c3b3364911b1
--! Hash: sha1:d2dbc80f9b5edc17a445958e3fc7ce25e155cc10
--! Message: rules in one place

/*
 * Which lock is whose, and which tasks are open, is said once.
 */
create view sluice.runner_locks as
  select objid::bigint as runner_id, pid
    from pg_locks
   where locktype = 'advisory'
     and granted
     and database = (select oid from pg_database where datname = current_database())
     and classid::bigint = sluice.runner_lock()::bigint & 4294967295
     and objsubid = 2;

comment on view   sluice.runner_locks           is 'The advisory locks by which runners are known to live.';
comment on column sluice.runner_locks.runner_id is 'The runner, by its identity.';
comment on column sluice.runner_locks.pid       is 'The session that holds the lock.';

create or replace function sluice.dead_runners(p_cut_off_since timestamptz default 'infinity') returns setof integer
  language sql volatile
begin atomic
  select runners.id
    from sluice.runners
   cross join lateral (select clock_timestamp() - greatest(runners.beat_at, pg_postmaster_start_time()) as time) as silent
   where runners.ended_at is null
     and runners.beat_at < p_cut_off_since - interval '1.5 s'
     and (silent.time > coalesce(nullif(current_setting('sluice.silence', true), ''), '15 s')::interval
          or (silent.time not between interval '0 s' and interval '1.5 s'
              and not exists (select from sluice.runner_locks where runner_locks.runner_id = runners.id)));
end;

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
