--! Previous: sha1:339f882d67394a20903ae63f82d63dab5b1853d1
--! Hash: sha1:b44d9b074d729d7099f5fef5acf1034e270ecba1
--! Message: lightest starts

/*
 * A start with less to do: what a version's tasks are born as is put together once, by key, and an input that has nothing to
 * check is not looked through. Who has checked inputs himself names the version that he checked them for, so that he need
 * not ask before each start which one is the newest.
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
        if not p_input ? v_name and not v_properties -> v_name ? 'default' then
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

alter function sluice.complete_input(text, jsonb, jsonb) reset all;

drop function sluice.start_run(text, jsonb, text);
drop function sluice.start_runs(text, jsonb[], text[]);

create function sluice.start_runs(p_workflow text, p_inputs jsonb[], p_keys text[] default null, p_checked_for bigint default null)
  returns table (run_id bigint, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
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
  if v_workflow.id <> p_checked_for then
    raise exception using
      errcode = 'WF010',
      message = format('there is a newer version of workflow "%s" than the one that the inputs were checked for', p_workflow),
      hint    = 'Nothing was started. Check them against workflows.input_schema again.';
  end if;
  if cardinality(p_keys) <> cardinality(p_inputs) then
    raise exception using errcode = 'WF004', message = 'there have to be as many keys as inputs (null for none)';
  end if;

  with newborn as materialized (
    select task.task_no,
           (select count(*)::integer from workflow_edges as edge
             where edge.workflow_id = task.workflow_id and edge.child_no = task.task_no) as parents,
           not exists (select from workflow_edges as edge
                        where edge.workflow_id = task.workflow_id and edge.parent_no = task.task_no) as is_sink
      from workflow_tasks as task
     where task.workflow_id = v_workflow.id
     order by task.task_no
  ), started as (
    insert into runs (workflow_id, workflow, waiting_for, input, key)
    select v_workflow.id,
           v_workflow.name,
           (select count(*) from newborn where newborn.is_sink),
           complete_input(v_workflow.name, v_workflow.input_schema, given.input),
           given.key
      from unnest(p_inputs, p_keys) with ordinality as given(input, key, position)
     -- By key, so that calls which share keys never wait for one another in a circle.
     order by given.key, given.position
        on conflict (workflow, key) where key is not null do nothing
    returning id
  ), tasked as (
    insert into tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state)
    select started.id,
           v_workflow.id,
           newborn.task_no,
           newborn.parents,
           newborn.is_sink,
           case newborn.parents when 0 then 'READY' else 'PENDING' end::task_state
      from started
     cross join newborn
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

create function sluice.start_run(p_workflow text, p_input jsonb default '{}', p_key text default null) returns bigint
  language sql volatile
begin atomic
  select run_id from sluice.start_runs(p_workflow, array[p_input], case when p_key is not null then array[p_key] end);
end;

comment on function sluice.start_runs(text, jsonb[], text[], bigint) is 'Starts a run per input, of the newest version, and gives their ids in the same order; a key that was used before gives that run. Raises WF003, WF004, WF005, and WF010 when inputs were checked for another version.';
comment on function sluice.start_run(text, jsonb, text)              is 'Starts one run and gives its id, in the transaction of the caller.';
