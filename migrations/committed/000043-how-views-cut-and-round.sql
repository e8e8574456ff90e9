--! Previous: sha1:0d69331eccdffd9144beba59201ba2a0722aee35
--! Hash: sha1:fc88cf1921c85f561c1480125b36a369e54c3bae
--! Message: how views cut and round

/*
 * Views agree on what they cut and how they round: a text that was cut ends with "…", a moment is cut to its second (rounded, an
 * attempt seemed to begin after its run had ended), and nothing lasts for less than no time, where the clock has gone back.
 */
create or replace function sluice.duration(p_seconds numeric) returns text
  language sql immutable
begin atomic
  select case when p_seconds < 0      then '0 ms'
              when p_seconds < 0.9995 then round(p_seconds * 1000) || ' ms'
              when p_seconds < 59.95  then round(p_seconds, 1) || ' s'
              when p_seconds < 3600   then floor(greatest(p_seconds, 60) / 60) || ' min ' || floor(greatest(p_seconds, 60) % 60) || ' s'
              else                         floor(p_seconds / 3600) || ' h ' || floor(p_seconds % 3600 / 60) || ' min'
         end;
end;

create or replace view public.v_tasks as
select task.run_id                                     as run,
       task.task_no                                    as no,
       task.name                                       as task,
       task.connector || '.' || task.operation         as connector,
       task.state,
       case when task.attempt > 0 then task.attempt || '/' || task.retries + 1 end as attempt,
       case when task.reused_from is null
            then sluice.duration(extract(epoch from coalesce(task.finished_at, clock_timestamp()) - task.started_at))
       end                                             as took,
       task.runner_id                                  as runner,
       sluice.cut(translate(case when task.reused_from is not null then 'reused from run ' || task.reused_from
                                 when task.skipped is not null     then 'skipped: ' || task.skipped
                                 else task.error ->> 'message'
                            end, E'\n\r\t', '   '), 40) as note
  from sluice.run_tasks as task
 order by task.run_id desc, task.task_no;

create or replace view public.v_attempts as
select execution.run_id                                as run,
       task.name                                       as task,
       execution.attempt,
       execution.outcome,
       execution.runner_id                             as runner,
       date_trunc('second', execution.started_at)::timestamp(0) as started,
       sluice.duration(extract(epoch from coalesce(execution.ended_at, clock_timestamp()) - execution.started_at)) as took,
       sluice.cut(translate(execution.error ->> 'message', E'\n\r\t', '   '), 40) as error
  from sluice.executions as execution
  join sluice.runs on runs.id = execution.run_id
  join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = execution.task_no
 order by execution.run_id desc, execution.started_at, execution.task_no, execution.token;

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
       date_trunc('second', runners.started_at)::timestamp(0) as started,
       sluice.duration(extract(epoch from coalesce(runners.ended_at, clock_timestamp()) - runners.started_at)) as up,
       sluice.duration(extract(epoch from clock_timestamp() - runners.beat_at)) as last_beat
  from sluice.runners
  left join (select open_tasks.runner_id, count(*)::integer as tasks
               from sluice.open_tasks
              group by open_tasks.runner_id) as held on held.runner_id = runners.id
 order by runners.id desc;

create or replace view public.v_workflows as
select statistics.workflow,
       statistics.version,
       statistics.tasks,
       statistics.runs,
       case when statistics.ended > 0 then round(100.0 * statistics.completed / statistics.ended, 1) || ' %' end as success,
       sluice.duration(statistics.p50_ms::numeric / 1000) as p50,
       sluice.duration(statistics.p95_ms::numeric / 1000) as p95,
       statistics.last_run,
       statistics.last_status,
       date_trunc('second', statistics.last_started_at)::timestamp(0) as last_started
  from sluice.workflow_statistics as statistics;

create or replace view public.v_inbox as
select date_trunc('second', files.seen_at)::timestamp(0) as seen,
       files.path,
       files.run_id                                as run,
       runs.status,
       sluice.run_subject(runs.id)                 as subject
  from sluice.inbox_files as files
  left join sluice.runs on runs.id = files.run_id
 order by files.seen_at desc, files.run_id desc, files.path;

comment on column sluice.tasks.ready_at is 'When all its parents had succeeded. Null before, and when its output was taken over from an earlier run.';
comment on column sluice.tasks.error    is 'Why it failed: {"code", "message"}; null unless it did.';
