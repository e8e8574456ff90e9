--! Previous: sha1:ef533b14500cf1dd1796f70a179864fa308468d7
--! Hash: sha1:4e9f1d8fa8051d7503c63f1408386ddf195f862d
--! Message: judge statements

/*
 * Judge statements, not rows. The guards were called before each row was updated, which locked it first; now they judge all
 * rows of a statement at once, after it, by its transition tables, in the triggers that act on the moves anyway. New rows
 * are still judged one by one.
 */

/* Says why a task cannot be changed like this: its new state implies something else, or no move leads there. */
create function sluice.refuse_task(p_run_id bigint, p_task_no integer, p_was sluice.task_state, p_is sluice.task_state, p_broken text) returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if p_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('task %s of run %s cannot be %s like this: %s', p_task_no, p_run_id, p_is, replace(p_broken, '_', ' ')),
      constraint = p_broken,
      table      = 'tasks',
      schema     = 'sluice';
  end if;
  raise exception using
    errcode = 'WF001',
    message = case
      when p_was in ('SUCCESS', 'FAILED')
        then format('task %s of run %s is finished (%s) and cannot change any more', p_task_no, p_run_id, p_was)
      when p_was = p_is
        then format('task %s of run %s is %s, and this change of it is not allowed', p_task_no, p_run_id, p_was)
      when p_was is null
        then format('task %s of run %s cannot begin as %s', p_task_no, p_run_id, p_is)
      when p_is is null
        then format('task %s of run %s keeps its run and its number', p_task_no, p_run_id)
      else format('task %s of run %s cannot move from %s to %s', p_task_no, p_run_id, p_was, p_is)
    end,
    hint = 'Tasks begin as PENDING or READY, and move PENDING → READY → RUNNING → SUCCESS | FAILED, by success of their parents, claim and result, at the time at which they do.';
end;
$$;

/* The same of a run. */
create function sluice.refuse_run(p_run_id bigint, p_was sluice.run_status, p_is sluice.run_status, p_broken text) returns boolean
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if p_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('run %s cannot be %s like this: %s', p_run_id, p_is, replace(p_broken, '_', ' ')),
      constraint = p_broken,
      table      = 'runs',
      schema     = 'sluice';
  end if;
  raise exception using
    errcode = 'WF001',
    message = format('run %s is %s, and this change of it is not allowed', p_run_id, p_was),
    hint    = 'Runs move RUNNING → COMPLETED | FAILED | CANCELLED; their number, version, input and key never change.';
end;
$$;

/* How tasks and runs begin. Nothing but a copy of what succeeded in the run that is repeated is further than READY. */
create function sluice.guard_new_task() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken text;
begin
  if new.state = 'READY' then
    new.ready_at := statement_timestamp();
  elsif new.state <> 'PENDING' then
    if new.state <> 'SUCCESS' or new.ready_at is not null or not exists (
      select from sluice.reruns
        join sluice.tasks as original on original.run_id = reruns.of_run_id and original.task_no = new.task_no
       where reruns.run_id = new.run_id
         and reruns.from_failed
         and original.workflow_id = new.workflow_id
         and original.state = 'SUCCESS'
         and original.output = new.output
    ) then
      perform sluice.refuse_task(new.run_id, new.task_no, null, new.state, null);
    end if;
  end if;

  v_broken := sluice.broken_task_rule(new.state, new.waiting_for, new.stopped, new.token, new.ready_at, new.finished_at, new.output, new.error);
  if v_broken is not null then
    perform sluice.refuse_task(new.run_id, new.task_no, null, new.state, v_broken);
  end if;
  return new;
end;
$$;

create function sluice.guard_new_run() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken constant text := sluice.broken_run_rule(new.status, new.waiting_for, new.key, new.finished_at, new.failed_task_no, new.reason);
begin
  if v_broken is not null then
    perform sluice.refuse_run(new.id, null, new.status, v_broken);
  end if;
  return new;
end;
$$;

/* What is READY from the start is announced. */
create function sluice.announce_new_tasks() returns trigger
  language plpgsql volatile
as $$
begin
  if exists (select from after where after.state = 'READY') then
    notify task_ready;
  end if;
  return null;
end;
$$;

/*
 * The guard of moves, and what follows from them: the doorbell rings, children count down and become READY, runs finish.
 *
 * Old and new rows are joined in full, so that a row whose key was changed has no partner; and because such a join is always
 * made by hashing or merging: what was planned for one row must not be a nested loop that later meets 10,000.
 *
 * A run has to be RUNNING for anything of it to become READY or to be tried again, and that is read under a lock on the
 * run, which also keeps two from counting down its tasks at once. A claim needs no lock on the run: a run that stops
 * puts its READY tasks aside, row by row, and waits for those that are being claimed.
 *
 * Plans are those of its callers' settings: report_and_claim and release_tasks see to it that there is only the one by key.
 */
create or replace function sluice.advance() returns trigger
  language plpgsql volatile
as $$
declare
  -- What is new, as a sum.
  c_parent    constant integer     := 1;
  c_sink      constant integer     := 2;
  c_failed    constant integer     := 4;
  c_ready     constant integer     := 8;
  c_ownerless constant integer     := 16;
  v_follows   constant boolean     := pg_trigger_depth() > 1;
  -- The runner in whose hop this happens, and how many tasks it has room for.
  v_hop       constant integer[]   := nullif(current_setting('sluice.hop', true), '');
  -- Marks have to be of this very moment.
  v_since     constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until     constant timestamptz := clock_timestamp();
  v_news      integer;
  v_taken     tid[];
  v_ended     tid[];
  v_setting   text;
begin
  -- Whatever is unknown is refused as well.
  select bit_or(case when move.legal and move.broken is null then move.news
                     else sluice.refuse_task(move.run_id, move.task_no, move.was, move.state, case when move.legal then move.broken end)
                end)
    into v_news
    from (select coalesce(before.run_id, after.run_id)   as run_id,
                 coalesce(before.task_no, after.task_no) as task_no,
                 before.state                            as was,
                 after.state,
                 case after.state
                   when 'SUCCESS' then case when after.is_sink then c_sink else c_parent end
                   when 'FAILED'  then c_failed
                   when 'READY'   then case when after.stopped then 0 else c_ready end
                   when 'RUNNING' then case when after.runner_id is null then c_ownerless else 0 end
                   else 0
                 end as news,
                 case
                   -- It ends, as what it was when it ran.
                   when after.state > 'RUNNING' then
                     before.state = 'RUNNING' and after.token = before.token and after.attempt = before.attempt
                     and after.runner_id is not distinct from before.runner_id and after.started_at = before.started_at
                     and (after.finished_at is null or after.finished_at between v_since and v_until)
                   -- A parent has succeeded, or its run has stopped.
                   when after.state < 'RUNNING' then
                     v_follows and (before.state = 'PENDING' and after.waiting_for < before.waiting_for
                                    or before.state = 'READY' and after.stopped and not before.stopped)
                   -- It is taken from its runner, or tried again.
                   when after.runner_id is null then
                     before.state = 'RUNNING' and after.token > before.token
                   -- It is claimed; maybe in the moment in which it became READY, by the runner whose result it was that made it so.
                   else
                     before.runner_id is null and not before.stopped and before.state <= 'RUNNING'
                     and (before.state > 'PENDING' or v_follows and after.waiting_for < before.waiting_for)
                     and after.token = greatest(before.token, 1) and after.attempt = greatest(before.attempt, 1)
                     and after.started_at between v_since and v_until
                 end
                 and after.workflow_id = before.workflow_id and after.is_sink = before.is_sink
                 and case when before.ready_at is not null then after.ready_at = before.ready_at
                          else after.ready_at is null or after.ready_at between v_since and v_until
                     end as legal,
                 sluice.broken_task_rule(after.state, after.waiting_for, after.stopped, after.token, after.ready_at, after.finished_at, after.output, after.error) as broken
            from before
            full join after on after.run_id = before.run_id and after.task_no = before.task_no
          offset 0) as move;

  if v_news = 0 then
    return null;
  end if;
  -- Whoever claims in the same transaction looks after what it leaves; what follows from a result leads to nothing further.
  if v_hop[1] is null then
    if v_news & (c_ready | c_ownerless) > 0 then
      notify task_ready;
    end if;
  elsif v_follows then
    return null;
  end if;

  if v_news & (c_parent | c_failed | c_ownerless) > 0 then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row. While we hold their runs,
  -- nobody else moves PENDING tasks. Whose result it was takes what becomes READY, as far as it has room.
  if v_news & c_parent > 0 then
    with moved as (
      update sluice.tasks
         set waiting_for = tasks.waiting_for - child.parents,
             state       = case when child.taken then 'RUNNING' when child.ready then 'READY' else 'PENDING' end::sluice.task_state,
             ready_at    = case when child.ready then statement_timestamp() end,
             token       = child.taken::integer,
             attempt     = child.taken::integer,
             runner_id   = case when child.taken then v_hop[1] end,
             started_at  = case when child.taken then statement_timestamp() end
        from (select fewer.run_id, fewer.child_no, fewer.parents, waiting.waiting_for = fewer.parents as ready,
                     waiting.waiting_for = fewer.parents
                       and count(*) filter (where waiting.waiting_for = fewer.parents) over (rows unbounded preceding) <= coalesce(v_hop[2], 0) as taken
                from (select after.run_id, edges.child_no, count(*)::integer as parents
                        from after
                        join sluice.workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
                       where after.state = 'SUCCESS'
                       group by after.run_id, edges.child_no
                       order by after.run_id, edges.child_no) as fewer
                join sluice.runs on runs.id = fewer.run_id and runs.status = 'RUNNING'
                join sluice.tasks as waiting on waiting.run_id = fewer.run_id and waiting.task_no = fewer.child_no) as child
       where tasks.run_id = child.run_id
         and tasks.task_no = child.child_no
      returning tasks.ctid, child.taken
    )
    select array_agg(moved.ctid) into v_taken from moved where moved.taken;
    if v_taken is not null then
      v_setting := set_config('sluice.taken_tasks', v_taken::text, true);
    end if;
  end if;

  if v_news = c_parent then
    return null;
  end if;

  if v_news & c_failed > 0 then
    with ended as (
      update sluice.runs
         set status         = 'FAILED',
             finished_at    = statement_timestamp(),
             failed_task_no = first.task_no,
             reason         = first.error ->> 'message'
        from (select distinct on (after.run_id) after.run_id, after.task_no, after.error
                from after
               where after.state = 'FAILED'
               order by after.run_id, after.task_no) as first
       where runs.id = first.run_id
         and runs.status = 'RUNNING'
      returning runs.ctid
    )
    select array_agg(ended.ctid) into v_ended from ended;
  end if;

  if v_news & c_sink > 0 then
    with counted as (
      update sluice.runs
         set waiting_for = runs.waiting_for - sinks.succeeded,
             status      = case when runs.waiting_for = sinks.succeeded then 'COMPLETED' else runs.status end,
             finished_at = case when runs.waiting_for = sinks.succeeded then statement_timestamp() end
        from (select after.run_id, count(*)::integer as succeeded
                from after
               where after.state = 'SUCCESS'
                 and after.is_sink
               group by after.run_id
               order by after.run_id) as sinks
       where runs.id = sinks.run_id
         and runs.status = 'RUNNING'
      returning runs.ctid, runs.finished_at
    )
    select v_ended || array_agg(counted.ctid) into v_ended from counted where counted.finished_at is not null;
  end if;

  -- A hop may have both: successes are written first, the others by a second statement.
  if v_ended is not null and v_hop is not null then
    v_setting := set_config('sluice.ended_runs', (nullif(current_setting('sluice.ended_runs', true), '')::tid[] || v_ended)::text, true);
  end if;

  if v_news & c_ownerless > 0 then
    if exists (select from after
                where after.state = 'RUNNING'
                  and after.runner_id is null
                  and not exists (select from sluice.attempts
                                   where attempts.run_id = after.run_id and attempts.task_no = after.task_no and attempts.token = after.token - 1)) then
      raise exception using
        errcode = 'WF001',
        message = 'a task was taken from its runner, and nothing says so',
        hint    = 'Attempts stay on record: insert one into sluice.attempts first, or let sluice.end_runner do both.';
    end if;
    -- Tried again or given back, but its run has stopped meanwhile: it ends with the run.
    perform sluice.end_ownerless_tasks(array(select after.run_id
                                               from after
                                               join sluice.runs on runs.id = after.run_id and runs.status <> 'RUNNING'
                                              where after.state = 'RUNNING' and after.runner_id is null));
  end if;
  return null;
end;
$$;

/* The guard of runs' changes, and what follows when one stops: what is READY will not run, and its runners are told. */
create function sluice.advance_runs() returns trigger
  language plpgsql volatile
as $$
declare
  v_follows constant boolean := pg_trigger_depth() > 1;
  v_stopped boolean;
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
                 and after.input = before.input and after.key is not distinct from before.key and after.created_at = before.created_at as legal,
                 sluice.broken_run_rule(after.status, after.waiting_for, after.key, after.finished_at, after.failed_task_no, after.reason) as broken
            from before
            full join after on after.id = before.id
          offset 0) as move;

  if v_stopped then
    update sluice.tasks
       set stopped = true
      from after
     where after.status in ('FAILED', 'CANCELLED')
       and tasks.run_id = after.id
       and tasks.state = 'READY';
    perform sluice.end_ownerless_tasks(array(select after.id from after where after.status in ('FAILED', 'CANCELLED')));
    notify run_stopped;
  end if;
  return null;
end;
$$;

drop trigger guard_task        on sluice.tasks;
drop trigger advance_new_tasks on sluice.tasks;
drop trigger advance           on sluice.tasks;
drop trigger guard_run         on sluice.runs;
drop trigger stop_tasks        on sluice.runs;
drop function sluice.guard_task();
drop function sluice.guard_run();
drop function sluice.stop_tasks();

create trigger guard_new_task     before insert on sluice.tasks
  for each row execute function sluice.guard_new_task();
create trigger announce_new_tasks after insert on sluice.tasks
  referencing new table as after
  for each statement execute function sluice.announce_new_tasks();
create trigger advance            after update on sluice.tasks
  referencing old table as before new table as after
  for each statement execute function sluice.advance();
create trigger guard_new_run      before insert on sluice.runs
  for each row execute function sluice.guard_new_run();
create trigger advance_runs       after update on sluice.runs
  referencing old table as before new table as after
  for each statement execute function sluice.advance_runs();

comment on function sluice.guard_new_task()                           is 'Tasks begin as PENDING or READY, or as a copy of one that succeeded in the run that is repeated.';
comment on function sluice.guard_new_run()                            is 'Holds new runs to what their status implies.';
comment on function sluice.announce_new_tasks()                       is 'Rings the doorbell when tasks are READY from the start.';
comment on function sluice.advance()                                  is 'Lets legal moves of tasks pass; then children that wait for nobody are READY, runs finish, the doorbell rings.';
comment on function sluice.advance_runs()                             is 'Lets legal changes of runs pass; when one stops, what is READY will not run, and its runners are told.';
comment on function sluice.refuse_task(bigint, integer, sluice.task_state, sluice.task_state, text) is 'Raises why a task cannot be changed like this: 23514 with the name of the rule that it breaks, or WF001.';
comment on function sluice.refuse_run(bigint, sluice.run_status, sluice.run_status, text)            is 'Raises why a run cannot be changed like this: 23514 with the name of the rule that it breaks, or WF001.';
