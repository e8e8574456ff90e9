--! Previous: sha1:d4b685c0ba9d7ae854fc030ec6c3bab5ae81578a
--! Hash: sha1:6cea94ca5d72dd5e4ebf3711eda0dceed9c16ccb
--! Message: runs that stop wait for no claim

/* A run that stops held its lock and waited for the row of a READY task that was being claimed. When that had committed, the
   next hop of that runner could have the row again, to report the task, and wait for the run: a deadlock, which ended one of
   the two after a second (14 a minute when many runs failed beside many claims). Now nobody waits for such a row. */
create function sluice.end_open_tasks(p_run_ids bigint[]) returns void
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off
as $$
declare
  -- As long as we would wait for a lock, half a second at most; then we do that.
  v_until constant timestamptz := clock_timestamp() + least(nullif(current_setting('lock_timeout')::interval, interval '0'), interval '500 ms');
  v_free  tid[];
begin
  if p_run_ids = '{}' then
    return;
  end if;
  -- Whoever claims one of these commits in a moment and waits for nobody: we look again until he has. If we waited for the row,
  -- it could be his again by the time it is our turn, in a hop that reports the task, and so waits for our run.
  loop
    v_free := array(select open.ctid
                      from tasks as open
                     where open.run_id = any (p_run_ids)
                       and open.waiting_for = 0 and open.finished_at is null and not open.stopped
                       and open.runner_id is null
                       for no key update skip locked);
    if v_free <> '{}' then
      update tasks
         set stopped     = tasks.state = 'READY',
             state       = case tasks.state when 'RUNNING' then 'FAILED' else tasks.state end,
             finished_at = case tasks.state when 'RUNNING' then greatest(statement_timestamp(), clock_timestamp(), tasks.started_at) end,
             error       = case tasks.state when 'RUNNING' then
                             jsonb_build_object('code', 'RUN_STOPPED', 'message', 'the run stopped before the task could be taken on again')
                           end
       where tasks.ctid = any (v_free);
    end if;
    exit when not exists (select from open_tasks as open where open.run_id = any (p_run_ids) and open.runner_id is null);
    if clock_timestamp() < v_until then
      perform pg_sleep(0.001);
    else
      -- Somebody holds one for longer, by hand.
      perform from open_tasks as open where open.run_id = any (p_run_ids) and open.runner_id is null for no key update;
    end if;
  end loop;
end;
$$;
comment on function sluice.end_open_tasks(bigint[]) is 'Ends what nobody runs of runs that have stopped, whose locks are held: READY tasks are put aside, RUNNING ones without a runner fail.';

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
  -- At which depth triggers fire on what another one of these has written.
  v_written   constant text        := coalesce(current_setting('sluice.follows', true), '');
  v_follows   constant boolean     := v_written = pg_trigger_depth()::text;
  -- The runner in whose hop this happens, and how many tasks it has room for.
  v_hop       constant integer[]   := nullif(current_setting('sluice.hop', true), '');
  -- Marks have to be of this very moment. The clock may go back meanwhile.
  v_since     constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until     constant timestamptz := greatest(statement_timestamp(), clock_timestamp());
  -- What follows is later than its cause, which may have been written while this statement waited for the run.
  v_now       timestamptz;
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
                     and (after.finished_at is null or after.finished_at between v_since and greatest(v_until, before.started_at))
                   -- A parent has succeeded, or its run has stopped.
                   when after.state < 'RUNNING' then
                     v_follows and (before.state = 'PENDING' and after.waiting_for < before.waiting_for
                                    or before.state = 'READY' and after.stopped and not before.stopped)
                   -- It is taken from its runner, or tried again.
                   when after.runner_id is null then
                     before.state = 'RUNNING' and after.token > before.token and after.started_at = before.started_at
                     and after.attempt between before.attempt and before.attempt + 1
                   -- It is claimed; maybe in the moment in which it became READY, by the runner whose result it was that made it so.
                   else
                     before.runner_id is null and not before.stopped and before.state <= 'RUNNING'
                     and (before.state > 'PENDING' or v_follows and after.waiting_for < before.waiting_for)
                     and after.token = greatest(before.token, 1) and after.attempt = greatest(before.attempt, 1)
                     and after.started_at between v_since and greatest(v_until, before.ready_at)
                 end
                 and after.workflow_id = before.workflow_id and after.is_sink = before.is_sink
                 and after.crashes between before.crashes
                                       and before.crashes + (before.runner_id is not null and (after.runner_id is null or after.state = 'FAILED'))::integer
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
  v_setting := set_config('sluice.follows', (pg_trigger_depth() + 1)::text, true);

  if v_news & (c_parent | c_failed | c_ownerless) > 0 then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
    v_now := greatest(statement_timestamp(), clock_timestamp());
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row. While we hold their runs,
  -- nobody else moves PENDING tasks. Whose result it was takes what becomes READY, as far as it has room.
  if v_news & c_parent > 0 then
    with moved as (
      update sluice.tasks
         set waiting_for = tasks.waiting_for - child.parents,
             state       = case when child.taken then 'RUNNING' when child.ready then 'READY' else 'PENDING' end::sluice.task_state,
             ready_at    = case when child.ready then v_now end,
             token       = child.taken::integer,
             attempt     = child.taken::integer,
             runner_id   = case when child.taken then v_hop[1] end,
             started_at  = case when child.taken then v_now end
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
      v_setting := set_config('sluice.taken_tasks', (nullif(current_setting('sluice.taken_tasks', true), '')::tid[] || v_taken)::text, true);
    end if;
  end if;

  if v_news & c_failed > 0 then
    with ended as (
      update sluice.runs
         set status         = 'FAILED',
             finished_at    = greatest(statement_timestamp(), clock_timestamp(), runs.created_at),
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
             finished_at = case when runs.waiting_for = sinks.succeeded then greatest(statement_timestamp(), clock_timestamp(), runs.created_at) end
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

  -- A hop may have several: successes are written first, the others by a second statement, and somebody's own triggers may write.
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
    perform sluice.end_open_tasks(array(select after.run_id
                                          from after
                                          join sluice.runs on runs.id = after.run_id and runs.status <> 'RUNNING'
                                         where after.state = 'RUNNING' and after.runner_id is null));
  end if;
  v_setting := set_config('sluice.follows', v_written, true);
  return null;
end;
$$;

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
    perform sluice.end_open_tasks(array(select after.id from after where after.status in ('FAILED', 'CANCELLED')));
    notify run_stopped;
    v_setting := set_config('sluice.follows', v_written, true);
  end if;
  return null;
end;
$$;

drop function sluice.end_ownerless_tasks(bigint[]);
