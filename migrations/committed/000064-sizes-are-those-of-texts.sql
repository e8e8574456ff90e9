--! Previous: sha1:7470050e72c7dc13738c273f0be681085c23c3fb
--! Hash: sha1:eb5bf13310fa274eb1c237470a6d084cffe6dfc0
--! Message: sizes are those of texts

/*
 * Outputs are put together as text: jsonb_object_agg copies each string that it comes upon by looking for the end of all of them,
 * so that 20,000 lines of 100 characters took 55 s, in which the server process does not heed that it is to end.
 */
create or replace function sluice.outputs_of(p_run_id bigint, p_workflow_id bigint, p_task_nos integer[]) returns jsonb
  language sql stable
begin atomic
  select case when outputs.stored <= 131072 or (
           select sum(octet_length(tasks.output::text))
             from sluice.tasks
            where tasks.run_id = p_run_id and tasks.task_no = any (p_task_nos)) <= 33554432
         then (
           select json_object_agg(upstream.name, tasks.output)::jsonb
             from unnest(p_task_nos) as read(task_no)
             join sluice.tasks on tasks.run_id = p_run_id and tasks.task_no = read.task_no
             join sluice.workflow_tasks as upstream on upstream.workflow_id = p_workflow_id and upstream.task_no = read.task_no)
         end
    from (select sum(pg_column_size(tasks.output)) as stored
            from sluice.tasks
           where tasks.run_id = p_run_id and tasks.task_no = any (p_task_nos)) as outputs;
end;

/*
 * An input has the size of its text, by which it is handed out: a number takes a few bytes as jsonb, and may have 131,072 digits.
 */
create or replace function sluice.complete_input(p_workflow text, p_schema jsonb, p_input jsonb) returns jsonb
  language plpgsql immutable
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
  elsif octet_length(p_input::text) > 16777216 then
    v_problems := array[format('it has %s bytes, the limit is 16777216; put it into a table or a file and hand on where that is', octet_length(p_input::text))];
  else
    if p_schema ? 'required' then
      for v_name in select jsonb_array_elements_text(p_schema -> 'required') loop
        if not p_input ? v_name and not coalesce(v_properties -> v_name ? 'default', false) then
          v_problems := v_problems || format('"%s" is missing', v_name);
        end if;
      end loop;
    end if;
    if p_input <> '{}' then
      for v_name, v_value in select * from jsonb_each(p_input) loop
        -- Several types are for the connectors to judge.
        v_type := case when jsonb_typeof(v_properties -> v_name -> 'type') = 'string' then v_properties -> v_name ->> 'type' end;
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
  end if;
  if v_problems <> '{}' then
    raise exception using
      errcode = 'WF004',
      message = format('the input of %s is not valid: %s', p_workflow, array_to_string(v_problems, '; ')),
      hint    = 'Nothing was started.';
  end if;
  if v_properties @? '$.*.default' then
    return (select jsonb_object_agg(property.name, property.value -> 'default')
              from jsonb_each(v_properties) as property(name, value)
             where property.value ? 'default') || p_input;
  end if;
  return p_input;
end;
$$;
