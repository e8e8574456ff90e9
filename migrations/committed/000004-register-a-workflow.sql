--! Previous: sha1:fb6f33375ae6f687bd64739c541d949877ec314d
--! Hash: sha1:68ef7eee6d144c2724f9fe606061522e1dd00805
--! Message: register a workflow

/*
 * Registering a workflow: everything about its graph is checked here, all problems at once, and a definition that has
 * changed becomes a new version. Tasks are given as [{"name", "connector", "operation", "parameters", "after": [name, …],
 * "when", "retries", "timeout_ms"}, …]; what is left out is {}, [], no condition, 0 and 600000 (ten minutes).
 */

/* The tasks whose outputs a task's parameters or condition refer to. */
create function sluice.task_references(p_task jsonb) returns setof text
  language sql immutable
begin atomic
  select distinct reference ->> 0
    from jsonb_path_query(jsonb_build_array(p_task -> 'parameters', p_task -> 'when'), 'lax $.** ? (exists (@."$output"))."$output"') as reference;
end;

/* The parts of the run's input that they refer to. */
create function sluice.task_inputs(p_task jsonb) returns setof text
  language sql immutable
begin atomic
  select distinct reference ->> 0
    from jsonb_path_query(jsonb_build_array(p_task -> 'parameters', p_task -> 'when'), 'lax $.** ? (exists (@."$input"))."$input"') as reference;
end;

/*
 * Numbers tasks so that parents come before children: the number of the task at each position, null for those that are
 * part of a cycle or wait for one. In memory and linear in edges, as ten thousand tasks may form one chain.
 */
create function sluice.topological_order(p_tasks jsonb) returns integer[]
  language plpgsql immutable
  set search_path = sluice, pg_temp
as $$
declare
  v_count    constant integer := jsonb_array_length(p_tasks);
  v_order    integer[] := array_fill(null::integer, array[v_count]);
  v_waiting  integer[] := array_fill(0, array[v_count]);
  v_first    integer[] := array_fill(1, array[v_count]);
  v_last     integer[] := array_fill(0, array[v_count]);
  v_children integer[];
  v_edge     record;
  v_queue    integer[] := '{}';
  v_child    integer;
begin
  -- All edges sorted by parent; v_first and v_last say where the children of each stand.
  for v_edge in
    with named as (
      select task.value ->> 'name' as name, task.value -> 'after' as parents, task.position::integer as position
        from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    )
    select parent.position as parent, child.position as child, row_number() over (order by parent.position, child.position)::integer as place
      from named as child
     cross join jsonb_array_elements_text(coalesce(child.parents, '[]')) as after(name)
      join named as parent on parent.name = after.name
     order by place
  loop
    v_children[v_edge.place] := v_edge.child;
    v_waiting[v_edge.child] := v_waiting[v_edge.child] + 1;
    if v_last[v_edge.parent] = 0 then
      v_first[v_edge.parent] := v_edge.place;
    end if;
    v_last[v_edge.parent] := v_edge.place;
  end loop;

  for v_task in 1 .. v_count loop
    if v_waiting[v_task] = 0 then
      v_queue := v_queue || v_task;
    end if;
  end loop;

  for v_number in 1 .. v_count loop
    exit when v_number > cardinality(v_queue);
    v_order[v_queue[v_number]] := v_number;
    for v_place in v_first[v_queue[v_number]] .. v_last[v_queue[v_number]] loop
      v_child := v_children[v_place];
      v_waiting[v_child] := v_waiting[v_child] - 1;
      if v_waiting[v_child] = 0 then
        v_queue := v_queue || v_child;
      end if;
    end loop;
  end loop;
  return v_order;
end;
$$;

/*
 * One cycle, as a path: from any task without a number up to a parent without one, and so on, until a task comes again;
 * and from there once round. A long one is cut.
 */
create function sluice.cycle_path(p_tasks jsonb, p_order integer[]) returns text
  language plpgsql immutable
  set search_path = sluice, pg_temp
as $$
declare
  v_most   constant integer := 20;
  v_names  text[];
  v_parent integer[];
  v_seen   boolean[] := array_fill(false, array[cardinality(p_order)]);
  v_task   integer   := array_position(p_order, null);
  v_cycle  integer[] := '{}';
begin
  with stuck as (
    select task.value ->> 'name' as name, task.value -> 'after' as parents, task.position::integer as position
      from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
      join unnest(p_order) with ordinality as placed(number, position) using (position)
     where placed.number is null
  ), waiting as (
    select distinct on (child.position) child.position, parent.position as parent
      from stuck as child
     cross join jsonb_array_elements_text(child.parents) with ordinality as after(name, place)
      join stuck as parent on parent.name = after.name
     order by child.position, after.place
  )
  select array_agg(task.value ->> 'name' order by task.position), array_agg(waiting.parent order by task.position)
    into v_names, v_parent
    from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    left join waiting on waiting.position = task.position;

  while not v_seen[v_task] loop
    v_seen[v_task] := true;
    v_task := v_parent[v_task];
  end loop;
  while cardinality(v_cycle) = 0 or v_cycle[cardinality(v_cycle)] <> v_task loop
    v_cycle := v_cycle || v_parent[coalesce(v_cycle[cardinality(v_cycle)], v_task)];
  end loop;

  -- Collected from child to parent; shown in the order in which they would run, which is the other way.
  return (select string_agg(case when cardinality(v_cycle) > v_most and place = v_most then format('… %s more', cardinality(v_cycle) - v_most + 1)
                                 else v_names[v_cycle[cardinality(v_cycle) + 1 - place]] end, ' -> ' order by place)
            from generate_series(1, least(cardinality(v_cycle), v_most)) as place) || ' -> ' || v_names[v_task];
end;
$$;

/* All that is wrong with a definition, in words, in the order of its tasks; none when it can be registered. */
create function sluice.workflow_problems(p_tasks jsonb, p_input_schema jsonb default '{"type": "object"}') returns setof text
  language plpgsql immutable
  set search_path = sluice, pg_temp
as $$
declare
  v_names text;
  v_order integer[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or p_tasks = '[]' then
    return next 'it has no tasks; give at least one';
    return;
  elsif jsonb_array_length(p_tasks) > 10000 then
    return next format('it has %s tasks, the limit is 10000', jsonb_array_length(p_tasks));
    return;
  end if;
  v_names := (select string_agg(names.name, ', ') from (select task ->> 'name' as name from jsonb_array_elements(p_tasks) as task limit 50) as names);

  return query
    with task as (
      select task.value, task.position, format('task "%s"', coalesce(task.value ->> 'name', '#' || task.position)) as which
        from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    ), problem as (
      select task.position, format('%s: a name is a letter, then at most 62 letters, digits, "_" or "-"', task.which) as words
        from task
       where coalesce(task.value ->> 'name', '') !~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$'
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
       where not exists (select from task as other where other.value ->> 'name' = parent.name)
      union all
      select task.position, format('%s runs after "%s" twice', task.which, parent.name)
        from task
       cross join lateral jsonb_array_elements_text(case jsonb_typeof(task.value -> 'after') when 'array' then task.value -> 'after' else '[]' end) as parent(name)
       group by task.position, task.which, parent.name
      having count(*) > 1
      union all
      select task.position, format('%s refers to the input "%s", which the workflow does not declare', task.which, input.name)
        from task
       cross join lateral task_inputs(task.value) as input(name)
       where not coalesce(p_input_schema -> 'properties', '{}') ? input.name
         and p_input_schema -> 'additionalProperties' = 'false'
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

  -- A reference has to lead upstream. Most lead to a parent; only for the others their ancestors are walked.
  return query
    with recursive task as (
      select value ->> 'name' as name, coalesce(value -> 'after', '[]') as parents, value from jsonb_array_elements(p_tasks) as value
    ), far as (
      select task.name, reference.name as target
        from task
       cross join lateral task_references(task.value) as reference(name)
       where not task.parents ? reference.name
    ), upstream as (
      select distinct far.name, far.name as ancestor from far
      union
      select upstream.name, parent.name
        from upstream
        join task on task.name = upstream.ancestor
       cross join lateral jsonb_array_elements_text(task.parents) as parent(name)
    )
    select format('task "%s" refers to the output of "%s", which is not upstream of it; add it to "after"', far.name, far.target)
      from far
     where far.name = far.target
        or not exists (select from upstream where upstream.name = far.name and upstream.ancestor = far.target);
end;
$$;

create function sluice.register_workflow(
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

  v_problems := array(select workflow_problems(p_tasks, p_input_schema));
  if p_name !~ '^[a-z][a-z0-9_-]{0,62}$' then
    v_problems := array['a workflow''s name is a small letter, then at most 62 small letters, digits, "_" or "-"'] || v_problems;
  end if;
  if v_problems <> '{}' then
    raise exception using
      errcode = 'WF002',
      message = format('workflow "%s" is not valid: %s', p_name, array_to_string(v_problems, E'\n')),
      hint    = 'Nothing was registered. Mend the definition and register it again.';
  end if;
  v_order := topological_order(p_tasks);

  insert into workflows (name, version, input_schema, definition, subject)
  values (p_name, coalesce(v_latest.version, 0) + 1, p_input_schema, v_definition, p_subject)
  returning id into v_id;

  insert into workflow_tasks (workflow_id, task_no, name, connector, operation, parameters, condition, retries, timeout_ms, reads)
  select v_id,
         v_order[task.position],
         task.value ->> 'name',
         task.value ->> 'connector',
         task.value ->> 'operation',
         coalesce(task.value -> 'parameters', '{}'),
         nullif(task.value -> 'when', 'null'),
         coalesce((task.value ->> 'retries')::integer, 0),
         coalesce((task.value ->> 'timeout_ms')::integer, 600000),
         array(select v_order[other.position]
                 from task_references(task.value) as reference(name)
                 join jsonb_array_elements(p_tasks) with ordinality as other(value, position) on other.value ->> 'name' = reference.name
                order by v_order[other.position])
    from jsonb_array_elements(p_tasks) with ordinality as task(value, position);

  insert into workflow_edges (workflow_id, parent_no, child_no)
  select v_id, parent.task_no, child.task_no
    from jsonb_array_elements(p_tasks) as task
   cross join jsonb_array_elements_text(coalesce(task -> 'after', '[]')) as after(name)
    join workflow_tasks as parent on parent.workflow_id = v_id and parent.name = after.name
    join workflow_tasks as child  on child.workflow_id  = v_id and child.name  = task ->> 'name';

  return query select v_id, coalesce(v_latest.version, 0) + 1, true;
end;
$$;

/* A version that has runs is complete: nobody slips a task or an edge into it. */
create function sluice.refuse_additions() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if exists (select from runs where runs.workflow_id in (select added.workflow_id from added)) then
    raise exception using
      errcode = 'WF007',
      message = 'a version of a workflow that has runs never changes',
      hint    = 'Register a new version: select sluice.register_workflow(…).';
  end if;
  return null;
end;
$$;

create trigger versions_with_runs_are_complete after insert on sluice.workflow_tasks
  referencing new table as added
  for each statement execute function sluice.refuse_additions();
create trigger versions_with_runs_are_complete after insert on sluice.workflow_edges
  referencing new table as added
  for each statement execute function sluice.refuse_additions();

comment on function sluice.task_references(jsonb)                 is 'The names of the tasks whose outputs a task refers to.';
comment on function sluice.task_inputs(jsonb)                     is 'The names of the inputs that a task refers to.';
comment on function sluice.topological_order(jsonb)               is 'Numbers tasks so that parents come first; null for those in or behind a cycle.';
comment on function sluice.cycle_path(jsonb, integer[])           is 'One cycle as "a -> b -> a", given what topological_order left without a number.';
comment on function sluice.workflow_problems(jsonb, jsonb)        is 'All that is wrong with a definition, in words; no row when it can be registered.';
comment on function sluice.register_workflow(text, jsonb, jsonb, jsonb) is 'Stores a workflow under a new version when it has changed. Raises WF002 with all its problems.';
comment on function sluice.refuse_additions()                     is 'Keeps versions that have runs from growing.';
