--! Previous: sha1:7fb1bdcb92d8db2587eacae8fc34d2ffe677fd15
--! Hash: sha1:7470050e72c7dc13738c273f0be681085c23c3fb
--! Message: statements that take postgres down

/*
 * A statement can take its server process down, and with it all of Postgres, for a moment: memory that runs out, a fault in an
 * extension. The runner lives on and runs the task again, so until now that went on for ever. Such an execution is a crash like
 * one that takes its runner down: it costs no attempt, and the fifth time is poison.
 */
drop function sluice.give_back_others(integer, jsonb);
drop function sluice.release_tasks(integer, text, jsonb);

create function sluice.release_tasks(p_runner_id integer, p_outcome text, p_except jsonb default '[]', p_crashed jsonb default '[]') returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_poison  constant integer := 5;
  v_kept    constant text[] := array(select session_name(kept.run_id, kept.task_no, kept.token)
                                       from jsonb_to_recordset(p_except) as kept(run_id bigint, task_no integer, token integer));
  v_crashed constant text[] := array(select session_name(crashed.run_id, crashed.task_no, crashed.token)
                                       from jsonb_to_recordset(p_crashed) as crashed(run_id bigint, task_no integer, token integer));
  v_count   integer;
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
     where open_tasks.runner_id = p_runner_id
       and session.name <> all (v_kept)
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

create function sluice.give_back_others(p_runner_id integer, p_kept jsonb, p_crashed jsonb default '[]', out given_back integer, out held integer)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set lock_timeout = '100ms'
as $$
declare
  v_held jsonb;
begin
  -- Runs that are busy are held most of the time, and are to be had by those who wait.
  begin
    given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept, p_crashed);
    held := 0;
    return;
  exception when lock_not_available then
    v_held := held_tasks(p_runner_id);
  end;
  given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept || v_held, p_crashed);
  held := (select count(*)
             from (select held.run_id, held.task_no, held.token
                     from jsonb_to_recordset(v_held) as held(run_id bigint, task_no integer, token integer)
                   except
                   select kept.run_id, kept.task_no, kept.token
                     from jsonb_to_recordset(p_kept) as kept(run_id bigint, task_no integer, token integer)) as others);
end;
$$;

comment on function sluice.release_tasks(integer, text, jsonb, jsonb) is 'Takes from a runner all its tasks but those that are excepted, as LOST or GIVEN BACK; as LOST those that crashed. The fifth loss fails a task. Says how many it took.';
comment on function sluice.give_back_others(integer, jsonb, jsonb)    is 'Takes from a living runner all its tasks but those given, and but those that somebody holds, as GIVEN BACK; as LOST those that crashed. Says how many, and how many others are held.';
comment on table  sluice.attempts      is 'Executions that did not succeed: failed ones, lost ones, and those that were given back.';
comment on column sluice.tasks.crashes is 'How often its runner, or the connection of its transaction amid a statement, was lost while it ran; the fifth time fails it as poison.';
