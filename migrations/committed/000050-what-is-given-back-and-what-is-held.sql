--! Previous: sha1:feef23bc8a25b10a7f76b66c3e767eb230a6b71f
--! Hash: sha1:d94615d9bf956992217923296282d8de34d6d208
--! Message: what is given back and what is held

/*
 * Who gives back what he does not know of does not wait either for what somebody holds: he hears how much is left, and
 * comes back for it.
 */
create function sluice.give_back_others(p_runner_id integer, p_kept jsonb, out given_back integer, out held integer)
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_held constant jsonb := held_tasks(p_runner_id);
begin
  given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept || v_held);
  held := (select count(*)
             from (select held.run_id, held.task_no, held.token
                     from jsonb_to_recordset(v_held) as held(run_id bigint, task_no integer, token integer)
                   except
                   select kept.run_id, kept.task_no, kept.token
                     from jsonb_to_recordset(p_kept) as kept(run_id bigint, task_no integer, token integer)) as others);
end;
$$;

comment on function sluice.give_back_others(integer, jsonb) is 'Takes from a living runner all its tasks but those given, and those that somebody holds; says how many, and how many others are held.';

/*
 * An input may be declared to be of one of several types.
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
