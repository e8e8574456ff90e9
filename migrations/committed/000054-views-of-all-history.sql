--! Previous: sha1:b398dcc88e4ef59cbc9c9d8b3f5290879b6778f8
--! Hash: sha1:d0b0c42c99c604b846a5250e4dce7010f3f3b703
--! Message: views of all history

/*
 * Views say no more than they know: who was skipped has put out nothing else, and a minute that is not over is shorter.
 */
create or replace view sluice.run_tasks as
select tasks.run_id,
       tasks.workflow_id,
       tasks.task_no,
       task.name,
       task.connector,
       task.operation,
       tasks.state,
       tasks.stopped,
       tasks.attempt,
       task.retries,
       tasks.token,
       tasks.runner_id,
       tasks.ready_at,
       tasks.started_at,
       tasks.finished_at,
       tasks.error,
       case when task.condition is not null and tasks.output = jsonb_build_object('skipped', tasks.output -> 'skipped')
            then tasks.output ->> 'skipped' end as skipped,
       case when tasks.state = 'SUCCESS' and tasks.ready_at is null then reruns.of_run_id end as reused_from
  from sluice.tasks
  join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
  left join sluice.reruns on reruns.run_id = tasks.run_id;

create or replace view public.v_throughput as
select date_trunc('minute', event.at)::timestamp(0)       as minute,
       count(*) filter (where event.what = 'start')       as runs_started,
       count(*) filter (where event.what = 'RUNNING')     as tasks_started,
       count(*) filter (where event.what = 'SUCCESS')     as succeeded,
       count(*) filter (where event.what = 'FAILED')      as failed,
       round(count(*) filter (where event.what in ('SUCCESS', 'FAILED'))
             / greatest(1, least(60, extract(epoch from clock_timestamp() - date_trunc('minute', max(event.at))))), 1) as tasks_per_s
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

create or replace view sluice.prunable_runs as
select runs.id, runs.finished_at
  from sluice.runs
 where runs.finished_at is not null
   and not exists (select from sluice.open_tasks where open_tasks.run_id = runs.id and open_tasks.state = 'RUNNING');

/* Run by run: otherwise all history is read and sorted before the first row comes. */
create or replace view public.v_attempts as
select runs.id                                                                                                    as run,
       task.name                                                                                                  as task,
       execution.attempt,
       execution.outcome,
       execution.runner_id                                                                                        as runner,
       date_trunc('second', execution.started_at)::timestamp(0)                                                   as started,
       sluice.duration(extract(epoch from coalesce(execution.ended_at, clock_timestamp()) - execution.started_at)) as took,
       sluice.cut(translate(execution.error ->> 'message', e'\n\t\r', '   '), 40)                                as error
  from sluice.runs
 cross join lateral (select executions.* from sluice.executions where executions.run_id = runs.id offset 0) as execution
  join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = execution.task_no
 order by runs.id desc, execution.started_at, execution.task_no, execution.token;

create or replace view public.v_events as
select runs.id as run, event.at, event.task_no as no, task.name as task, event.what, event.attempt, event.runner_id as runner, event.note
  from sluice.runs
 cross join lateral (
    select runs.created_at as at, 0 as place, 0 as step, null::integer as task_no, 'RUNNING' as what, null::integer as attempt, null::integer as runner_id,
           (select 'rerun of run ' || reruns.of_run_id || ' by ' || reruns.started_by from sluice.reruns where reruns.run_id = runs.id) as note
    union all
    select transitions.at, transitions.task_no,
           case transitions.to_state when 'READY' then 1 when 'RUNNING' then 2 else 4 end,
           transitions.task_no,
           coalesce(transitions.from_state || ' → ', '') || transitions.to_state,
           transitions.attempt, transitions.runner_id,
           case when transitions.from_state is null then
                  (select 'reused from run ' || reruns.of_run_id from sluice.reruns where reruns.run_id = runs.id)
                when transitions.to_state = 'FAILED' then
                  (select tasks.error ->> 'message' from sluice.tasks where tasks.run_id = runs.id and tasks.task_no = transitions.task_no)
           end
      from sluice.transitions
     where transitions.run_id = runs.id
    union all
    select attempts.ended_at, attempts.task_no, 3, attempts.task_no, 'attempt ' || attempts.outcome, attempts.attempt, attempts.runner_id, attempts.error ->> 'message'
      from sluice.attempts
     where attempts.run_id = runs.id
    union all
    select runs.finished_at, 2147483647, 5, null, runs.status::text, null, null, runs.reason
     where runs.finished_at is not null
  ) as event
  left join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = event.task_no
 order by runs.id, event.at, event.place, event.step;

/* Who may read the views that show whether runners live needs no right to what they are made of. */
alter function sluice.has_runner() security definer;
alter function sluice.dead_runners(timestamptz) security definer;
