--! Previous: sha1:d2dbc80f9b5edc17a445958e3fc7ce25e155cc10
--! Hash: sha1:feef23bc8a25b10a7f76b66c3e767eb230a6b71f
--! Message: what is held and what is taken over

/*
 * One run that somebody holds does not hold up what a dead runner ran of others: after half a second, a beat takes over
 * what nobody holds. The runner is ended when all has been taken.
 */
create function sluice.held_tasks(p_runner_id integer) returns jsonb
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
as $$
begin
  return (
    with free as (
      select open_tasks.run_id, open_tasks.task_no
        from open_tasks
        join runs on runs.id = open_tasks.run_id
       where open_tasks.runner_id = p_runner_id
       order by open_tasks.run_id, open_tasks.task_no
         for no key update skip locked
    )
    select coalesce(jsonb_agg(jsonb_build_object('run_id', held.run_id, 'task_no', held.task_no, 'token', held.token)), '[]')
      from open_tasks as held
     where held.runner_id = p_runner_id
       and (held.run_id, held.task_no) not in (select free.run_id, free.task_no from free));
end;
$$;

create function sluice.take_over(p_runner_id integer) returns boolean
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  return case when end_runner(p_runner_id, 'lost') is not null then true end;
exception when lock_not_available then
  -- Not so at once: runs that are busy are held most of the time, and are to be had by those who wait.
  begin
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for update skip locked;
    if found then
      perform release_tasks(p_runner_id, 'LOST', held_tasks(p_runner_id));
    end if;
  exception when lock_not_available then
    null;
  end;
  return false;
end;
$$;

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
  v_is_ended      boolean;
  v_patience      constant text        := current_setting('lock_timeout');
begin
  -- Who was cut off or stopped himself gives the others a beat to come back: they may have been so with him.
  select case when runners.beat_at < clock_timestamp() - interval '2 s' then runners.beat_at else 'infinity' end
    into v_cut_off_since
    from runners
   where runners.id = p_runner_id;
  update runners set beat_at = clock_timestamp() where runners.id = p_runner_id and runners.ended_at is null;
  alive := found;

  -- As in a hop that claims nothing, advance leaves the runs that end. One dead runner a beat: with the runs of one in hand
  -- we must not wait for those of another. One that somebody else is ending does not count; where somebody holds a run, another
  -- one's turn comes first at some beat.
  lost_runners := '{}';
  v_setting := set_config('sluice.hop', '{NULL,0}', true);
  v_setting := set_config('lock_timeout', '500ms', true);
  for v_dead in select dead.id from dead_runners(v_cut_off_since) as dead(id) where dead.id <> p_runner_id order by random() loop
    v_is_ended := take_over(v_dead);
    if v_is_ended then
      lost_runners := array[v_dead];
    end if;
    exit when v_is_ended is not null;
  end loop;
  v_setting := set_config('lock_timeout', v_patience, true);
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

comment on function sluice.held_tasks(integer) is 'The tasks of a runner that somebody holds, or their runs, as release_tasks excepts them; all its others are locked.';
comment on function sluice.take_over(integer)  is 'Ends a dead runner and takes its tasks; false if somebody holds some for longer than lock_timeout, and only the others were taken; null if somebody else is ending it.';
