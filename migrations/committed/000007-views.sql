--! Previous: sha1:e6566e016ea283fe6d8a93f2cef0d6ad3138cc54
--! Hash: sha1:322fd0d53b228da6897e9456f30bdefd404ea84e
--! Message: views

/*
 * What people look at. In public, so that psql finds them without a prefix, and narrow enough for 120 columns. Each run's
 * tasks are counted beside it, so "limit 20" reads twenty runs, however many there are.
 */
create function sluice.duration(p_seconds numeric) returns text
  language sql immutable
begin atomic
  select case when p_seconds < 0.9995 then round(p_seconds * 1000) || ' ms'
              when p_seconds < 59.95  then round(p_seconds, 1) || ' s'
              when p_seconds < 3600   then floor(greatest(p_seconds, 60) / 60) || ' min ' || floor(greatest(p_seconds, 60) % 60) || ' s'
              else                         floor(p_seconds / 3600) || ' h ' || floor(p_seconds % 3600 / 60) || ' min'
         end;
end;

create view public.v_active_runs as
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
  from sluice.runs
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
 where runs.finished_at is null
 order by runs.id desc;

create view public.v_run_history as
select runs.id                                         as run,
       runs.workflow,
       runs.status,
       date_trunc('second', runs.created_at)::timestamp(0) as started,
       date_trunc('second', runs.finished_at)::time(0) as finished,
       sluice.duration(extract(epoch from runs.finished_at - runs.created_at)) as duration,
       tasks.succeeded || '/' || tasks.total           as tasks,
       left(failed.name, 15)                           as failed_task,
       left(translate(runs.reason, E'\n\r\t', '   '), 18) as error
  from sluice.runs
  left join sluice.workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
 cross join lateral (
   select count(*) as total, count(*) filter (where tasks.state = 'SUCCESS') as succeeded
     from sluice.tasks
    where tasks.run_id = runs.id
 ) as tasks
 where runs.status <> 'RUNNING'
 order by runs.id desc;

comment on function sluice.duration(numeric)          is 'Seconds in words: 84 ms, 1.2 s, 3 min 20 s, 2 h 5 min.';
comment on view   public.v_active_runs                is 'Runs under way, newest first.';
comment on column public.v_active_runs.run            is 'The run.';
comment on column public.v_active_runs.workflow       is 'Its workflow.';
comment on column public.v_active_runs.version        is 'Which version of it.';
comment on column public.v_active_runs.status         is 'RUNNING.';
comment on column public.v_active_runs.progress       is 'Tasks that have succeeded, of all.';
comment on column public.v_active_runs.running        is 'The tasks that run now, cut after 18 characters.';
comment on column public.v_active_runs.waiting_for    is 'What tasks that could run now wait for: a slot of a runner, or a runner at all.';
comment on column public.v_active_runs.started        is 'When it was started, in the time zone of the session.';
comment on column public.v_active_runs.age            is 'How long ago that was.';
comment on view   public.v_run_history                is 'Runs that have ended, newest first.';
comment on column public.v_run_history.run            is 'The run.';
comment on column public.v_run_history.workflow       is 'Its workflow.';
comment on column public.v_run_history.status         is 'COMPLETED, FAILED or CANCELLED.';
comment on column public.v_run_history.started        is 'When it was started, in the time zone of the session.';
comment on column public.v_run_history.finished       is 'The time of day at which it ended.';
comment on column public.v_run_history.duration       is 'How long it took.';
comment on column public.v_run_history.tasks          is 'Tasks that succeeded, of all.';
comment on column public.v_run_history.failed_task    is 'The task at whose failure it stopped, cut after 15 characters.';
comment on column public.v_run_history.error          is 'Why it stopped, cut after 18 characters; sluice.runs.reason has it whole.';
