--! Previous: -
--! Hash: sha1:0a0dfa6409a8147f75e239032553a86cf474a894
--! Message: workflows

/*
 * A workflow is a DAG of tasks. It is data, and a version of it never changes: a run points at its version for ever.
 *
 * Tasks are numbered so that every edge leads from a lower number to a higher one. That makes a cycle impossible
 * to store, whoever inserts it: finding such an order is how register_workflow looks for cycles.
 */
create schema sluice;

create table sluice.workflows (
  id           bigint generated always as identity primary key,
  name         text        not null constraint workflow_names_are_plain check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  version      integer     not null constraint versions_count_from_one check (version > 0),
  input_schema jsonb       not null,
  definition   jsonb       not null,
  subject      jsonb       not null default '[]' constraint subjects_are_lists check (jsonb_typeof(subject) = 'array'),
  created_at   timestamptz not null default now(),
  unique (name, version),
  unique (id, name)
);

create table sluice.workflow_tasks (
  workflow_id bigint  not null references sluice.workflows,
  task_no     integer not null constraint tasks_count_from_one check (task_no > 0),
  name        text    not null constraint task_names_are_plain check (name ~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$'),
  connector   text    not null,
  operation   text    not null,
  parameters  jsonb   not null,
  condition   jsonb,
  retries     integer not null constraint retries_are_few check (retries between 0 and 100),
  timeout_ms  integer not null constraint timeouts_are_positive check (timeout_ms > 0),
  reads       integer[] not null,
  primary key (workflow_id, task_no),
  unique (workflow_id, name)
);

create table sluice.workflow_edges (
  workflow_id bigint  not null,
  parent_no   integer not null,
  child_no    integer not null,
  primary key (workflow_id, parent_no, child_no),
  foreign key (workflow_id, parent_no) references sluice.workflow_tasks,
  foreign key (workflow_id, child_no)  references sluice.workflow_tasks,
  constraint edges_lead_forward check (parent_no < child_no)
);

create index workflow_edges_by_child on sluice.workflow_edges (workflow_id, child_no);

/*
 * Rows disappear through the prune function only, which says so for the length of its transaction.
 */
create function sluice.refuse_to_forget() returns trigger
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('sluice.pruning', true) = 'on' then
    return null;
  end if;
  raise exception using
    errcode = 'WF007',
    message = format('%s of %I.%I is not allowed: what happened stays on record', lower(tg_op), tg_table_schema, tg_table_name),
    hint    = 'Register a new version of a workflow to change it; sluice.prune removes old runs.';
end;
$$;

create trigger versions_never_change before update or delete or truncate on sluice.workflows
  for each statement execute function sluice.refuse_to_forget();
create trigger versions_never_change before update or delete or truncate on sluice.workflow_tasks
  for each statement execute function sluice.refuse_to_forget();
create trigger versions_never_change before update or delete or truncate on sluice.workflow_edges
  for each statement execute function sluice.refuse_to_forget();

comment on schema   sluice                             is 'The workflow engine: definitions, runs, and the rules that move them.';
comment on table    sluice.workflows                   is 'One row per version of a workflow; the newest is the one that runs are started of.';
comment on column   sluice.workflows.id                is 'The version''s key.';
comment on column   sluice.workflows.name              is 'What people call the workflow; all its versions share it.';
comment on column   sluice.workflows.version           is 'Counts up from 1 each time that a changed definition is registered.';
comment on column   sluice.workflows.input_schema      is 'JSON Schema of a run''s input: properties, required, default and type of each.';
comment on column   sluice.workflows.definition        is 'The definition as it was registered; what tells whether it has changed.';
comment on column   sluice.workflows.subject           is 'References to what a run is about, for people: {"$input": […]}, {"$output": [task, …]}.';
comment on column   sluice.workflows.created_at        is 'When this version was registered.';
comment on table    sluice.workflow_tasks              is 'The tasks of each version.';
comment on column   sluice.workflow_tasks.workflow_id  is 'The version that the task belongs to.';
comment on column   sluice.workflow_tasks.task_no      is 'Its number: parents have lower numbers than their children.';
comment on column   sluice.workflow_tasks.name         is 'Its name, unique in the workflow.';
comment on column   sluice.workflow_tasks.connector    is 'The connector that does the work.';
comment on column   sluice.workflow_tasks.operation    is 'Which of the connector''s operations.';
comment on column   sluice.workflow_tasks.parameters   is 'What the operation is given. {"$input": […]}, {"$output": [task, …]} and {"$run": […]} stand for values.';
comment on column   sluice.workflow_tasks.condition    is 'When it does not hold, the task succeeds without running: {"value": …, "is": …} or {"value": …, "isNot": …}.';
comment on column   sluice.workflow_tasks.retries      is 'How many further attempts follow a failed one, at once.';
comment on column   sluice.workflow_tasks.timeout_ms   is 'How long one attempt may take, in milliseconds.';
comment on column   sluice.workflow_tasks.reads        is 'The upstream tasks whose outputs the parameters or the condition refer to.';
comment on table    sluice.workflow_edges              is 'Who waits for whom.';
comment on column   sluice.workflow_edges.workflow_id  is 'The version that the edge belongs to.';
comment on column   sluice.workflow_edges.parent_no    is 'The task that has to succeed first.';
comment on column   sluice.workflow_edges.child_no     is 'The task that waits.';
comment on function sluice.refuse_to_forget()          is 'Keeps rows from being changed or deleted, but for the prune function.';
