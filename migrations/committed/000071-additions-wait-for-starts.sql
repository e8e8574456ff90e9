--! Previous: sha1:6072db31cefa47c15bb973d41b4563330897d59a
--! Hash: sha1:8d23f6f84e7761f021c9adc163c69745eb80ba11
--! Message: additions wait for starts

/* What somebody added by hand to a version beside a start of it was no part of that run, or half: its children were counted
   without the new edge, so one ran before its parent, and the run could not end. The start holds its version from its
   beginning, as its foreign key does in the end. (And slots are a runner's: without one, nothing begins as claimed.) */
create or replace function sluice.refuse_additions() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  -- Who starts a run holds its version: one of us waits for the other, and then sees what he did.
  perform from workflows where workflows.id in (select added.workflow_id from added) order by workflows.id for update;
  -- By an older snapshot we would not, unless the version is of this very transaction.
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
     and exists (select from workflows where workflows.id in (select added.workflow_id from added) and workflows.created_at < transaction_timestamp()) then
    raise exception using
      errcode = 'WF011',
      message = format('nothing can be added to a version in a transaction that is %s: it may not see all runs', current_setting('transaction_isolation')),
      hint    = 'Do it in one that is read committed: begin isolation level read committed.';
  end if;
  if exists (select from runs where runs.workflow_id in (select added.workflow_id from added)) then
    raise exception using
      errcode = 'WF007',
      message = 'a version of a workflow that has runs never changes',
      hint    = 'Register a new version: select sluice.register_workflow(…).';
  end if;
  return null;
end;
$$;

create function sluice.hold_version(p_workflow_id bigint) returns void
  language plpgsql volatile security definer
  set search_path = sluice, pg_temp
as $$
begin
  perform from workflows where workflows.id = p_workflow_id for key share;
end;
$$;
comment on function sluice.hold_version(bigint) is 'Keeps additions to a version away until the end of the transaction. Whoever may start runs may do so, as the foreign key of runs does it, too.';

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
  v_keyless  bigint[];
  v_found    integer;
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
  perform hold_version(v_workflow.id);
  if v_workflow.id <> p_checked_for then
    raise exception using
      errcode = 'WF010',
      message = format('there is a newer version of workflow "%s" than the one that the inputs were checked for', p_workflow),
      hint    = 'Nothing was started. Check them against workflows.input_schema again.';
  end if;
  if cardinality(p_keys) <> cardinality(p_inputs) then
    raise exception using errcode = 'WF004', message = 'there have to be as many keys as inputs (null for none)';
  end if;

  -- What has one of these keys stays until we commit: pruning locks "for update".
  if p_keys is not null then
    perform from runs where runs.workflow = p_workflow and runs.key = any (p_keys) order by runs.id for key share;
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
    select definition.*, definition.parents = 0 and definition.task_no <= p_slots and p_runner_id is not null as claimed from definition
  ), started as (
    insert into runs (workflow_id, workflow, waiting_for, input, key)
    select v_workflow.id,
           v_workflow.name,
           (select count(*) from newborn where newborn.is_sink),
           complete_input(v_workflow.name, v_workflow.input_schema, given.input),
           given.key
      from unnest(p_inputs, p_keys) with ordinality as given(input, key, position)
     where given.key is null
        or not exists (select from runs where runs.workflow = p_workflow and runs.key = given.key)
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

  -- Others may have started it in the very moment, and it may be gone again.
  perform from runs where runs.workflow = p_workflow and runs.key = any (p_keys) order by runs.id for key share;
  get diagnostics v_found = row_count;
  if v_found < (select count(distinct key) from unnest(p_keys) as key) then
    raise exception using
      errcode = '40001',
      message = format('a run of %s that had one of the keys was pruned meanwhile', p_workflow),
      hint    = 'Nothing was started. Start again.';
  end if;

  select given.key, runs.id into v_clash
    from unnest(p_inputs, p_keys) as given(input, key)
   cross join lateral (select * from runs where runs.workflow = p_workflow and runs.key = given.key offset 0) as runs
    join workflows on workflows.id = runs.workflow_id
   where runs.input <> complete_input(p_workflow, workflows.input_schema, given.input)
   limit 1;
  if found then
    raise exception using
      errcode = 'WF005',
      message = format('run %s of %s has the key "%s" already, with another input', v_clash.id, p_workflow, v_clash.key),
      hint    = 'Nothing was started. A key stands for one input: use another key, or the same input.';
  end if;

  -- Those without a key, in the order of their inputs.
  v_keyless := array(select id from runs where id = any (v_new) and key is null order by id);
  return query
    with given as (
      select key, position,
             case when key is null then v_keyless[count(*) filter (where key is null) over (order by position)]
                  else (select runs.id from runs where runs.workflow = p_workflow and runs.key = given.key)
             end as id
        from unnest(p_keys) with ordinality as given(key, position)
    )
    select given.id,
           given.id = any (coalesce(v_new, '{}')) and (given.key is null or given.position = min(given.position) over (partition by given.key))
      from given
     order by given.position;
end;
$$;
