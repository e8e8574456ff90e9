--! Previous: sha1:f2e642a1ecea86ef5bbf4960b5488c1df6195c05
--! Hash: sha1:78bc59311573ab60751af56f75959706872d3de8
--! Message: inputs that are required

/*
 * An input that is required is missed also where the schema says nothing else of it.
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

comment on column sluice.open_tasks.ready_at is 'When all its parents had succeeded.';
comment on function sluice.outputs_of(bigint, bigint, integer[]) is
  'The outputs of tasks of a run, by their names; null when they have more than 32 MB together. What is stored in 128 kB has not, as compression makes a 255th of it at the best.';
