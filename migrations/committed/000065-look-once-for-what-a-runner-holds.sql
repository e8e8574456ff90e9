--! Previous: sha1:eb5bf13310fa274eb1c237470a6d084cffe6dfc0
--! Hash: sha1:8dfb568da05047107e6e6156605146189153e4ff
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
  v_poison  constant integer := 5;
  v_crashed constant text[] := array(select session_name(crashed.run_id, crashed.task_no, crashed.token)
                                       from jsonb_to_recordset(p_crashed) as crashed(run_id bigint, task_no integer, token integer));
  v_run_ids bigint[];
  v_sessions text[];
  v_count   integer;
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

/* Whoever may read v_inbox, which shows what runs are about, needs no right to what that is made of. */
alter function sluice.run_subject(bigint) security definer;

/* A mail whose run another session had just started was told as one that began here. */
create or replace function sluice.take_files(p_workflow text, p_paths text[], p_hashes text[], p_stamps text[], p_inputs jsonb[])
  returns table (run_id bigint, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
#variable_conflict use_column
declare
  v_hashes text[];
  v_inputs jsonb[];
  v_new    bigint[];
begin
  perform pg_advisory_xact_lock(hashtextextended('sluice.take_files ' || p_workflow, 0));

  select array_agg(fresh.sha256 order by fresh.position), array_agg(fresh.input order by fresh.position)
    into v_hashes, v_inputs
    from (select distinct on (given.sha256) given.sha256, given.input, given.position
            from unnest(p_hashes, p_inputs) with ordinality as given(sha256, input, position)
           where not exists (select from inbox_files as known where known.workflow = p_workflow and known.sha256 = given.sha256)
             and not exists (select from runs where runs.workflow = p_workflow and runs.key = 'sha256 ' || given.sha256)
           order by given.sha256, given.position) as fresh;
  if v_hashes is not null then
    select array_agg(started.run_id) filter (where started.is_new) into v_new
      from start_runs(p_workflow, v_inputs, array(select 'sha256 ' || hash from unnest(v_hashes) with ordinality as given(hash, position) order by position)) as started;
  end if;

  return query
    with file as (
      select given.path, given.sha256, given.stamp, given.position, found.run_id,
             found.run_id in (select unnest(v_new))
               and given.position = min(given.position) over (partition by given.sha256) as is_new
        from unnest(p_paths, p_hashes, p_stamps) with ordinality as given(path, sha256, stamp, position)
       cross join lateral (
         select coalesce((select runs.id from runs where runs.workflow = p_workflow and runs.key = 'sha256 ' || given.sha256),
                         (select max(known.run_id) from inbox_files as known where known.workflow = p_workflow and known.sha256 = given.sha256)) as run_id
       ) as found
    ), recorded as (
      insert into inbox_files (workflow, path, sha256, stamp, run_id)
      select distinct on (file.path, file.sha256) p_workflow, file.path, file.sha256, file.stamp, file.run_id
        from file
       order by file.path, file.sha256, file.position desc
          on conflict (workflow, path, sha256) do update set stamp = excluded.stamp, seen_at = excluded.seen_at
    )
    select file.run_id, file.is_new from file order by file.position;
end;
$$;

/* A task that waits to be tried again took longer and longer, though nobody was at work on it. */
create or replace view public.v_tasks as
select task.run_id                                     as run,
       task.task_no                                    as no,
       task.name                                       as task,
       task.connector || '.' || task.operation         as connector,
       task.state,
       case when task.attempt > 0 then task.attempt || '/' || task.retries + 1 end as attempt,
       case when task.reused_from is null and not (task.state = 'RUNNING' and task.runner_id is null)
            then sluice.duration(extract(epoch from coalesce(task.finished_at, clock_timestamp()) - task.started_at))
       end                                             as took,
       task.runner_id                                  as runner,
       sluice.cut(translate(case when task.reused_from is not null then 'reused from run ' || task.reused_from
                                 when task.skipped is not null     then 'skipped: ' || task.skipped
                                 else task.error ->> 'message'
                            end, E'\n\r\t', '   '), 40) as note
  from sluice.run_tasks as task
 order by task.run_id desc, task.task_no;

/* Nobody goes on with a task of a run that has stopped. */
create or replace function sluice.why(p_run_id bigint)
  returns table (task_no integer, task text, state sluice.task_state, code text, reason text)
  language sql stable
begin atomic
  select task.task_no,
         task.name,
         task.state,
         verdict.code,
         case verdict.code
           when 'SUCCEEDED'      then 'it has succeeded, in ' || sluice.duration(extract(epoch from task.finished_at - task.started_at))
           when 'REUSED'         then 'it did not have to run: it had succeeded in run ' || task.reused_from
           when 'SKIPPED'        then 'it was skipped: ' || task.skipped
           when 'FAILED'         then 'it failed in attempt ' || task.attempt || ' of ' || task.retries + 1 || ': ' || (task.error ->> 'message')
           when 'RUN_FAILED'     then 'the run stopped when ' || failed.name || ' failed: ' || runs.reason
           when 'RUN_CANCELLED'  then 'the run was ' || runs.reason
           when 'RUNNER_DEAD'    then 'its runner ' || task.runner_id || ' is dead: the next runner ' || case runs.status when 'RUNNING' then 'takes it over' else 'ends it' end || case when capacity.runners = 0 then '. Start one: npm run runner' else ', in a moment' end
           when 'RUNNING'        then 'it runs on runner ' || task.runner_id || ' since ' || sluice.duration(extract(epoch from clock_timestamp() - task.started_at))
           when 'NO_RUNNER'      then 'it could run, but no runner is alive. Start one: npm run runner'
           when 'NO_FREE_SLOT'   then 'it could run, but all slots are taken (runners: ' || capacity.runners || ', slots: ' || capacity.slots || ')'
           when 'TO_BE_CLAIMED'  then 'it could run, and a slot is free: it will be claimed in a moment'
           else 'it waits for ' || missing.names
         end
    from sluice.run_tasks as task
    join sluice.runs on runs.id = task.run_id
    left join sluice.workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
   cross join sluice.capacity
   cross join lateral (
     select case
              when task.reused_from is not null                       then 'REUSED'
              when task.skipped is not null                           then 'SKIPPED'
              when task.state = 'SUCCESS'                             then 'SUCCEEDED'
              when task.state = 'FAILED'                              then 'FAILED'
              when task.state = 'RUNNING' and task.runner_id in (select sluice.dead_runners()) then 'RUNNER_DEAD'
              when task.state = 'RUNNING' and task.runner_id is not null then 'RUNNING'
              when runs.status = 'FAILED'                             then 'RUN_FAILED'
              when runs.status = 'CANCELLED'                          then 'RUN_CANCELLED'
              when task.state = 'PENDING'                             then 'WAITS_FOR_PARENTS'
              when capacity.runners = 0                               then 'NO_RUNNER'
              when capacity.free = 0                                  then 'NO_FREE_SLOT'
              else 'TO_BE_CLAIMED'
            end as code
   ) as verdict
    left join lateral (
     select string_agg(parent.name || ' (' || parent.state || ')', ', ' order by parent.task_no) filter (where parent.place <= 5)
              || case when count(*) > 5 then ' and ' || count(*) - 5 || ' more' else '' end as names
       from (select up.task_no, up.name, up.state, row_number() over (order by up.task_no) as place
               from sluice.workflow_edges as edge
               join sluice.run_tasks as up on up.run_id = task.run_id and up.task_no = edge.parent_no
              where edge.workflow_id = task.workflow_id
                and edge.child_no = task.task_no
                and up.state <> 'SUCCESS') as parent
   ) as missing on verdict.code = 'WAITS_FOR_PARENTS'
   where task.run_id = p_run_id
   order by task.task_no;
end;
