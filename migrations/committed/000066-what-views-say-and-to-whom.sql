--! Previous: sha1:d3e4fd7d9592c751f3caa9f9d65e4978d61b7284
--! Hash: sha1:795ca15377350eba61ef0ac03cadedf03da0bd51
--! Message: what views say and to whom

/* Whoever may read v_inbox, which shows what runs are about, needs no right to what that is made of. */
alter function sluice.run_subject(bigint) security definer;

/* A task that waits to be tried again took longer and longer, though nobody was at work on it. */
create or replace view public.v_tasks as
select task.run_id                                     as run,
       task.task_no                                    as no,
       task.name                                       as task,
       task.connector || '.' || task.operation         as connector,
       task.state,
       case when task.attempt > 0 then task.attempt || '/' || task.retries + 1 end as attempt,
       case when task.reused_from is null and not (task.state = 'RUNNING' and task.runner_id is null)
            then sluice.duration(extract(epoch from coalesce(task.finished_at, clock_timestamp()) - task.started_at))
       end                                             as took,
       task.runner_id                                  as runner,
       sluice.cut(translate(case when task.reused_from is not null then 'reused from run ' || task.reused_from
                                 when task.skipped is not null     then 'skipped: ' || task.skipped
                                 else task.error ->> 'message'
                            end, E'\n\r\t', '   '), 40) as note
  from sluice.run_tasks as task
 order by task.run_id desc, task.task_no;

/* Nobody goes on with a task of a run that has stopped. */
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
