--! Previous: sha1:3fc2bb530eb6c4e827e251d5f54f4de7a06bc00f
--! Hash: sha1:945b3bd67268008e14f0312b3d95f496b4adc694
--! Message: prune

/*
 * Forgetting: the only way in which rows disappear. A sibling that still runs keeps its run: its result is recorded first.
 */
create view sluice.prunable_runs as
select runs.id, runs.finished_at
  from sluice.runs
 where runs.finished_at is not null
   and not exists (select from sluice.tasks where tasks.run_id = runs.id and tasks.state = 'RUNNING');

create function sluice.prune(p_older_than interval, p_limit integer default 1000) returns bigint
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_material = off
as $$
declare
  v_runs bigint[];
begin
  perform set_config('sluice.pruning', 'on', true);
  -- Run by run, as the settings make it: otherwise all tasks are read for each batch.
  v_runs := array(select prunable_runs.id
                    from prunable_runs
                   where prunable_runs.finished_at < statement_timestamp() - p_older_than
                   order by prunable_runs.id
                   limit p_limit
                     for update skip locked);
  delete from transitions where transitions.run_id = any (v_runs);
  delete from attempts    where attempts.run_id    = any (v_runs);
  delete from tasks       where tasks.run_id       = any (v_runs);
  delete from runs        where runs.id            = any (v_runs);
  perform set_config('sluice.pruning', 'off', true);
  return cardinality(v_runs);
end;
$$;

comment on view     sluice.prunable_runs             is 'Runs that can be deleted: they have ended, and nothing of them runs any more.';
comment on column   sluice.prunable_runs.id          is 'The run.';
comment on column   sluice.prunable_runs.finished_at is 'When it ended.';
comment on function sluice.prune(interval, integer)  is 'Deletes up to p_limit runs that ended longer ago, oldest first, with all they left; says how many.';
