--! Previous: sha1:2a68ce06a608e033f9104363ca08fb5682aaae2e
--! Hash: sha1:2ae1167a41d5178e45516023fa0ef08985ab94ad
--! Message: a runner that lives

/*
 * Whether somebody is there to run tasks is said in one place. v_active_runs took a runner that was dead for one.
 */

create function sluice.has_runner() returns boolean
  language sql volatile
begin atomic
  select exists (select from sluice.runners
                  where runners.ended_at is null
                    and runners.id not in (select dead.id from sluice.dead_runners() as dead(id)));
end;

create or replace view public.v_active_runs as
select runs.id                                         as run,
       runs.workflow,
       workflows.version,
       runs.status,
       tasks.succeeded || '/' || tasks.total           as progress,
       left(tasks.running, 18)                         as running,
       case when tasks.claimable = 0                   then null
            when (select sluice.has_runner())          then 'a slot'
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

comment on function sluice.has_runner() is 'Whether any runner is alive.';
