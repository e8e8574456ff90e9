--! Previous: sha1:6564b2969ec7f406bc0d5eedb65eb1a89fde6dea
--! Hash: sha1:ffa55afff82067e2a23e29f684175626e10b56f9
--! Message: stop in order

/*
 * A runner that stops while a hop of its own is still under way waits for it, and gives its tasks back. It was told that
 * somebody else is ending it, and what it ran counted as lost in a crash.
 */

/* Ends a runner and takes its tasks from it. Null when it had ended, or as lost, when another session holds it. */
create or replace function sluice.end_runner(p_runner_id integer, p_ending text) returns integer
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  -- A hop holds its runner. One that is thought lost is left to the next beat.
  if p_ending = 'lost' then
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for update skip locked;
  else
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for update;
  end if;
  if not found then
    return null;
  end if;
  update runners set ended_at = clock_timestamp(), ending = p_ending where runners.id = p_runner_id;
  return release_tasks(p_runner_id, case p_ending when 'lost' then 'LOST' else 'GIVEN BACK' end);
end;
$$;
