--! Previous: sha1:f00eb90d3ba16eb939b6d9a4109b9ea3bc0fa3af
--! Hash: sha1:65ea4a338135909b1a08ab5e9f2713d789b933b8
--! Message: lighter starts

/*
 * A start with less to do: runs and their tasks are written by one statement, and who starts one run without a key does
 * not look for others with the same key.
 */
create or replace function sluice.start_runs(p_workflow text, p_inputs jsonb[], p_keys text[] default null)
  returns table (run_id bigint, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
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
  if cardinality(p_keys) <> cardinality(p_inputs) then
    raise exception using errcode = 'WF004', message = 'there have to be as many keys as inputs (null for none)';
  end if;

  with started as (
    insert into runs (workflow_id, workflow, waiting_for, input, key)
    select v_workflow.id,
           v_workflow.name,
           sinks.count,
           complete_input(v_workflow.name, v_workflow.input_schema, given.input),
           given.key
      from unnest(p_inputs, p_keys) with ordinality as given(input, key, position)
     cross join (select count(*)::integer as count
                   from workflow_tasks as task
                  where task.workflow_id = v_workflow.id
                    and not exists (select from workflow_edges as edge
                                     where edge.workflow_id = task.workflow_id and edge.parent_no = task.task_no)) as sinks
     -- By key, so that calls which share keys never wait for one another in a circle.
     order by given.key, given.position
        on conflict (workflow, key) where key is not null do nothing
    returning id
  ), tasked as (
    insert into tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state)
    select started.id,
           task.workflow_id,
           task.task_no,
           task.parents,
           task.is_sink,
           case task.parents when 0 then 'READY' else 'PENDING' end::task_state
      from started
     cross join (select task.workflow_id, task.task_no, count(edge.parent_no)::integer as parents,
                        not exists (select from workflow_edges as onward
                                     where onward.workflow_id = task.workflow_id and onward.parent_no = task.task_no) as is_sink
                   from workflow_tasks as task
                   left join workflow_edges as edge on edge.workflow_id = task.workflow_id and edge.child_no = task.task_no
                  where task.workflow_id = v_workflow.id
                  group by task.workflow_id, task.task_no) as task
     order by started.id, task.task_no
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

create or replace function sluice.start_run(p_workflow text, p_input jsonb default '{}', p_key text default null) returns bigint
  language sql volatile
begin atomic
  select run_id from sluice.start_runs(p_workflow, array[p_input], case when p_key is not null then array[p_key] end);
end;
