--! Previous: sha1:e621735b93808da3b156e12570527acfe139a0a0
--! Hash: sha1:e7f0f2e65d2b483969dee7f2ebb3077f9f78e803
--! Message: prune

/*
 * Forgetting: the only way in which rows disappear.
 */
create function sluice.prune(p_older_than interval, p_limit integer default 1000) returns bigint
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
declare
  v_runs bigint[];
begin
  perform set_config('sluice.pruning', 'on', true);
  -- A sibling that still runs keeps its run: its result is recorded first.
  v_runs := array(select runs.id
                    from runs
                   where runs.finished_at < statement_timestamp() - p_older_than
                     and not exists (select from tasks where tasks.run_id = runs.id and tasks.state = 'RUNNING')
                   order by runs.id
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

comment on function sluice.prune(interval, integer) is 'Deletes up to p_limit runs that ended longer ago, oldest first, with all they left; says how many.';
