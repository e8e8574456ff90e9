--! Previous: sha1:945b3bd67268008e14f0312b3d95f496b4adc694
--! Hash: sha1:f6e4b8d881fd91c654a356d3f26fed15a6f3de43
--! Message: rerun

/*
 * Doing a run again: a new run of the same version with the same input. From where it failed, it takes over what had
 * succeeded: those tasks are born SUCCESS with their output, and the audit says that they came from no state of this run.
 */
create table sluice.reruns (
  run_id      bigint  primary key references sluice.runs on delete cascade,
  of_run_id   bigint  not null,
  from_failed boolean not null,
  started_by  text    not null,
  constraint runs_repeat_earlier_ones check (of_run_id < run_id)
);

create index reruns_by_original on sluice.reruns (of_run_id);

create trigger reruns_stay_on_record before update or delete or truncate on sluice.reruns
  for each statement execute function sluice.refuse_to_forget();

/* The guard of beginnings learns of the one exception: a copy of what succeeded in the run that is repeated. */
create or replace function sluice.refuse_beginning() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if new.state in ('PENDING', 'READY') or new.state = 'SUCCESS' and exists (
    select from reruns
      join tasks as original on original.run_id = reruns.of_run_id and original.task_no = new.task_no
     where reruns.run_id = new.run_id
       and reruns.from_failed
       and original.workflow_id = new.workflow_id
       and original.state = 'SUCCESS'
       and original.output = new.output
  ) then
    return new;
  end if;
  raise exception using
    errcode = 'WF001',
    message = format('task %s of run %s cannot begin as %s', new.task_no, new.run_id, new.state),
    hint    = 'Tasks begin as PENDING or READY; sluice.rerun takes over what has succeeded.';
end;
$$;

create function sluice.rerun(p_run_id bigint, p_from_failed boolean default false, p_by text default session_user) returns bigint
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
    v_kept := array(select tasks.task_no from tasks where tasks.run_id = p_run_id and tasks.state = 'SUCCESS');
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
    elsif cardinality(v_kept) = (select count(*) from tasks where tasks.run_id = p_run_id) then
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

comment on table    sluice.reruns                       is 'Which runs repeat which: lineage, in both directions.';
comment on column   sluice.reruns.run_id                is 'The new run.';
comment on column   sluice.reruns.of_run_id             is 'The run that it repeats. It may have been pruned since.';
comment on column   sluice.reruns.from_failed           is 'It took over what had succeeded; else it began from the start.';
comment on column   sluice.reruns.started_by            is 'Who asked for it.';
comment on function sluice.refuse_beginning()           is 'Tasks begin as PENDING or READY, or as a copy of one that succeeded in the run that is repeated.';
comment on function sluice.rerun(bigint, boolean, text) is 'Starts a run again, from its start or from where it failed; gives the new run''s id. Raises WF008, WF009.';
