--! Previous: sha1:a360f03ee0b4cf2c1a00d0d0f87145f12061342e
--! Hash: sha1:0d69331eccdffd9144beba59201ba2a0722aee35
--! Message: what new tasks may say

/*
 * A task that is inserted by hand is held to what has happened to it: nothing. One that was born READY with a runner was never
 * claimed, and looked as if it would be; one could say that it had begun in 2001. A copy is one in all that it says.
 */
create or replace function sluice.guard_new_task() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken text;
begin
  if (case new.state
        when 'RUNNING' then new.runner_id is not null and new.attempt = 1 and new.token = 1 and new.started_at = statement_timestamp()
        when 'SUCCESS' then false
        when 'FAILED'  then false
        else                new.runner_id is null     and new.attempt = 0 and new.started_at is null
      end and new.crashes = 0)
  then
    if new.state > 'PENDING' then
      new.ready_at := statement_timestamp();
    end if;
  elsif new.state <> 'SUCCESS' or new.ready_at is not null or not exists (
    select from sluice.reruns
      join sluice.tasks as original on original.run_id = reruns.of_run_id and original.task_no = new.task_no
     where reruns.run_id = new.run_id
       and reruns.from_failed
       and original.workflow_id = new.workflow_id
       and original.state = 'SUCCESS'
       and original.output = new.output
       and (original.token, original.attempt, original.runner_id, original.started_at, original.finished_at)
           is not distinct from (new.token, new.attempt, new.runner_id, new.started_at, new.finished_at)
  ) then
    perform sluice.refuse_task(new.run_id, new.task_no, null, new.state, null);
  end if;

  v_broken := sluice.broken_task_rule(new.state, new.waiting_for, new.stopped, new.token, new.ready_at, new.finished_at, new.output, new.error);
  if v_broken is not null then
    perform sluice.refuse_task(new.run_id, new.task_no, null, new.state, v_broken);
  end if;
  return new;
end;
$$;

create or replace function sluice.broken_task_rule(
  p_state       sluice.task_state,
  p_waiting_for integer,
  p_stopped     boolean,
  p_token       integer,
  p_ready_at    timestamptz,
  p_finished_at timestamptz,
  p_output      jsonb,
  p_error       jsonb
) returns text
  language sql immutable
begin atomic
  select case
    when p_waiting_for < 0 or (p_waiting_for > 0) <> (p_state = 'PENDING')       then 'tasks_wait_while_pending'
    when p_stopped and p_state <> 'READY'                                        then 'only_ready_tasks_are_stopped'
    when (p_token > 0) <> (p_state > 'READY')                                    then 'claimed_tasks_have_a_token'
    -- What a rerun takes over was never READY in its run.
    when (p_ready_at is not null) <> (p_state > 'PENDING') and (p_ready_at is not null or p_state <> 'SUCCESS')
                                                                                 then 'ready_tasks_say_since_when'
    when (p_finished_at is not null) <> (p_state > 'RUNNING')                    then 'finished_tasks_say_when'
    when (p_output is not null) <> (p_state = 'SUCCESS')                         then 'succeeded_tasks_have_output'
    when (p_error is not null) <> (p_state = 'FAILED') or p_error ->> 'message' is null and p_error is not null
                                                                                 then 'failed_tasks_say_why'
  end;
end;
