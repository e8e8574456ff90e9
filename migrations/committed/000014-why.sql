--! Previous: sha1:e343beb916bdd9dd41f28bbb2398de1489305d00
--! Hash: sha1:96206ab9c314ab29d0e42b7022cff6f112fca837
--! Message: why

/*
 * Why has a task not run? One row per task, with a code for programs and a sentence for people.
 */

/* What could take a task on at this moment. */
create view sluice.capacity as
select count(*)::integer                                                     as runners,
       coalesce(sum(v_runners.slots), 0)::integer                            as slots,
       coalesce(sum(greatest(0, v_runners.slots - v_runners.running)), 0)::integer as free
  from public.v_runners
 where v_runners.state = 'alive';

create function sluice.why(p_run_id bigint)
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
           when 'RUNNING'        then 'it runs on runner ' || task.runner_id || ' since ' || sluice.duration(extract(epoch from clock_timestamp() - task.started_at))
           when 'NO_RUNNER'      then 'it could run, but no runner is alive. Start one: npm run runner'
           when 'NO_FREE_SLOT'   then 'it could run, but all ' || capacity.slots || ' slots of ' || capacity.runners || ' runners are taken'
           when 'TO_BE_CLAIMED'  then 'it could run, and ' || capacity.free || ' slots are free: it will be claimed in a moment'
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

/* What a task waits for in the end: the tasks upstream that have not succeeded and wait for nobody themselves. */
create function sluice.blockers(p_run_id bigint, p_task_no integer)
  returns table (task_no integer, task text, state sluice.task_state, code text, reason text)
  language sql stable
begin atomic
  with recursive upstream as (
    select tasks.workflow_id, tasks.task_no
      from sluice.tasks
     where tasks.run_id = p_run_id
       and tasks.task_no = p_task_no
    union
    select parent.workflow_id, parent.task_no
      from upstream
      join sluice.workflow_edges as edge on edge.workflow_id = upstream.workflow_id and edge.child_no = upstream.task_no
      join sluice.tasks as parent on parent.run_id = p_run_id and parent.task_no = edge.parent_no and parent.state <> 'SUCCESS'
  )
  select why.task_no, why.task, why.state, why.code, why.reason
    from sluice.why(p_run_id) as why
   where why.task_no in (select upstream.task_no from upstream)
     and why.task_no <> p_task_no
     and why.state <> 'PENDING'
   order by why.task_no;
end;

comment on view     sluice.capacity                  is 'The runners that are alive, and their slots.';
comment on column   sluice.capacity.runners          is 'How many are alive.';
comment on column   sluice.capacity.slots            is 'How many tasks they can run at once.';
comment on column   sluice.capacity.free             is 'How many more they could run now.';
comment on function sluice.why(bigint)               is 'Why each task of a run has not run, or what became of it: select * from sluice.why(42)';
comment on function sluice.blockers(bigint, integer) is 'What a task of a run waits for in the end, upstream of its parents.';
