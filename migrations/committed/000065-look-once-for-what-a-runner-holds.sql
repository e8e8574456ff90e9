--! Previous: sha1:eb5bf13310fa274eb1c237470a6d084cffe6dfc0
--! Hash: sha1:d3e4fd7d9592c751f3caa9f9d65e4978d61b7284
--! Message: look once for what a runner holds

/*
 * Taking over looked for what the dead runner held three times, each time among all that is open: with five million tasks
 * waiting that took longer than a beat may, so that nobody was ever taken over from. It looks for that once now, and once more
 * for nothing as the runner ends.
 */
create or replace function sluice.release_tasks(p_runner_id integer, p_outcome text, p_except jsonb default '[]', p_crashed jsonb default '[]') returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_poison   constant integer := 5;
  v_crashed  constant text[] := array(select session_name(crashed.run_id, crashed.task_no, crashed.token)
                                        from jsonb_to_recordset(p_crashed) as crashed(run_id bigint, task_no integer, token integer));
  v_run_ids  bigint[];
  v_sessions text[];
  v_count    integer;
begin
  select array_agg(mine.run_id), array_agg(mine.session)
    into v_run_ids, v_sessions
    from (select open_tasks.run_id, session_name(open_tasks.run_id, open_tasks.task_no, open_tasks.token) as session
            from open_tasks
           where open_tasks.runner_id = p_runner_id) as mine
   where mine.session not in (select session_name(kept.run_id, kept.task_no, kept.token)
                                from jsonb_to_recordset(p_except) as kept(run_id bigint, task_no integer, token integer));

  -- A transaction that a stopped or cut-off process left open would hold us up, and later whoever runs the task again.
  perform pg_terminate_backend(activity.pid)
     from pg_stat_activity as activity
    where activity.datname = current_database()
      and activity.application_name = any (v_sessions)
      and may_end_sessions_of(activity.usesysid);

  with held as (
    select open_tasks.run_id, open_tasks.task_no, open_tasks.token, open_tasks.attempt, open_tasks.started_at,
           released.outcome, released.what, released.outcome = 'LOST' and open_tasks.crashes + 1 >= v_poison as poison
      from open_tasks
     cross join lateral (select session_name(open_tasks.run_id, open_tasks.task_no, open_tasks.token) as name) as session
     cross join lateral (
       select case when session.name = any (v_crashed) then 'LOST' else p_outcome end as outcome,
              case when session.name = any (v_crashed) then format('the connection of its transaction broke amid a statement, on runner %s', p_runner_id)
                   when p_outcome = 'LOST'             then format('runner %s was lost while it ran the task', p_runner_id)
                   else                                     format('runner %s gave the task back', p_runner_id)
              end as what
     ) as released
     where open_tasks.run_id = any (v_run_ids)
       and open_tasks.runner_id = p_runner_id
       and session.name in (select unnest(v_sessions))
     order by open_tasks.run_id, open_tasks.task_no
       for no key update of open_tasks
  ), recorded as (
    insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
    select held.run_id, held.task_no, held.token, held.attempt, held.outcome, p_runner_id, held.started_at, greatest(statement_timestamp(), held.started_at),
           jsonb_build_object('code', replace(held.outcome, ' ', '_'), 'message', held.what)
      from held
        on conflict do nothing
  )
  update tasks
     set crashes     = tasks.crashes + (held.outcome = 'LOST')::integer,
         state       = case when held.poison then 'FAILED' else tasks.state end,
         finished_at = case when held.poison then greatest(statement_timestamp(), held.started_at) end,
         error       = case when held.poison then jsonb_build_object(
                         'code', 'POISON',
                         'message', format('%s times its runner or its connection was lost while it ran this task; it is not tried again', v_poison)) end,
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
 * A member of a role may not always end its sessions: not those of a superuser, nor as a member that does not inherit. A
 * take-over failed by that; it passes over such a session now.
 */
create function sluice.may_end_sessions_of(p_role oid) returns boolean
  language sql stable
begin atomic
  select pg_has_role(p_role, 'USAGE')
         and (current_setting('is_superuser') = 'on' or not (select pg_roles.rolsuper from pg_roles where pg_roles.oid = p_role));
end;

comment on function sluice.may_end_sessions_of(oid) is 'Whether the current role may end the sessions of that one.';
