--! Previous: sha1:ffa55afff82067e2a23e29f684175626e10b56f9
--! Hash: sha1:b92adbef140eeaf7bdbcd9572b1262997d57b8e6
--! Message: one dead runner a beat

/*
 * A beat takes over from one dead runner. It took over from all of them, one after the other, and held the runs of one while it
 * waited for those of the next: two beats, or a beat and a hop, could wait in a circle.
 */

create or replace function sluice.beat(p_runner_id integer, p_runs bigint[] default '{}')
  returns table (alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[])
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_cut_off_since timestamptz;
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;
  -- One that somebody else is ending does not count.
  lost_runners := array(select dead.id from dead_runners(v_cut_off_since) as dead(id)
                         where dead.id <> p_runner_id and end_runner(dead.id, 'lost') is not null
                         limit 1);
  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;

comment on function sluice.beat(integer, bigint[]) is 'A runner''s sign of life, once a second; takes over from a dead runner meanwhile, one a beat, and says which of these runs have stopped.';
