--! Previous: sha1:f794f25d6327b8de060aebbb77dfafd99d62b440
--! Hash: sha1:7fb1bdcb92d8db2587eacae8fc34d2ffe677fd15
--! Message: inputs have a limit

/*
 * An input is at most as large as an output: larger ones, which only SQL let in, took runners down one after another. Of what runs
 * are about, the beginning is enough for a list. And a psql with the code page of Windows has no arrow to show.
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
  elsif pg_column_size(p_input) > 16777216 then
    v_problems := array[format('it has %s bytes, the limit is 16777216; put it into a table or a file and hand on where that is', pg_column_size(p_input))];
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

create or replace function sluice.refuse_task(p_run_id bigint, p_task_no integer, p_was sluice.task_state, p_is sluice.task_state, p_broken text) returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if p_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('task %s of run %s cannot be %s like this: %s', p_task_no, p_run_id, p_is, replace(p_broken, '_', ' ')),
      constraint = p_broken,
      table      = 'tasks',
      schema     = 'sluice';
  end if;
  raise exception using
    errcode = 'WF001',
    message = case
      when p_was in ('SUCCESS', 'FAILED')
        then format('task %s of run %s is finished (%s) and cannot change any more', p_task_no, p_run_id, p_was)
      when p_was = p_is
        then format('task %s of run %s is %s, and this change of it is not allowed', p_task_no, p_run_id, p_was)
      when p_was is null
        then format('task %s of run %s cannot begin as %s', p_task_no, p_run_id, p_is)
      when p_is is null
        then format('task %s of run %s keeps its run and its number', p_task_no, p_run_id)
      else format('task %s of run %s cannot move from %s to %s', p_task_no, p_run_id, p_was, p_is)
    end,
    hint = 'Tasks begin as PENDING or READY, and move PENDING -> READY -> RUNNING -> SUCCESS | FAILED, by success of their parents, claim and result, at the time at which they do.';
end;
$$;

create or replace function sluice.refuse_run(p_run_id bigint, p_was sluice.run_status, p_is sluice.run_status, p_broken text) returns boolean
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if p_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('run %s cannot be %s like this: %s', p_run_id, p_is, replace(p_broken, '_', ' ')),
      constraint = p_broken,
      table      = 'runs',
      schema     = 'sluice';
  end if;
  raise exception using
    errcode = 'WF001',
    message = case
      when p_was is null then format('run %s cannot begin like this, as %s', p_run_id, p_is)
      else format('run %s is %s, and this change of it is not allowed', p_run_id, p_was)
    end,
    hint = 'Runs begin as RUNNING and move RUNNING -> COMPLETED | FAILED | CANCELLED, at the time at which they do; their number, version, input and key never change.';
end;
$$;

create or replace function sluice.run_subject(p_run_id bigint) returns text
  language sql stable
begin atomic
  select string_agg(left(part.words, 500), ', ' order by part.position)
    from (
      select reference.position,
             case when reference.value ? '$input'
                  then runs.input   #>> array(select jsonb_array_elements_text(reference.value -> '$input'))
                  else tasks.output #>> array(select jsonb_array_elements_text((reference.value -> '$output') - 0))
             end as words
        from sluice.runs
        join sluice.workflows on workflows.id = runs.workflow_id
       cross join lateral jsonb_array_elements(workflows.subject) with ordinality as reference(value, position)
        left join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.name = reference.value #>> '{$output,0}'
        left join sluice.tasks on tasks.run_id = runs.id and tasks.task_no = task.task_no
       where runs.id = p_run_id
    ) as part
   where part.words <> '';
end;
