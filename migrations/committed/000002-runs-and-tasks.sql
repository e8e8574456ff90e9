--! Previous: sha1:0a0dfa6409a8147f75e239032553a86cf474a894
--! Hash: sha1:ada0283724f469ffc830fafaa25af89b09e4f9de
--! Message: runs and tasks

/*
 * A run is one execution of a workflow, a task in a run one execution of a task. What a state implies is a constraint,
 * so that no row can say two things at once.
 */
create type sluice.task_state as enum ('PENDING', 'READY', 'RUNNING', 'SUCCESS', 'FAILED');
create type sluice.run_status as enum ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED');

create table sluice.runs (
  id             bigint generated always as identity primary key,
  workflow_id    bigint            not null,
  workflow       text              not null,
  status         sluice.run_status not null default 'RUNNING',
  waiting_for    integer           not null,
  input          jsonb             not null,
  key            text              constraint keys_are_short check (length(key) between 1 and 500),
  created_at     timestamptz       not null default statement_timestamp(),
  finished_at    timestamptz,
  failed_task_no integer,
  reason         text,
  foreign key (workflow_id, workflow) references sluice.workflows (id, name),
  constraint runs_count_their_sinks        check (waiting_for >= 0),
  constraint finished_runs_say_when        check ((finished_at is not null) = (status <> 'RUNNING')),
  constraint completed_runs_wait_for_none  check ((waiting_for = 0) = (status = 'COMPLETED')),
  constraint failed_runs_say_where         check ((failed_task_no is not null) = (status = 'FAILED')),
  constraint stopped_runs_say_why          check ((reason is not null) = (status in ('FAILED', 'CANCELLED')))
) with (fillfactor = 80);

create unique index runs_by_key      on sluice.runs (workflow, key) where key is not null;
-- For those who list what is active: they say "finished_at is null". The engine's own statements say "status = 'RUNNING'" and
-- look runs up by id: statistics from an idle moment must not lead them to read this index from end to end.
create        index runs_active      on sluice.runs (id)            where finished_at is null;
create        index runs_by_workflow on sluice.runs (workflow_id);

create table sluice.tasks (
  run_id      bigint            not null references sluice.runs,
  workflow_id bigint            not null,
  task_no     integer           not null,
  waiting_for integer           not null,
  is_sink     boolean           not null,
  state       sluice.task_state not null,
  stopped     boolean           not null default false,
  token       integer           not null default 0,
  attempt     integer           not null default 0,
  crashes     integer           not null default 0,
  runner_id   integer,
  started_at  timestamptz,
  finished_at timestamptz,
  output      jsonb,
  error       jsonb,
  primary key (run_id, task_no),
  constraint tasks_wait_while_pending     check ((waiting_for > 0) = (state = 'PENDING')),
  constraint only_ready_tasks_are_stopped check (state = 'READY' or not stopped),
  constraint claimed_tasks_have_a_token   check ((token > 0) = (state > 'READY')),
  constraint finished_tasks_say_when      check ((finished_at is not null) = (state > 'RUNNING')),
  constraint succeeded_tasks_have_output  check ((output is not null) = (state = 'SUCCESS')),
  constraint failed_tasks_say_why         check ((error ->> 'message' is not null) = (state = 'FAILED'))
) with (fillfactor = 60);

create index tasks_claimable on sluice.tasks (run_id, task_no)
  where runner_id is null and state in ('READY', 'RUNNING') and not stopped;
create index tasks_of_runner on sluice.tasks (runner_id)
  where runner_id is not null and state = 'RUNNING';

create table sluice.attempts (
  run_id     bigint      not null,
  task_no    integer     not null,
  token      integer     not null,
  attempt    integer     not null,
  outcome    text        not null constraint outcomes_are_known check (outcome in ('FAILED', 'LOST', 'GIVEN BACK')),
  runner_id  integer     not null,
  started_at timestamptz not null,
  ended_at   timestamptz not null,
  error      jsonb       not null constraint attempts_say_why check (error ->> 'message' is not null),
  primary key (run_id, task_no, token)
);

create table sluice.transitions (
  run_id     bigint            not null,
  task_no    integer           not null,
  from_state sluice.task_state,
  to_state   sluice.task_state not null,
  attempt    integer           not null,
  runner_id  integer,
  at         timestamptz       not null,
  primary key (run_id, task_no, to_state)
);

create table sluice.runners (
  id         integer generated always as identity primary key,
  host       text        not null,
  pid        integer     not null,
  slots      integer     not null constraint runners_have_slots check (slots > 0),
  started_at timestamptz not null default clock_timestamp(),
  beat_at    timestamptz not null default clock_timestamp(),
  ended_at   timestamptz,
  ending     text,
  constraint ended_runners_say_how check ((ended_at is not null) = (ending is not null) and ending in ('stopped', 'lost'))
) with (fillfactor = 50);

create index runners_alive on sluice.runners (id) where ended_at is null;

create trigger runs_stay_on_record before delete or truncate on sluice.runs
  for each statement execute function sluice.refuse_to_forget();
create trigger tasks_stay_on_record before delete or truncate on sluice.tasks
  for each statement execute function sluice.refuse_to_forget();
create trigger attempts_stay_on_record before update or delete or truncate on sluice.attempts
  for each statement execute function sluice.refuse_to_forget();
create trigger transitions_stay_on_record before update or delete or truncate on sluice.transitions
  for each statement execute function sluice.refuse_to_forget();

comment on type   sluice.task_state             is 'PENDING → READY → RUNNING → SUCCESS | FAILED, and no other move, ever.';
comment on type   sluice.run_status             is 'RUNNING → COMPLETED | FAILED | CANCELLED, and no other move.';
comment on table  sluice.runs                   is 'One row per execution of a workflow.';
comment on column sluice.runs.id                is 'The run''s number.';
comment on column sluice.runs.workflow_id       is 'The version that it executes, from start to end.';
comment on column sluice.runs.workflow          is 'The workflow''s name: keys are unique per workflow, whatever its version.';
comment on column sluice.runs.status            is 'RUNNING until all sinks have succeeded, one task has failed, or somebody cancelled.';
comment on column sluice.runs.waiting_for       is 'How many sinks (tasks without children) have not succeeded yet.';
comment on column sluice.runs.input             is 'What it was started with, defaults filled in.';
comment on column sluice.runs.key               is 'Idempotency key: starting again with the same key gives this run.';
comment on column sluice.runs.created_at        is 'When it was started.';
comment on column sluice.runs.finished_at       is 'When it left RUNNING.';
comment on column sluice.runs.failed_task_no    is 'The task at whose failure it stopped.';
comment on column sluice.runs.reason            is 'Why it stopped: the error of that task, or who cancelled it.';
comment on table  sluice.tasks                  is 'One row per task of a run, and its state.';
comment on column sluice.tasks.run_id           is 'The run that it belongs to.';
comment on column sluice.tasks.workflow_id      is 'The run''s version, repeated so that promotion reads edges without the run.';
comment on column sluice.tasks.task_no          is 'Which task of the workflow.';
comment on column sluice.tasks.waiting_for      is 'How many of its parents have not succeeded yet. No longer counted once the run has stopped.';
comment on column sluice.tasks.is_sink          is 'Nobody waits for it: its success counts towards the end of the run.';
comment on column sluice.tasks.state            is 'Where it stands.';
comment on column sluice.tasks.stopped          is 'It was READY when its run stopped, and will not run.';
comment on column sluice.tasks.token            is 'Fences off whoever lost the task: counts claims, retries and take-overs; a result must name it.';
comment on column sluice.tasks.attempt          is 'Which attempt this is, or was; at most retries + 1. Crashes do not count.';
comment on column sluice.tasks.crashes          is 'How often its runner was lost while it ran; the fifth time fails it as poison.';
comment on column sluice.tasks.runner_id        is 'Who runs it, or ran it last. A RUNNING task without runner waits to be taken on again.';
comment on column sluice.tasks.started_at       is 'When the present attempt began.';
comment on column sluice.tasks.finished_at      is 'When it reached SUCCESS or FAILED.';
comment on column sluice.tasks.output           is 'What it hands to its children; a skipped task says {"skipped": why}.';
comment on column sluice.tasks.error            is 'Why it failed: {"code", "message"}.';
comment on table  sluice.attempts               is 'Executions that did not succeed: failed ones, and those whose runner was lost or gave them back.';
comment on column sluice.attempts.run_id        is 'The run.';
comment on column sluice.attempts.task_no       is 'The task.';
comment on column sluice.attempts.token         is 'The token under which it ran.';
comment on column sluice.attempts.attempt       is 'Which attempt it was; one that was lost or given back is made again.';
comment on column sluice.attempts.outcome       is 'FAILED counts against the retries, LOST and GIVEN BACK do not.';
comment on column sluice.attempts.runner_id     is 'Who ran it.';
comment on column sluice.attempts.started_at    is 'When it began.';
comment on column sluice.attempts.ended_at      is 'When it failed, or was found to be lost.';
comment on column sluice.attempts.error         is 'Why: {"code", "message"}.';
comment on table  sluice.transitions            is 'The audit: every move of every task, written by trigger. Retries stay inside RUNNING: see attempts.';
comment on column sluice.transitions.run_id     is 'The run.';
comment on column sluice.transitions.task_no    is 'The task.';
comment on column sluice.transitions.from_state is 'The state that it left; null when its output was taken over from an earlier run (see reruns).';
comment on column sluice.transitions.to_state   is 'The state that it entered; each is entered once.';
comment on column sluice.transitions.attempt    is 'Its attempt at that moment; 0 before the first.';
comment on column sluice.transitions.runner_id  is 'Who ran it.';
comment on column sluice.transitions.at         is 'When.';
comment on table  sluice.runners                is 'The processes that execute tasks.';
comment on column sluice.runners.id             is 'Its identity. While it lives it holds the advisory lock (sluice.runner_lock(), id).';
comment on column sluice.runners.host           is 'The machine that it runs on.';
comment on column sluice.runners.pid            is 'Its process.';
comment on column sluice.runners.slots          is 'How many tasks it runs at once.';
comment on column sluice.runners.started_at     is 'When it registered.';
comment on column sluice.runners.beat_at        is 'Its last sign of life.';
comment on column sluice.runners.ended_at       is 'When it ended.';
comment on column sluice.runners.ending         is 'How: it stopped, or it was lost.';
