--! Previous: sha1:96206ab9c314ab29d0e42b7022cff6f112fca837
--! Hash: sha1:f06cf9850af09c01f9493ba014cf978a5916213d
--! Message: subjects

/*
 * What a run is about, in the words of its own input and outputs: which mail, which order. A workflow says where to look;
 * what is not there yet, or is null, is left out.
 */
create function sluice.run_subject(p_run_id bigint) returns text
  language sql stable
begin atomic
  select string_agg(part.words, ', ' order by part.position)
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

comment on function sluice.run_subject(bigint) is 'What a run is about, as its workflow says: "inbox/order.eml, PO-2025-0472".';
