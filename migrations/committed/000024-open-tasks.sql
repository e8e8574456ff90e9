--! Previous: sha1:a6279c05dcf1a683e8e61cf6da596ee2f4139533
--! Hash: sha1:ef533b14500cf1dd1796f70a179864fa308468d7
--! Message: open tasks

/*
 * Open tasks. Each move of a task made an entry in every index of its table, as it changed a column that some index was about;
 * and so did the end of a run. Now no index is about what a claim changes, nor about what the end of a run changes: the new
 * version stays on its page, and all indexes are left alone (HOT). With room on the page that is a sixth of the server's time
 * for a single task, and a quarter of its WAL.
 */

/* Open tasks: READY or RUNNING, unless put aside. One index of them for claims, for taking over and for what is active. */
drop index sluice.tasks_claimable;
drop index sluice.tasks_of_runner;
create index tasks_open on sluice.tasks (run_id, task_no)
  where waiting_for = 0 and finished_at is null and not stopped;

create view sluice.open_tasks as
select tasks.*
  from sluice.tasks
 where tasks.waiting_for = 0
   and tasks.finished_at is null
   and not tasks.stopped;

/* A run that is under way always has an open task, and is found by it: newest first, as the index has them. */
drop index sluice.runs_active;
create view sluice.active_runs as
select runs.*
  from (select distinct open_tasks.run_id
          from sluice.open_tasks
         order by open_tasks.run_id desc) as open
  join sluice.runs on runs.id = open.run_id
 where runs.finished_at is null;

drop index sluice.runs_stopped;
create index runs_stopped on sluice.runs (id) where reason is not null;

/* Room on the page for the version that comes next. */
alter table sluice.tasks set (fillfactor = 50);
alter table sluice.runs  set (fillfactor = 50);

/* Among open tasks, as they are no longer indexed by runner. */
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
    select tasks.run_id, tasks.task_no, tasks.token, tasks.attempt, tasks.started_at,
           p_outcome = 'LOST' and tasks.crashes + 1 >= v_poison as poison
      from tasks
     where tasks.waiting_for = 0
       and tasks.finished_at is null
       and not tasks.stopped
       and tasks.runner_id = p_runner_id
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

/* A sign of life, and news: who holds tasks says of which runs, and is told which of them have stopped. */
drop function sluice.beat(integer);
create function sluice.beat(p_runner_id integer, p_runs bigint[] default '{}')
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
  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;

/* What people look at. */
create or replace view public.v_active_runs as
select runs.id                                         as run,
       runs.workflow,
       workflows.version,
       runs.status,
       tasks.succeeded || '/' || tasks.total           as progress,
       left(tasks.running, 18)                         as running,
       case when tasks.claimable = 0 then null
            when exists (select from sluice.runners where runners.ended_at is null) then 'a slot'
            else 'a runner'
       end                                             as waiting_for,
       date_trunc('second', runs.created_at)::timestamp(0) as started,
       sluice.duration(extract(epoch from clock_timestamp() - runs.created_at)) as age
  from sluice.active_runs as runs
  join sluice.workflows on workflows.id = runs.workflow_id
 cross join lateral (
   select count(*)                                                                      as total,
          count(*) filter (where tasks.state = 'SUCCESS')                               as succeeded,
          count(*) filter (where tasks.state in ('READY', 'RUNNING') and tasks.runner_id is null) as claimable,
          string_agg(task.name, ', ' order by tasks.task_no) filter (where tasks.state = 'RUNNING' and tasks.runner_id is not null) as running
     from sluice.tasks
     join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
    where tasks.run_id = runs.id
 ) as tasks
 order by runs.id desc;

create or replace view public.v_runners as
select runners.id                                      as runner,
       runners.host,
       runners.pid,
       case when runners.ending is not null then runners.ending
            when runners.id in (select sluice.dead_runners()) then 'dead'
            else 'alive'
       end                                             as state,
       case when runners.ended_at is null then coalesce(held.tasks, 0) end as running,
       runners.slots,
       runners.started_at::timestamp(0)                as started,
       sluice.duration(extract(epoch from coalesce(runners.ended_at, clock_timestamp()) - runners.started_at)) as up,
       sluice.duration(greatest(0, extract(epoch from clock_timestamp() - runners.beat_at))) as last_beat
  from sluice.runners
  left join (select open_tasks.runner_id, count(*)::integer as tasks
               from sluice.open_tasks
              group by open_tasks.runner_id) as held on held.runner_id = runners.id
 order by runners.id desc;

create or replace view public.v_throughput as
select date_trunc('minute', event.at)::timestamp(0)       as minute,
       count(*) filter (where event.what = 'start')       as runs_started,
       count(*) filter (where event.what = 'RUNNING')     as tasks_started,
       count(*) filter (where event.what = 'SUCCESS')     as succeeded,
       count(*) filter (where event.what = 'FAILED')      as failed,
       round(count(*) filter (where event.what in ('SUCCESS', 'FAILED')) / 60.0, 1) as tasks_per_s
  from (
    select transitions.at, transitions.to_state::text as what
      from (select active_runs.id
              from sluice.active_runs
            union all
            select runs.id
              from sluice.runs
             where runs.finished_at >= date_trunc('minute', now()) - interval '59 minutes') as runs
     -- Run by run: a join would read all tasks there are.
     cross join lateral (select moved.at, moved.from_state, moved.to_state
                           from sluice.transitions as moved
                          where moved.run_id = runs.id
                         offset 0) as transitions
     where transitions.at >= date_trunc('minute', now()) - interval '59 minutes'
       and transitions.from_state is not null
    union all
    select runs.created_at, 'start'
      from sluice.runs
     where runs.created_at >= date_trunc('minute', now()) - interval '59 minutes'
  ) as event
 group by 1
 order by 1 desc;

/* The columns of these views are those of their tables, and so is what is said of them. */
do $$
begin
  execute (select string_agg(format('comment on column sluice.%I.%I is %L', view.name, attribute.attname, col_description(view.of, attribute.attnum)), ';')
             from (values ('open_tasks', 'sluice.tasks'::regclass), ('active_runs', 'sluice.runs'::regclass)) as view(name, of)
             join pg_attribute as attribute on attribute.attrelid = view.of and attribute.attnum > 0 and not attribute.attisdropped);
end;
$$;

comment on view     sluice.open_tasks                                 is 'Tasks that are READY or RUNNING, unless put aside because their run has stopped.';
comment on view     sluice.active_runs                                is 'Runs under way, found by their open tasks, newest first.';
comment on function sluice.beat(integer, bigint[])                    is 'A runner''s sign of life, once a second; takes over from dead runners meanwhile, and says which of these runs have stopped.';
