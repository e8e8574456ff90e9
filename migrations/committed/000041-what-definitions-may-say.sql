--! Previous: sha1:95a69fcda133ca6524ad8ffa0ed84cbcf48afbe0
--! Hash: sha1:a360f03ee0b4cf2c1a00d0d0f87145f12061342e
--! Message: what definitions may say

/*
 * What is wrong with a definition is told by one function, all of it at once: also names, what runs are about, and
 * conditions. A subject that is no list of references was taken, and made every list of runs fail; a condition that is none
 * failed its task, in words that nobody understood.
 */
create function sluice.subject_problems(p_tasks jsonb, p_input_schema jsonb, p_subject jsonb) returns setof text
  language sql immutable
begin atomic
  with part as (
    select value,
           coalesce(value -> '$input', value -> '$output') as path,
           value ? '$input'                                as is_input
      from jsonb_array_elements(case jsonb_typeof(p_subject) when 'array' then p_subject else '[]' end) as value
  ), reference as (
    select part.value, part.is_input, part.path ->> 0 as name,
           jsonb_typeof(part.path) = 'array' and jsonb_typeof(part.path -> 0) = 'string' as is_formed
      from part
  )
  select format('its subject is %s, it has to be a list of references', coalesce(p_subject, 'null'))
   where jsonb_typeof(p_subject) is distinct from 'array'
   union all
  select case
           when reference.is_formed is not true
             then format('its subject has %s, which refers to no input and no output', reference.value)
           when reference.is_input
             then format('its subject refers to the input "%s", which the workflow does not declare', reference.name)
           else format('its subject refers to the output of "%s", which is not one of its tasks', reference.name)
         end
    from reference
   where reference.is_formed is not true
      or case when reference.is_input
              then p_input_schema -> 'additionalProperties' = 'false' and not coalesce(p_input_schema -> 'properties', '{}') ? reference.name
              else not jsonb_path_exists(p_tasks, '$[*] ? (@.name == $name)', jsonb_build_object('name', reference.name)) end;
end;

create or replace function sluice.field_problems(p_tasks jsonb) returns setof text
  language sql immutable
begin atomic
  with task as (
    select given.value, given.position, coalesce(given.value ->> 'name', '#' || given.position) as name, given.value -> 'when' as condition
      from jsonb_array_elements(case jsonb_typeof(p_tasks) when 'array' then p_tasks else '[]' end) with ordinality as given(value, position)
  ), problem as (
    select task.position, field.name as field,
           format('task "%s": "%s" is not a field of a task; there are: name, connector, operation, parameters, after, when, retries, timeout_ms',
                  task.name, field.name) as words
      from task
     cross join lateral jsonb_object_keys(case jsonb_typeof(task.value) when 'object' then task.value else '{}' end) as field(name)
     where field.name not in ('name', 'connector', 'operation', 'parameters', 'after', 'when', 'retries', 'timeout_ms')
    union all
    select task.position, 'when',
           format('task "%s": "when" is %s, it has to be {"value": …, "is": …} or {"value": …, "isNot": …}', task.name, task.condition)
      from task
     where jsonb_typeof(task.condition) <> 'null'
       and coalesce((select array_agg(key order by key)
                       from jsonb_object_keys(case jsonb_typeof(task.condition) when 'object' then task.condition else '{}' end) as key), '{}')
           not in ('{is,value}', '{isNot,value}')
  )
  select problem.words from problem order by problem.position, problem.field;
end;

drop function sluice.workflow_problems(jsonb, jsonb);

create function sluice.workflow_problems(
  p_name         text,
  p_tasks        jsonb,
  p_input_schema jsonb default '{"type": "object"}',
  p_subject      jsonb default '[]'
) returns setof text
  language sql immutable
begin atomic
  select 'a workflow''s name is a small letter, then at most 62 small letters, digits, "_" or "-"'
   where coalesce(p_name, '') !~ '^[a-z][a-z0-9_-]{0,62}$'
   union all
  select sluice.field_problems(p_tasks)
   union all
  select sluice.graph_problems(p_tasks, p_input_schema)
   union all
  select sluice.subject_problems(p_tasks, p_input_schema, p_subject);
end;

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
         coalesce((task.value -> 'retries')::integer, 0),
         coalesce((task.value -> 'timeout_ms')::integer, 600000),
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

comment on function sluice.subject_problems(jsonb, jsonb, jsonb)        is 'What is wrong with what runs are said to be about, in words.';
comment on function sluice.field_problems(jsonb)                        is 'Fields of tasks that nobody knows, and conditions that are none, in words.';
comment on function sluice.workflow_problems(text, jsonb, jsonb, jsonb) is 'All that is wrong with a definition, in words; no row when it can be registered.';
