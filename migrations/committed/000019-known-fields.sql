--! Previous: sha1:65ea4a338135909b1a08ab5e9f2713d789b933b8
--! Hash: sha1:36f37238ab43c30d3f23a479218b7219f3672593
--! Message: known fields

/*
 * A misspelt field of a task ("retires") would be a default that nobody wanted. TypeScript refuses it before it gets
 * here; somebody who registers a workflow from psql has to be told as well.
 */
alter function sluice.workflow_problems(jsonb, jsonb) rename to graph_problems;

create function sluice.field_problems(p_tasks jsonb) returns setof text
  language sql immutable
begin atomic
  select format('task "%s": "%s" is not a field of a task; there are: name, connector, operation, parameters, after, when, retries, timeout_ms',
                coalesce(task.value ->> 'name', '#' || task.position), field.name)
    from jsonb_array_elements(case jsonb_typeof(p_tasks) when 'array' then p_tasks else '[]' end) with ordinality as task(value, position)
   cross join lateral jsonb_object_keys(case jsonb_typeof(task.value) when 'object' then task.value else '{}' end) as field(name)
   where field.name not in ('name', 'connector', 'operation', 'parameters', 'after', 'when', 'retries', 'timeout_ms')
   order by task.position, field.name;
end;

create function sluice.workflow_problems(p_tasks jsonb, p_input_schema jsonb default '{"type": "object"}') returns setof text
  language sql immutable
begin atomic
  select sluice.field_problems(p_tasks)
   union all
  select sluice.graph_problems(p_tasks, p_input_schema);
end;

comment on function sluice.field_problems(jsonb)           is 'Fields of tasks that nobody knows, in words.';
comment on function sluice.graph_problems(jsonb, jsonb)    is 'What is wrong with names, values, parents and references, in words.';
comment on function sluice.workflow_problems(jsonb, jsonb) is 'All that is wrong with a definition, in words; no row when it can be registered.';
