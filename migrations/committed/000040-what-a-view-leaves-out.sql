--! Previous: sha1:6fbc674475cd2525d0cce1b200f148e1046b0a65
--! Hash: sha1:95a69fcda133ca6524ad8ffa0ed84cbcf48afbe0
--! Message: what a view leaves out

/*
 * What the two views cut, so that they fit into 120 columns, shows that it was cut. "there is no file" is another error than
 * "there is no file …".
 */

/* The beginning of a text, with "…" for what is left out: so many characters at the most. */
create function sluice.cut(p_text text, p_length integer) returns text
  language sql immutable
  return case when length(p_text) > p_length then left(p_text, p_length - 1) || '…' else p_text end;

create or replace view public.v_run_history as
select runs.id                                         as run,
       runs.workflow,
       runs.status,
       date_trunc('second', runs.created_at)::timestamp(0) as started,
       date_trunc('second', runs.finished_at)::time(0) as finished,
       sluice.duration(extract(epoch from runs.finished_at - runs.created_at)) as duration,
       tasks.succeeded || '/' || tasks.total           as tasks,
       sluice.cut(failed.name, 15)                     as failed_task,
       sluice.cut(translate(runs.reason, E'\n\r\t', '   '), 18) as error
  from sluice.runs
  left join sluice.workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
 cross join lateral (
   select count(*) as total, count(*) filter (where tasks.state = 'SUCCESS') as succeeded
     from sluice.tasks
    where tasks.run_id = runs.id
 ) as tasks
 where runs.status <> 'RUNNING'
 order by runs.id desc;

create or replace view public.v_active_runs as
select runs.id                                         as run,
       runs.workflow,
       workflows.version,
       runs.status,
       tasks.succeeded || '/' || tasks.total           as progress,
       sluice.cut(tasks.running, 18)                   as running,
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

comment on function sluice.cut(text, integer)      is 'The beginning of a text, with an ellipsis for what is left out.';
comment on column public.v_active_runs.running     is 'The tasks that run, cut after 18 characters.';
comment on column public.v_run_history.failed_task is 'The task at whose failure it stopped, cut after 15 characters.';
