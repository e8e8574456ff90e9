--! Previous: sha1:0666e453ca534785d197c93e9ecb6226b9b7690b
--! Hash: sha1:dccd5ddff53821d72b0701384e5cfb557cf3f2f2
--! Message: large definitions

/* For each task, the names of all tasks were gathered anew: 13 s for a chain of 10,000 with references, minutes with many edges. */
create or replace function sluice.graph_problems(p_tasks jsonb, p_input_schema jsonb default '{"type": "object"}') returns setof text
  language plpgsql immutable
  set search_path = sluice, pg_temp
as $$
declare
  v_names    text;
  v_known    jsonb;
  v_order    integer[];
  v_numbers  jsonb;
  v_upstream bit varying[];
  v_task     record;
  v_parent   integer;
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or p_tasks = '[]' then
    return next 'it has no tasks; give at least one';
    return;
  elsif jsonb_array_length(p_tasks) > 10000 then
    return next format('it has %s tasks, the limit is 10000', jsonb_array_length(p_tasks));
    return;
  end if;
  v_names := (select string_agg(names.name, ', ') from (select task ->> 'name' as name from jsonb_array_elements(p_tasks) as task limit 50) as names);
  v_known := (select coalesce(jsonb_object_agg(task ->> 'name', true) filter (where task ->> 'name' is not null), '{}')
                from jsonb_array_elements(p_tasks) as task);

  return query
    with task as (
      select task.value, task.position, format('task "%s"', coalesce(task.value ->> 'name', '#' || task.position)) as which
        from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    ), problem as (
      select task.position, format('%s: a name is a letter, then at most 62 letters, digits, "_" or "-"', task.which) as words
        from task
       where jsonb_typeof(task.value -> 'name') is distinct from 'string'
          or task.value ->> 'name' !~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$'
      union all
      select max(task.position), format('%s is there %s times; names are unique', task.which, count(*))
        from task
       where task.value ? 'name'
       group by task.which
      having count(*) > 1
      union all
      select task.position, format('%s needs a connector and an operation', task.which)
        from task
       where jsonb_typeof(task.value -> 'connector') is distinct from 'string'
          or jsonb_typeof(task.value -> 'operation') is distinct from 'string'
      union all
      select task.position, format('%s: %s is %s, it has to be %s', task.which, field.name, task.value -> field.name, field.rule)
        from task
       cross join (values ('retries', 0, 100, 'a whole number from 0 to 100'),
                          ('timeout_ms', 1, 2147483647, 'a whole number of milliseconds from 1 to 2147483647')) as field(name, low, high, rule)
       where task.value ? field.name
         and not case when jsonb_typeof(task.value -> field.name) = 'number'
                      then (task.value ->> field.name)::numeric between field.low and field.high
                       and (task.value ->> field.name)::numeric % 1 = 0
                      else false end
      union all
      select task.position, format('%s: "after" is %s, it has to be a list of task names', task.which, task.value -> 'after')
        from task
       where jsonb_typeof(coalesce(task.value -> 'after', '[]')) <> 'array'
      union all
      select task.position, format('%s runs after "%s", which is not one of its tasks. There are: %s', task.which, parent.name, v_names)
        from task
       cross join lateral jsonb_array_elements_text(case jsonb_typeof(task.value -> 'after') when 'array' then task.value -> 'after' else '[]' end) as parent(name)
       where (v_known ? parent.name) is not true
      union all
      select task.position, format('%s runs after "%s" twice', task.which, parent.name)
        from task
       cross join lateral jsonb_array_elements_text(case jsonb_typeof(task.value -> 'after') when 'array' then task.value -> 'after' else '[]' end) as parent(name)
       group by task.position, task.which, parent.name
      having count(*) > 1
      union all
      select task.position, format('%s has a reference that names nothing; write {"$input": ["name"]} or {"$output": ["task"]}', task.which)
        from task
       where jsonb_path_exists(
               jsonb_build_array(task.value -> 'parameters', task.value -> 'when'),
               '$.** ? (@.type() == "object").keyvalue()
                     ? ((@.key == "$input" || @.key == "$output") && !(@.value.type() == "array" && @.value[0].type() == "string"))')
      union all
      select task.position, format('%s refers to the input "%s", which the workflow does not declare', task.which, input.name)
        from task
       cross join lateral task_inputs(task.value) as input(name)
       where not coalesce(p_input_schema -> 'properties', '{}') ? input.name
         and p_input_schema -> 'additionalProperties' = 'false'
      union all
      select task.position, format('%s refers to the output of "%s", which is not one of its tasks. There are: %s', task.which, reference.name, v_names)
        from task
       cross join lateral task_references(task.value) as reference(name)
       where not v_known ? reference.name
    )
    select problem.words from problem order by problem.position;
  if found then
    return;
  end if;

  v_order := topological_order(p_tasks);
  if array_position(v_order, null) is not null then
    return next format('its tasks wait for one another in a cycle: %s', cycle_path(p_tasks, v_order));
    return;
  end if;

  -- A reference has to lead upstream. Most lead to a parent.
  if not exists (
    select from jsonb_array_elements(p_tasks) as task
     cross join lateral task_references(task) as reference(name)
     where not coalesce(task -> 'after', '[]') ? reference.name
  ) then
    return;
  end if;

  -- For each task, bits say which others are upstream of it, by their numbers.
  v_numbers := (select jsonb_object_agg(task.value ->> 'name', v_order[task.position])
                  from jsonb_array_elements(p_tasks) with ordinality as task(value, position));
  for v_task in
    select task.value, v_order[task.position] as number
      from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
     order by number
  loop
    v_upstream[v_task.number] := repeat('0', cardinality(v_order))::bit varying;
    for v_parent in select (v_numbers ->> name)::integer from jsonb_array_elements_text(coalesce(v_task.value -> 'after', '[]')) as parent(name) loop
      v_upstream[v_task.number] := set_bit(v_upstream[v_task.number] | v_upstream[v_parent], v_parent - 1, 1);
    end loop;
    return query
      select format('task "%s" refers to the output of "%s", which is not upstream of it; add it to "after"', v_task.value ->> 'name', reference.name)
        from task_references(v_task.value) as reference(name)
       where get_bit(v_upstream[v_task.number], (v_numbers ->> reference.name)::integer - 1) = 0;
  end loop;
end;
$$;

create or replace function sluice.register_workflow(
  p_name         text,
  p_tasks        jsonb,
  p_input_schema jsonb default '{"type": "object"}',
  p_subject      jsonb default '[]'
) returns table (workflow_id bigint, version integer, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
#variable_conflict use_column
declare
  v_definition constant jsonb := jsonb_build_object('tasks', p_tasks, 'input', p_input_schema, 'subject', p_subject);
  v_problems text[];
  v_order    integer[];
  v_numbers  jsonb;
  v_latest   workflows;
  v_id       bigint;
begin
  -- Two that register the same workflow take turns, so that versions count up without gaps.
  perform pg_advisory_xact_lock(hashtextextended('sluice.register_workflow ' || p_name, 0));

  select workflows.* into v_latest
    from workflows
   where workflows.name = p_name
   order by workflows.version desc
   limit 1;
  if v_latest.definition = v_definition then
    return query select v_latest.id, v_latest.version, false;
    return;
  end if;

  v_problems := array(select workflow_problems(p_name, p_tasks, p_input_schema, p_subject));
  if v_problems <> '{}' then
    raise exception using
      errcode = 'WF002',
      message = format('workflow "%s" is not valid: %s', p_name, array_to_string(v_problems, E'\n')),
      hint    = 'Nothing was registered. Mend the definition and register it again.';
  end if;
  v_order := topological_order(p_tasks);
  v_numbers := (select jsonb_object_agg(task.value ->> 'name', v_order[task.position])
                  from jsonb_array_elements(p_tasks) with ordinality as task(value, position));

  insert into workflows (name, version, input_schema, definition, subject)
  values (p_name, coalesce(v_latest.version, 0) + 1, p_input_schema, v_definition, p_subject)
  returning id, version into v_id, version;

  insert into workflow_tasks (workflow_id, task_no, name, connector, operation, parameters, condition, retries, timeout_ms, reads)
  select v_id,
         v_order[task.position],
         task.value ->> 'name',
         task.value ->> 'connector',
         task.value ->> 'operation',
         coalesce(task.value -> 'parameters', '{}'),
         nullif(task.value -> 'when', 'null'),
         coalesce((task.value -> 'retries')::integer, 0),
         coalesce((task.value -> 'timeout_ms')::integer, 600000),
         array(select (v_numbers ->> reference.name)::integer as number
                 from task_references(task.value) as reference(name)
                order by number)
    from jsonb_array_elements(p_tasks) with ordinality as task(value, position);

  insert into workflow_edges (workflow_id, parent_no, child_no)
  select v_id, parent.task_no, child.task_no
    from jsonb_array_elements(p_tasks) as task
   cross join jsonb_array_elements_text(coalesce(task -> 'after', '[]')) as after(name)
    join workflow_tasks as parent on parent.workflow_id = v_id and parent.name = after.name
    join workflow_tasks as child  on child.workflow_id  = v_id and child.name  = task ->> 'name';

  return query select v_id, version, true;
end;
$$;
