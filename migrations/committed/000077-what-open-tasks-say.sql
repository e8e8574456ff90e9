--! Previous: sha1:a95c991abc28890f1f1a02a7ced77bc4de9fb441
--! Hash: sha1:8f7f06805aaad1136ea302d87db64cb0e95f6518
--! Message: what open tasks say

/* A view keeps the comments that its columns had when it was made, and two of sluice.tasks say more since. */
do $$
declare
  v_column record;
begin
  for v_column in
    select attname as name, col_description('sluice.tasks'::regclass, attnum) as says
      from pg_attribute
     where attrelid = 'sluice.tasks'::regclass and attname in ('crashes', 'ready_at')
  loop
    execute format('comment on column sluice.open_tasks.%I is %L', v_column.name, v_column.says);
  end loop;
end $$;
