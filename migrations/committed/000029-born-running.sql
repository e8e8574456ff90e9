--! Previous: sha1:bf91a5f97164828e88457355d831da2a45234001
--! Hash: sha1:e9db729adfa336079813216d5c818721888c594d
--! Message: born running

/*
 * Born running. What a runner starts and claims in one commit was written as READY and claimed by an update, with all that
 * guards one. Now it begins as claimed.
 */

/* How tasks begin: nothing but a copy of what succeeded in the run that is repeated is further than claimed. */
create or replace function sluice.guard_new_task() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken text;
begin
  if new.state = 'READY'
     or new.state = 'RUNNING' and new.runner_id is not null and new.token = 1 and new.attempt = 1 and new.started_at = statement_timestamp()
  then
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

/* What is READY from the start is announced. */
create or replace function sluice.announce_new_tasks() returns trigger
  language plpgsql volatile
as $$
begin
  if exists (select from after where after.state = 'READY') then
    notify task_ready;
  end if;
  return null;
end;
$$;

drop function sluice.start_run(text, jsonb, text);
drop function sluice.start_runs(text, jsonb[], text[], bigint);

/* As before; for a runner that is named, tasks without parents begin as claimed by it, p_slots of each run at the most. */
create function sluice.start_runs(p_workflow text, p_inputs jsonb[], p_keys text[] default null, p_checked_for bigint default null,
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

create function sluice.start_run(p_workflow text, p_input jsonb default '{}', p_key text default null) returns bigint
  language sql volatile
begin atomic
  select run_id from sluice.start_runs(p_workflow, array[p_input], case when p_key is not null then array[p_key] end);
end;

/*
 * Starts a run, as start_runs does, for a runner that claims what it can of it in the same commit. Rows are those of
 * report_and_claim, and before them one with the new run: STARTED. What there is no room for is announced.
 */
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
  -- A hop that does not look and has no results: it sees to it that the runner stays one until we commit.
  perform report_and_claim(p_runner_id, '[]', p_slots, false);
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

comment on function sluice.guard_new_task()     is 'Tasks begin as PENDING or READY, as claimed by the runner that starts them, or as a copy of one that succeeded in the run that is repeated.';
comment on function sluice.announce_new_tasks() is 'Rings the doorbell when tasks are READY from the start.';
comment on function sluice.start_runs(text, jsonb[], text[], bigint, integer, integer)  is 'Starts a run per input, of the newest version, and gives their ids in the same order; a key that was used before gives that run. For a runner, their first tasks begin as claimed by it, p_slots of each at the most. Raises WF003, WF004, WF005, and WF010 when inputs were checked for another version.';
comment on function sluice.start_run(text, jsonb, text)                                 is 'Starts one run and gives its id, in the transaction of the caller.';
comment on function sluice.start_and_claim(integer, integer, text, jsonb, bigint)       is 'Starts a run whose first tasks are claimed by a runner, in one commit. Raises what start_runs and report_and_claim raise.';
