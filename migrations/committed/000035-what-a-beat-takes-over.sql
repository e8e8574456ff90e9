--! Previous: sha1:ffa55afff82067e2a23e29f684175626e10b56f9
--! Hash: sha1:2a68ce06a608e033f9104363ca08fb5682aaae2e
--! Message: what a beat takes over

/*
 * A beat takes over from one dead runner. It took over from all of them, one after the other, and held the runs of one while it
 * waited for those of the next: two beats, or a beat and a hop, could wait in a circle.
 *
 * And it says which runs have failed by that: a task that lost its runner too often fails, and nobody told of it.
 */

drop function sluice.beat(integer, bigint[]);

/* A runner's sign of life; what a dead one ran is given back, or fails when that happened too often. */
create function sluice.beat(p_runner_id integer, p_runs bigint[] default '{}')
  returns table (alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[], failed_runs jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
declare
  v_cut_off_since timestamptz;
  v_setting       text;
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;

  -- As in a hop that claims nothing, advance leaves the runs that end. One dead runner a beat: with the runs of one in hand
  -- we must not wait for those of another. One that somebody else is ending does not count.
  v_setting := set_config('sluice.hop', '{NULL,0}', true);
  lost_runners := array(select dead.id from dead_runners(v_cut_off_since) as dead(id)
                         where dead.id <> p_runner_id and end_runner(dead.id, 'lost') is not null
                         limit 1);
  v_setting := set_config('sluice.hop', '', true);
  failed_runs := (select coalesce(jsonb_agg(jsonb_build_object(
                           'run_id', runs.id::text,
                           'workflow', runs.workflow,
                           'answer', runs.status,
                           'took_ms', round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
                           'failure', jsonb_build_object('task', failed.name, 'reason', runs.reason))), '[]')
                    from runs
                    join workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
                   where runs.ctid = any (nullif(current_setting('sluice.ended_runs', true), '')::tid[]));
  v_setting := set_config('sluice.ended_runs', '', true);

  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;

comment on function sluice.beat(integer, bigint[]) is 'A runner''s sign of life, once a second; takes over from a dead runner meanwhile, one a beat. Says which of these runs have stopped, and which runs have failed because a task lost its runner too often.';
