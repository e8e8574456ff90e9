--! Previous: sha1:2ea97cbe90e344072ed7bfa4faf3ae381d8db73a
--! Hash: sha1:24d776cfadf938c3251fb8d9a098565a0caeed29
--! Message: ages lie in the past

/*
 * An age is not negative: '-90 days', a slip for 90 days ago, deleted all that had ended.
 */
create or replace function sluice.prune(p_older_than interval, p_limit integer default 1000) returns bigint
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off
as $$
declare
  v_runs bigint[];
begin
  if p_older_than < interval '0' then
    raise exception using
      errcode = '22023',
      message = format('an age of %s lies in the future', p_older_than),
      hint    = 'Nothing was deleted. What ended more than 90 days ago is deleted by: select sluice.prune(''90 days'').';
  end if;
  perform set_config('sluice.pruning', 'on', true);
  -- Run by run, as the settings make it: otherwise all tasks are read for each batch.
  v_runs := array(select prunable_runs.id
                    from prunable_runs
                   where prunable_runs.finished_at < statement_timestamp() - p_older_than
                   order by prunable_runs.id
                   limit p_limit
                     for update skip locked);
  delete from attempts    where attempts.run_id    = any (v_runs);
  delete from tasks       where tasks.run_id       = any (v_runs);
  delete from runs        where runs.id            = any (v_runs);
  perform set_config('sluice.pruning', 'off', true);
  return cardinality(v_runs);
end;
$$;
