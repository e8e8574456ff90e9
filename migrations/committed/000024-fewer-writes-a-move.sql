--! Previous: sha1:c3ae7e66bce0193e8d858035ed3083d370202e5c
--! Hash: sha1:2253ba5cc8d901910d37080c3da367b0b611af97
--! Message: fewer writes a move

/*
 * Fewer writes a move. What made a move dear was not the task's row but what came along: a lock on it for the guard, and
 * entries in indexes, as each move changed a column that some index was about. Now
 *
 *   guards judge all rows of a statement at once, after it, by its transition tables;
 *   no index is about what a claim changes, nor about what the end of a run changes, so that the new version stays on its
 *     page and all indexes are left alone (HOT);
 *   what a trigger has done for a hop is handed to it by the place of the rows, and not looked up again.
 *
 * Together that is 28 % of the server's time for a single task, and a third of its WAL.
 */

/* Open tasks: READY or RUNNING, unless put aside. One index of them for claims, for taking over and for what is active. */
drop index sluice.tasks_claimable;
drop index sluice.tasks_of_runner;
create index tasks_open on sluice.tasks (run_id, task_no)
  where waiting_for = 0 and finished_at is null and not stopped;

create view sluice.open_tasks as
select tasks.*
  from sluice.tasks
 where tasks.waiting_for = 0
   and tasks.finished_at is null
   and not tasks.stopped;

/* A run that is under way always has an open task, and is found by it: newest first, as the index has them. */
drop index sluice.runs_active;
create view sluice.active_runs as
select runs.*
  from (select distinct open_tasks.run_id
          from sluice.open_tasks
         order by open_tasks.run_id desc) as open
  join sluice.runs on runs.id = open.run_id
 where runs.finished_at is null;

drop index sluice.runs_stopped;
create index runs_stopped on sluice.runs (id) where reason is not null;

/* Room on the page for the version that comes next. */
alter table sluice.tasks set (fillfactor = 50);
alter table sluice.runs  set (fillfactor = 50);

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
  v_follows constant boolean     := pg_trigger_depth() > 1;
  -- The runner in whose hop this happens, and how many tasks it has room for.
  v_hop     constant integer[]   := nullif(current_setting('sluice.hop', true), '');
  -- Marks have to be of this very moment.
  v_since   constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until   constant timestamptz := clock_timestamp();
  -- What is new, as a sum: 1 a parent has succeeded, 2 a sink has, 4 a task has failed, 8 one is READY, 16 one lost its runner.
  v_news    integer;
  v_taken   tid[];
  v_ended   tid[];
  v_setting text;
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
                   when 'SUCCESS' then case when after.is_sink then 2 else 1 end
                   when 'FAILED'  then 4
                   when 'READY'   then case when after.stopped then 0 else 8 end
                   when 'RUNNING' then case when after.runner_id is null then 16 else 0 end
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
    if v_news & 24 > 0 then
      notify task_ready;
    end if;
  elsif v_follows then
    return null;
  end if;

  if v_news & 21 > 0 then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row. While we hold their runs,
  -- nobody else moves PENDING tasks. Whose result it was takes what becomes READY, as far as it has room.
  if v_news & 1 > 0 then
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

  if v_news = 1 then
    return null;
  end if;

  if v_news & 4 > 0 then
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

  if v_news & 2 > 0 then
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

  if v_ended is not null and v_hop is not null then
    v_setting := set_config('sluice.ended_runs', v_ended::text, true);
  end if;

  if v_news & 16 > 0 then
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

/*
 * One hop of a runner: results in, tasks out, in one round trip and one commit. Rows are, in any order:
 *
 *   answers   of results that did not make their task SUCCESS: RETRY, FAILED; ALREADY when the same had been written before
 *             (so a call whose answer was lost can be repeated); LOST when the task was taken over meanwhile, or never was.
 *   runs      without task_no, that these results finished: COMPLETED or FAILED, how long they took and why they stopped.
 *   tasks     to run, p_slots at the most: CLAIMED. First what these results made READY; then, if p_look says to look for
 *             more, READY ones and those that were given back or are to be tried again, oldest run first.
 */
create or replace function sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer, p_look boolean default true)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 started_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_results   constant integer := jsonb_array_length(p_results);
  v_failures  constant boolean := p_results @? '$[*].error';
  v_setting   text;
  v_rows      tid[];
  v_succeeded integer;
  v_taken     integer          := 0;
  v_claimed   integer          := 0;
begin
  -- A runner that was given up must not claim. Taking over locks its row "for update", so one waits for the other.
  if p_slots > 0 then
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for key share;
    if not found then
      raise exception using
        errcode = 'WF006',
        message = format('runner %s is not registered any more: it was stopped, or thought dead and its tasks taken over', p_runner_id),
        hint    = 'Register again and go on under the new identity.';
    end if;
  end if;

  if v_results > 0 then
    -- For advance. Nothing is taken of a run that these results may stop.
    v_setting := set_config('sluice.hop', array[p_runner_id, case when v_failures then 0 else p_slots end]::text, true);

    -- Successes are written before the others. Where there are both, all are locked first, in the order of everybody.
    if v_failures then
      perform from tasks
         join jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer)
           on result.run_id = tasks.run_id and result.task_no = tasks.task_no
        order by tasks.run_id, tasks.task_no
          for no key update of tasks;
    end if;

    update tasks
       set state       = 'SUCCESS',
           finished_at = statement_timestamp(),
           output      = coalesce(result.output, 'null')
      from (select *
              from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, output jsonb, error jsonb)
             where result.error is null
             order by result.run_id, result.task_no) as result
     where tasks.run_id = result.run_id
       and tasks.task_no = result.task_no
       and tasks.token = result.token
       and tasks.runner_id is not null
       and tasks.finished_at is null;
    get diagnostics v_succeeded = row_count;

    -- The others: failures, what had been reported before, and what was taken over meanwhile.
    if v_succeeded < v_results then
      return query
        with result as (
          select distinct on (result.run_id, result.task_no, result.token) result.*
            from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, error jsonb)
           order by result.run_id, result.task_no, result.token, result.error
        ), held as (
          select tasks.run_id, tasks.task_no, tasks.token, result.token as named, result.error,
                 result.error is not null and tasks.token = result.token and tasks.runner_id is not null and tasks.finished_at is null as open,
                 tasks.attempt <= definition.retries as again,
                 tasks.attempt, tasks.runner_id, tasks.started_at,
                 tasks.token = result.token and tasks.state = 'SUCCESS' and tasks.finished_at = statement_timestamp() as succeeded
            from result
            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no
            join workflow_tasks as definition on definition.workflow_id = tasks.workflow_id and definition.task_no = tasks.task_no
           order by tasks.run_id, tasks.task_no
             for no key update of tasks
        ), failed_attempts as (
          insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
          select held.run_id, held.task_no, held.token, held.attempt, 'FAILED', held.runner_id, held.started_at, statement_timestamp(), held.error
            from held
           where held.open
        ), failed as (
          update tasks
             set state       = (case when held.again then 'RUNNING' else 'FAILED' end)::task_state,
                 finished_at = case when not held.again then statement_timestamp() end,
                 error       = case when not held.again then held.error end,
                 attempt     = tasks.attempt + held.again::integer,
                 token       = tasks.token + held.again::integer,
                 runner_id   = case when not held.again then tasks.runner_id end
            from held
           where held.open
             and tasks.run_id = held.run_id
             and tasks.task_no = held.task_no
        )
        select case when held.open and held.again then 'RETRY'
                    when held.open then 'FAILED'
                    when held.token = held.named then 'ALREADY'
                    when exists (select from attempts
                                  where attempts.run_id = held.run_id and attempts.task_no = held.task_no
                                    and attempts.token = held.named and attempts.outcome = 'FAILED') then 'ALREADY'
                    else 'LOST'
               end,
               held.run_id, held.task_no, held.named,
               null::integer, null::bigint, null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
          from held
         where not held.succeeded
        union all
        select 'LOST', result.run_id, result.task_no, result.token, null, null, null, null, null, null, null
          from result
         where not exists (select from tasks where tasks.run_id = result.run_id and tasks.task_no = result.task_no);
    end if;

    -- What advance has left here. It names rows by their place: nobody else moves them before we commit.
    v_setting := set_config('sluice.hop', '', true);
    v_rows := nullif(current_setting('sluice.ended_runs', true), '');
    if v_rows is not null then
      v_setting := set_config('sluice.ended_runs', '', true);
      return query
        select runs.status::text, runs.id, null::integer, null::integer, null::integer, runs.workflow_id,
               null::timestamptz, null::jsonb, null::jsonb,
               round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
               case when runs.status = 'FAILED' then
                 jsonb_build_object('task', (select failed.name from workflow_tasks as failed
                                              where failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no),
                                    'reason', runs.reason)
               end
          from runs
         where runs.ctid = any (v_rows);
    end if;
    v_rows := nullif(current_setting('sluice.taken_tasks', true), '');
    if v_rows is not null then
      v_setting := set_config('sluice.taken_tasks', '', true);
      return query
        select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
               case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
               null::double precision, null::jsonb
          from tasks as task
          join runs on runs.id = task.run_id
          join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no
         where task.ctid = any (v_rows);
      get diagnostics v_taken = row_count;
    end if;
  end if;

  if p_slots > v_taken and (p_look or v_failures) then
    return query
      with task as (
        update tasks
           set state      = 'RUNNING',
               runner_id  = p_runner_id,
               started_at = statement_timestamp(),
               token      = greatest(tasks.token, 1),
               attempt    = greatest(tasks.attempt, 1)
         where tasks.ctid = any (array(
                 select claimable.ctid
                   from tasks as claimable
                  where claimable.waiting_for = 0
                    and claimable.finished_at is null
                    and not claimable.stopped
                    and claimable.runner_id is null
                  order by claimable.run_id, claimable.task_no
                  limit p_slots - v_taken
                    for no key update skip locked))
        returning tasks.run_id, tasks.task_no, tasks.token, tasks.attempt, tasks.workflow_id
      )
      select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
             case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
             null::double precision, null::jsonb
        from task
        join runs on runs.id = task.run_id
        join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no;
    get diagnostics v_claimed = row_count;
  end if;

  -- What became claimable by these results was claimed just now, if there was room. Others are rung only for the rest.
  if v_taken + v_claimed = p_slots and v_results > 0 and p_runner_id is not null then
    if exists (select from runners where runners.ended_at is null and runners.id <> p_runner_id)
       and exists (select from open_tasks where open_tasks.runner_id is null)
    then
      notify task_ready;
    end if;
  end if;
end;
$$;

/* Among open tasks, as they are no longer indexed by runner. */
create or replace function sluice.release_tasks(p_runner_id integer, p_outcome text, p_except jsonb default '[]') returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_poison constant integer := 5;
  v_kept   constant text[] := array(select session_name(kept.run_id, kept.task_no, kept.token)
                                      from jsonb_to_recordset(p_except) as kept(run_id bigint, task_no integer, token integer));
  v_count  integer;
  v_error  constant jsonb := jsonb_build_object(
    'code', replace(p_outcome, ' ', '_'),
    'message', case p_outcome when 'LOST' then format('runner %s was lost while it ran the task', p_runner_id)
                              else format('runner %s gave the task back', p_runner_id) end);
begin
  -- A transaction that a stopped or cut-off process left open would hold us up, and later whoever runs the task again.
  perform pg_terminate_backend(activity.pid)
     from pg_stat_activity as activity
     join open_tasks as held on activity.application_name = session_name(held.run_id, held.task_no, held.token)
    where activity.datname = current_database()
      and pg_has_role(activity.usesysid, 'MEMBER')
      and held.runner_id = p_runner_id
      and activity.application_name <> all (v_kept);

  with held as (
    select tasks.run_id, tasks.task_no, tasks.token, tasks.attempt, tasks.started_at,
           p_outcome = 'LOST' and tasks.crashes + 1 >= v_poison as poison
      from tasks
     where tasks.waiting_for = 0
       and tasks.finished_at is null
       and not tasks.stopped
       and tasks.runner_id = p_runner_id
       and session_name(tasks.run_id, tasks.task_no, tasks.token) <> all (v_kept)
     order by tasks.run_id, tasks.task_no
       for no key update
  ), recorded as (
    insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
    select held.run_id, held.task_no, held.token, held.attempt, p_outcome, p_runner_id, held.started_at, statement_timestamp(), v_error
      from held
  )
  update tasks
     set crashes     = tasks.crashes + (p_outcome = 'LOST')::integer,
         state       = case when held.poison then 'FAILED' else tasks.state end,
         finished_at = case when held.poison then statement_timestamp() end,
         error       = case when held.poison then jsonb_build_object(
                         'code', 'POISON',
                         'message', format('%s times its runner was lost while it ran this task; it is not tried again', v_poison)) end,
         token       = tasks.token + (not held.poison)::integer,
         runner_id   = case when held.poison then tasks.runner_id end
    from held
   where tasks.run_id = held.run_id
     and tasks.task_no = held.task_no;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;

/* A sign of life, and news: who holds tasks says of which runs, and is told which of them have stopped. */
drop function sluice.beat(integer);
create function sluice.beat(p_runner_id integer, p_runs bigint[] default '{}')
  returns table (alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[])
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_cut_off_since timestamptz;
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;
  lost_runners := array(select dead.id from dead_runners(v_cut_off_since) as dead(id)
                         where dead.id <> p_runner_id and end_runner(dead.id, 'lost') is not null);
  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;

/* What people look at. */
create or replace view public.v_active_runs as
select runs.id                                         as run,
       runs.workflow,
       workflows.version,
       runs.status,
       tasks.succeeded || '/' || tasks.total           as progress,
       left(tasks.running, 18)                         as running,
       case when tasks.claimable = 0 then null
            when exists (select from sluice.runners where runners.ended_at is null) then 'a slot'
            else 'a runner'
       end                                             as waiting_for,
       date_trunc('second', runs.created_at)::timestamp(0) as started,
       sluice.duration(extract(epoch from clock_timestamp() - runs.created_at)) as age
  from sluice.active_runs as runs
  join sluice.workflows on workflows.id = runs.workflow_id
 cross join lateral (
   select count(*)                                                                      as total,
          count(*) filter (where tasks.state = 'SUCCESS')                               as succeeded,
          count(*) filter (where tasks.state in ('READY', 'RUNNING') and tasks.runner_id is null) as claimable,
          string_agg(task.name, ', ' order by tasks.task_no) filter (where tasks.state = 'RUNNING' and tasks.runner_id is not null) as running
     from sluice.tasks
     join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
    where tasks.run_id = runs.id
 ) as tasks
 order by runs.id desc;

create or replace view public.v_runners as
select runners.id                                      as runner,
       runners.host,
       runners.pid,
       case when runners.ending is not null then runners.ending
            when runners.id in (select sluice.dead_runners()) then 'dead'
            else 'alive'
       end                                             as state,
       case when runners.ended_at is null then coalesce(held.tasks, 0) end as running,
       runners.slots,
       runners.started_at::timestamp(0)                as started,
       sluice.duration(extract(epoch from coalesce(runners.ended_at, clock_timestamp()) - runners.started_at)) as up,
       sluice.duration(greatest(0, extract(epoch from clock_timestamp() - runners.beat_at))) as last_beat
  from sluice.runners
  left join (select open_tasks.runner_id, count(*)::integer as tasks
               from sluice.open_tasks
              group by open_tasks.runner_id) as held on held.runner_id = runners.id
 order by runners.id desc;

create or replace view public.v_throughput as
select date_trunc('minute', event.at)::timestamp(0)       as minute,
       count(*) filter (where event.what = 'start')       as runs_started,
       count(*) filter (where event.what = 'RUNNING')     as tasks_started,
       count(*) filter (where event.what = 'SUCCESS')     as succeeded,
       count(*) filter (where event.what = 'FAILED')      as failed,
       round(count(*) filter (where event.what in ('SUCCESS', 'FAILED')) / 60.0, 1) as tasks_per_s
  from (
    select transitions.at, transitions.to_state::text as what
      from (select active_runs.id
              from sluice.active_runs
            union all
            select runs.id
              from sluice.runs
             where runs.finished_at >= date_trunc('minute', now()) - interval '59 minutes') as runs
     -- Run by run: a join would read all tasks there are.
     cross join lateral (select moved.at, moved.from_state, moved.to_state
                           from sluice.transitions as moved
                          where moved.run_id = runs.id
                         offset 0) as transitions
     where transitions.at >= date_trunc('minute', now()) - interval '59 minutes'
       and transitions.from_state is not null
    union all
    select runs.created_at, 'start'
      from sluice.runs
     where runs.created_at >= date_trunc('minute', now()) - interval '59 minutes'
  ) as event
 group by 1
 order by 1 desc;

/* The columns of these views are those of their tables, and so is what is said of them. */
do $$
begin
  execute (select string_agg(format('comment on column sluice.%I.%I is %L', view.name, attribute.attname, col_description(view.of, attribute.attnum)), ';')
             from (values ('open_tasks', 'sluice.tasks'::regclass), ('active_runs', 'sluice.runs'::regclass)) as view(name, of)
             join pg_attribute as attribute on attribute.attrelid = view.of and attribute.attnum > 0 and not attribute.attisdropped);
end;
$$;

comment on view     sluice.open_tasks                                 is 'Tasks that are READY or RUNNING, unless put aside because their run has stopped.';
comment on view     sluice.active_runs                                is 'Runs under way, found by their open tasks, newest first.';
comment on function sluice.guard_new_task()                           is 'Tasks begin as PENDING or READY, or as a copy of one that succeeded in the run that is repeated.';
comment on function sluice.guard_new_run()                            is 'Holds new runs to what their status implies.';
comment on function sluice.announce_new_tasks()                       is 'Rings the doorbell when tasks are READY from the start.';
comment on function sluice.advance()                                  is 'Lets legal moves of tasks pass; then children that wait for nobody are READY, runs finish, the doorbell rings.';
comment on function sluice.advance_runs()                             is 'Lets legal changes of runs pass; when one stops, what is READY will not run, and its runners are told.';
comment on function sluice.refuse_task(bigint, integer, sluice.task_state, sluice.task_state, text) is 'Raises why a task cannot be changed like this: 23514 with the name of the rule that it breaks, or WF001.';
comment on function sluice.refuse_run(bigint, sluice.run_status, sluice.run_status, text)            is 'Raises why a run cannot be changed like this: 23514 with the name of the rule that it breaks, or WF001.';
comment on function sluice.beat(integer, bigint[])                    is 'A runner''s sign of life, once a second; takes over from dead runners meanwhile, and says which of these runs have stopped.';
