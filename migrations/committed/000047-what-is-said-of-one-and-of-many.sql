--! Previous: sha1:78bc59311573ab60751af56f75959706872d3de8
--! Hash: sha1:8d5c6529e0975c3bab778dba5be4c3b3364911b1
--! Message: what is said of one and of many

/*
 * What is said reads well for one and for many, and comments say what is so.
 */
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
           when 'RUNNER_DEAD'    then 'its runner ' || task.runner_id || ' is dead: the next runner takes it over' || case when capacity.runners = 0 then '. Start one: npm run runner' else ', in a moment' end
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
     select string_agg(parent.name || ' (' || parent.state || ')', ', ' order by parent.task_no) filter (where parent.place <= 5)
              || case when count(*) > 5 then ' and ' || count(*) - 5 || ' more' else '' end as names
       from (select up.task_no, up.name, up.state, row_number() over (order by up.task_no) as place
               from sluice.workflow_edges as edge
               join sluice.run_tasks as up on up.run_id = task.run_id and up.task_no = edge.parent_no
              where edge.workflow_id = task.workflow_id
                and edge.child_no = task.task_no
                and up.state <> 'SUCCESS') as parent
   ) as missing on verdict.code = 'WAITS_FOR_PARENTS'
   where task.run_id = p_run_id
   order by task.task_no;
end;

comment on table sluice.workflows is 'One row per version of a workflow; runs are started from the newest.';
comment on function sluice.prune(interval, integer) is
  'Deletes up to p_limit runs that ended longer ago than p_older_than, oldest first, with all they left; says how many.';
comment on function sluice.advance_runs() is
  'Lets legal changes of runs pass; when one stops, what is READY will not run, and its runners are told. Stopping one raises WF011 unless the transaction is read committed.';
