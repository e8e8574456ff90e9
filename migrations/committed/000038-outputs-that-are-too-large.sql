--! Previous: sha1:470d7b621b20e1c7dc0a4e3dbd1f06a5332d28ca
--! Hash: sha1:a50d68b99e3d5a2ed4ed181e78a0b5dde9feceab
--! Message: outputs that are too large

/*
 * What a task reads of others is limited. A claim hands it out, and one that could not be written, for want of room in a jsonb
 * value or a row, failed for every runner, again and again, whatever else there was to claim.
 */

/*
 * Outputs by the names of their tasks; null when they have more than 32 MB together, as text. What has half a megabyte as it is
 * stored cannot have so much: compression makes the 255th part of it at the best, and is seldom looked behind.
 */
create or replace function sluice.outputs_of(p_run_id bigint, p_workflow_id bigint, p_task_nos integer[]) returns jsonb
  language sql stable
begin atomic
  select case when outputs.stored <= 131072 or (
           select sum(octet_length(tasks.output::text))
             from sluice.tasks
            where tasks.run_id = p_run_id and tasks.task_no = any (p_task_nos)) <= 33554432
         then (
           select jsonb_object_agg(upstream.name, tasks.output)
             from unnest(p_task_nos) as read(task_no)
             join sluice.tasks on tasks.run_id = p_run_id and tasks.task_no = read.task_no
             join sluice.workflow_tasks as upstream on upstream.workflow_id = p_workflow_id and upstream.task_no = read.task_no)
         end
    from (select sum(pg_column_size(tasks.output)) as stored
            from sluice.tasks
           where tasks.run_id = p_run_id and tasks.task_no = any (p_task_nos)) as outputs;
end;

comment on function sluice.outputs_of(bigint, bigint, integer[]) is 'The outputs of tasks of a run, by their names; null when they have more than 32 MB together.';
