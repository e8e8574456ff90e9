--! Previous: sha1:9541e9484d07452070c13de1281f8f6902dbf02f
--! Hash: sha1:6564b2969ec7f406bc0d5eedb65eb1a89fde6dea
--! Message: rerun what has succeeded

/*
 * A rerun from where it failed takes over what has succeeded in the very moment of asking, too: it looked for that first, and
 * then for what still ran, and a task that ended in between was neither.
 */

create or replace function sluice.rerun(p_run_id bigint, p_from_failed boolean default false, p_by text default session_user) returns bigint
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_run    runs;
  v_open   text;
  v_kept   integer[] := '{}';
  v_new_id bigint;
begin
  -- Pruning locks "for update": the original stays until it has been copied.
  select runs.* into v_run from runs where runs.id = p_run_id for key share;
  if not found then
    raise exception using errcode = 'WF008', message = format('there is no run %s', p_run_id);
  end if;
  if v_run.status = 'RUNNING' then
    raise exception using
      errcode = 'WF009',
      message = format('run %s is still RUNNING', p_run_id),
      hint    = 'Nothing was started. Cancel it first, or start another run.';
  end if;

  if p_from_failed then
    select string_agg(task.name, ', ' order by task.task_no) into v_open
      from tasks
      join workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
     where tasks.run_id = p_run_id
       and tasks.state = 'RUNNING';
    if v_open is not null then
      raise exception using
        errcode = 'WF009',
        message = format('run %s is %s, but %s still runs', p_run_id, v_run.status, v_open),
        hint    = 'Nothing was started. Try again when it has ended: its result may be taken over.';
    end if;
    -- Only now: the run has stopped, so what does not run any more has ended for good.
    v_kept := array(select tasks.task_no from tasks where tasks.run_id = p_run_id and tasks.state = 'SUCCESS');
    if cardinality(v_kept) = (select count(*) from tasks where tasks.run_id = p_run_id) then
      raise exception using
        errcode = 'WF009',
        message = format('all tasks of run %s have succeeded, so there is nothing to do from where it failed', p_run_id),
        hint    = 'Nothing was started. Rerun it from its start.';
    end if;
  end if;

  insert into runs (workflow_id, workflow, waiting_for, input)
  select v_run.workflow_id, v_run.workflow, count(*), v_run.input
    from tasks as sink
   where sink.run_id = p_run_id
     and sink.is_sink
     and sink.task_no <> all (v_kept)
  returning id into v_new_id;

  insert into reruns (run_id, of_run_id, from_failed, started_by) values (v_new_id, p_run_id, p_from_failed, p_by);

  insert into tasks (run_id, workflow_id, task_no, is_sink, waiting_for, state, token, attempt, runner_id, started_at, finished_at, output)
  select v_new_id, task.workflow_id, task.task_no, task.is_sink, 0, 'SUCCESS',
         task.token, task.attempt, task.runner_id, task.started_at, task.finished_at, task.output
    from tasks as task
   where task.run_id = p_run_id
     and task.task_no = any (v_kept)
  union all
  select v_new_id, task.workflow_id, task.task_no, task.is_sink, missing.parents,
         case missing.parents when 0 then 'READY' else 'PENDING' end::task_state,
         0, 0, null, null, null, null
    from tasks as task
   cross join lateral (
     select count(*)::integer as parents
       from workflow_edges as edge
      where edge.workflow_id = task.workflow_id
        and edge.child_no = task.task_no
        and edge.parent_no <> all (v_kept)
   ) as missing
   where task.run_id = p_run_id
     and task.task_no <> all (v_kept)
   order by 3;
  return v_new_id;
end;
$$;
