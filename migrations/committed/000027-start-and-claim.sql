--! Previous: sha1:9bfb4e8f98dab097be97895812fba31db82b19d9
--! Hash: sha1:672416cf8a2fec5e8821a6c01c854b8388925bcc
--! Message: start and claim

/*
 * Start and claim. A run that was started in the process of a runner with room for it waited for two commits and a ring in
 * between, until its first task ran. Now it is started and claimed from in one.
 */

/* What is READY from the start is announced, unless whoever started it looks after it. */
create or replace function sluice.announce_new_tasks() returns trigger
  language plpgsql volatile
as $$
begin
  if coalesce(current_setting('sluice.hop', true), '') = '' and exists (select from after where after.state = 'READY') then
    notify task_ready;
  end if;
  return null;
end;
$$;

/*
 * Starts a run, as start_runs does, and makes a hop of a runner without results, in one commit. Rows are those of
 * report_and_claim, and before them one with the new run: STARTED. What there is no room for is announced.
 */
create function sluice.start_and_claim(p_runner_id integer, p_slots integer, p_workflow text, p_input jsonb, p_checked_for bigint default null)
  returns table (answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint,
                 started_at timestamptz, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
  language plpgsql volatile
  set search_path = sluice, pg_temp
  set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_setting text;
  v_claimed integer;
begin
  v_setting := set_config('sluice.hop', array[p_runner_id, p_slots]::text, true);
  return query
    select 'STARTED', started.run_id, null::integer, null::integer, null::integer, null::bigint,
           null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
      from start_runs(p_workflow, array[p_input], null, p_checked_for) as started;
  v_setting := set_config('sluice.hop', '', true);

  return query select * from report_and_claim(p_runner_id, '[]', p_slots);
  get diagnostics v_claimed = row_count;
  if v_claimed = p_slots and exists (select from open_tasks where open_tasks.runner_id is null) then
    notify task_ready;
  end if;
end;
$$;

comment on function sluice.announce_new_tasks() is 'Rings the doorbell when tasks are READY from the start, unless whoever starts them claims them too.';
comment on function sluice.start_and_claim(integer, integer, text, jsonb, bigint) is 'Starts a run and makes a hop of a runner without results, in one commit. Raises what start_runs and report_and_claim raise.';
