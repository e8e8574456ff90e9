--! Previous: sha1:ada0283724f469ffc830fafaa25af89b09e4f9de
--! Hash: sha1:fb6f33375ae6f687bd64739c541d949877ec314d
--! Message: state machine

/*
 * The state machine. It lives in triggers, so that it holds for the runner, for a test and for a person in psql alike.
 *
 * A statement may move ten thousand tasks of a thousand runs, and two sessions may do so at the same moment. Everybody
 * takes locks in one order, so nobody waits in a circle: own tasks, then their children, then their runs, each by id.
 */

/*
 * The guard. It comes before the constraints, whose errors would not say what is allowed. What follows from other moves
 * (counting down, being put aside) is done by triggers only. A function and not a trigger's condition, because that is
 * parsed anew for each statement: it made updates of one row four times as slow.
 */
create function sluice.refuse_transition() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_by_trigger constant boolean := pg_trigger_depth() > 1;
begin
  if (case old.state
       when 'PENDING' then new.state in ('PENDING', 'READY') and new.waiting_for between 0 and old.waiting_for - 1 and v_by_trigger
       when 'READY'   then (new.state = 'RUNNING' and new.token = 1 and new.attempt = 1 and new.runner_id is not null
                            and new.started_at is not null and not old.stopped)
                        or (new.state = 'READY' and new.stopped and not old.stopped and v_by_trigger)
       when 'RUNNING' then (new.state in ('SUCCESS', 'FAILED') and new.token = old.token)
                        or (new.state = 'RUNNING' and new.token > old.token)
                        or (new.state = 'RUNNING' and new.token = old.token and old.runner_id is null and new.runner_id is not null)
       else false
     end
     and new.run_id = old.run_id and new.task_no = old.task_no and new.workflow_id = old.workflow_id and new.is_sink = old.is_sink)
  then
    return new;
  end if;
  raise exception using
    errcode = 'WF001',
    message = case
      when old.state in ('SUCCESS', 'FAILED')
        then format('task %s of run %s is finished (%s) and cannot change any more', old.task_no, old.run_id, old.state)
      when old.state = new.state
        then format('task %s of run %s is %s, and this change of it is not allowed', old.task_no, old.run_id, old.state)
      else format('task %s of run %s cannot move from %s to %s', old.task_no, old.run_id, old.state, new.state)
    end,
    hint = 'Tasks move PENDING → READY → RUNNING → SUCCESS | FAILED, by success of their parents, claim and result.';
end;
$$;

create trigger refuse_transition before update on sluice.tasks
  for each row execute function sluice.refuse_transition();

/* Tasks begin as PENDING or READY. */
create function sluice.refuse_beginning() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if new.state in ('PENDING', 'READY') then
    return new;
  end if;
  raise exception using
    errcode = 'WF001',
    message = format('task %s of run %s cannot begin as %s', new.task_no, new.run_id, new.state),
    hint    = 'Tasks begin as PENDING or READY: select sluice.start_run(…).';
end;
$$;

create trigger refuse_beginning before insert on sluice.tasks
  for each row execute function sluice.refuse_beginning();

/* The audit. The guard leaves one way into each state, so the new row alone tells which move it was. */
create function sluice.record_transitions() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  insert into transitions (run_id, task_no, from_state, to_state, attempt, runner_id, at)
  select after.run_id,
         after.task_no,
         case when tg_op = 'INSERT' and after.state = 'SUCCESS' then null
              when after.state = 'READY'   then 'PENDING'
              when after.state = 'RUNNING' then 'READY'
              else 'RUNNING'
         end::task_state,
         after.state,
         after.attempt,
         after.runner_id,
         statement_timestamp()
    from after
   where (after.state = 'READY' and not after.stopped)
      or (after.state = 'RUNNING' and after.token = 1)
      or after.state in ('SUCCESS', 'FAILED');
  return null;
end;
$$;

create trigger record_new_tasks after insert on sluice.tasks
  referencing new table as after
  for each statement execute function sluice.record_transitions();
create trigger record_transitions after update on sluice.tasks
  referencing new table as after
  for each statement execute function sluice.record_transitions();

/*
 * What follows from a move: the doorbell rings, children count down and become READY, runs finish.
 *
 * A run has to be RUNNING for anything of it to become READY or to be tried again, and that is read under a lock on the
 * run: "no key update", which lets claims go on; "for update" when a task has failed, which waits for the claims that
 * are under way, so that nothing of the run is claimed once its failure has committed.
 */
create function sluice.advance() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
declare
  v_parent    boolean;
  v_sink      boolean;
  v_failed    boolean;
  v_ready     boolean;
  v_ownerless boolean;
begin
  -- A task that is born SUCCESS (see reruns) is no news: whoever inserts it has counted it.
  select bool_or(after.state = 'SUCCESS' and not after.is_sink) and tg_op = 'UPDATE',
         bool_or(after.state = 'SUCCESS' and after.is_sink)     and tg_op = 'UPDATE',
         bool_or(after.state = 'FAILED'),
         bool_or(after.state = 'READY' and not after.stopped),
         bool_or(after.state = 'RUNNING' and after.runner_id is null)
    into v_parent, v_sink, v_failed, v_ready, v_ownerless
    from after;

  -- Whoever claims in the same transaction looks after what it leaves: see report_and_claim.
  if (v_ready or v_ownerless) and current_setting('sluice.quiet', true) is distinct from 'on' then
    notify task_ready;
  end if;

  if v_parent then
    perform
       from tasks
       join (select distinct after.run_id, edges.child_no
               from after
               join workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
              where after.state = 'SUCCESS') as children on children.run_id = tasks.run_id and children.child_no = tasks.task_no
      order by tasks.run_id, tasks.task_no
        for no key update of tasks;
  end if;

  if v_failed then
    perform from runs where runs.id in (select after.run_id from after) order by runs.id for update;
  elsif v_parent or v_sink or v_ownerless then
    perform from runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row.
  if v_parent then
    update tasks
       set waiting_for = tasks.waiting_for - fewer.parents,
           state       = case when tasks.waiting_for = fewer.parents then 'READY' else tasks.state end
      from (select after.run_id, edges.child_no, count(*)::integer as parents
              from after
              join workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
             where after.state = 'SUCCESS'
             group by after.run_id, edges.child_no) as fewer
      join runs on runs.id = fewer.run_id and runs.status = 'RUNNING'
     where tasks.run_id = fewer.run_id
       and tasks.task_no = fewer.child_no;
  end if;

  if v_failed then
    update runs
       set status         = 'FAILED',
           finished_at    = statement_timestamp(),
           failed_task_no = first.task_no,
           reason         = first.error ->> 'message'
      from (select distinct on (after.run_id) after.run_id, after.task_no, after.error
              from after
             where after.state = 'FAILED'
             order by after.run_id, after.task_no) as first
     where runs.id = first.run_id
       and runs.status = 'RUNNING';
  end if;

  if v_sink then
    update runs
       set waiting_for = runs.waiting_for - sinks.succeeded,
           status      = case when runs.waiting_for = sinks.succeeded then 'COMPLETED' else runs.status end,
           finished_at = case when runs.waiting_for = sinks.succeeded then statement_timestamp() end
      from (select after.run_id, count(*)::integer as succeeded
              from after
             where after.state = 'SUCCESS'
               and after.is_sink
             group by after.run_id) as sinks
     where runs.id = sinks.run_id
       and runs.status = 'RUNNING';
  end if;

  -- Tried again or given back, but its run has stopped meanwhile: it ends with the run.
  if v_ownerless then
    perform end_ownerless_tasks(array(select after.run_id
                                        from after
                                        join runs on runs.id = after.run_id and runs.status <> 'RUNNING'
                                       where after.state = 'RUNNING' and after.runner_id is null));
  end if;
  return null;
end;
$$;

create trigger advance_new_tasks after insert on sluice.tasks
  referencing new table as after
  for each statement execute function sluice.advance();
create trigger advance after update on sluice.tasks
  referencing new table as after
  for each statement execute function sluice.advance();

/* RUNNING tasks that nobody runs, in runs that have stopped, will never be taken on again. */
create function sluice.end_ownerless_tasks(p_run_ids bigint[]) returns void
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  update tasks
     set state       = 'FAILED',
         finished_at = statement_timestamp(),
         error       = jsonb_build_object('code', 'RUN_STOPPED', 'message', 'the run stopped before the task could be taken on again')
   where tasks.run_id = any (p_run_ids)
     and tasks.state = 'RUNNING'
     and tasks.runner_id is null;
end;
$$;

/*
 * Runs: a finished one is immutable, and they finish by what their tasks do, or are cancelled. Stopping one waits for the
 * claims of its tasks that are under way.
 */
create function sluice.refuse_run_change() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_by_trigger constant boolean := pg_trigger_depth() > 1;
begin
  if old.status <> 'RUNNING'
     or new.waiting_for > old.waiting_for
     or ((new.waiting_for < old.waiting_for or new.status in ('COMPLETED', 'FAILED')) and not v_by_trigger)
     or new.id <> old.id or new.workflow_id <> old.workflow_id or new.workflow <> old.workflow
     or new.input <> old.input or new.key is distinct from old.key or new.created_at <> old.created_at
  then
    raise exception using
      errcode = 'WF001',
      message = format('run %s is %s, and this change of it is not allowed', old.id, old.status),
      hint    = 'Runs move RUNNING → COMPLETED | FAILED | CANCELLED; their version, input and key never change.';
  end if;
  if new.status in ('FAILED', 'CANCELLED') then
    perform from runs where runs.id = new.id for update;
  end if;
  return new;
end;
$$;

create trigger refuse_run_change before update on sluice.runs
  for each row execute function sluice.refuse_run_change();

create function sluice.stop_tasks() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if exists (select from after where after.status in ('FAILED', 'CANCELLED')) then
    update tasks
       set stopped = true
      from after
     where after.status in ('FAILED', 'CANCELLED')
       and tasks.run_id = after.id
       and tasks.state = 'READY';
    perform end_ownerless_tasks(array(select after.id from after where after.status in ('FAILED', 'CANCELLED')));
    notify run_stopped;
  end if;
  return null;
end;
$$;

create trigger stop_tasks after update on sluice.runs
  referencing new table as after
  for each statement execute function sluice.stop_tasks();

comment on function sluice.refuse_transition()           is 'Lets legal moves of tasks pass, and says why another is refused.';
comment on function sluice.refuse_beginning()            is 'Refuses tasks that are not born PENDING or READY.';
comment on function sluice.record_transitions()          is 'Writes one row of audit for each move.';
comment on function sluice.advance()                     is 'What follows from moves: children that wait for nobody are READY, runs finish, the doorbell rings.';
comment on function sluice.end_ownerless_tasks(bigint[]) is 'Fails the RUNNING tasks without a runner of runs that have stopped.';
comment on function sluice.refuse_run_change()           is 'Lets legal changes of runs pass, and says why another is refused; a stop waits for claims under way.';
comment on function sluice.stop_tasks()                  is 'When a run stops, what is READY will not run, and its runners are told.';
