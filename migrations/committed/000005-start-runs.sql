--! Previous: sha1:68ef7eee6d144c2724f9fe606061522e1dd00805
--! Hash: sha1:e24438693410eb142844095e455a273d60981adc
--! Message: start runs

/*
 * Starting runs: one row per task and none per edge, inside the caller's transaction. A task without parents is READY
 * as it is born.
 */

/* The input with defaults filled in. Raises WF004 with all that is missing, unknown or of the wrong type. */
create function sluice.complete_input(p_workflow text, p_schema jsonb, p_input jsonb) returns jsonb
  language plpgsql immutable
  set search_path = sluice, pg_temp
as $$
declare
  v_properties constant jsonb := coalesce(p_schema -> 'properties', '{}');
  v_problems   text[] := '{}';
  v_name       text;
  v_value      jsonb;
  v_type       text;
begin
  if jsonb_typeof(p_input) is distinct from 'object' then
    v_problems := array[format('it is %s, not an object', coalesce(jsonb_typeof(p_input), 'null'))];
  else
    for v_name in select jsonb_array_elements_text(coalesce(p_schema -> 'required', '[]')) loop
      if not p_input ? v_name and not v_properties -> v_name ? 'default' then
        v_problems := v_problems || format('"%s" is missing', v_name);
      end if;
    end loop;
    for v_name, v_value in select * from jsonb_each(p_input) loop
      v_type := v_properties -> v_name ->> 'type';
      if not v_properties ? v_name and p_schema -> 'additionalProperties' = 'false' then
        v_problems := v_problems || format('"%s" is not known; there are: %s', v_name,
          (select string_agg(names.name, ', ') from jsonb_object_keys(v_properties) as names(name)));
      elsif v_type is not null and jsonb_typeof(v_value) <> replace(v_type, 'integer', 'number') then
        v_problems := v_problems || format('"%s" is of type %s, it has to be of type %s', v_name, jsonb_typeof(v_value), v_type);
      elsif coalesce(v_type, '') = 'integer' and v_value::numeric % 1 <> 0 then
        v_problems := v_problems || format('"%s" is %s, it has to be of type integer', v_name, v_value);
      end if;
    end loop;
  end if;
  if v_problems <> '{}' then
    raise exception using
      errcode = 'WF004',
      message = format('the input of %s is not valid: %s', p_workflow, array_to_string(v_problems, '; ')),
      hint    = 'Nothing was started.';
  end if;
  return coalesce((select jsonb_object_agg(property.name, property.value -> 'default')
                     from jsonb_each(v_properties) as property(name, value)
                    where property.value ? 'default'), '{}') || p_input;
end;
$$;

create function sluice.start_runs(p_workflow text, p_inputs jsonb[], p_keys text[] default null)
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
  )
  select array_agg(started.id order by started.id) into v_new from started;

  insert into tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state)
  select run.id,
         task.workflow_id,
         task.task_no,
         task.parents,
         task.is_sink,
         case task.parents when 0 then 'READY' else 'PENDING' end::task_state
    from unnest(v_new) as run(id)
   cross join (select task.workflow_id, task.task_no, count(edge.parent_no)::integer as parents,
                      not exists (select from workflow_edges as onward
                                   where onward.workflow_id = task.workflow_id and onward.parent_no = task.task_no) as is_sink
                 from workflow_tasks as task
                 left join workflow_edges as edge on edge.workflow_id = task.workflow_id and edge.child_no = task.task_no
                where task.workflow_id = v_workflow.id
                group by task.workflow_id, task.task_no) as task
   order by run.id, task.task_no;

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
  select run_id from sluice.start_runs(p_workflow, array[p_input], array[p_key]);
end;

comment on function sluice.complete_input(text, jsonb, jsonb)    is 'An input with defaults filled in. Raises WF004 with all that is wrong with it.';
comment on function sluice.start_runs(text, jsonb[], text[])     is 'Starts a run per input, of the newest version, and gives their ids in the same order; a key that was used before gives that run. Raises WF003, WF004, WF005.';
comment on function sluice.start_run(text, jsonb, text)          is 'Starts one run and gives its id, in the transaction of the caller.';
