--! Previous: sha1:9fd0495facd8f140c1b6204e05a2fcfa3fb93dd2
--! Hash: sha1:56874647627a2ad82b3d18d052c62e0ec9aa58e9
--! Message: clocks that go back meanwhile

/*
 * A clock that goes back keeps nobody from going on: neither in the middle of a statement, while that waits for a lock, nor for as long
 * as it takes until it is as late again as it was when a run began. Such a run ends at the moment in which it began.
 * What that means for tasks is in advance, which the next migration writes anew.
 */
create or replace function sluice.advance_runs() returns trigger
  language plpgsql volatile
as $$
declare
  -- At which depth triggers fire on what another one of these has written.
  v_written constant text        := coalesce(current_setting('sluice.follows', true), '');
  v_follows constant boolean     := v_written = pg_trigger_depth()::text;
  -- Marks have to be of this very moment. The clock may go back meanwhile.
  v_since   constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until   constant timestamptz := greatest(statement_timestamp(), clock_timestamp());
  v_stopped boolean;
  v_setting text;
begin
  select bool_or(case when move.legal and move.broken is null then move.stops
                      else sluice.refuse_run(move.id, move.was, move.status, case when move.legal then move.broken end)
                 end)
    into v_stopped
    from (select coalesce(before.id, after.id)              as id,
                 before.status                              as was,
                 after.status,
                 after.status in ('FAILED', 'CANCELLED')    as stops,
                 before.status = 'RUNNING'
                 and after.waiting_for <= before.waiting_for
                 and (v_follows or after.waiting_for = before.waiting_for and after.status in ('RUNNING', 'CANCELLED'))
                 and after.workflow_id = before.workflow_id and after.workflow = before.workflow
                 and after.input = before.input and after.key is not distinct from before.key and after.created_at = before.created_at
                 -- After it began, unless that is still to come by the clock.
                 and (after.finished_at is null
                      or after.finished_at between case when before.created_at <= v_until then greatest(v_since, before.created_at) else v_since end
                                               and greatest(v_until, before.created_at)) as legal,
                 sluice.broken_run_rule(after.status, after.waiting_for, after.key, after.finished_at, after.failed_task_no, after.reason) as broken
            from before
            full join after on after.id = before.id
          offset 0) as move;

  if v_stopped then
    -- By an older snapshot we would miss what has become READY while we waited for the run.
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
      raise exception using
        errcode = 'WF011',
        message = format('a run cannot be stopped in a transaction that is %s: it may not see all tasks', current_setting('transaction_isolation')),
        hint    = 'Do it in one that is read committed: begin isolation level read committed.';
    end if;
    v_setting := set_config('sluice.follows', (pg_trigger_depth() + 1)::text, true);
    update sluice.tasks
       set stopped = true
      from after
     where after.status in ('FAILED', 'CANCELLED')
       and tasks.run_id = after.id
       and tasks.state = 'READY';
    perform sluice.end_ownerless_tasks(array(select after.id from after where after.status in ('FAILED', 'CANCELLED')));
    notify run_stopped;
    v_setting := set_config('sluice.follows', v_written, true);
  end if;
  return null;
end;
$$;

create or replace function sluice.cancel_run(p_run_id bigint, p_by text default session_user) returns boolean
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  -- It ends after all that has happened while we waited for it.
  perform from runs where runs.id = p_run_id and runs.status = 'RUNNING' for no key update;
  update runs
     set status = 'CANCELLED', finished_at = greatest(statement_timestamp(), clock_timestamp(), runs.created_at), reason = 'cancelled by ' || p_by
   where runs.id = p_run_id
     and runs.status = 'RUNNING';
  if not found and not exists (select from runs where runs.id = p_run_id) then
    raise exception using errcode = 'WF008', message = format('there is no run %s', p_run_id);
  end if;
  return found;
end;
$$;

create or replace function sluice.end_ownerless_tasks(p_run_ids bigint[]) returns void
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  update tasks
     set state       = 'FAILED',
         finished_at = greatest(statement_timestamp(), clock_timestamp(), tasks.started_at),
         error       = jsonb_build_object('code', 'RUN_STOPPED', 'message', 'the run stopped before the task could be taken on again')
   where tasks.run_id = any (p_run_ids)
     and tasks.state = 'RUNNING'
     and tasks.runner_id is null;
end;
$$;
