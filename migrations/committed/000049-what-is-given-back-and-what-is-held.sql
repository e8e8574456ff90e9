--! Previous: sha1:d2dbc80f9b5edc17a445958e3fc7ce25e155cc10
--! Hash: sha1:97ec05de16ccae5566c311a262ee833ba0388722
--! Message: what is given back and what is held

/*
 * Who gives back what he does not know of is not kept from everything else by what somebody holds, in a transaction left open:
 * he hears how much that is, and comes back for it.
 */
create function sluice.held_tasks(p_runner_id integer) returns jsonb
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
begin
  return (
    with free as (
      select open_tasks.run_id, open_tasks.task_no
        from open_tasks
        join runs on runs.id = open_tasks.run_id
       where open_tasks.runner_id = p_runner_id
       order by open_tasks.run_id, open_tasks.task_no
         for no key update skip locked
    )
    select coalesce(jsonb_agg(jsonb_build_object('run_id', held.run_id, 'task_no', held.task_no, 'token', held.token)), '[]')
      from open_tasks as held
     where held.runner_id = p_runner_id
       and (held.run_id, held.task_no) not in (select free.run_id, free.task_no from free));
end;
$$;

create function sluice.give_back_others(p_runner_id integer, p_kept jsonb, out given_back integer, out held integer)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set lock_timeout = '100ms'
as $$
declare
  v_held jsonb;
begin
  -- Runs that are busy are held most of the time, and are to be had by those who wait.
  begin
    given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept);
    held := 0;
    return;
  exception when lock_not_available then
    v_held := held_tasks(p_runner_id);
  end;
  given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept || v_held);
  held := (select count(*)
             from (select held.run_id, held.task_no, held.token
                     from jsonb_to_recordset(v_held) as held(run_id bigint, task_no integer, token integer)
                   except
                   select kept.run_id, kept.task_no, kept.token
                     from jsonb_to_recordset(p_kept) as kept(run_id bigint, task_no integer, token integer)) as others);
end;
$$;

comment on function sluice.held_tasks(integer)              is 'The tasks of a runner that somebody holds, or their runs, as release_tasks excepts them; all its others are locked.';
comment on function sluice.give_back_others(integer, jsonb) is 'Takes from a living runner all its tasks but those given, and but those that somebody holds; says how many, and how many others are held.';

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
