--! Previous: sha1:b4f0fdd15527e19ddd35cd679d8561df10dbe053
--! Hash: sha1:0ee846c321ac173e75d5cff3a5f8409c6f57373b
--! Message: time in which nobody ran a task

/*
 * A task that was lost or given back waits for whoever takes it on, which may be long. That time was counted as if it had run.
 */
create or replace view public.v_timeline as
select task.run_id                                     as run,
       task.name                                       as task,
       task.state,
       sluice.duration(extract(epoch from task.ready_at - runs.created_at))                      as ready_after,
       sluice.duration(extract(epoch from earlier.started_at - task.ready_at))                    as waited,
       sluice.duration(extract(epoch from earlier.took
                                          + case when task.state = 'SUCCESS' or task.state = 'RUNNING' and task.runner_id is not null
                                                 then coalesce(task.finished_at, clock_timestamp()) - task.started_at
                                                 else interval '0' end))                         as took,
       repeat(' ', bar.start) || repeat('#', greatest(1, bar.stop - bar.start))                  as timeline
  from sluice.run_tasks as task
  join sluice.runs on runs.id = task.run_id
 cross join lateral (
   select least(task.started_at, min(attempts.started_at)) as started_at,
          coalesce(sum(attempts.ended_at - attempts.started_at), interval '0') as took
     from sluice.attempts
    where attempts.run_id = task.run_id and attempts.task_no = task.task_no
 ) as earlier
 cross join lateral (
   select nullif(extract(epoch from coalesce(runs.finished_at, clock_timestamp()) - runs.created_at), 0) as seconds
 ) as run
 cross join lateral (
   select greatest(0, least(39, floor(40 * extract(epoch from earlier.started_at - runs.created_at) / run.seconds)))::integer as start,
          greatest(0, least(40, ceil(40 * extract(epoch from coalesce(task.finished_at, clock_timestamp()) - runs.created_at) / run.seconds)))::integer as stop
 ) as bar
 where task.started_at is not null
   and task.reused_from is null
 order by task.run_id desc, earlier.started_at, task.task_no;

comment on column public.v_timeline.took     is 'How long it ran, all its executions together.';
comment on column public.v_timeline.timeline is 'From the run''s start to its end in 40 characters; # from its first execution to its end.';
