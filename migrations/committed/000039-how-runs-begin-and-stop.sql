--! Previous: sha1:a50d68b99e3d5a2ed4ed181e78a0b5dde9feceab
--! Hash: sha1:6fbc674475cd2525d0cce1b200f148e1046b0a65
--! Message: how runs begin and stop

/*
 * Runs begin RUNNING, and a run is stopped in a transaction that sees what it has to stop. In one with an older snapshot, tasks
 * that became READY while it waited for the run stayed claimable, though their run was CANCELLED.
 *
 * Who starts runs for a runner sees to it that there is such a runner, whichever function he calls.
 */

create or replace function sluice.guard_new_run() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken constant text := sluice.broken_run_rule(new.status, new.waiting_for, new.key, new.finished_at, new.failed_task_no, new.reason);
begin
  if v_broken is not null or new.status <> 'RUNNING' then
    perform sluice.refuse_run(new.id, null, new.status, v_broken);
  end if;
  return new;
end;
$$;

/* The guard of runs' changes, and what follows when one stops: what is READY will not run, and its runners are told. */
create or replace function sluice.advance_runs() returns trigger
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
    -- By an older snapshot we would miss what has become READY while we waited for the run.
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
      raise exception using
        errcode = 'WF011',
        message = format('a run cannot be stopped in a transaction that is %s: it may not see all tasks', current_setting('transaction_isolation')),
        hint    = 'Do it in one that is read committed: begin isolation level read committed.';
    end if;
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

/*
 * Starts a run of the newest version for each input. For a runner that is named, tasks without parents begin as claimed by it, p_slots of each run at
 * the most.
 */
create or replace function sluice.start_runs(p_workflow text, p_inputs jsonb[], p_keys text[] default null, p_checked_for bigint default null,
                                  p_runner_id integer default null, p_slots integer default 0)
  returns table (run_id bigint, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_workflow workflows;
  v_new      bigint[];
  v_clash    record;
begin
  -- A hop that does not look and has no results: it sees to it that the runner is one, and stays one until we commit.
  if p_runner_id is not null then
    perform report_and_claim(p_runner_id, '[]', p_slots, null);
  end if;

  select workflows.* into v_workflow
    from workflows
   where workflows.name = p_workflow
   order by workflows.version desc
   limit 1;
  if not found then
    raise exception using
      errcode = 'WF003',
      message = format('there is no workflow "%s"', p_workflow),
      hint    = format('There are: %s.', coalesce((select string_agg(distinct name, ', ') from workflows), 'none; register one first'));
  end if;
  if v_workflow.id <> p_checked_for then
    raise exception using
      errcode = 'WF010',
      message = format('there is a newer version of workflow "%s" than the one that the inputs were checked for', p_workflow),
      hint    = 'Nothing was started. Check them against workflows.input_schema again.';
  end if;
  if cardinality(p_keys) <> cardinality(p_inputs) then
    raise exception using errcode = 'WF004', message = 'there have to be as many keys as inputs (null for none)';
  end if;

  with definition as (
    select task.task_no,
           (select count(*)::integer from workflow_edges as edge
             where edge.workflow_id = task.workflow_id and edge.child_no = task.task_no) as parents,
           not exists (select from workflow_edges as edge
                        where edge.workflow_id = task.workflow_id and edge.parent_no = task.task_no) as is_sink
      from workflow_tasks as task
     where task.workflow_id = v_workflow.id
     order by task.task_no
  ), newborn as materialized (
    -- No task's number is less than its place among those without parents.
    select definition.*, definition.parents = 0 and definition.task_no <= p_slots as claimed from definition
  ), started as (
    insert into runs (workflow_id, workflow, waiting_for, input, key)
    select v_workflow.id,
           v_workflow.name,
           (select count(*) from newborn where newborn.is_sink),
           complete_input(v_workflow.name, v_workflow.input_schema, given.input),
           given.key
      from unnest(p_inputs, p_keys) with ordinality as given(input, key, position)
     -- By key, so that calls which share keys never wait for one another in a circle.
     order by given.key, given.position
        on conflict (workflow, key) where key is not null do nothing
    returning id
  ), tasked as (
    insert into tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state, token, attempt, runner_id, started_at)
    select started.id,
           v_workflow.id,
           newborn.task_no,
           newborn.parents,
           newborn.is_sink,
           case when newborn.parents > 0 then 'PENDING' when newborn.claimed then 'RUNNING' else 'READY' end::task_state,
           newborn.claimed::integer,
           newborn.claimed::integer,
           case when newborn.claimed then p_runner_id end,
           case when newborn.claimed then statement_timestamp() end
      from started
     cross join newborn
  )
  select array_agg(started.id order by started.id) into v_new from started;
  -- Without keys, ids were given in the order of the inputs. A key that was used before gives the run that has it.
  if p_keys is null then
    return query select id, true from unnest(v_new) as id;
    return;
  end if;

  select given.key, runs.id into v_clash
    from unnest(p_inputs, p_keys) as given(input, key)
    join runs on runs.workflow = p_workflow and runs.key = given.key
    join workflows on workflows.id = runs.workflow_id
   where runs.input <> complete_input(p_workflow, workflows.input_schema, given.input)
   limit 1;
  if found then
    raise exception using
      errcode = 'WF005',
      message = format('run %s of %s has the key "%s" already, with another input', v_clash.id, p_workflow, v_clash.key),
      hint    = 'Nothing was started. A key stands for one input: use another key, or the same input.';
  end if;

  return query
    with given as (
      select key, position, count(*) filter (where key is null) over (order by position) as place
        from unnest(p_keys) with ordinality as given(key, position)
    ), keyless as (
      select id, row_number() over (order by id) as place from runs where id = any (v_new) and key is null
    )
    select coalesce(runs.id, keyless.id),
           coalesce(runs.id, keyless.id) = any (v_new)
             and (given.key is null or given.position = min(given.position) over (partition by given.key))
      from given
      left join runs on runs.workflow = p_workflow and runs.key = given.key
      left join keyless on given.key is null and keyless.place = given.place
     order by given.position;
end;
$$;

create or replace function sluice.start_and_claim(p_runner_id integer, p_slots integer, p_workflow text, p_input jsonb, p_checked_for bigint default null)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 started_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off
  set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
  v_run_id bigint;
begin
  select started.run_id into v_run_id
    from start_runs(p_workflow, array[p_input], null, p_checked_for, p_runner_id, p_slots) as started;

  return query
    select 'STARTED', v_run_id, null::integer, null::integer, null::integer, null::bigint,
           null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
     union all
    select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
           null, null, null
      from runs
      join tasks as task on task.run_id = runs.id
     where runs.id = v_run_id
       and task.state = 'RUNNING';
end;
$$;

-- Lost when a beat was made anew in 000035.
alter function sluice.beat(integer, bigint[]) set enable_bitmapscan = off;

comment on function sluice.guard_new_run() is 'New runs are RUNNING, and say what that implies.';
comment on function sluice.advance_runs()  is 'Lets legal changes of runs pass; when one stops, what is READY will not run, and its runners are told. Raises WF011 when the transaction is not read committed.';
