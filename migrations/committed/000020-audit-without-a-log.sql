--! Previous: sha1:36f37238ab43c30d3f23a479218b7219f3672593
--! Hash: sha1:880007de247592e0b8d8395d279ec79601ea6a72
--! Message: audit without a log

/*
 * The audit without a log. Each state is entered once, and what is known of that moment stays with the task for good: when
 * it became READY (new here), when and by whom it was taken (its first attempt), when it ended. So "every move, by whom,
 * when" is a view, and a move costs no row besides the task's own: a fifth of the processor time and a third of the WAL
 * of a task went into the log.
 *
 * Nobody can move a task without leaving these marks: the guard wants them to be of the very moment, and never lets them
 * change; who takes a task from its runner has to leave that attempt on record.
 */
alter table sluice.tasks add column ready_at timestamptz;
alter table sluice.transitions rename to transition_log;

alter table sluice.tasks disable trigger user;
update sluice.tasks
   set ready_at = ready.at
  from sluice.transition_log as ready
 where ready.run_id = tasks.run_id
   and ready.task_no = tasks.task_no
   and ready.to_state = 'READY';
alter table sluice.tasks enable trigger user;

create view sluice.transitions as
select tasks.run_id, tasks.task_no, 'PENDING'::sluice.task_state as from_state, 'READY'::sluice.task_state as to_state,
       0 as attempt, null::integer as runner_id, tasks.ready_at as at
  from sluice.tasks
 where tasks.ready_at is not null
union all
select tasks.run_id, tasks.task_no, 'READY', 'RUNNING', 1,
       coalesce(first.runner_id, tasks.runner_id), coalesce(first.started_at, tasks.started_at)
  from sluice.tasks
  left join sluice.attempts as first on first.run_id = tasks.run_id and first.task_no = tasks.task_no and first.token = 1
 where tasks.ready_at is not null
   and tasks.started_at is not null
union all
select tasks.run_id, tasks.task_no, case when tasks.ready_at is not null then 'RUNNING'::sluice.task_state end, tasks.state,
       tasks.attempt, tasks.runner_id,
       case when tasks.ready_at is not null then tasks.finished_at else (select runs.created_at from sluice.runs where runs.id = tasks.run_id) end
  from sluice.tasks
 where tasks.finished_at is not null;

drop trigger record_new_tasks   on sluice.tasks;
drop trigger record_transitions on sluice.tasks;
drop function sluice.record_transitions();

/*
 * What a state implies, by the name of the rule that is broken; null when all hold. For the guards, and for the doctor. These
 * were check constraints, which are parsed and prepared anew for every statement: 4 µs each, a quarter of a hop with one task.
 */
create function sluice.broken_task_rule(
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
    when p_waiting_for < 0 or (p_waiting_for > 0) <> (p_state = 'PENDING')               then 'tasks_wait_while_pending'
    when p_stopped and p_state <> 'READY'                                                then 'only_ready_tasks_are_stopped'
    when (p_token > 0) <> (p_state > 'READY')                                            then 'claimed_tasks_have_a_token'
    when (p_ready_at is not null) <> (p_state > 'PENDING') and (p_ready_at is not null or p_state <> 'SUCCESS') then 'ready_tasks_say_since_when'
    when (p_finished_at is not null) <> (p_state > 'RUNNING')                            then 'finished_tasks_say_when'
    when (p_output is not null) <> (p_state = 'SUCCESS')                                 then 'succeeded_tasks_have_output'
    when (p_error ->> 'message' is not null) <> (p_state = 'FAILED')                     then 'failed_tasks_say_why'
  end;
end;

create function sluice.broken_run_rule(
  p_status         sluice.run_status,
  p_waiting_for    integer,
  p_key            text,
  p_finished_at    timestamptz,
  p_failed_task_no integer,
  p_reason         text
) returns text
  language sql immutable
begin atomic
  select case
    when p_waiting_for < 0                                                               then 'runs_count_their_sinks'
    when (p_waiting_for = 0) <> (p_status = 'COMPLETED')                                 then 'completed_runs_wait_for_none'
    when length(p_key) not between 1 and 500                                             then 'keys_are_short'
    when (p_finished_at is not null) <> (p_status <> 'RUNNING')                          then 'finished_runs_say_when'
    when (p_failed_task_no is not null) <> (p_status = 'FAILED')                         then 'failed_runs_say_where'
    when (p_reason is not null) <> (p_status in ('FAILED', 'CANCELLED'))                 then 'stopped_runs_say_why'
  end;
end;

/* The guard of tasks: which moves there are, the marks that they leave, and what a state implies. */
create function sluice.guard_task() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken text;
begin
  if tg_op = 'UPDATE' then
    if not (case old.state
              when 'READY'   then (new.state = 'RUNNING' and new.token = 1 and new.attempt = 1 and new.runner_id is not null and not old.stopped
                                   and (new.started_at = statement_timestamp() or new.started_at between transaction_timestamp() and clock_timestamp()))
                               or (new.state = 'READY' and new.stopped and not old.stopped and pg_trigger_depth() > 1)
              when 'RUNNING' then (new.state in ('SUCCESS', 'FAILED') and new.token = old.token and new.attempt = old.attempt
                                   and new.runner_id is not distinct from old.runner_id and new.started_at = old.started_at
                                   and (new.finished_at is null or new.finished_at = statement_timestamp()
                                        or new.finished_at between transaction_timestamp() and clock_timestamp()))
                               or (new.state = 'RUNNING' and new.token > old.token and new.runner_id is null)
                               or (new.state = 'RUNNING' and new.token = old.token and old.runner_id is null and new.runner_id is not null
                                   and (new.started_at = statement_timestamp() or new.started_at between transaction_timestamp() and clock_timestamp()))
              -- READY, and taken in the same moment by the runner whose result it was that made it so: see advance.
              when 'PENDING' then new.state in ('PENDING', 'READY', 'RUNNING') and new.waiting_for between 0 and old.waiting_for - 1
                              and pg_trigger_depth() > 1
              else false
            end
            and new.run_id = old.run_id and new.task_no = old.task_no and new.workflow_id = old.workflow_id and new.is_sink = old.is_sink
            and new.ready_at is not distinct from old.ready_at)
    then
      raise exception using
        errcode = 'WF001',
        message = case
          when old.state in ('SUCCESS', 'FAILED')
            then format('task %s of run %s is finished (%s) and cannot change any more', old.task_no, old.run_id, old.state)
          when old.state = new.state
            then format('task %s of run %s is %s, and this change of it is not allowed', old.task_no, old.run_id, old.state)
          else format('task %s of run %s cannot move from %s to %s', old.task_no, old.run_id, old.state, new.state)
        end,
        hint = 'Tasks move PENDING → READY → RUNNING → SUCCESS | FAILED, by success of their parents, claim and result, at the time at which they do.';
    end if;
  elsif new.state not in ('PENDING', 'READY') then
    -- Born otherwise only as a copy of what succeeded in the run that is repeated.
    if new.state <> 'SUCCESS' or new.ready_at is not null or not exists (
      select from sluice.reruns
        join sluice.tasks as original on original.run_id = reruns.of_run_id and original.task_no = new.task_no
       where reruns.run_id = new.run_id
         and reruns.from_failed
         and original.workflow_id = new.workflow_id
         and original.state = 'SUCCESS'
         and original.output = new.output
    ) then
      raise exception using
        errcode = 'WF001',
        message = format('task %s of run %s cannot begin as %s', new.task_no, new.run_id, new.state),
        hint    = 'Tasks begin as PENDING or READY; sluice.rerun takes over what has succeeded.';
    end if;
  end if;

  if new.state > 'PENDING' and (tg_op = 'INSERT' and new.state = 'READY' or old.state = 'PENDING') then
    new.ready_at := statement_timestamp();
  end if;

  v_broken := sluice.broken_task_rule(new.state, new.waiting_for, new.stopped, new.token, new.ready_at, new.finished_at, new.output, new.error);
  if v_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('task %s of run %s cannot be %s like this: %s', new.task_no, new.run_id, new.state, replace(v_broken, '_', ' ')),
      constraint = v_broken,
      table      = 'tasks',
      schema     = 'sluice';
  end if;
  return new;
end;
$$;

drop trigger refuse_transition on sluice.tasks;
drop trigger refuse_beginning  on sluice.tasks;
drop function sluice.refuse_transition();
drop function sluice.refuse_beginning();
create trigger guard_task before insert or update on sluice.tasks
  for each row execute function sluice.guard_task();

alter table sluice.tasks
  drop constraint tasks_wait_while_pending,
  drop constraint only_ready_tasks_are_stopped,
  drop constraint claimed_tasks_have_a_token,
  drop constraint finished_tasks_say_when,
  drop constraint succeeded_tasks_have_output,
  drop constraint failed_tasks_say_why;

/* The guard of runs: a finished one is immutable, and they finish by what their tasks do, or are cancelled. */
create function sluice.guard_run() returns trigger
  language plpgsql volatile
as $$
declare
  v_broken text;
begin
  if tg_op = 'UPDATE' then
    if old.status <> 'RUNNING'
       or new.waiting_for > old.waiting_for
       or ((new.waiting_for < old.waiting_for or new.status in ('COMPLETED', 'FAILED')) and pg_trigger_depth() = 1)
       or new.id <> old.id or new.workflow_id <> old.workflow_id or new.workflow <> old.workflow
       or new.input <> old.input or new.key is distinct from old.key or new.created_at <> old.created_at
    then
      raise exception using
        errcode = 'WF001',
        message = format('run %s is %s, and this change of it is not allowed', old.id, old.status),
        hint    = 'Runs move RUNNING → COMPLETED | FAILED | CANCELLED; their version, input and key never change.';
    end if;
  end if;

  v_broken := sluice.broken_run_rule(new.status, new.waiting_for, new.key, new.finished_at, new.failed_task_no, new.reason);
  if v_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('run %s cannot be %s like this: %s', new.id, new.status, replace(v_broken, '_', ' ')),
      constraint = v_broken,
      table      = 'runs',
      schema     = 'sluice';
  end if;
  return new;
end;
$$;

drop trigger refuse_run_change on sluice.runs;
drop function sluice.refuse_run_change();
create trigger guard_run before insert or update on sluice.runs
  for each row execute function sluice.guard_run();

alter table sluice.runs
  drop constraint keys_are_short,
  drop constraint runs_count_their_sinks,
  drop constraint completed_runs_wait_for_none,
  drop constraint finished_runs_say_when,
  drop constraint failed_runs_say_where,
  drop constraint stopped_runs_say_why;

/* What people look at. */
create or replace view sluice.run_tasks as
select tasks.run_id,
       tasks.workflow_id,
       tasks.task_no,
       task.name,
       task.connector,
       task.operation,
       tasks.state,
       tasks.stopped,
       tasks.attempt,
       task.retries,
       tasks.token,
       tasks.runner_id,
       tasks.ready_at,
       tasks.started_at,
       tasks.finished_at,
       tasks.error,
       case when task.condition is not null then tasks.output ->> 'skipped' end as skipped,
       case when tasks.state = 'SUCCESS' and tasks.ready_at is null then reruns.of_run_id end as reused_from
  from sluice.tasks
  join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
  left join sluice.reruns on reruns.run_id = tasks.run_id;

create or replace view public.v_events as
select event.run_id as run, event.at, event.task_no as no, task.name as task, event.what, event.attempt, event.runner_id as runner, event.note
  from (
    select runs.id as run_id, runs.created_at as at, 0 as place, 0 as step, null::integer as task_no, 'RUNNING' as what, null::integer as attempt, null::integer as runner_id,
           'rerun of run ' || reruns.of_run_id || ' by ' || reruns.started_by as note
      from sluice.runs
      left join sluice.reruns on reruns.run_id = runs.id
    union all
    select transitions.run_id, transitions.at, transitions.task_no,
           case transitions.to_state when 'READY' then 1 when 'RUNNING' then 2 else 4 end,
           transitions.task_no,
           coalesce(transitions.from_state || ' → ', '') || transitions.to_state, transitions.attempt, transitions.runner_id,
           case when transitions.from_state is null then 'reused from run ' || reruns.of_run_id
                when transitions.to_state = 'FAILED' then tasks.error ->> 'message'
           end
      from sluice.transitions
      left join sluice.tasks on transitions.to_state = 'FAILED' and tasks.run_id = transitions.run_id and tasks.task_no = transitions.task_no
      left join sluice.reruns on transitions.from_state is null and reruns.run_id = transitions.run_id
    union all
    select attempts.run_id, attempts.ended_at, attempts.task_no, 3, attempts.task_no, 'attempt ' || attempts.outcome, attempts.attempt, attempts.runner_id, attempts.error ->> 'message'
      from sluice.attempts
    union all
    select runs.id, runs.finished_at, 2147483647, 5, null, runs.status::text, null, null, runs.reason
      from sluice.runs
     where runs.finished_at is not null
  ) as event
  join sluice.runs on runs.id = event.run_id
  left join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = event.task_no
 order by event.run_id, event.at, event.place, event.step;

/* Runs of which something happened lately: they are under way, or ended since. */
create index runs_by_end on sluice.runs using brin (finished_at) with (pages_per_range = 32, autosummarize = on);

create or replace view public.v_throughput as
select date_trunc('minute', event.at)::timestamp(0)       as minute,
       count(*) filter (where event.what = 'start')       as runs_started,
       count(*) filter (where event.what = 'RUNNING')     as tasks_started,
       count(*) filter (where event.what = 'SUCCESS')     as succeeded,
       count(*) filter (where event.what = 'FAILED')      as failed,
       round(count(*) filter (where event.what in ('SUCCESS', 'FAILED')) / 60.0, 1) as tasks_per_s
  from (
    select transitions.at, transitions.to_state::text as what
      from sluice.runs
      join sluice.transitions on transitions.run_id = runs.id
     where (runs.finished_at is null or runs.finished_at >= date_trunc('minute', now()) - interval '59 minutes')
       and transitions.at >= date_trunc('minute', now()) - interval '59 minutes'
       and transitions.from_state is not null
    union all
    select runs.created_at, 'start'
      from sluice.runs
     where runs.created_at >= date_trunc('minute', now()) - interval '59 minutes'
  ) as event
 group by 1
 order by 1 desc;

create or replace function sluice.prune(p_older_than interval, p_limit integer default 1000) returns bigint
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
  delete from attempts    where attempts.run_id    = any (v_runs);
  delete from tasks       where tasks.run_id       = any (v_runs);
  delete from runs        where runs.id            = any (v_runs);
  perform set_config('sluice.pruning', 'off', true);
  return cardinality(v_runs);
end;
$$;

drop table sluice.transition_log;

comment on column sluice.tasks.ready_at         is 'When all its parents had succeeded; written by the guard. Null before, and when its output was taken over from an earlier run.';
comment on column sluice.tasks.started_at       is 'When the present attempt began. When an earlier one did is in attempts.';
comment on view   sluice.transitions            is 'The audit: every move of every task, as the task''s own marks tell it. Retries stay inside RUNNING: see attempts.';
comment on column sluice.transitions.run_id     is 'The run.';
comment on column sluice.transitions.task_no    is 'The task.';
comment on column sluice.transitions.from_state is 'The state that it left; null when its output was taken over from an earlier run (see reruns).';
comment on column sluice.transitions.to_state   is 'The state that it entered; each is entered once.';
comment on column sluice.transitions.attempt    is 'Its attempt at that moment; 0 before the first.';
comment on column sluice.transitions.runner_id  is 'Who ran it.';
comment on column sluice.transitions.at         is 'When.';
comment on function sluice.guard_task()         is 'Lets legal moves of tasks pass, marks when they were READY, and holds them to what their state implies; says why another is refused.';
comment on function sluice.guard_run()          is 'Lets legal changes of runs pass, and holds them to what their status implies; says why another is refused.';
comment on function sluice.broken_task_rule(sluice.task_state, integer, boolean, integer, timestamptz, timestamptz, jsonb, jsonb) is 'The first rule about what a task''s state implies that these values break; null when they break none.';
comment on function sluice.broken_run_rule(sluice.run_status, integer, text, timestamptz, integer, text)                          is 'The first rule about what a run''s status implies that these values break; null when they break none.';
