--! Previous: sha1:8d23f6f84e7761f021c9adc163c69745eb80ba11
--! Hash: sha1:f100265a37321211d447a7d0da049967e24a2e7c
--! Message: dead runners without tasks

/* A beat ended one dead runner, whichever. Among a thousand that had died before they held anything (a service that is restarted
   for ever), the one that held tasks had its turn after minutes. */
create or replace function sluice.beat(p_runner_id integer, p_runs bigint[] default '{}')
  returns table (alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[], failed_runs jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_bitmapscan = off
as $$
declare
  v_cut_off_since timestamptz;
  v_setting       text;
  v_dead          integer;
  v_released      integer;
  v_until         constant timestamptz := clock_timestamp() + interval '1 s';
  v_outer         constant text        := coalesce(current_setting('sluice.hop', true), '');
  v_patience      constant text        := current_setting('lock_timeout');
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;

  -- As in a hop that claims nothing, advance leaves the runs that end. One dead runner with tasks a beat: with the runs of
  -- one in hand we must not wait for those of another. One that somebody else is ending does not count, nor does one of whose
  -- runs somebody holds one for longer than we wait, or that fails: another one's turn comes first at some beat.
  lost_runners := '{}';
  v_setting := set_config('sluice.hop', '{NULL,0}', true);
  v_setting := set_config('lock_timeout', '500ms', true);
  for v_dead in select dead.id from dead_runners(v_cut_off_since) as dead(id) where dead.id <> p_runner_id order by random() loop
    v_released := null;
    begin
      v_released := end_runner(v_dead, 'lost');
      if v_released is not null then
        lost_runners := lost_runners || v_dead;
      end if;
    exception
      when lock_not_available then
        null;
      when others or assert_failure then
        raise warning 'runner % cannot be taken over from: %', v_dead, sqlerrm;
    end;
    exit when v_released > 0 or clock_timestamp() > v_until;
  end loop;
  v_setting := set_config('lock_timeout', v_patience, true);
  v_setting := set_config('sluice.hop', v_outer, true);
  failed_runs := (select coalesce(jsonb_agg(jsonb_build_object(
                           'run_id', runs.id::text,
                           'workflow', runs.workflow,
                           'answer', runs.status,
                           'took_ms', round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
                           'failure', jsonb_build_object('task', failed.name, 'reason', runs.reason))), '[]')
                    from runs
                    join workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
                   where runs.ctid = any (nullif(current_setting('sluice.ended_runs', true), '')::tid[])
                     and v_outer = '');
  if v_outer = '' then
    v_setting := set_config('sluice.ended_runs', '', true);
  end if;

  claimable := exists (select from open_tasks where open_tasks.runner_id is null);
  stopped_runs := array(select runs.id from runs where runs.id = any (p_runs) and runs.status <> 'RUNNING');
  return next;
end;
$$;
