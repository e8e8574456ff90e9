--! Previous: sha1:3af8de2daaf58fa32ac83e6ad5e4497ffd477e19
--! Hash: sha1:0666e453ca534785d197c93e9ecb6226b9b7690b
--! Message: why in large runs

/* Each waiting task read the whole run for its parents: a minute for 5,000 tasks that wait for one. */
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
     select string_agg(parent.name || ' (' || waiting.state || ')', ', ' order by waiting.task_no)
              || case when max(waiting.total) > 5 then ' and ' || max(waiting.total) - 5 || ' more' else '' end as names
       -- By their keys, one by one: a run may have many more tasks than most.
       from (select up.workflow_id, up.task_no, up.state, count(*) over () as total
               from (select edge.parent_no
                       from sluice.workflow_edges as edge
                      where edge.workflow_id = task.workflow_id
                        and edge.child_no = task.task_no
                     offset 0) as edge
              cross join lateral (
                select tasks.workflow_id, tasks.task_no, tasks.state
                  from sluice.tasks
                 where tasks.run_id = task.run_id
                   and tasks.task_no = edge.parent_no
                   and tasks.state <> 'SUCCESS'
                offset 0
              ) as up
              where verdict.code = 'WAITS_FOR_PARENTS'
              order by up.task_no
              limit 5) as waiting
       join sluice.workflow_tasks as parent on parent.workflow_id = waiting.workflow_id and parent.task_no = waiting.task_no
   ) as missing on true
   where task.run_id = p_run_id
   order by task.task_no;
end;
