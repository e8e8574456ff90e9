--! Previous: sha1:8f7f06805aaad1136ea302d87db64cb0e95f6518
--! Hash: sha1:b4f0fdd15527e19ddd35cd679d8561df10dbe053
--! Message: executions are events

/*
 * That a task is claimed again, after an attempt that failed, was lost or was given back, is no move, as it is RUNNING all the
 * time. It happened all the same, and to whom is not told by what follows.
 */
create or replace view public.v_events as
select runs.id as run, event.at, event.task_no as no, task.name as task, event.what, event.attempt, event.runner_id as runner, event.note
  from sluice.runs
 cross join lateral (
    select runs.created_at as at, 0 as place, 0 as step, null::integer as task_no, 'RUNNING' as what, null::integer as attempt, null::integer as runner_id,
           (select 'rerun of run ' || reruns.of_run_id || ' by ' || reruns.started_by from sluice.reruns where reruns.run_id = runs.id) as note
    union all
    select transitions.at, transitions.task_no,
           case transitions.to_state when 'READY' then 1 when 'RUNNING' then 2 else 5 end,
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
    -- The first execution is a move.
    select again.started_at, again.task_no, 4, again.task_no, 'RUNNING again', again.attempt, again.runner_id, null
      from sluice.executions as again
     where again.run_id = runs.id
       and again.token > 1
    union all
    select runs.finished_at, 2147483647, 6, null, runs.status::text, null, null, runs.reason
     where runs.finished_at is not null
  ) as event
  left join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = event.task_no
 order by runs.id, event.at, event.place, event.step;

comment on column public.v_events.what is 'The move; how an attempt ended that did not succeed; that the task is RUNNING again; of a run, its new status.';
