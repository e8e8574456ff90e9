--! Previous: sha1:ee3685024ce10e32e4959fb71ed0121bcb1fd99a
--! Hash: sha1:4076b5c63b3c3a6a8f84de71fa93f11c60cd9874
--! Message: views of a run

/*
 * What one run does, in psql: its tasks, where its time went, every execution, everything that happened. Ask for one run,
 * "where run = 42", and only its rows are read.
 */
create view sluice.run_tasks as
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
       ready.at        as ready_at,
       tasks.started_at,
       tasks.finished_at,
       tasks.error,
       case when task.condition is not null then tasks.output ->> 'skipped' end as skipped,
       case when born.task_no is not null then reruns.of_run_id end             as reused_from
  from sluice.tasks
  join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
  left join sluice.transitions as ready on ready.run_id = tasks.run_id and ready.task_no = tasks.task_no and ready.to_state = 'READY'
  left join sluice.reruns on reruns.run_id = tasks.run_id and reruns.from_failed
  left join sluice.transitions as born on born.run_id = reruns.run_id and born.task_no = tasks.task_no
                                      and born.to_state = 'SUCCESS' and born.from_state is null;

/* Every execution, also those that succeeded or still run. */
create view sluice.executions as
select attempts.run_id, attempts.task_no, attempts.token, attempts.attempt, attempts.outcome, attempts.runner_id,
       attempts.started_at, attempts.ended_at, attempts.error
  from sluice.attempts
union all
select task.run_id, task.task_no, task.token, task.attempt, task.state::text, task.runner_id,
       task.started_at, task.finished_at, null
  from sluice.run_tasks as task
 where task.reused_from is null
   and (task.state = 'SUCCESS' or task.state = 'RUNNING' and task.runner_id is not null);

create view public.v_tasks as
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
       left(translate(case when task.reused_from is not null then 'reused from run ' || task.reused_from
                           when task.skipped is not null     then 'skipped: ' || task.skipped
                           else task.error ->> 'message'
                      end, E'\n\r\t', '   '), 40)      as note
  from sluice.run_tasks as task
 order by task.run_id desc, task.task_no;

create view public.v_timeline as
select task.run_id                                     as run,
       task.name                                       as task,
       task.state,
       sluice.duration(extract(epoch from task.ready_at - runs.created_at))                      as ready_after,
       sluice.duration(extract(epoch from first.started_at - task.ready_at))                     as waited,
       sluice.duration(extract(epoch from coalesce(task.finished_at, clock_timestamp()) - first.started_at)) as took,
       repeat(' ', bar.start) || repeat('#', greatest(1, bar.stop - bar.start))                  as timeline
  from sluice.run_tasks as task
  join sluice.runs on runs.id = task.run_id
 cross join lateral (
   select least(task.started_at, min(attempts.started_at)) as started_at
     from sluice.attempts
    where attempts.run_id = task.run_id and attempts.task_no = task.task_no
 ) as first
 cross join lateral (
   select nullif(extract(epoch from coalesce(runs.finished_at, clock_timestamp()) - runs.created_at), 0) as seconds
 ) as run
 cross join lateral (
   select least(39, floor(40 * extract(epoch from first.started_at - runs.created_at) / run.seconds))::integer as start,
          least(40, ceil(40 * extract(epoch from coalesce(task.finished_at, clock_timestamp()) - runs.created_at) / run.seconds))::integer as stop
 ) as bar
 where task.started_at is not null
   and task.reused_from is null
 order by task.run_id desc, first.started_at, task.task_no;

create view public.v_attempts as
select execution.run_id                                as run,
       task.name                                       as task,
       execution.attempt,
       execution.outcome,
       execution.runner_id                             as runner,
       execution.started_at::timestamp(0)              as started,
       sluice.duration(extract(epoch from coalesce(execution.ended_at, clock_timestamp()) - execution.started_at)) as took,
       left(translate(execution.error ->> 'message', E'\n\r\t', '   '), 40) as error
  from sluice.executions as execution
  join sluice.runs on runs.id = execution.run_id
  join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = execution.task_no
 order by execution.run_id desc, execution.started_at, execution.task_no, execution.token;

create view public.v_events as
select event.run_id as run, event.at, event.task_no as no, task.name as task, event.what, event.attempt, event.runner_id as runner, event.note
  from (
    select runs.id as run_id, runs.created_at as at, 0 as place, 0 as step, null::integer as task_no, 'RUNNING' as what, null::integer as attempt, null::integer as runner_id,
           'rerun of run ' || reruns.of_run_id || ' by ' || reruns.started_by as note
      from sluice.runs
      left join sluice.reruns on reruns.run_id = runs.id
    union all
    select transitions.run_id, transitions.at, transitions.task_no,
           case transitions.to_state when 'READY' then 1 when 'RUNNING' then 2 else 4 end,
           transitions.task_no,
           coalesce(transitions.from_state || ' → ', '') || transitions.to_state, transitions.attempt, transitions.runner_id,
           case when transitions.from_state is null then 'reused from run ' || reruns.of_run_id
                when transitions.to_state = 'FAILED' then tasks.error ->> 'message'
           end
      from sluice.transitions
      left join sluice.tasks on transitions.to_state = 'FAILED' and tasks.run_id = transitions.run_id and tasks.task_no = transitions.task_no
      left join sluice.reruns on transitions.from_state is null and reruns.run_id = transitions.run_id
    union all
    select attempts.run_id, attempts.ended_at, attempts.task_no, 3, attempts.task_no, 'attempt ' || attempts.outcome, attempts.attempt, attempts.runner_id, attempts.error ->> 'message'
      from sluice.attempts
    union all
    select runs.id, runs.finished_at, 2147483647, 5, null, runs.status::text, null, null, runs.reason
      from sluice.runs
     where runs.finished_at is not null
  ) as event
  join sluice.runs on runs.id = event.run_id
  left join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = event.task_no
 order by event.run_id, event.at, event.place, event.step;

comment on view   sluice.run_tasks             is 'The tasks of runs with their names, and what became of them; v_tasks is for people.';
comment on column sluice.run_tasks.run_id      is 'The run.';
comment on column sluice.run_tasks.workflow_id is 'Its version.';
comment on column sluice.run_tasks.task_no     is 'The task''s number.';
comment on column sluice.run_tasks.name        is 'The task''s name.';
comment on column sluice.run_tasks.connector   is 'Its connector.';
comment on column sluice.run_tasks.operation   is 'Its operation.';
comment on column sluice.run_tasks.state       is 'Its state.';
comment on column sluice.run_tasks.stopped     is 'It was READY when its run stopped, and will not run.';
comment on column sluice.run_tasks.attempt     is 'Which attempt this is, or was.';
comment on column sluice.run_tasks.retries     is 'How many further attempts may follow a failed one.';
comment on column sluice.run_tasks.token       is 'Counts its executions.';
comment on column sluice.run_tasks.runner_id   is 'Who runs it, or ran it last.';
comment on column sluice.run_tasks.ready_at    is 'When it became READY.';
comment on column sluice.run_tasks.started_at  is 'When its present attempt began.';
comment on column sluice.run_tasks.finished_at is 'When it reached SUCCESS or FAILED.';
comment on column sluice.run_tasks.error       is 'Why it failed: {"code", "message"}.';
comment on column sluice.run_tasks.skipped     is 'Why it was skipped: its condition did not hold.';
comment on column sluice.run_tasks.reused_from is 'The run from which its output was taken over.';
comment on view   sluice.executions            is 'Every execution of every task; v_attempts is for people.';
comment on column sluice.executions.run_id     is 'The run.';
comment on column sluice.executions.task_no    is 'The task.';
comment on column sluice.executions.token      is 'The token under which it ran.';
comment on column sluice.executions.attempt    is 'Which attempt it was.';
comment on column sluice.executions.outcome    is 'SUCCESS, FAILED, LOST, GIVEN BACK, or RUNNING.';
comment on column sluice.executions.runner_id  is 'Who ran it.';
comment on column sluice.executions.started_at is 'When it began.';
comment on column sluice.executions.ended_at   is 'When it ended.';
comment on column sluice.executions.error      is 'Why it did not succeed.';
comment on view   public.v_tasks               is 'The tasks of runs: select * from v_tasks where run = 42';
comment on column public.v_tasks.run           is 'The run.';
comment on column public.v_tasks.no            is 'The task''s number; parents have lower ones than their children.';
comment on column public.v_tasks.task          is 'The task.';
comment on column public.v_tasks.connector     is 'What does it: connector.operation.';
comment on column public.v_tasks.state         is 'Where it stands.';
comment on column public.v_tasks.attempt       is 'Which attempt, of how many.';
comment on column public.v_tasks.took          is 'How long the present attempt took, or has been taking.';
comment on column public.v_tasks.runner        is 'Who runs it, or ran it last.';
comment on column public.v_tasks.note          is 'Why it failed, was skipped, or did not have to run again; cut after 40 characters.';
comment on view   public.v_timeline            is 'Where the time went: select * from v_timeline where run = 42';
comment on column public.v_timeline.run        is 'The run.';
comment on column public.v_timeline.task       is 'The task, in the order in which they began.';
comment on column public.v_timeline.state      is 'Where it stands.';
comment on column public.v_timeline.ready_after is 'How long after the run''s start it became READY.';
comment on column public.v_timeline.waited     is 'How long it then waited for a slot of a runner.';
comment on column public.v_timeline.took       is 'How long it took, all its attempts together.';
comment on column public.v_timeline.timeline   is 'From the run''s start to its end in 40 characters; # while the task was under way.';
comment on view   public.v_attempts            is 'Every execution of every task: select * from v_attempts where run = 42';
comment on column public.v_attempts.run        is 'The run.';
comment on column public.v_attempts.task       is 'The task.';
comment on column public.v_attempts.attempt    is 'Which attempt it was; one that was lost or given back is made again.';
comment on column public.v_attempts.outcome    is 'SUCCESS, FAILED, LOST (with its runner), GIVEN BACK (by its runner), or RUNNING.';
comment on column public.v_attempts.runner     is 'Who ran it.';
comment on column public.v_attempts.started    is 'When it began, in the time zone of the session.';
comment on column public.v_attempts.took       is 'How long it took.';
comment on column public.v_attempts.error      is 'Why it did not succeed, cut after 40 characters.';
comment on view   public.v_events              is 'Everything that happened: select * from v_events where run = 42';
comment on column public.v_events.run          is 'The run.';
comment on column public.v_events.at           is 'When.';
comment on column public.v_events.no           is 'The task''s number; null when it happened to the run itself.';
comment on column public.v_events.task         is 'The task.';
comment on column public.v_events.what         is 'The move, or how an attempt ended that did not succeed; of a run, its new status.';
comment on column public.v_events.attempt      is 'The task''s attempt at that moment.';
comment on column public.v_events.runner       is 'Who ran it.';
comment on column public.v_events.note         is 'Why.';
