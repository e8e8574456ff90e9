/*
 * What all migrations amount to, in the words of the database, to be read and not to be run: the rules as they are
 * today, each once. Why each came to be so is told by the migration that made it. Written by `npm run schema`; a test
 * compares it with a database that was migrated from scratch.
 */

-- PENDING → READY → RUNNING → SUCCESS | FAILED, and no other move, ever.
create type sluice.task_state as enum ('PENDING', 'READY', 'RUNNING', 'SUCCESS', 'FAILED');

-- RUNNING → COMPLETED | FAILED | CANCELLED, and no other move.
create type sluice.run_status as enum ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED');

-- One row per version of a workflow; runs are started from the newest.
create table sluice.workflows (
  -- The version's key.
  id bigint generated always as identity not null,
  -- What people call the workflow; all its versions share it.
  name text not null,
  -- Counts up from 1 each time that a changed definition is registered.
  version integer not null,
  -- JSON Schema of a run's input: properties, required, default and type of each.
  input_schema jsonb not null,
  -- The definition as it was registered; what tells whether it has changed.
  definition jsonb not null,
  -- References to what a run is about, for people: {"$input": […]}, {"$output": [task, …]}.
  subject jsonb not null default '[]'::jsonb,
  -- When this version was registered.
  created_at timestamp with time zone not null default now(),
  constraint workflow_names_are_plain CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'::text),
  constraint versions_count_from_one CHECK (version > 0),
  constraint subjects_are_lists CHECK (jsonb_typeof(subject) = 'array'::text),
  constraint workflows_pkey PRIMARY KEY (id),
  constraint workflows_name_version_key UNIQUE (name, version),
  constraint workflows_id_name_key UNIQUE (id, name)
);
CREATE TRIGGER versions_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON sluice.workflows FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();

-- The tasks of each version.
create table sluice.workflow_tasks (
  -- The version that the task belongs to.
  workflow_id bigint not null,
  -- Its number: parents have lower numbers than their children.
  task_no integer not null,
  -- Its name, unique in the workflow.
  name text not null,
  -- The connector that does the work.
  connector text not null,
  -- Which of the connector's operations.
  operation text not null,
  -- What the operation is given. {"$input": […]}, {"$output": [task, …]} and {"$run": […]} stand for values.
  parameters jsonb not null,
  -- When it does not hold, the task succeeds without running: {"value": …, "is": …} or {"value": …, "isNot": …}.
  condition jsonb,
  -- How many further attempts follow a failed one, at once.
  retries integer not null,
  -- How long one attempt may take, in milliseconds.
  timeout_ms integer not null,
  -- The upstream tasks whose outputs the parameters or the condition refer to.
  reads integer[] not null,
  constraint tasks_count_from_one CHECK (task_no > 0),
  constraint task_names_are_plain CHECK (name ~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$'::text),
  constraint retries_are_few CHECK (retries >= 0 AND retries <= 100),
  constraint timeouts_are_positive CHECK (timeout_ms > 0),
  constraint workflow_tasks_pkey PRIMARY KEY (workflow_id, task_no),
  constraint workflow_tasks_workflow_id_name_key UNIQUE (workflow_id, name),
  constraint workflow_tasks_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES sluice.workflows(id)
);
CREATE TRIGGER versions_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON sluice.workflow_tasks FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();
CREATE TRIGGER versions_with_runs_are_complete AFTER INSERT ON sluice.workflow_tasks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_additions();

-- Who waits for whom.
create table sluice.workflow_edges (
  -- The version that the edge belongs to.
  workflow_id bigint not null,
  -- The task that has to succeed first.
  parent_no integer not null,
  -- The task that waits.
  child_no integer not null,
  constraint edges_lead_forward CHECK (parent_no < child_no),
  constraint workflow_edges_pkey PRIMARY KEY (workflow_id, parent_no, child_no),
  constraint workflow_edges_workflow_id_parent_no_fkey FOREIGN KEY (workflow_id, parent_no) REFERENCES sluice.workflow_tasks(workflow_id, task_no),
  constraint workflow_edges_workflow_id_child_no_fkey FOREIGN KEY (workflow_id, child_no) REFERENCES sluice.workflow_tasks(workflow_id, task_no)
);
CREATE INDEX workflow_edges_by_child ON sluice.workflow_edges USING btree (workflow_id, child_no);
CREATE TRIGGER versions_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON sluice.workflow_edges FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();
CREATE TRIGGER versions_with_runs_are_complete AFTER INSERT ON sluice.workflow_edges REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_additions();

-- One row per execution of a workflow.
create table sluice.runs (
  -- The run's number.
  id bigint generated always as identity not null,
  -- The version that it executes, from start to end.
  workflow_id bigint not null,
  -- The workflow's name: keys are unique per workflow, whatever its version.
  workflow text not null,
  -- RUNNING until all sinks have succeeded, one task has failed, or somebody cancelled.
  status sluice.run_status not null default 'RUNNING'::sluice.run_status,
  -- How many sinks (tasks without children) have not succeeded yet.
  waiting_for integer not null,
  -- What it was started with, defaults filled in.
  input jsonb not null,
  -- Idempotency key: starting again with the same key gives this run.
  key text,
  -- When it was started.
  created_at timestamp with time zone not null default statement_timestamp(),
  -- When it left RUNNING.
  finished_at timestamp with time zone,
  -- The task at whose failure it stopped.
  failed_task_no integer,
  -- Why it stopped: the error of that task, or who cancelled it.
  reason text,
  constraint runs_pkey PRIMARY KEY (id),
  constraint runs_workflow_id_workflow_fkey FOREIGN KEY (workflow_id, workflow) REFERENCES sluice.workflows(id, name)
) with (fillfactor=50);
CREATE UNIQUE INDEX runs_by_key ON sluice.runs USING btree (workflow, key) WHERE (key IS NOT NULL);
CREATE TRIGGER runs_stay_on_record BEFORE DELETE OR TRUNCATE ON sluice.runs FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();
CREATE INDEX runs_by_workflow ON sluice.runs USING btree (workflow_id, id) WITH (fillfactor='50');
CREATE INDEX runs_by_time ON sluice.runs USING brin (created_at) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX runs_by_end ON sluice.runs USING brin (finished_at) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX runs_stopped ON sluice.runs USING btree (id) WHERE (reason IS NOT NULL);
CREATE TRIGGER guard_new_run BEFORE INSERT ON sluice.runs FOR EACH ROW EXECUTE FUNCTION sluice.guard_new_run();
CREATE TRIGGER advance_runs AFTER UPDATE ON sluice.runs REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sluice.advance_runs();

-- One row per task of a run, and its state.
create table sluice.tasks (
  -- The run that it belongs to.
  run_id bigint not null,
  -- The run's version, repeated so that promotion reads edges without the run.
  workflow_id bigint not null,
  -- Which task of the workflow.
  task_no integer not null,
  -- How many of its parents have not succeeded yet. No longer counted once the run has stopped.
  waiting_for integer not null,
  -- Nobody waits for it: its success counts towards the end of the run.
  is_sink boolean not null,
  -- Where it stands.
  state sluice.task_state not null,
  -- It was READY when its run stopped, and will not run.
  stopped boolean not null default false,
  -- Fences off whoever lost the task: counts its executions; a result must name it.
  token integer not null default 0,
  -- Which attempt this is, or was; at most retries + 1. Crashes do not count.
  attempt integer not null default 0,
  -- How often its runner, or the connection of its transaction amid a statement, was lost while it ran; the fifth time fails it as poison.
  crashes integer not null default 0,
  -- Who runs it, or ran it last. A RUNNING task without runner waits to be taken on again.
  runner_id integer,
  -- When it was last claimed. When it was before is in attempts.
  started_at timestamp with time zone,
  -- When it reached SUCCESS or FAILED.
  finished_at timestamp with time zone,
  -- What it hands to its children; a skipped task says {"skipped": why}.
  output jsonb,
  -- Why it failed: {"code", "message"}; null unless it did.
  error jsonb,
  -- When all its parents had succeeded. Null before, and when its output was taken over from an earlier run.
  ready_at timestamp with time zone,
  constraint tasks_pkey PRIMARY KEY (run_id, task_no),
  constraint tasks_run_id_fkey FOREIGN KEY (run_id) REFERENCES sluice.runs(id)
) with (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=100000, vacuum_index_cleanup=on);
CREATE TRIGGER tasks_stay_on_record BEFORE DELETE OR TRUNCATE ON sluice.tasks FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();
CREATE INDEX tasks_open ON sluice.tasks USING btree (run_id, task_no) WHERE ((waiting_for = 0) AND (finished_at IS NULL) AND (NOT stopped));
CREATE TRIGGER guard_new_task BEFORE INSERT ON sluice.tasks FOR EACH ROW EXECUTE FUNCTION sluice.guard_new_task();
CREATE TRIGGER announce_new_tasks AFTER INSERT ON sluice.tasks REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sluice.announce_new_tasks();
CREATE TRIGGER advance AFTER UPDATE ON sluice.tasks REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION sluice.advance();

-- Executions that did not succeed: failed ones, lost ones, and those that were given back.
create table sluice.attempts (
  -- The run.
  run_id bigint not null,
  -- The task.
  task_no integer not null,
  -- The token under which it ran.
  token integer not null,
  -- Which attempt it was; one that was lost or given back is made again.
  attempt integer not null,
  -- FAILED counts against the retries, LOST and GIVEN BACK do not.
  outcome text not null,
  -- Who ran it.
  runner_id integer not null,
  -- When it began.
  started_at timestamp with time zone not null,
  -- When it failed, was found to be lost, or was given back.
  ended_at timestamp with time zone not null,
  -- Why: {"code", "message"}.
  error jsonb not null,
  constraint outcomes_are_known CHECK (outcome = ANY (ARRAY['FAILED'::text, 'LOST'::text, 'GIVEN BACK'::text])),
  constraint attempts_say_why CHECK ((error ->> 'message'::text) IS NOT NULL),
  constraint attempts_pkey PRIMARY KEY (run_id, task_no, token)
);
CREATE TRIGGER attempts_stay_on_record BEFORE DELETE OR UPDATE OR TRUNCATE ON sluice.attempts FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();

-- The processes that execute tasks.
create table sluice.runners (
  -- Its identity. While it lives it holds the advisory lock (sluice.runner_lock(), id).
  id integer generated always as identity not null,
  -- The machine that it runs on.
  host text not null,
  -- Its process.
  pid integer not null,
  -- How many tasks it runs at once.
  slots integer not null,
  -- When it registered.
  started_at timestamp with time zone not null default clock_timestamp(),
  -- Its last sign of life.
  beat_at timestamp with time zone not null default clock_timestamp(),
  -- When it ended.
  ended_at timestamp with time zone,
  -- How: it stopped, or it was lost.
  ending text,
  constraint runners_have_slots CHECK (slots > 0),
  constraint ended_runners_say_how CHECK ((ended_at IS NOT NULL) = (ending IS NOT NULL) AND (ending = ANY (ARRAY['stopped'::text, 'lost'::text]))),
  constraint runners_pkey PRIMARY KEY (id)
) with (fillfactor=50);
CREATE INDEX runners_alive ON sluice.runners USING btree (id) WHERE (ended_at IS NULL);
CREATE TRIGGER runners_stay_on_record BEFORE DELETE OR TRUNCATE ON sluice.runners FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();
CREATE TRIGGER guard_ended_runner BEFORE UPDATE ON sluice.runners FOR EACH ROW WHEN (old.ended_at IS NOT NULL OR new.ended_at IS NOT NULL OR old.id <> new.id) EXECUTE FUNCTION sluice.guard_ended_runner();

-- Purchase orders as they were read from mails. Nothing is corrected or computed.
create table purchase_orders (
  -- The row's key.
  id bigint generated always as identity not null,
  -- What makes it the same order: buyer and number, or the mail when it has no number.
  order_key text not null,
  -- The order number, without label; null when the mail states none.
  po_number text,
  -- Who orders: the domain of the sender, or the address when that is a public mail service.
  buyer text,
  -- Who is to deliver.
  vendor text,
  -- Where to, its lines joined by commas.
  ship_to text,
  -- When it was ordered.
  order_date date,
  -- When it has to be there.
  due_date date,
  -- As printed.
  payment_terms text,
  -- ISO 4217 code of all its amounts.
  currency text,
  -- Amount before tax and shipping, in the currency's major unit.
  subtotal numeric,
  -- Tax, in the currency's major unit.
  tax numeric,
  -- Shipping, in the currency's major unit.
  shipping numeric,
  -- What is to be paid, in the currency's major unit.
  total numeric,
  -- [{"item", "description", "quantity", "unit_price", "total"}, …] as printed.
  line_items jsonb not null default '[]'::jsonb,
  -- The mail's subject.
  subject text,
  -- The file that it was read from.
  source text not null,
  -- When it was first stored.
  created_at timestamp with time zone not null default now(),
  -- When it was last written.
  updated_at timestamp with time zone not null default now(),
  -- Number, vendor, due date and total are all there; false asks for somebody's attention.
  is_complete boolean not null generated always as (po_number IS NOT NULL AND vendor IS NOT NULL AND due_date IS NOT NULL AND total IS NOT NULL) stored,
  constraint currencies_are_iso_codes CHECK (currency ~ '^[A-Z]{3}$'::text),
  constraint line_items_are_a_list CHECK (jsonb_typeof(line_items) = 'array'::text),
  constraint purchase_orders_pkey PRIMARY KEY (id),
  constraint purchase_orders_order_key_key UNIQUE (order_key),
  constraint amounts_are_numbers CHECK (GREATEST(abs(subtotal), abs(tax), abs(shipping), abs(total)) < 'Infinity'::numeric)
);
CREATE TRIGGER touch_purchase_order BEFORE UPDATE ON purchase_orders FOR EACH ROW EXECUTE FUNCTION touch_purchase_order();

-- Which runs repeat which: lineage, in both directions.
create table sluice.reruns (
  -- The new run.
  run_id bigint not null,
  -- The run that it repeats. It may have been pruned since.
  of_run_id bigint not null,
  -- It took over what had succeeded; else it began from the start.
  from_failed boolean not null,
  -- Who asked for it.
  started_by text not null,
  constraint runs_repeat_earlier_ones CHECK (of_run_id < run_id),
  constraint reruns_pkey PRIMARY KEY (run_id),
  constraint reruns_run_id_fkey FOREIGN KEY (run_id) REFERENCES sluice.runs(id) ON DELETE CASCADE
);
CREATE INDEX reruns_by_original ON sluice.reruns USING btree (of_run_id);
CREATE TRIGGER reruns_stay_on_record BEFORE DELETE OR UPDATE OR TRUNCATE ON sluice.reruns FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_to_forget();

-- Which file became which run.
create table sluice.inbox_files (
  -- The workflow that was started.
  workflow text not null,
  -- Where the file was found.
  path text not null,
  -- Its content; a run's key is "sha256 " and this.
  sha256 text not null,
  -- Its size, time and inode: while they are the same, it need not be read again.
  stamp text not null,
  -- The run of this content. It may have been pruned since.
  run_id bigint not null,
  -- When the file was last taken.
  seen_at timestamp with time zone not null default now(),
  constraint contents_are_known_by_their_hash CHECK (sha256 ~ '^[0-9a-f]{64}$'::text),
  constraint inbox_files_pkey PRIMARY KEY (workflow, path, sha256)
);
CREATE INDEX inbox_files_by_content ON sluice.inbox_files USING btree (workflow, sha256);
CREATE INDEX inbox_files_by_time ON sluice.inbox_files USING btree (seen_at);

-- Keeps rows from being changed or deleted, but for the prune function.
CREATE OR REPLACE FUNCTION sluice.refuse_to_forget()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
begin
  if tg_op = 'DELETE' and current_setting('sluice.pruning', true) = 'on' then
    return null;
  end if;
  raise exception using
    errcode = 'WF007',
    message = format('%s of %I.%I is not allowed: what happened stays on record', lower(tg_op), tg_table_schema, tg_table_name),
    hint    = 'Register a new version of a workflow to change it; sluice.prune removes old runs.';
end;
$function$;

-- Lets legal moves of tasks pass; then children that wait for nobody are READY, runs finish, the doorbell rings. Between a hop (report_and_claim) and what its updates set off, settings that end with the transaction carry: sluice.hop, whose hop it is and how many tasks it has room for; sluice.follows, at which depth of triggers a write follows from a move instead of being made by hand; sluice.taken_tasks and sluice.ended_runs, the places of the tasks that the hop's runner took and of the runs that ended.
CREATE OR REPLACE FUNCTION sluice.advance()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  -- What is new, as a sum.
  c_parent    constant integer     := 1;
  c_sink      constant integer     := 2;
  c_failed    constant integer     := 4;
  c_ready     constant integer     := 8;
  c_ownerless constant integer     := 16;
  -- At which depth triggers fire on what another one of these has written.
  v_written   constant text        := coalesce(current_setting('sluice.follows', true), '');
  v_follows   constant boolean     := v_written = pg_trigger_depth()::text;
  -- The runner in whose hop this happens, and how many tasks it has room for.
  v_hop       constant integer[]   := nullif(current_setting('sluice.hop', true), '');
  -- Marks have to be of this very moment. The clock may go back meanwhile.
  v_since     constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until     constant timestamptz := greatest(statement_timestamp(), clock_timestamp());
  -- What follows is later than its cause, which may have been written while this statement waited for the run.
  v_now       timestamptz;
  v_news      integer;
  v_taken     tid[];
  v_ended     tid[];
  v_setting   text;
begin
  -- Whatever is unknown is refused as well.
  select bit_or(case when move.legal and move.broken is null then move.news
                     else sluice.refuse_task(move.run_id, move.task_no, move.was, move.state, case when move.legal then move.broken end)
                end)
    into v_news
    from (select coalesce(before.run_id, after.run_id)   as run_id,
                 coalesce(before.task_no, after.task_no) as task_no,
                 before.state                            as was,
                 after.state,
                 case after.state
                   when 'SUCCESS' then case when after.is_sink then c_sink else c_parent end
                   when 'FAILED'  then c_failed
                   when 'READY'   then case when after.stopped then 0 else c_ready end
                   when 'RUNNING' then case when after.runner_id is null then c_ownerless else 0 end
                   else 0
                 end as news,
                 case
                   -- It ends, as what it was when it ran. What nobody runs can only fail.
                   when after.state > 'RUNNING' then
                     before.state = 'RUNNING' and after.token = before.token and after.attempt = before.attempt
                     and after.runner_id is not distinct from before.runner_id and after.started_at = before.started_at
                     and (after.finished_at is null
                          or after.finished_at between greatest(v_since, before.started_at) and greatest(v_until, before.started_at))
                     and (after.runner_id is not null or after.state = 'FAILED')
                   -- A parent has succeeded, or its run has stopped.
                   when after.state < 'RUNNING' then
                     v_follows and (before.state = 'PENDING' and after.waiting_for < before.waiting_for
                                    or before.state = 'READY' and after.stopped and not before.stopped)
                   -- It is taken from its runner, or tried again.
                   when after.runner_id is null then
                     before.state = 'RUNNING' and after.token > before.token and after.started_at = before.started_at
                     and after.attempt between before.attempt and before.attempt + 1
                   -- It is claimed; maybe in the moment in which it became READY, by the runner whose result it was that made it so.
                   else
                     before.runner_id is null and not before.stopped and before.state <= 'RUNNING'
                     and (before.state > 'PENDING' or v_follows and after.waiting_for < before.waiting_for)
                     and after.token = greatest(before.token, 1) and after.attempt = greatest(before.attempt, 1)
                     and after.started_at between greatest(v_since, before.ready_at) and greatest(v_until, before.ready_at)
                 end
                 and after.workflow_id = before.workflow_id and after.is_sink = before.is_sink
                 and after.crashes between before.crashes
                                       and before.crashes + (before.runner_id is not null and (after.runner_id is null or after.state = 'FAILED'))::integer
                 and case when before.ready_at is not null then after.ready_at = before.ready_at
                          else after.ready_at is null or after.ready_at between v_since and v_until
                     end as legal,
                 sluice.broken_task_rule(after.state, after.waiting_for, after.stopped, after.token, after.ready_at, after.finished_at, after.output, after.error) as broken
            from before
            full join after on after.run_id = before.run_id and after.task_no = before.task_no
          offset 0) as move;

  if v_news = 0 then
    return null;
  end if;
  -- Whoever claims in the same transaction looks after what it leaves; what follows from a result leads to nothing further.
  if v_hop[1] is null then
    if v_news & (c_ready | c_ownerless) > 0 then
      notify task_ready;
    end if;
  elsif v_follows then
    return null;
  end if;
  v_setting := set_config('sluice.follows', (pg_trigger_depth() + 1)::text, true);

  if v_news & (c_parent | c_failed | c_ownerless) > 0 then
    perform from sluice.runs where runs.id in (select after.run_id from after) order by runs.id for no key update;
    v_now := greatest(statement_timestamp(), clock_timestamp());
  end if;

  -- One statement may complete several parents of one child: counted per child, not per row. While we hold their runs,
  -- nobody else moves PENDING tasks. Whose result it was takes what becomes READY, as far as it has room.
  if v_news & c_parent > 0 then
    with moved as (
      update sluice.tasks
         set waiting_for = tasks.waiting_for - child.parents,
             state       = case when child.taken then 'RUNNING' when child.ready then 'READY' else 'PENDING' end::sluice.task_state,
             ready_at    = case when child.ready then v_now end,
             token       = child.taken::integer,
             attempt     = child.taken::integer,
             runner_id   = case when child.taken then v_hop[1] end,
             started_at  = case when child.taken then v_now end
        from (select fewer.run_id, fewer.child_no, fewer.parents, waiting.waiting_for = fewer.parents as ready,
                     waiting.waiting_for = fewer.parents
                       and count(*) filter (where waiting.waiting_for = fewer.parents) over (rows unbounded preceding) <= coalesce(v_hop[2], 0) as taken
                from (select after.run_id, edges.child_no, count(*)::integer as parents
                        from after
                        join sluice.workflow_edges as edges on edges.workflow_id = after.workflow_id and edges.parent_no = after.task_no
                       where after.state = 'SUCCESS'
                       group by after.run_id, edges.child_no
                       order by after.run_id, edges.child_no) as fewer
                join sluice.runs on runs.id = fewer.run_id and runs.status = 'RUNNING'
                join sluice.tasks as waiting on waiting.run_id = fewer.run_id and waiting.task_no = fewer.child_no) as child
       where tasks.run_id = child.run_id
         and tasks.task_no = child.child_no
      returning tasks.ctid, child.taken
    )
    select array_agg(moved.ctid) into v_taken from moved where moved.taken;
    if v_taken is not null then
      v_setting := set_config('sluice.taken_tasks', (nullif(current_setting('sluice.taken_tasks', true), '')::tid[] || v_taken)::text, true);
    end if;
  end if;

  if v_news & c_failed > 0 then
    with ended as (
      update sluice.runs
         set status         = 'FAILED',
             finished_at    = greatest(statement_timestamp(), clock_timestamp(), runs.created_at),
             failed_task_no = first.task_no,
             reason         = first.error ->> 'message'
        from (select distinct on (after.run_id) after.run_id, after.task_no, after.error
                from after
               where after.state = 'FAILED'
               order by after.run_id, after.task_no) as first
       where runs.id = first.run_id
         and runs.status = 'RUNNING'
      returning runs.ctid
    )
    select array_agg(ended.ctid) into v_ended from ended;
  end if;

  if v_news & c_sink > 0 then
    with counted as (
      update sluice.runs
         set waiting_for = runs.waiting_for - sinks.succeeded,
             status      = case when runs.waiting_for = sinks.succeeded then 'COMPLETED' else runs.status end,
             finished_at = case when runs.waiting_for = sinks.succeeded then greatest(statement_timestamp(), clock_timestamp(), runs.created_at) end
        from (select after.run_id, count(*)::integer as succeeded
                from after
               where after.state = 'SUCCESS'
                 and after.is_sink
               group by after.run_id
               order by after.run_id) as sinks
       where runs.id = sinks.run_id
         and runs.status = 'RUNNING'
      returning runs.ctid, runs.finished_at
    )
    select v_ended || array_agg(counted.ctid) into v_ended from counted where counted.finished_at is not null;
  end if;

  -- A hop may have several: successes are written first, the others by a second statement, and somebody's own triggers may write.
  if v_ended is not null and v_hop is not null then
    v_setting := set_config('sluice.ended_runs', (nullif(current_setting('sluice.ended_runs', true), '')::tid[] || v_ended)::text, true);
  end if;

  if v_news & c_ownerless > 0 then
    if exists (select from after
                where after.state = 'RUNNING'
                  and after.runner_id is null
                  and not exists (select from sluice.attempts
                                   where attempts.run_id = after.run_id and attempts.task_no = after.task_no and attempts.token = after.token - 1)) then
      raise exception using
        errcode = 'WF001',
        message = 'a task was taken from its runner, and nothing says so',
        hint    = 'Attempts stay on record: insert one into sluice.attempts first, or let sluice.end_runner do both.';
    end if;
    -- Tried again or given back, but its run has stopped meanwhile: it ends with the run.
    perform sluice.end_open_tasks(array(select after.run_id
                                          from after
                                          join sluice.runs on runs.id = after.run_id and runs.status <> 'RUNNING'
                                         where after.state = 'RUNNING' and after.runner_id is null));
  end if;
  v_setting := set_config('sluice.follows', v_written, true);
  return null;
end;
$function$;

-- The names of the tasks whose outputs a task refers to.
CREATE OR REPLACE FUNCTION sluice.task_references(p_task jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT DISTINCT (reference.reference ->> 0)
    FROM jsonb_path_query(jsonb_build_array((task_references.p_task -> 'parameters'::text), (task_references.p_task -> 'when'::text)), '$.**?(exists (@."$output"))."$output"'::jsonpath) reference(reference);
END;

-- The names of the inputs that a task refers to.
CREATE OR REPLACE FUNCTION sluice.task_inputs(p_task jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT DISTINCT (reference.reference ->> 0)
    FROM jsonb_path_query(jsonb_build_array((task_inputs.p_task -> 'parameters'::text), (task_inputs.p_task -> 'when'::text)), '$.**?(exists (@."$input"))."$input"'::jsonpath) reference(reference);
END;

-- Numbers tasks so that parents come first; null for those in or behind a cycle.
CREATE OR REPLACE FUNCTION sluice.topological_order(p_tasks jsonb)
 RETURNS integer[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
declare
  v_count    constant integer := jsonb_array_length(p_tasks);
  v_order    integer[] := array_fill(null::integer, array[v_count]);
  v_waiting  integer[] := array_fill(0, array[v_count]);
  v_first    integer[] := array_fill(1, array[v_count]);
  v_last     integer[] := array_fill(0, array[v_count]);
  v_children integer[];
  v_edge     record;
  v_queue    integer[] := '{}';
  v_child    integer;
begin
  -- All edges sorted by parent; v_first and v_last say where the children of each stand.
  for v_edge in
    with named as (
      select task.value ->> 'name' as name, task.value -> 'after' as parents, task.position::integer as position
        from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    )
    select parent.position as parent, child.position as child, row_number() over (order by parent.position, child.position)::integer as place
      from named as child
     cross join jsonb_array_elements_text(coalesce(child.parents, '[]')) as after(name)
      join named as parent on parent.name = after.name
     order by place
  loop
    v_children[v_edge.place] := v_edge.child;
    v_waiting[v_edge.child] := v_waiting[v_edge.child] + 1;
    if v_last[v_edge.parent] = 0 then
      v_first[v_edge.parent] := v_edge.place;
    end if;
    v_last[v_edge.parent] := v_edge.place;
  end loop;

  for v_task in 1 .. v_count loop
    if v_waiting[v_task] = 0 then
      v_queue := v_queue || v_task;
    end if;
  end loop;

  for v_number in 1 .. v_count loop
    exit when v_number > cardinality(v_queue);
    v_order[v_queue[v_number]] := v_number;
    for v_place in v_first[v_queue[v_number]] .. v_last[v_queue[v_number]] loop
      v_child := v_children[v_place];
      v_waiting[v_child] := v_waiting[v_child] - 1;
      if v_waiting[v_child] = 0 then
        v_queue := v_queue || v_child;
      end if;
    end loop;
  end loop;
  return v_order;
end;
$function$;

-- One cycle as "a -> b -> a", given what topological_order left without a number.
CREATE OR REPLACE FUNCTION sluice.cycle_path(p_tasks jsonb, p_order integer[])
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
declare
  v_most   constant integer := 20;
  v_names  text[];
  v_parent integer[];
  v_seen   boolean[] := array_fill(false, array[cardinality(p_order)]);
  v_task   integer   := array_position(p_order, null);
  v_cycle  integer[] := '{}';
begin
  with stuck as (
    select task.value ->> 'name' as name, task.value -> 'after' as parents, task.position::integer as position
      from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
      join unnest(p_order) with ordinality as placed(number, position) using (position)
     where placed.number is null
  ), waiting as (
    select distinct on (child.position) child.position, parent.position as parent
      from stuck as child
     cross join jsonb_array_elements_text(child.parents) with ordinality as after(name, place)
      join stuck as parent on parent.name = after.name
     order by child.position, after.place
  )
  select array_agg(task.value ->> 'name' order by task.position), array_agg(waiting.parent order by task.position)
    into v_names, v_parent
    from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    left join waiting on waiting.position = task.position;

  while not v_seen[v_task] loop
    v_seen[v_task] := true;
    v_task := v_parent[v_task];
  end loop;
  while cardinality(v_cycle) = 0 or v_cycle[cardinality(v_cycle)] <> v_task loop
    v_cycle := v_cycle || v_parent[coalesce(v_cycle[cardinality(v_cycle)], v_task)];
  end loop;

  -- Collected from child to parent; shown in the order in which they would run, which is the other way.
  return (select string_agg(case when cardinality(v_cycle) > v_most and place = v_most then format('… %s more', cardinality(v_cycle) - v_most + 1)
                                 else v_names[v_cycle[cardinality(v_cycle) + 1 - place]] end, ' -> ' order by place)
            from generate_series(1, least(cardinality(v_cycle), v_most)) as place) || ' -> ' || v_names[v_task];
end;
$function$;

-- What is wrong with names, values, parents and references, in words.
CREATE OR REPLACE FUNCTION sluice.graph_problems(p_tasks jsonb, p_input_schema jsonb DEFAULT '{"type": "object"}'::jsonb)
 RETURNS SETOF text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
declare
  v_names    text;
  v_known    jsonb;
  v_order    integer[];
  v_numbers  jsonb;
  v_upstream bit varying[];
  v_task     record;
  v_parent   integer;
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or p_tasks = '[]' then
    return next 'it has no tasks; give at least one';
    return;
  elsif jsonb_array_length(p_tasks) > 10000 then
    return next format('it has %s tasks, the limit is 10000', jsonb_array_length(p_tasks));
    return;
  end if;
  v_names := (select string_agg(names.name, ', ') from (select task ->> 'name' as name from jsonb_array_elements(p_tasks) as task limit 50) as names);
  v_known := (select coalesce(jsonb_object_agg(task ->> 'name', true) filter (where task ->> 'name' is not null), '{}')
                from jsonb_array_elements(p_tasks) as task);

  return query
    with task as (
      select task.value, task.position, format('task "%s"', coalesce(task.value ->> 'name', '#' || task.position)) as which
        from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
    ), problem as (
      select task.position, format('%s: a name is a letter, then at most 62 letters, digits, "_" or "-"', task.which) as words
        from task
       where jsonb_typeof(task.value -> 'name') is distinct from 'string'
          or task.value ->> 'name' !~ '^[A-Za-z][A-Za-z0-9_-]{0,62}$'
      union all
      select max(task.position), format('%s is there %s times; names are unique', task.which, count(*))
        from task
       where task.value ? 'name'
       group by task.which
      having count(*) > 1
      union all
      select task.position, format('%s needs a connector and an operation', task.which)
        from task
       where jsonb_typeof(task.value -> 'connector') is distinct from 'string'
          or jsonb_typeof(task.value -> 'operation') is distinct from 'string'
      union all
      select task.position, format('%s: %s is %s, it has to be %s', task.which, field.name, task.value -> field.name, field.rule)
        from task
       cross join (values ('retries', 0, 100, 'a whole number from 0 to 100'),
                          ('timeout_ms', 1, 2147483647, 'a whole number of milliseconds from 1 to 2147483647')) as field(name, low, high, rule)
       where task.value ? field.name
         and not case when jsonb_typeof(task.value -> field.name) = 'number'
                      then (task.value ->> field.name)::numeric between field.low and field.high
                       and (task.value ->> field.name)::numeric % 1 = 0
                      else false end
      union all
      select task.position, format('%s: "after" is %s, it has to be a list of task names', task.which, task.value -> 'after')
        from task
       where jsonb_typeof(coalesce(task.value -> 'after', '[]')) <> 'array'
      union all
      select task.position, format('%s runs after "%s", which is not one of its tasks. There are: %s', task.which, parent.name, v_names)
        from task
       cross join lateral jsonb_array_elements_text(case jsonb_typeof(task.value -> 'after') when 'array' then task.value -> 'after' else '[]' end) as parent(name)
       where (v_known ? parent.name) is not true
      union all
      select task.position, format('%s runs after "%s" twice', task.which, parent.name)
        from task
       cross join lateral jsonb_array_elements_text(case jsonb_typeof(task.value -> 'after') when 'array' then task.value -> 'after' else '[]' end) as parent(name)
       group by task.position, task.which, parent.name
      having count(*) > 1
      union all
      select task.position, format('%s has a reference that names nothing; write {"$input": ["name"]} or {"$output": ["task"]}', task.which)
        from task
       where jsonb_path_exists(
               jsonb_build_array(task.value -> 'parameters', task.value -> 'when'),
               '$.** ? (@.type() == "object").keyvalue()
                     ? ((@.key == "$input" || @.key == "$output") && !(@.value.type() == "array" && @.value[0].type() == "string"))')
      union all
      select task.position, format('%s refers to the input "%s", which the workflow does not declare', task.which, input.name)
        from task
       cross join lateral task_inputs(task.value) as input(name)
       where not coalesce(p_input_schema -> 'properties', '{}') ? input.name
         and p_input_schema -> 'additionalProperties' = 'false'
      union all
      select task.position, format('%s refers to the output of "%s", which is not one of its tasks. There are: %s', task.which, reference.name, v_names)
        from task
       cross join lateral task_references(task.value) as reference(name)
       where not v_known ? reference.name
    )
    select problem.words from problem order by problem.position;
  if found then
    return;
  end if;

  v_order := topological_order(p_tasks);
  if array_position(v_order, null) is not null then
    return next format('its tasks wait for one another in a cycle: %s', cycle_path(p_tasks, v_order));
    return;
  end if;

  -- A reference has to lead upstream. Most lead to a parent.
  if not exists (
    select from jsonb_array_elements(p_tasks) as task
     cross join lateral task_references(task) as reference(name)
     where not coalesce(task -> 'after', '[]') ? reference.name
  ) then
    return;
  end if;

  -- For each task, bits say which others are upstream of it, by their numbers.
  v_numbers := (select jsonb_object_agg(task.value ->> 'name', v_order[task.position])
                  from jsonb_array_elements(p_tasks) with ordinality as task(value, position));
  for v_task in
    select task.value, v_order[task.position] as number
      from jsonb_array_elements(p_tasks) with ordinality as task(value, position)
     order by number
  loop
    v_upstream[v_task.number] := repeat('0', cardinality(v_order))::bit varying;
    for v_parent in select (v_numbers ->> name)::integer from jsonb_array_elements_text(coalesce(v_task.value -> 'after', '[]')) as parent(name) loop
      v_upstream[v_task.number] := set_bit(v_upstream[v_task.number] | v_upstream[v_parent], v_parent - 1, 1);
    end loop;
    return query
      select format('task "%s" refers to the output of "%s", which is not upstream of it; add it to "after"', v_task.value ->> 'name', reference.name)
        from task_references(v_task.value) as reference(name)
       where get_bit(v_upstream[v_task.number], (v_numbers ->> reference.name)::integer - 1) = 0;
  end loop;
end;
$function$;

-- Stores a workflow under a new version when it has changed. Raises WF002 with all its problems.
CREATE OR REPLACE FUNCTION sluice.register_workflow(p_name text, p_tasks jsonb, p_input_schema jsonb DEFAULT '{"type": "object"}'::jsonb, p_subject jsonb DEFAULT '[]'::jsonb)
 RETURNS TABLE(workflow_id bigint, version integer, is_new boolean)
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_definition constant jsonb := jsonb_build_object('tasks', p_tasks, 'input', p_input_schema, 'subject', p_subject);
  v_problems text[];
  v_order    integer[];
  v_numbers  jsonb;
  v_latest   workflows;
  v_id       bigint;
begin
  -- Two that register the same workflow take turns, so that versions count up without gaps.
  perform pg_advisory_xact_lock(hashtextextended('sluice.register_workflow ' || p_name, 0));

  select workflows.* into v_latest
    from workflows
   where workflows.name = p_name
   order by workflows.version desc
   limit 1;
  if v_latest.definition = v_definition then
    return query select v_latest.id, v_latest.version, false;
    return;
  end if;

  v_problems := array(select workflow_problems(p_name, p_tasks, p_input_schema, p_subject));
  if v_problems <> '{}' then
    raise exception using
      errcode = 'WF002',
      message = format('workflow "%s" is not valid: %s', p_name, array_to_string(v_problems, E'\n')),
      hint    = 'Nothing was registered. Mend the definition and register it again.';
  end if;
  v_order := topological_order(p_tasks);
  v_numbers := (select jsonb_object_agg(task.value ->> 'name', v_order[task.position])
                  from jsonb_array_elements(p_tasks) with ordinality as task(value, position));

  insert into workflows (name, version, input_schema, definition, subject)
  values (p_name, coalesce(v_latest.version, 0) + 1, p_input_schema, v_definition, p_subject)
  returning id, version into v_id, version;

  insert into workflow_tasks (workflow_id, task_no, name, connector, operation, parameters, condition, retries, timeout_ms, reads)
  select v_id,
         v_order[task.position],
         task.value ->> 'name',
         task.value ->> 'connector',
         task.value ->> 'operation',
         coalesce(task.value -> 'parameters', '{}'),
         nullif(task.value -> 'when', 'null'),
         coalesce((task.value -> 'retries')::integer, 0),
         coalesce((task.value -> 'timeout_ms')::integer, 600000),
         array(select (v_numbers ->> reference.name)::integer as number
                 from task_references(task.value) as reference(name)
                order by number)
    from jsonb_array_elements(p_tasks) with ordinality as task(value, position);

  insert into workflow_edges (workflow_id, parent_no, child_no)
  select v_id, parent.task_no, child.task_no
    from jsonb_array_elements(p_tasks) as task
   cross join jsonb_array_elements_text(coalesce(task -> 'after', '[]')) as after(name)
    join workflow_tasks as parent on parent.workflow_id = v_id and parent.name = after.name
    join workflow_tasks as child  on child.workflow_id  = v_id and child.name  = task ->> 'name';

  return query select v_id, version, true;
end;
$function$;

-- Keeps versions that have runs from growing.
CREATE OR REPLACE FUNCTION sluice.refuse_additions()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
begin
  -- Who starts a run holds its version: one of us waits for the other, and then sees what he did.
  perform from workflows where workflows.id in (select added.workflow_id from added) order by workflows.id for update;
  -- By an older snapshot we would not, unless the version is of this very transaction.
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
     and exists (select from workflows where workflows.id in (select added.workflow_id from added) and workflows.created_at < transaction_timestamp()) then
    raise exception using
      errcode = 'WF011',
      message = format('nothing can be added to a version in a transaction that is %s: it may not see all runs', current_setting('transaction_isolation')),
      hint    = 'Do it in one that is read committed: begin isolation level read committed.';
  end if;
  if exists (select from runs where runs.workflow_id in (select added.workflow_id from added)) then
    raise exception using
      errcode = 'WF007',
      message = 'a version of a workflow that has runs never changes',
      hint    = 'Register a new version: select sluice.register_workflow(…).';
  end if;
  return null;
end;
$function$;

-- An input with defaults filled in. Raises WF004 with all that is wrong with it.
CREATE OR REPLACE FUNCTION sluice.complete_input(p_workflow text, p_schema jsonb, p_input jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
declare
  v_properties constant jsonb := coalesce(p_schema -> 'properties', '{}');
  v_problems   text[] := '{}';
  v_name       text;
  v_value      jsonb;
  v_type       text;
begin
  if jsonb_typeof(p_input) is distinct from 'object' then
    v_problems := array[format('it is %s, not an object', coalesce(jsonb_typeof(p_input), 'null'))];
  elsif octet_length(p_input::text) > 16777216 then
    v_problems := array[format('it has %s bytes, the limit is 16777216; put it into a table or a file and hand on where that is', octet_length(p_input::text))];
  else
    if p_schema ? 'required' then
      for v_name in select jsonb_array_elements_text(p_schema -> 'required') loop
        if not p_input ? v_name and not coalesce(v_properties -> v_name ? 'default', false) then
          v_problems := v_problems || format('"%s" is missing', v_name);
        end if;
      end loop;
    end if;
    if p_input <> '{}' then
      for v_name, v_value in select * from jsonb_each(p_input) loop
        -- Several types are for the connectors to judge.
        v_type := case when jsonb_typeof(v_properties -> v_name -> 'type') = 'string' then v_properties -> v_name ->> 'type' end;
        if not v_properties ? v_name and p_schema -> 'additionalProperties' = 'false' then
          v_problems := v_problems || format('"%s" is not known; there are: %s', v_name,
            (select string_agg(names.name, ', ') from jsonb_object_keys(v_properties) as names(name)));
        elsif v_type is not null and jsonb_typeof(v_value) <> replace(v_type, 'integer', 'number') then
          v_problems := v_problems || format('"%s" is of type %s, it has to be of type %s', v_name, jsonb_typeof(v_value), v_type);
        elsif coalesce(v_type, '') = 'integer' and v_value::numeric % 1 <> 0 then
          v_problems := v_problems || format('"%s" is %s, it has to be of type integer', v_name, v_value);
        end if;
      end loop;
    end if;
  end if;
  if v_problems <> '{}' then
    raise exception using
      errcode = 'WF004',
      message = format('the input of %s is not valid: %s', p_workflow, array_to_string(v_problems, '; ')),
      hint    = 'Nothing was started.';
  end if;
  if v_properties @? '$.*.default' then
    return (select jsonb_object_agg(property.name, property.value -> 'default')
              from jsonb_each(v_properties) as property(name, value)
             where property.value ? 'default') || p_input;
  end if;
  return p_input;
end;
$function$;

-- The first key of the advisory lock that a living runner holds; its id is the second.
CREATE OR REPLACE FUNCTION sluice.runner_lock()
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT hashtext('sluice.runner'::text) AS hashtext;
END;

-- A new identity for a runner. Take the advisory lock (runner_lock(), id) next, in a session of its own.
CREATE OR REPLACE FUNCTION sluice.register_runner(p_host text, p_pid integer, p_slots integer)
 RETURNS integer
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO sluice.runners (host, pid, slots)
   VALUES (register_runner.p_host, register_runner.p_pid, register_runner.p_slots)
   RETURNING runners.id;
END;

-- The application_name of the session that holds a task's transaction.
CREATE OR REPLACE FUNCTION sluice.session_name(p_run_id bigint, p_task_no integer, p_token integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT format('sluice task %s/%s/%s'::text, p_run_id, p_task_no, p_token) AS format;
END;

-- Runners that hold no lock any more, or have not given a sign of life for 15 s.
CREATE OR REPLACE FUNCTION sluice.dead_runners(p_cut_off_since timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF integer
 LANGUAGE sql
 SECURITY DEFINER
BEGIN ATOMIC
 SELECT runners.id
    FROM (sluice.runners
      CROSS JOIN LATERAL ( SELECT (clock_timestamp() - GREATEST(runners.beat_at, pg_postmaster_start_time())) AS "time") silent)
   WHERE ((runners.ended_at IS NULL) AND (runners.beat_at < (dead_runners.p_cut_off_since - '00:00:01.5'::interval)) AND ((silent."time" > (COALESCE(NULLIF(current_setting('sluice.silence'::text, true), ''::text), '15 s'::text))::interval) OR (((silent."time" < '00:00:00'::interval) OR (silent."time" > '00:00:01.5'::interval)) AND (NOT (EXISTS ( SELECT
            FROM sluice.runner_locks
           WHERE (runner_locks.runner_id = runners.id)))))));
END;

-- Ends a runner as stopped or lost and releases its tasks.
CREATE OR REPLACE FUNCTION sluice.end_runner(p_runner_id integer, p_ending text)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
declare
  v_released integer;
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
  v_released := release_tasks(p_runner_id, case p_ending when 'lost' then 'LOST' else 'GIVEN BACK' end);
  update runners set ended_at = clock_timestamp(), ending = p_ending where runners.id = p_runner_id;
  return v_released;
end;
$function$;

-- Cancels a run; false when it had ended. Raises WF008 when there is none.
CREATE OR REPLACE FUNCTION sluice.cancel_run(p_run_id bigint, p_by text DEFAULT SESSION_USER)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
begin
  -- It ends after all that has happened while we waited for it.
  perform from runs where runs.id = p_run_id and runs.status = 'RUNNING' for no key update;
  update runs
     set status = 'CANCELLED', finished_at = greatest(statement_timestamp(), clock_timestamp(), runs.created_at), reason = 'cancelled by ' || p_by
   where runs.id = p_run_id
     and runs.status = 'RUNNING';
  if not found and not exists (select from runs where runs.id = p_run_id) then
    raise exception using errcode = 'WF008', message = format('there is no run %s', p_run_id);
  end if;
  return found;
end;
$function$;

-- Seconds in words: 84 ms, 1.2 s, 3 min 20 s, 2 h 5 min.
CREATE OR REPLACE FUNCTION sluice.duration(p_seconds numeric)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (p_seconds < (0)::numeric) THEN '0 ms'::text
             WHEN (p_seconds < 0.9995) THEN (round((p_seconds * (1000)::numeric)) || ' ms'::text)
             WHEN (p_seconds < 59.95) THEN (round(p_seconds, 1) || ' s'::text)
             WHEN (p_seconds < (3600)::numeric) THEN (((floor((GREATEST(p_seconds, (60)::numeric) / (60)::numeric)) || ' min '::text) || floor((GREATEST(p_seconds, (60)::numeric) % (60)::numeric))) || ' s'::text)
             ELSE (((floor((p_seconds / (3600)::numeric)) || ' h '::text) || floor(((p_seconds % (3600)::numeric) / (60)::numeric))) || ' min'::text)
         END AS "case";
END;

-- Keeps updated_at.
CREATE OR REPLACE FUNCTION public.touch_purchase_order()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  new.updated_at := now();
  return new;
end;
$function$;

-- Deletes up to p_limit runs that ended longer ago than p_older_than, oldest first, with their tasks and attempts; says how many.
CREATE OR REPLACE FUNCTION sluice.prune(p_older_than interval, p_limit integer DEFAULT 1000)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
AS $function$
declare
  v_runs bigint[];
begin
  if p_older_than < interval '0' then
    raise exception using
      errcode = '22023',
      message = format('an age of %s lies in the future', p_older_than),
      hint    = 'Nothing was deleted. What ended more than 90 days ago is deleted by: select sluice.prune(''90 days'').';
  end if;
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
$function$;

-- Starts a run again, from its start or from where it failed; gives the new run's id. Raises WF008, WF009.
CREATE OR REPLACE FUNCTION sluice.rerun(p_run_id bigint, p_from_failed boolean DEFAULT false, p_by text DEFAULT SESSION_USER)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
declare
  v_run    runs;
  v_open   text;
  v_kept   integer[] := '{}';
  v_new_id bigint;
begin
  -- Pruning locks "for update": the original stays until it has been copied.
  select runs.* into v_run from runs where runs.id = p_run_id for key share;
  if not found then
    raise exception using errcode = 'WF008', message = format('there is no run %s', p_run_id);
  end if;
  if v_run.status = 'RUNNING' then
    raise exception using
      errcode = 'WF009',
      message = format('run %s is still RUNNING', p_run_id),
      hint    = 'Nothing was started. Cancel it first, or start another run.';
  end if;

  if p_from_failed then
    select string_agg(task.name, ', ' order by task.task_no) into v_open
      from tasks
      join workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
     where tasks.run_id = p_run_id
       and tasks.state = 'RUNNING';
    if v_open is not null then
      raise exception using
        errcode = 'WF009',
        message = format('run %s is %s, but %s still runs', p_run_id, v_run.status, v_open),
        hint    = 'Nothing was started. Try again when it has ended: its result may be taken over.';
    end if;
    -- Only now: the run has stopped, so what does not run any more has ended for good.
    v_kept := array(select tasks.task_no from tasks where tasks.run_id = p_run_id and tasks.state = 'SUCCESS');
    if cardinality(v_kept) = (select count(*) from tasks where tasks.run_id = p_run_id) then
      raise exception using
        errcode = 'WF009',
        message = format('all tasks of run %s have succeeded, so there is nothing to do from where it failed', p_run_id),
        hint    = 'Nothing was started. Rerun it from its start.';
    end if;
  end if;

  insert into runs (workflow_id, workflow, waiting_for, input)
  select v_run.workflow_id, v_run.workflow, count(*), v_run.input
    from tasks as sink
   where sink.run_id = p_run_id
     and sink.is_sink
     and sink.task_no <> all (v_kept)
  returning id into v_new_id;

  insert into reruns (run_id, of_run_id, from_failed, started_by) values (v_new_id, p_run_id, p_from_failed, p_by);

  insert into tasks (run_id, workflow_id, task_no, is_sink, waiting_for, state, token, attempt, runner_id, started_at, finished_at, output)
  select v_new_id, task.workflow_id, task.task_no, task.is_sink, 0, 'SUCCESS',
         task.token, task.attempt, task.runner_id, task.started_at, task.finished_at, task.output
    from tasks as task
   where task.run_id = p_run_id
     and task.task_no = any (v_kept)
  union all
  select v_new_id, task.workflow_id, task.task_no, task.is_sink, missing.parents,
         case missing.parents when 0 then 'READY' else 'PENDING' end::task_state,
         0, 0, null, null, null, null
    from tasks as task
   cross join lateral (
     select count(*)::integer as parents
       from workflow_edges as edge
      where edge.workflow_id = task.workflow_id
        and edge.child_no = task.task_no
        and edge.parent_no <> all (v_kept)
   ) as missing
   where task.run_id = p_run_id
     and task.task_no <> all (v_kept)
   order by 3;
  return v_new_id;
end;
$function$;

-- Why each task of a run has not run, or what became of it: select * from sluice.why(42)
CREATE OR REPLACE FUNCTION sluice.why(p_run_id bigint)
 RETURNS TABLE(task_no integer, task text, state sluice.task_state, code text, reason text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT task.task_no,
     task.name,
     task.state,
     verdict.code,
         CASE verdict.code
             WHEN 'SUCCEEDED'::text THEN ('it has succeeded, in '::text || sluice.duration(EXTRACT(epoch FROM (task.finished_at - task.started_at))))
             WHEN 'REUSED'::text THEN ('it did not have to run: it had succeeded in run '::text || task.reused_from)
             WHEN 'SKIPPED'::text THEN ('it was skipped: '::text || task.skipped)
             WHEN 'FAILED'::text THEN ((((('it failed in attempt '::text || task.attempt) || ' of '::text) || (task.retries + 1)) || ': '::text) || (task.error ->> 'message'::text))
             WHEN 'RUN_FAILED'::text THEN ((('the run stopped when '::text || failed.name) || ' failed: '::text) || runs.reason)
             WHEN 'RUN_CANCELLED'::text THEN ('the run was '::text || runs.reason)
             WHEN 'RUNNER_DEAD'::text THEN (((('its runner '::text || task.runner_id) || ' is dead: the next runner '::text) ||
             CASE runs.status
                 WHEN 'RUNNING'::sluice.run_status THEN 'takes it over'::text
                 ELSE 'ends it'::text
             END) ||
             CASE
                 WHEN (capacity.runners = 0) THEN '. Start one: npm run runner'::text
                 ELSE ', in a moment'::text
             END)
             WHEN 'RUNNING'::text THEN ((('it runs on runner '::text || task.runner_id) || ' since '::text) || sluice.duration(EXTRACT(epoch FROM (clock_timestamp() - task.started_at))))
             WHEN 'NO_RUNNER'::text THEN 'it could run, but no runner is alive. Start one: npm run runner'::text
             WHEN 'NO_FREE_SLOT'::text THEN (((('it could run, but all slots are taken (runners: '::text || capacity.runners) || ', slots: '::text) || capacity.slots) || ')'::text)
             WHEN 'TO_BE_CLAIMED'::text THEN 'it could run, and a slot is free: it will be claimed in a moment'::text
             ELSE ('it waits for '::text || missing.names)
         END AS "case"
    FROM (((((sluice.run_tasks task
      JOIN sluice.runs ON ((runs.id = task.run_id)))
      LEFT JOIN sluice.workflow_tasks failed ON (((failed.workflow_id = runs.workflow_id) AND (failed.task_no = runs.failed_task_no))))
      CROSS JOIN sluice.capacity)
      CROSS JOIN LATERAL ( SELECT
                 CASE
                     WHEN (task.reused_from IS NOT NULL) THEN 'REUSED'::text
                     WHEN (task.skipped IS NOT NULL) THEN 'SKIPPED'::text
                     WHEN (task.state = 'SUCCESS'::sluice.task_state) THEN 'SUCCEEDED'::text
                     WHEN (task.state = 'FAILED'::sluice.task_state) THEN 'FAILED'::text
                     WHEN ((task.state = 'RUNNING'::sluice.task_state) AND (task.runner_id IN ( SELECT sluice.dead_runners() AS dead_runners))) THEN 'RUNNER_DEAD'::text
                     WHEN ((task.state = 'RUNNING'::sluice.task_state) AND (task.runner_id IS NOT NULL)) THEN 'RUNNING'::text
                     WHEN (runs.status = 'FAILED'::sluice.run_status) THEN 'RUN_FAILED'::text
                     WHEN (runs.status = 'CANCELLED'::sluice.run_status) THEN 'RUN_CANCELLED'::text
                     WHEN (task.state = 'PENDING'::sluice.task_state) THEN 'WAITS_FOR_PARENTS'::text
                     WHEN (capacity.runners = 0) THEN 'NO_RUNNER'::text
                     WHEN (capacity.free = 0) THEN 'NO_FREE_SLOT'::text
                     ELSE 'TO_BE_CLAIMED'::text
                 END AS code) verdict)
      LEFT JOIN LATERAL ( SELECT (string_agg((((parent.name || ' ('::text) || waiting.state) || ')'::text), ', '::text ORDER BY waiting.task_no) ||
                 CASE
                     WHEN (max(waiting.total) > 5) THEN ((' and '::text || (max(waiting.total) - 5)) || ' more'::text)
                     ELSE ''::text
                 END) AS names
            FROM (( SELECT up.workflow_id,
                     up.task_no,
                     up.state,
                     count(*) OVER () AS total
                    FROM (( SELECT edge_1.parent_no
                            FROM sluice.workflow_edges edge_1
                           WHERE ((edge_1.workflow_id = task.workflow_id) AND (edge_1.child_no = task.task_no))
                          OFFSET 0) edge
                      CROSS JOIN LATERAL ( SELECT tasks.workflow_id,
                             tasks.task_no,
                             tasks.state
                            FROM sluice.tasks
                           WHERE ((tasks.run_id = task.run_id) AND (tasks.task_no = edge.parent_no) AND (tasks.state <> 'SUCCESS'::sluice.task_state))
                          OFFSET 0) up)
                   WHERE (verdict.code = 'WAITS_FOR_PARENTS'::text)
                   ORDER BY up.task_no
                  LIMIT 5) waiting
              JOIN sluice.workflow_tasks parent ON (((parent.workflow_id = waiting.workflow_id) AND (parent.task_no = waiting.task_no))))) missing ON (true))
   WHERE (task.run_id = why.p_run_id)
   ORDER BY task.task_no;
END;

-- What a task of a run waits for in the end: what has not succeeded upstream of it and is not PENDING itself.
CREATE OR REPLACE FUNCTION sluice.blockers(p_run_id bigint, p_task_no integer)
 RETURNS TABLE(task_no integer, task text, state sluice.task_state, code text, reason text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH RECURSIVE upstream AS (
          SELECT tasks.workflow_id,
             tasks.task_no
            FROM sluice.tasks
           WHERE ((tasks.run_id = blockers.p_run_id) AND (tasks.task_no = blockers.p_task_no))
         UNION
          SELECT parent.workflow_id,
             parent.task_no
            FROM ((upstream
              JOIN sluice.workflow_edges edge ON (((edge.workflow_id = upstream.workflow_id) AND (edge.child_no = upstream.task_no))))
              JOIN sluice.tasks parent ON (((parent.run_id = blockers.p_run_id) AND (parent.task_no = edge.parent_no) AND (parent.state <> 'SUCCESS'::sluice.task_state))))
         )
  SELECT why.task_no,
     why.task,
     why.state,
     why.code,
     why.reason
    FROM sluice.why(blockers.p_run_id) why(task_no, task, state, code, reason)
   WHERE ((why.task_no IN ( SELECT upstream.task_no
            FROM upstream)) AND (why.task_no <> blockers.p_task_no) AND (why.state <> 'PENDING'::sluice.task_state))
   ORDER BY why.task_no;
END;

-- What a run is about, as its workflow says: "inbox/order.eml, PO-2025-0472".
CREATE OR REPLACE FUNCTION sluice.run_subject(p_run_id bigint)
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
BEGIN ATOMIC
 SELECT string_agg("left"(part.words, 500), ', '::text ORDER BY part."position") AS string_agg
    FROM ( SELECT reference."position",
                 CASE
                     WHEN (reference.value ? '$input'::text) THEN (runs.input #>> ARRAY( SELECT jsonb_array_elements_text((reference.value -> '$input'::text)) AS jsonb_array_elements_text))
                     ELSE (tasks.output #>> ARRAY( SELECT jsonb_array_elements_text(((reference.value -> '$output'::text) - 0)) AS jsonb_array_elements_text))
                 END AS words
            FROM ((((sluice.runs
              JOIN sluice.workflows ON ((workflows.id = runs.workflow_id)))
              CROSS JOIN LATERAL jsonb_array_elements(workflows.subject) WITH ORDINALITY reference(value, "position"))
              LEFT JOIN sluice.workflow_tasks task ON (((task.workflow_id = runs.workflow_id) AND (task.name = (reference.value #>> '{$output,0}'::text[])))))
              LEFT JOIN sluice.tasks ON (((tasks.run_id = runs.id) AND (tasks.task_no = task.task_no))))
           WHERE (runs.id = run_subject.p_run_id)) part
   WHERE (part.words <> ''::text);
END;

-- Starts a run for each new content and records the files; a content that is known gives its run. In the order given.
CREATE OR REPLACE FUNCTION sluice.take_files(p_workflow text, p_paths text[], p_hashes text[], p_stamps text[], p_inputs jsonb[])
 RETURNS TABLE(run_id bigint, is_new boolean)
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_hashes text[];
  v_inputs jsonb[];
  v_new    bigint[];
begin
  perform pg_advisory_xact_lock(hashtextextended('sluice.take_files ' || p_workflow, 0));

  select array_agg(fresh.sha256 order by fresh.position), array_agg(fresh.input order by fresh.position)
    into v_hashes, v_inputs
    from (select distinct on (given.sha256) given.sha256, given.input, given.position
            from unnest(p_hashes, p_inputs) with ordinality as given(sha256, input, position)
           where not exists (select from inbox_files as known where known.workflow = p_workflow and known.sha256 = given.sha256)
             and not exists (select from runs where runs.workflow = p_workflow and runs.key = 'sha256 ' || given.sha256)
           order by given.sha256, given.position) as fresh;
  if v_hashes is not null then
    select array_agg(started.run_id) filter (where started.is_new) into v_new
      from start_runs(p_workflow, v_inputs, array(select 'sha256 ' || hash from unnest(v_hashes) with ordinality as given(hash, position) order by position)) as started;
  end if;

  return query
    with file as (
      select given.path, given.sha256, given.stamp, given.position, found.run_id,
             found.run_id in (select unnest(v_new))
               and given.position = min(given.position) over (partition by given.sha256) as is_new
        from unnest(p_paths, p_hashes, p_stamps) with ordinality as given(path, sha256, stamp, position)
       cross join lateral (
         select coalesce((select runs.id from runs where runs.workflow = p_workflow and runs.key = 'sha256 ' || given.sha256),
                         (select max(known.run_id) from inbox_files as known where known.workflow = p_workflow and known.sha256 = given.sha256)) as run_id
       ) as found
    ), recorded as (
      insert into inbox_files (workflow, path, sha256, stamp, run_id)
      select distinct on (file.path, file.sha256) p_workflow, file.path, file.sha256, file.stamp, file.run_id
        from file
       order by file.path, file.sha256, file.position desc
          on conflict (workflow, path, sha256) do update set stamp = excluded.stamp, seen_at = excluded.seen_at
    )
    select file.run_id, file.is_new from file order by file.position;
end;
$function$;

-- Fields of tasks that nobody knows, and conditions that are none, in words.
CREATE OR REPLACE FUNCTION sluice.field_problems(p_tasks jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 WITH task AS (
          SELECT given.value,
             given."position",
             COALESCE((given.value ->> 'name'::text), ('#'::text || given."position")) AS name,
             (given.value -> 'when'::text) AS condition
            FROM jsonb_array_elements(
                 CASE jsonb_typeof(field_problems.p_tasks)
                     WHEN 'array'::text THEN field_problems.p_tasks
                     ELSE '[]'::jsonb
                 END) WITH ORDINALITY given(value, "position")
         ), problem AS (
          SELECT task."position",
             field.name AS field,
             format('task "%s": "%s" is not a field of a task; there are: name, connector, operation, parameters, after, when, retries, timeout_ms'::text, task.name, field.name) AS words
            FROM (task
              CROSS JOIN LATERAL jsonb_object_keys(
                 CASE jsonb_typeof(task.value)
                     WHEN 'object'::text THEN task.value
                     ELSE '{}'::jsonb
                 END) field(name))
           WHERE (field.name <> ALL (ARRAY['name'::text, 'connector'::text, 'operation'::text, 'parameters'::text, 'after'::text, 'when'::text, 'retries'::text, 'timeout_ms'::text]))
         UNION ALL
          SELECT task."position",
             'when'::text,
             format('task "%s": "when" is %s, it has to be {"value": …, "is": …} or {"value": …, "isNot": …}'::text, task.name, task.condition) AS format
            FROM task
           WHERE ((jsonb_typeof(task.condition) <> 'null'::text) AND ((COALESCE(( SELECT array_agg(key.key ORDER BY key.key) AS array_agg
                    FROM jsonb_object_keys(
                         CASE jsonb_typeof(task.condition)
                             WHEN 'object'::text THEN task.condition
                             ELSE '{}'::jsonb
                         END) key(key)), '{}'::text[]) <> '{is,value}'::text[]) AND (COALESCE(( SELECT array_agg(key.key ORDER BY key.key) AS array_agg
                    FROM jsonb_object_keys(
                         CASE jsonb_typeof(task.condition)
                             WHEN 'object'::text THEN task.condition
                             ELSE '{}'::jsonb
                         END) key(key)), '{}'::text[]) <> '{isNot,value}'::text[])))
         )
  SELECT problem.words
    FROM problem
   ORDER BY problem."position", problem.field;
END;

-- The first rule about what a task's state implies that these values break; null when they break none.
CREATE OR REPLACE FUNCTION sluice.broken_task_rule(p_state sluice.task_state, p_waiting_for integer, p_stopped boolean, p_token integer, p_ready_at timestamp with time zone, p_finished_at timestamp with time zone, p_output jsonb, p_error jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((p_waiting_for < 0) OR ((p_waiting_for > 0) <> (p_state = 'PENDING'::sluice.task_state))) THEN 'tasks_wait_while_pending'::text
             WHEN (p_stopped AND (p_state <> 'READY'::sluice.task_state)) THEN 'only_ready_tasks_are_stopped'::text
             WHEN ((p_token > 0) <> (p_state > 'READY'::sluice.task_state)) THEN 'claimed_tasks_have_a_token'::text
             WHEN (((p_ready_at IS NOT NULL) <> (p_state > 'PENDING'::sluice.task_state)) AND ((p_ready_at IS NOT NULL) OR (p_state <> 'SUCCESS'::sluice.task_state))) THEN 'ready_tasks_say_since_when'::text
             WHEN ((p_finished_at IS NOT NULL) <> (p_state > 'RUNNING'::sluice.task_state)) THEN 'finished_tasks_say_when'::text
             WHEN ((p_output IS NOT NULL) <> (p_state = 'SUCCESS'::sluice.task_state)) THEN 'succeeded_tasks_have_output'::text
             WHEN (((p_error IS NOT NULL) <> (p_state = 'FAILED'::sluice.task_state)) OR (((p_error ->> 'message'::text) IS NULL) AND (p_error IS NOT NULL))) THEN 'failed_tasks_say_why'::text
             ELSE NULL::text
         END AS "case";
END;

-- The first rule about what a run's status implies that these values break; null when they break none.
CREATE OR REPLACE FUNCTION sluice.broken_run_rule(p_status sluice.run_status, p_waiting_for integer, p_key text, p_finished_at timestamp with time zone, p_failed_task_no integer, p_reason text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (p_waiting_for < 0) THEN 'runs_count_their_sinks'::text
             WHEN ((p_waiting_for = 0) <> (p_status = 'COMPLETED'::sluice.run_status)) THEN 'completed_runs_wait_for_none'::text
             WHEN ((length(p_key) < 1) OR (length(p_key) > 500)) THEN 'keys_are_short'::text
             WHEN ((p_finished_at IS NOT NULL) <> (p_status <> 'RUNNING'::sluice.run_status)) THEN 'finished_runs_say_when'::text
             WHEN ((p_failed_task_no IS NOT NULL) <> (p_status = 'FAILED'::sluice.run_status)) THEN 'failed_runs_say_where'::text
             WHEN ((p_reason IS NOT NULL) <> (p_status = ANY (ARRAY['FAILED'::sluice.run_status, 'CANCELLED'::sluice.run_status]))) THEN 'stopped_runs_say_why'::text
             ELSE NULL::text
         END AS "case";
END;

-- The outputs of tasks of a run, by their names; null when they have more than 32 MB together. What is stored in 128 kB has not, as compression makes a 255th of it at the best.
CREATE OR REPLACE FUNCTION sluice.outputs_of(p_run_id bigint, p_workflow_id bigint, p_task_nos integer[])
 RETURNS jsonb
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN ((outputs.stored <= 131072) OR (( SELECT sum(octet_length((tasks.output)::text)) AS sum
                FROM sluice.tasks
               WHERE ((tasks.run_id = outputs_of.p_run_id) AND (tasks.task_no = ANY (outputs_of.p_task_nos)))) <= 33554432)) THEN ( SELECT (json_object_agg(upstream.name, tasks.output))::jsonb AS json_object_agg
                FROM ((unnest(outputs_of.p_task_nos) read(task_no)
                  JOIN sluice.tasks ON (((tasks.run_id = outputs_of.p_run_id) AND (tasks.task_no = read.task_no))))
                  JOIN sluice.workflow_tasks upstream ON (((upstream.workflow_id = outputs_of.p_workflow_id) AND (upstream.task_no = read.task_no)))))
             ELSE NULL::jsonb
         END AS "case"
    FROM ( SELECT sum(pg_column_size(tasks.output)) AS stored
            FROM sluice.tasks
           WHERE ((tasks.run_id = outputs_of.p_run_id) AND (tasks.task_no = ANY (outputs_of.p_task_nos)))) outputs;
END;

-- Raises why a task cannot be changed like this: 23514 with the name of the rule that it breaks, or WF001.
CREATE OR REPLACE FUNCTION sluice.refuse_task(p_run_id bigint, p_task_no integer, p_was sluice.task_state, p_is sluice.task_state, p_broken text)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
begin
  if p_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('task %s of run %s cannot be %s like this: %s', p_task_no, p_run_id, p_is, replace(p_broken, '_', ' ')),
      constraint = p_broken,
      table      = 'tasks',
      schema     = 'sluice';
  end if;
  raise exception using
    errcode = 'WF001',
    message = case
      when p_was in ('SUCCESS', 'FAILED')
        then format('task %s of run %s is finished (%s) and cannot change any more', p_task_no, p_run_id, p_was)
      when p_was = p_is
        then format('task %s of run %s is %s, and this change of it is not allowed', p_task_no, p_run_id, p_was)
      when p_was is null
        then format('task %s of run %s cannot begin as %s', p_task_no, p_run_id, p_is)
      when p_is is null
        then format('task %s of run %s keeps its run and its number', p_task_no, p_run_id)
      else format('task %s of run %s cannot move from %s to %s', p_task_no, p_run_id, p_was, p_is)
    end,
    hint = 'Tasks begin as PENDING or READY, and move PENDING -> READY -> RUNNING -> SUCCESS | FAILED, by success of their parents, claim and result, at the time at which they do.';
end;
$function$;

-- Raises why a run cannot be changed like this: 23514 with the name of the rule that it breaks, or WF001.
CREATE OR REPLACE FUNCTION sluice.refuse_run(p_run_id bigint, p_was sluice.run_status, p_is sluice.run_status, p_broken text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
begin
  if p_broken is not null then
    raise exception using
      errcode    = 'check_violation',
      message    = format('run %s cannot be %s like this: %s', p_run_id, p_is, replace(p_broken, '_', ' ')),
      constraint = p_broken,
      table      = 'runs',
      schema     = 'sluice';
  end if;
  raise exception using
    errcode = 'WF001',
    message = case
      when p_was is null then format('run %s cannot begin like this, as %s', p_run_id, p_is)
      else format('run %s is %s, and this change of it is not allowed', p_run_id, p_was)
    end,
    hint = 'Runs begin as RUNNING and move RUNNING -> COMPLETED | FAILED | CANCELLED, at the time at which they do; their number, version, input and key never change.';
end;
$function$;

-- Tasks begin as PENDING or READY, as claimed by the runner that starts them, or as a copy of one that succeeded in the run that is repeated.
CREATE OR REPLACE FUNCTION sluice.guard_new_task()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
$function$;

-- New runs are RUNNING, and say what that implies.
CREATE OR REPLACE FUNCTION sluice.guard_new_run()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  v_broken constant text := sluice.broken_run_rule(new.status, new.waiting_for, new.key, new.finished_at, new.failed_task_no, new.reason);
begin
  if v_broken is not null or new.status <> 'RUNNING'
     or new.created_at not between least(transaction_timestamp(), statement_timestamp(), clock_timestamp())
                               and greatest(statement_timestamp(), clock_timestamp())
  then
    perform sluice.refuse_run(new.id, null, new.status, v_broken);
  end if;
  return new;
end;
$function$;

-- Rings the doorbell when tasks are READY from the start.
CREATE OR REPLACE FUNCTION sluice.announce_new_tasks()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if exists (select from after where after.state = 'READY') then
    notify task_ready;
  end if;
  return null;
end;
$function$;

-- Lets legal changes of runs pass; when one stops, what is READY will not run, and its runners are told. Stopping one raises WF011 unless the transaction is read committed.
CREATE OR REPLACE FUNCTION sluice.advance_runs()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
  -- At which depth triggers fire on what another one of these has written.
  v_written constant text        := coalesce(current_setting('sluice.follows', true), '');
  v_follows constant boolean     := v_written = pg_trigger_depth()::text;
  -- Marks have to be of this very moment. The clock may go back meanwhile.
  v_since   constant timestamptz := least(transaction_timestamp(), statement_timestamp());
  v_until   constant timestamptz := greatest(statement_timestamp(), clock_timestamp());
  v_stopped boolean;
  v_setting text;
begin
  select bool_or(case when move.legal and move.broken is null then move.stops
                      else sluice.refuse_run(move.id, move.was, move.status, case when move.legal then move.broken end)
                 end)
    into v_stopped
    from (select coalesce(before.id, after.id)              as id,
                 before.status                              as was,
                 after.status,
                 after.status in ('FAILED', 'CANCELLED')    as stops,
                 before.status = 'RUNNING'
                 and after.waiting_for <= before.waiting_for
                 and (v_follows or after.waiting_for = before.waiting_for and after.status in ('RUNNING', 'CANCELLED'))
                 and after.workflow_id = before.workflow_id and after.workflow = before.workflow
                 and after.input = before.input and after.key is not distinct from before.key and after.created_at = before.created_at
                 -- After it began, unless that is still to come by the clock.
                 and (after.finished_at is null
                      or after.finished_at between case when before.created_at <= v_until then greatest(v_since, before.created_at) else v_since end
                                               and greatest(v_until, before.created_at)) as legal,
                 sluice.broken_run_rule(after.status, after.waiting_for, after.key, after.finished_at, after.failed_task_no, after.reason) as broken
            from before
            full join after on after.id = before.id
          offset 0) as move;

  if v_stopped then
    -- By an older snapshot we would miss what has become READY while we waited for the run.
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
      raise exception using
        errcode = 'WF011',
        message = format('a run cannot be stopped in a transaction that is %s: it may not see all tasks', current_setting('transaction_isolation')),
        hint    = 'Do it in one that is read committed: begin isolation level read committed.';
    end if;
    v_setting := set_config('sluice.follows', (pg_trigger_depth() + 1)::text, true);
    perform sluice.end_open_tasks(array(select after.id from after where after.status in ('FAILED', 'CANCELLED')));
    notify run_stopped;
    v_setting := set_config('sluice.follows', v_written, true);
  end if;
  return null;
end;
$function$;

-- Starts a run per input, of the newest version, and gives their ids in the same order; a key that was used before gives that run. For a runner, their first tasks begin as claimed by it, p_slots of each at the most. Raises WF003, WF004, WF005, and WF010 when inputs were checked for another version.
CREATE OR REPLACE FUNCTION sluice.start_runs(p_workflow text, p_inputs jsonb[], p_keys text[] DEFAULT NULL::text[], p_checked_for bigint DEFAULT NULL::bigint, p_runner_id integer DEFAULT NULL::integer, p_slots integer DEFAULT 0)
 RETURNS TABLE(run_id bigint, is_new boolean)
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_workflow workflows;
  v_new      bigint[];
  v_keyless  bigint[];
  v_found    integer;
  v_clash    record;
begin
  -- A hop that does not look and has no results: it sees to it that the runner is one, and stays one until we commit.
  if p_runner_id is not null then
    perform report_and_claim(p_runner_id, '[]', p_slots, null);
  end if;

  select workflows.* into v_workflow
    from workflows
   where workflows.name = p_workflow
   order by workflows.version desc
   limit 1;
  if not found then
    raise exception using
      errcode = 'WF003',
      message = format('there is no workflow "%s"', p_workflow),
      hint    = format('There are: %s.', coalesce((select string_agg(distinct name, ', ') from workflows), 'none; register one first'));
  end if;
  perform hold_version(v_workflow.id);
  if v_workflow.id <> p_checked_for then
    raise exception using
      errcode = 'WF010',
      message = format('there is a newer version of workflow "%s" than the one that the inputs were checked for', p_workflow),
      hint    = 'Nothing was started. Check them against workflows.input_schema again.';
  end if;
  if cardinality(p_keys) <> cardinality(p_inputs) then
    raise exception using errcode = 'WF004', message = 'there have to be as many keys as inputs (null for none)';
  end if;

  -- What has one of these keys stays until we commit: pruning locks "for update".
  if p_keys is not null then
    perform from runs where runs.workflow = p_workflow and runs.key = any (p_keys) order by runs.id for key share;
  end if;

  with definition as (
    select task.task_no,
           (select count(*)::integer from workflow_edges as edge
             where edge.workflow_id = task.workflow_id and edge.child_no = task.task_no) as parents,
           not exists (select from workflow_edges as edge
                        where edge.workflow_id = task.workflow_id and edge.parent_no = task.task_no) as is_sink
      from workflow_tasks as task
     where task.workflow_id = v_workflow.id
     order by task.task_no
  ), newborn as materialized (
    -- No task's number is less than its place among those without parents.
    select definition.*, definition.parents = 0 and definition.task_no <= p_slots and p_runner_id is not null as claimed from definition
  ), started as (
    insert into runs (workflow_id, workflow, waiting_for, input, key)
    select v_workflow.id,
           v_workflow.name,
           (select count(*) from newborn where newborn.is_sink),
           complete_input(v_workflow.name, v_workflow.input_schema, given.input),
           given.key
      from unnest(p_inputs, p_keys) with ordinality as given(input, key, position)
     where given.key is null
        or not exists (select from runs where runs.workflow = p_workflow and runs.key = given.key)
     -- By key, so that calls which share keys never wait for one another in a circle.
     order by given.key, given.position
        on conflict (workflow, key) where key is not null do nothing
    returning id
  ), tasked as (
    insert into tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state, token, attempt, runner_id, started_at)
    select started.id,
           v_workflow.id,
           newborn.task_no,
           newborn.parents,
           newborn.is_sink,
           case when newborn.parents > 0 then 'PENDING' when newborn.claimed then 'RUNNING' else 'READY' end::task_state,
           newborn.claimed::integer,
           newborn.claimed::integer,
           case when newborn.claimed then p_runner_id end,
           case when newborn.claimed then statement_timestamp() end
      from started
     cross join newborn
  )
  select array_agg(started.id order by started.id) into v_new from started;
  -- Without keys, ids were given in the order of the inputs. A key that was used before gives the run that has it.
  if p_keys is null then
    return query select id, true from unnest(v_new) as id;
    return;
  end if;

  -- Others may have started it in the very moment, and it may be gone again.
  perform from runs where runs.workflow = p_workflow and runs.key = any (p_keys) order by runs.id for key share;
  get diagnostics v_found = row_count;
  if v_found < (select count(distinct key) from unnest(p_keys) as key) then
    raise exception using
      errcode = '40001',
      message = format('a run of %s that had one of the keys was pruned meanwhile', p_workflow),
      hint    = 'Nothing was started. Start again.';
  end if;

  select given.key, runs.id into v_clash
    from unnest(p_inputs, p_keys) as given(input, key)
   cross join lateral (select * from runs where runs.workflow = p_workflow and runs.key = given.key offset 0) as runs
    join workflows on workflows.id = runs.workflow_id
   where runs.input <> complete_input(p_workflow, workflows.input_schema, given.input)
   limit 1;
  if found then
    raise exception using
      errcode = 'WF005',
      message = format('run %s of %s has the key "%s" already, with another input', v_clash.id, p_workflow, v_clash.key),
      hint    = 'Nothing was started. A key stands for one input: use another key, or the same input.';
  end if;

  -- Those without a key, in the order of their inputs.
  v_keyless := array(select id from runs where id = any (v_new) and key is null order by id);
  return query
    with given as (
      select key, position,
             case when key is null then v_keyless[count(*) filter (where key is null) over (order by position)]
                  else (select runs.id from runs where runs.workflow = p_workflow and runs.key = given.key)
             end as id
        from unnest(p_keys) with ordinality as given(key, position)
    )
    select given.id,
           given.id = any (coalesce(v_new, '{}')) and (given.key is null or given.position = min(given.position) over (partition by given.key))
      from given
     order by given.position;
end;
$function$;

-- Starts one run and gives its id, in the transaction of the caller.
CREATE OR REPLACE FUNCTION sluice.start_run(p_workflow text, p_input jsonb DEFAULT '{}'::jsonb, p_key text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 SELECT start_runs.run_id
    FROM sluice.start_runs(start_run.p_workflow, ARRAY[start_run.p_input],
         CASE
             WHEN (start_run.p_key IS NOT NULL) THEN ARRAY[start_run.p_key]
             ELSE NULL::text[]
         END) start_runs(run_id, is_new);
END;

-- A runner's sign of life, once a second; takes over from a dead runner meanwhile, one a beat. Says which of these runs have stopped, and which runs have failed because a task lost its runner too often.
CREATE OR REPLACE FUNCTION sluice.beat(p_runner_id integer, p_runs bigint[] DEFAULT '{}'::bigint[])
 RETURNS TABLE(alive boolean, claimable boolean, stopped_runs bigint[], lost_runners integer[], failed_runs jsonb)
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
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
$function$;

-- Whether any runner is alive.
CREATE OR REPLACE FUNCTION sluice.has_runner()
 RETURNS boolean
 LANGUAGE sql
 SECURITY DEFINER
BEGIN ATOMIC
 SELECT (EXISTS ( SELECT
            FROM sluice.runners
           WHERE ((runners.ended_at IS NULL) AND (NOT (runners.id IN ( SELECT dead.id
                    FROM sluice.dead_runners() dead(id))))))) AS "exists";
END;

-- The beginning of a text, with an ellipsis for what is left out.
CREATE OR REPLACE FUNCTION sluice.cut(p_text text, p_length integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (length(p_text) > p_length) THEN ("left"(p_text, (p_length - 1)) || '…'::text) ELSE p_text END;

-- What is wrong with what runs are said to be about, in words.
CREATE OR REPLACE FUNCTION sluice.subject_problems(p_tasks jsonb, p_input_schema jsonb, p_subject jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 WITH part AS (
          SELECT value.value,
             COALESCE((value.value -> '$input'::text), (value.value -> '$output'::text)) AS path,
             (value.value ? '$input'::text) AS is_input
            FROM jsonb_array_elements(
                 CASE jsonb_typeof(subject_problems.p_subject)
                     WHEN 'array'::text THEN subject_problems.p_subject
                     ELSE '[]'::jsonb
                 END) value(value)
         ), reference AS (
          SELECT part.value,
             part.is_input,
             (part.path ->> 0) AS name,
             ((jsonb_typeof(part.path) = 'array'::text) AND (jsonb_typeof((part.path -> 0)) = 'string'::text)) AS is_formed
            FROM part
         )
  SELECT format('its subject is %s, it has to be a list of references'::text, COALESCE(subject_problems.p_subject, 'null'::jsonb)) AS format
   WHERE (jsonb_typeof(subject_problems.p_subject) IS DISTINCT FROM 'array'::text)
 UNION ALL
  SELECT
         CASE
             WHEN (reference.is_formed IS NOT TRUE) THEN format('its subject has %s, which refers to no input and no output'::text, reference.value)
             WHEN reference.is_input THEN format('its subject refers to the input "%s", which the workflow does not declare'::text, reference.name)
             ELSE format('its subject refers to the output of "%s", which is not one of its tasks'::text, reference.name)
         END AS format
    FROM reference
   WHERE ((reference.is_formed IS NOT TRUE) OR
         CASE
             WHEN reference.is_input THEN (((subject_problems.p_input_schema -> 'additionalProperties'::text) = 'false'::jsonb) AND (NOT (COALESCE((subject_problems.p_input_schema -> 'properties'::text), '{}'::jsonb) ? reference.name)))
             ELSE (NOT jsonb_path_exists(subject_problems.p_tasks, '$[*]?(@."name" == $"name")'::jsonpath, jsonb_build_object('name', reference.name)))
         END);
END;

-- All that is wrong with a definition, in words; no row when it can be registered.
CREATE OR REPLACE FUNCTION sluice.workflow_problems(p_name text, p_tasks jsonb, p_input_schema jsonb DEFAULT '{"type": "object"}'::jsonb, p_subject jsonb DEFAULT '[]'::jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT 'a workflow''s name is a small letter, then at most 62 small letters, digits, "_" or "-"'::text
   WHERE (COALESCE(workflow_problems.p_name, ''::text) !~ '^[a-z][a-z0-9_-]{0,62}$'::text)
 UNION ALL
  SELECT sluice.input_problems(workflow_problems.p_input_schema) AS input_problems
 UNION ALL
  SELECT sluice.field_problems(workflow_problems.p_tasks) AS field_problems
 UNION ALL
  SELECT sluice.graph_problems(workflow_problems.p_tasks, workflow_problems.p_input_schema) AS graph_problems
 UNION ALL
  SELECT sluice.subject_problems(workflow_problems.p_tasks, workflow_problems.p_input_schema, workflow_problems.p_subject) AS subject_problems;
END;

-- The tasks of a runner that somebody holds, or their runs, as release_tasks excepts them; all its others are locked.
CREATE OR REPLACE FUNCTION sluice.held_tasks(p_runner_id integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;

-- A runner ends once, and holds no task then. Raises WF001, and WF011 unless the transaction is read committed.
CREATE OR REPLACE FUNCTION sluice.guard_ended_runner()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  -- A hop holds its runner until what it has claimed is there to be seen; by an older snapshot it would not be.
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception using
      errcode = 'WF011',
      message = format('a runner cannot be ended in a transaction that is %s: it may not see all that it holds', current_setting('transaction_isolation')),
      hint    = 'Do it in one that is read committed: begin isolation level read committed.';
  end if;
  perform from runners where runners.id = old.id for update;
  if old.ended_at is not null or new.id <> old.id or exists (select from open_tasks where open_tasks.runner_id = old.id) then
    raise exception using
      errcode = 'WF001',
      message = case when old.ended_at is not null then format('runner %s has ended', old.id)
                     when new.id <> old.id         then format('runner %s keeps its number', old.id)
                     else                               format('runner %s cannot end, it holds tasks', old.id)
                end,
      hint    = 'sluice.end_runner gives back what it holds, and ends it.';
  end if;
  return new;
end;
$function$;

-- What is wrong with the schema of a workflow's inputs, in words.
CREATE OR REPLACE FUNCTION sluice.input_problems(p_input_schema jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT format('its input schema is %s, it has to be a JSON object'::text, COALESCE(input_problems.p_input_schema, 'null'::jsonb)) AS format
   WHERE (jsonb_typeof(input_problems.p_input_schema) IS DISTINCT FROM 'object'::text)
 UNION ALL
  SELECT format('"%s" of its input schema is %s, it has to be %s'::text, field.name, (input_problems.p_input_schema -> field.name), field.rule) AS format
    FROM ( VALUES ('type'::text,'strict $."type"?(@.type() != "string" || @ != "object")'::jsonpath,'"object"'::text), ('properties'::text,'strict $."properties"?(@.type() != "object" || exists (@.*?(@.type() != "object" && @.type() != "boolean")))'::jsonpath,'an object of schemas'::text), ('required'::text,'strict $."required"?(@.type() != "array" || exists (@[*]?(@.type() != "string")))'::jsonpath,'a list of names'::text)) field(name, broken, rule)
   WHERE ((jsonb_typeof(input_problems.p_input_schema) = 'object'::text) AND jsonb_path_exists(input_problems.p_input_schema, field.broken, '{}'::jsonb, true));
END;

-- One hop of a runner: results in, tasks out, in one transaction. Without a runner it only reports. Raises WF006 when the runner was given up.
CREATE OR REPLACE FUNCTION sluice.report_and_claim(p_runner_id integer, p_results jsonb, p_slots integer, p_from bigint DEFAULT 0)
 RETURNS TABLE(answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint, run_created_at timestamp with time zone, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_results   constant integer := jsonb_array_length(p_results);
  v_failures  constant boolean := p_results @? '$[*].error';
  -- What is to be tried again may be of any run.
  v_from      constant bigint  := case when v_failures then 0 else p_from end;
  v_setting   text;
  v_outer     text;
  v_rows      tid[];
  v_succeeded integer;
  v_taken     integer          := 0;
  v_claimed   integer          := 0;
begin
  -- A runner that was given up must not claim. Taking over locks its row "for update", so one waits for the other.
  if p_slots > 0 then
    perform from runners where runners.id = p_runner_id and runners.ended_at is null for key share;
    if not found then
      raise exception using
        errcode = 'WF006',
        message = format('runner %s is not registered any more: it was stopped, or thought dead and its tasks taken over', p_runner_id),
        hint    = 'Register again and go on under the new identity.';
    end if;
  end if;

  if v_results > 0 then
    -- For advance. Nothing is taken of a run that these results may stop. Within another hop, by somebody's own trigger, results are
    -- as what is done by hand, and that hop says what comes of them.
    v_outer := coalesce(current_setting('sluice.hop', true), '');
    v_setting := set_config('sluice.hop', case when v_outer = '' then array[p_runner_id, case when v_failures then 0 else p_slots end]::text
                                               else '{NULL,0}' end, true);

    -- Successes are written before the others. Where there are both, all tasks are locked first that the results are still of,
    -- and then all runs, in the order of everybody.
    if v_failures then
      perform from tasks
         join jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer)
           on result.run_id = tasks.run_id and result.task_no = tasks.task_no and result.token = tasks.token
        where tasks.runner_id is not null and tasks.finished_at is null
        order by tasks.run_id, tasks.task_no
          for no key update of tasks;
      perform from runs
        where runs.id in (select tasks.run_id
                            from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer)
                            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no and tasks.token = result.token
                           where tasks.runner_id is not null and tasks.finished_at is null)
        order by runs.id
          for no key update;
    end if;

    update tasks
       set state       = 'SUCCESS',
           finished_at = greatest(statement_timestamp(), tasks.started_at),
           output      = coalesce(result.output, 'null')
      from (select *
              from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, output jsonb, error jsonb)
             where result.error is null
             order by result.run_id, result.task_no) as result
     where tasks.run_id = result.run_id
       and tasks.task_no = result.task_no
       and tasks.token = result.token
       and tasks.runner_id is not null
       and tasks.finished_at is null;
    get diagnostics v_succeeded = row_count;

    -- The others: failures, what had been reported before, and what was taken over meanwhile.
    if v_succeeded < v_results then
      return query
        with result as (
          select distinct on (result.run_id, result.task_no, result.token) result.*
            from jsonb_to_recordset(p_results) as result(run_id bigint, task_no integer, token integer, error jsonb)
           order by result.run_id, result.task_no, result.token, result.error
        ), held as (
          select tasks.run_id, tasks.task_no, tasks.token, result.token as named, result.error,
                 result.error is not null and tasks.token = result.token and tasks.runner_id is not null and tasks.finished_at is null as open,
                 tasks.attempt <= definition.retries and runs.status = 'RUNNING' as again,
                 tasks.attempt, tasks.runner_id, tasks.started_at,
                 tasks.token = result.token and tasks.state = 'SUCCESS' and tasks.finished_at >= statement_timestamp() as succeeded
            from result
            join tasks on tasks.run_id = result.run_id and tasks.task_no = result.task_no
            join runs on runs.id = tasks.run_id
            join workflow_tasks as definition on definition.workflow_id = tasks.workflow_id and definition.task_no = tasks.task_no
           order by tasks.run_id, tasks.task_no
        ), failed_attempts as (
          insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
          select held.run_id, held.task_no, held.token, held.attempt, 'FAILED', held.runner_id, held.started_at, greatest(statement_timestamp(), held.started_at), held.error
            from held
           where held.open
              on conflict do nothing
        ), failed as (
          update tasks
             set state       = (case when held.again then 'RUNNING' else 'FAILED' end)::task_state,
                 finished_at = case when not held.again then greatest(statement_timestamp(), held.started_at) end,
                 error       = case when not held.again then held.error end,
                 attempt     = tasks.attempt + held.again::integer,
                 token       = tasks.token + held.again::integer,
                 runner_id   = case when not held.again then tasks.runner_id end
            from held
           where held.open
             and tasks.run_id = held.run_id
             and tasks.task_no = held.task_no
        )
        -- What is to be tried again ends with its run, when another result stops that.
        select case when held.open and held.again
                     and not bool_or(held.open and not held.again) over (partition by held.run_id) then 'RETRY'
                    when held.open then 'FAILED'
                    when held.token = held.named then 'ALREADY'
                    when exists (select from attempts
                                  where attempts.run_id = held.run_id and attempts.task_no = held.task_no
                                    and attempts.token = held.named and attempts.outcome = 'FAILED') then 'ALREADY'
                    else 'LOST'
               end,
               held.run_id, held.task_no, held.named,
               null::integer, null::bigint, null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
          from held
         where not held.succeeded
        union all
        select 'LOST', result.run_id, result.task_no, result.token, null, null, null, null, null, null, null
          from result
         where not exists (select from tasks where tasks.run_id = result.run_id and tasks.task_no = result.task_no);
    end if;

    -- What advance has left here. It names rows by their place: nobody else moves them before we commit.
    v_rows := case when set_config('sluice.hop', v_outer, true) = '' then nullif(current_setting('sluice.ended_runs', true), '') end;
    if v_rows is not null then
      v_setting := set_config('sluice.ended_runs', '', true);
      return query
        select runs.status::text, runs.id, null::integer, null::integer, null::integer, runs.workflow_id,
               null::timestamptz, null::jsonb, null::jsonb,
               round(1000 * date_part('epoch', runs.finished_at - runs.created_at)),
               case when runs.status = 'FAILED' then
                 jsonb_build_object('task', (select failed.name from workflow_tasks as failed
                                              where failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no),
                                    'reason', runs.reason)
               end
          from runs
         where runs.ctid = any (v_rows);
    end if;
    v_rows := case when v_outer = '' then nullif(current_setting('sluice.taken_tasks', true), '') end;
    if v_rows is not null then
      v_setting := set_config('sluice.taken_tasks', '', true);
      return query
        select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
               case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
               null::double precision, null::jsonb
          from tasks as task
          join runs on runs.id = task.run_id
          join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no
         where task.ctid = any (v_rows);
      get diagnostics v_taken = row_count;
    end if;
  end if;

  if p_slots > v_taken and v_from is not null then
    return query
      with task as (
        update tasks
           set state      = 'RUNNING',
               runner_id  = p_runner_id,
               started_at = greatest(statement_timestamp(), tasks.ready_at),
               token      = greatest(tasks.token, 1),
               attempt    = greatest(tasks.attempt, 1)
         where tasks.ctid = any (array(
                 select claimable.ctid
                   from tasks as claimable
                  where claimable.run_id >= v_from
                    and claimable.waiting_for = 0
                    and claimable.finished_at is null
                    and not claimable.stopped
                    and claimable.runner_id is null
                  order by claimable.run_id, claimable.task_no
                  limit p_slots - v_taken
                    for no key update skip locked))
        returning tasks.run_id, tasks.task_no, tasks.token, tasks.attempt, tasks.workflow_id
      )
      select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
             case when definition.reads <> '{}' then outputs_of(task.run_id, task.workflow_id, definition.reads) end,
             null::double precision, null::jsonb
        from task
        join runs on runs.id = task.run_id
        join workflow_tasks as definition on definition.workflow_id = task.workflow_id and definition.task_no = task.task_no;
    get diagnostics v_claimed = row_count;
  end if;

  -- What became claimable by these results was claimed just now, if there was room. Others are rung only for the rest.
  if v_taken + v_claimed >= p_slots and v_results > 0 and p_runner_id is not null then
    if exists (select from runners where runners.ended_at is null and runners.id <> p_runner_id)
       and exists (select from open_tasks
                    where open_tasks.run_id >= case when v_claimed > 0 then v_from else 0 end
                      and open_tasks.runner_id is null)
    then
      notify task_ready;
    end if;
  end if;
end;
$function$;

-- Starts a run whose first tasks are claimed by a runner, in one commit. Raises what start_runs and report_and_claim raise.
CREATE OR REPLACE FUNCTION sluice.start_and_claim(p_runner_id integer, p_slots integer, p_workflow text, p_input jsonb, p_checked_for bigint DEFAULT NULL::bigint)
 RETURNS TABLE(answer text, run_id bigint, task_no integer, token integer, attempt integer, workflow_id bigint, run_created_at timestamp with time zone, input jsonb, outputs jsonb, took_ms double precision, failure jsonb)
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_run_id bigint;
begin
  select started.run_id into v_run_id
    from start_runs(p_workflow, array[p_input], null, p_checked_for, p_runner_id, p_slots) as started;

  return query
    select 'STARTED', v_run_id, null::integer, null::integer, null::integer, null::bigint,
           null::timestamptz, null::jsonb, null::jsonb, null::double precision, null::jsonb
     union all
    select 'CLAIMED', task.run_id, task.task_no, task.token, task.attempt, task.workflow_id, runs.created_at, runs.input,
           null, null, null
      from runs
      join tasks as task on task.run_id = runs.id
     where runs.id = v_run_id
       and task.state = 'RUNNING';
end;
$function$;

-- Takes from a runner all its tasks but those that are excepted, as LOST or GIVEN BACK; as LOST those that crashed. The fifth loss fails a task. Says how many it took.
CREATE OR REPLACE FUNCTION sluice.release_tasks(p_runner_id integer, p_outcome text, p_except jsonb DEFAULT '[]'::jsonb, p_crashed jsonb DEFAULT '[]'::jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_poison   constant integer := 5;
  v_crashed  constant text[] := array(select session_name(crashed.run_id, crashed.task_no, crashed.token)
                                        from jsonb_to_recordset(p_crashed) as crashed(run_id bigint, task_no integer, token integer));
  v_run_ids  bigint[];
  v_sessions text[];
  v_count    integer;
begin
  select array_agg(mine.run_id), array_agg(mine.session)
    into v_run_ids, v_sessions
    from (select open_tasks.run_id, session_name(open_tasks.run_id, open_tasks.task_no, open_tasks.token) as session
            from open_tasks
           where open_tasks.runner_id = p_runner_id) as mine
   where mine.session not in (select session_name(kept.run_id, kept.task_no, kept.token)
                                from jsonb_to_recordset(p_except) as kept(run_id bigint, task_no integer, token integer));

  -- A transaction that a stopped or cut-off process left open would hold us up, and later whoever runs the task again.
  perform pg_terminate_backend(activity.pid)
     from pg_stat_activity as activity
    where activity.datname = current_database()
      and activity.application_name = any (v_sessions)
      and may_end_sessions_of(activity.usesysid);

  with held as (
    select open_tasks.run_id, open_tasks.task_no, open_tasks.token, open_tasks.attempt, open_tasks.started_at,
           released.outcome, released.what, released.outcome = 'LOST' and open_tasks.crashes + 1 >= v_poison as poison
      from open_tasks
     cross join lateral (select session_name(open_tasks.run_id, open_tasks.task_no, open_tasks.token) as name) as session
     cross join lateral (
       select case when session.name = any (v_crashed) then 'LOST' else p_outcome end as outcome,
              case when session.name = any (v_crashed) then format('the connection of its transaction broke amid a statement, on runner %s', p_runner_id)
                   when p_outcome = 'LOST'             then format('runner %s was lost while it ran the task', p_runner_id)
                   else                                     format('runner %s gave the task back', p_runner_id)
              end as what
     ) as released
     where open_tasks.run_id = any (v_run_ids)
       and open_tasks.runner_id = p_runner_id
       and session.name in (select unnest(v_sessions))
     order by open_tasks.run_id, open_tasks.task_no
       for no key update of open_tasks
  ), recorded as (
    insert into attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
    select held.run_id, held.task_no, held.token, held.attempt, held.outcome, p_runner_id, held.started_at, greatest(statement_timestamp(), held.started_at),
           jsonb_build_object('code', replace(held.outcome, ' ', '_'), 'message', held.what)
      from held
        on conflict do nothing
  )
  update tasks
     set crashes     = tasks.crashes + (held.outcome = 'LOST')::integer,
         state       = case when held.poison then 'FAILED' else tasks.state end,
         finished_at = case when held.poison then greatest(statement_timestamp(), held.started_at) end,
         error       = case when held.poison then jsonb_build_object(
                         'code', 'POISON',
                         'message', format('%s times its runner or its connection was lost while it ran this task; it is not tried again', v_poison)) end,
         token       = tasks.token + (not held.poison)::integer,
         runner_id   = case when held.poison then tasks.runner_id end
    from held
   where tasks.run_id = held.run_id
     and tasks.task_no = held.task_no;
  get diagnostics v_count = row_count;
  return v_count;
end;
$function$;

-- Takes from a living runner all its tasks but those given, and but those that somebody holds, as GIVEN BACK; as LOST those that crashed. Says how many, and how many others are held.
CREATE OR REPLACE FUNCTION sluice.give_back_others(p_runner_id integer, p_kept jsonb, p_crashed jsonb DEFAULT '[]'::jsonb, OUT given_back integer, OUT held integer)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
declare
  v_held jsonb;
begin
  -- Runs that are busy are held most of the time, and are to be had by those who wait.
  begin
    given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept, p_crashed);
    held := 0;
    return;
  exception when lock_not_available then
    v_held := held_tasks(p_runner_id);
  end;
  given_back := release_tasks(p_runner_id, 'GIVEN BACK', p_kept || v_held, p_crashed);
  held := (select count(*)
             from (select held.run_id, held.task_no, held.token
                     from jsonb_to_recordset(v_held) as held(run_id bigint, task_no integer, token integer)
                   except
                   select kept.run_id, kept.task_no, kept.token
                     from jsonb_to_recordset(p_kept) as kept(run_id bigint, task_no integer, token integer)) as others);
end;
$function$;

-- Whether the current role may end the sessions of that one.
CREATE OR REPLACE FUNCTION sluice.may_end_sessions_of(p_role oid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (pg_has_role(p_role, 'USAGE'::text) AND ((current_setting('is_superuser'::text) = 'on'::text) OR (NOT ( SELECT pg_roles.rolsuper
            FROM pg_roles
           WHERE (pg_roles.oid = may_end_sessions_of.p_role)))));
END;

-- Ends what nobody runs of runs that have stopped, whose locks are held: READY tasks are put aside, RUNNING ones without a runner fail.
CREATE OR REPLACE FUNCTION sluice.end_open_tasks(p_run_ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'sluice', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
declare
  -- As long as we would wait for a lock, half a second at most; then we do that.
  v_until constant timestamptz := clock_timestamp() + least(nullif(current_setting('lock_timeout')::interval, interval '0'), interval '500 ms');
  v_free  tid[];
begin
  if p_run_ids = '{}' then
    return;
  end if;
  -- Whoever claims one of these commits in a moment and waits for nobody: we look again until he has. If we waited for the row,
  -- it could be his again by the time it is our turn, in a hop that reports the task, and so waits for our run.
  loop
    v_free := array(select open.ctid
                      from tasks as open
                     where open.run_id = any (p_run_ids)
                       and open.waiting_for = 0 and open.finished_at is null and not open.stopped
                       and open.runner_id is null
                       for no key update skip locked);
    if v_free <> '{}' then
      update tasks
         set stopped     = tasks.state = 'READY',
             state       = case tasks.state when 'RUNNING' then 'FAILED' else tasks.state end,
             finished_at = case tasks.state when 'RUNNING' then greatest(statement_timestamp(), clock_timestamp(), tasks.started_at) end,
             error       = case tasks.state when 'RUNNING' then
                             jsonb_build_object('code', 'RUN_STOPPED', 'message', 'the run stopped before the task could be taken on again')
                           end
       where tasks.ctid = any (v_free);
    end if;
    exit when not exists (select from open_tasks as open where open.run_id = any (p_run_ids) and open.runner_id is null);
    if clock_timestamp() < v_until then
      perform pg_sleep(0.001);
    else
      -- Somebody holds one for longer, by hand.
      perform from open_tasks as open where open.run_id = any (p_run_ids) and open.runner_id is null for no key update;
    end if;
  end loop;
end;
$function$;

-- Keeps additions to a version away until the end of the transaction. Whoever may start runs may do so, as the foreign key of runs does it, too.
CREATE OR REPLACE FUNCTION sluice.hold_version(p_workflow_id bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'sluice', 'pg_temp'
AS $function$
begin
  perform from workflows where workflows.id = p_workflow_id for key share;
end;
$function$;

-- Runs under way, newest first.
--   run: The run.
--   workflow: Its workflow.
--   version: Which version of it.
--   status: RUNNING.
--   progress: Tasks that have succeeded, of all.
--   running: The tasks that run, cut after 18 characters.
--   waiting_for: What tasks that could run now wait for: a slot of a runner, or a runner at all.
--   started: When it was started, in the time zone of the session.
--   age: How long ago that was.
create view v_active_runs as
 SELECT runs.id AS run, runs.workflow, workflows.version, runs.status,
    (tasks.succeeded || '/'::text) || tasks.total AS progress, sluice.cut(tasks.running, 18) AS running,
        CASE
            WHEN tasks.claimable = 0 THEN NULL::text
            WHEN ( SELECT sluice.has_runner() AS has_runner) THEN 'a slot'::text
            ELSE 'a runner'::text
        END AS waiting_for,
    date_trunc('second'::text, runs.created_at)::timestamp(0) without time zone AS started,
    sluice.duration(EXTRACT(epoch FROM clock_timestamp() - runs.created_at)) AS age
   FROM sluice.active_runs runs
     JOIN sluice.workflows ON workflows.id = runs.workflow_id
     CROSS JOIN LATERAL ( SELECT count(*) AS total,
            count(*) FILTER (WHERE tasks_1.state = 'SUCCESS'::sluice.task_state) AS succeeded,
            count(*) FILTER (WHERE (tasks_1.state = ANY (ARRAY['READY'::sluice.task_state, 'RUNNING'::sluice.task_state])) AND tasks_1.runner_id IS NULL) AS claimable,
            string_agg(task.name, ', '::text ORDER BY tasks_1.task_no) FILTER (WHERE tasks_1.state = 'RUNNING'::sluice.task_state AND tasks_1.runner_id IS NOT NULL) AS running
           FROM sluice.tasks tasks_1
             JOIN sluice.workflow_tasks task ON task.workflow_id = tasks_1.workflow_id AND task.task_no = tasks_1.task_no
          WHERE tasks_1.run_id = runs.id) tasks
  ORDER BY runs.id DESC;

-- Runs that have ended, newest first.
--   run: The run.
--   workflow: Its workflow.
--   status: COMPLETED, FAILED or CANCELLED.
--   started: When it was started, in the time zone of the session.
--   finished: The time of day at which it ended.
--   duration: How long it took.
--   tasks: Tasks that succeeded, of all.
--   failed_task: The task at whose failure it stopped, cut after 15 characters.
--   error: Why it stopped, cut after 18 characters; sluice.runs.reason has it whole.
create view v_run_history as
 SELECT runs.id AS run, runs.workflow, runs.status,
    date_trunc('second'::text, runs.created_at)::timestamp(0) without time zone AS started,
    date_trunc('second'::text, runs.finished_at)::time(0) without time zone AS finished,
    sluice.duration(EXTRACT(epoch FROM runs.finished_at - runs.created_at)) AS duration,
    (tasks.succeeded || '/'::text) || tasks.total AS tasks, sluice.cut(failed.name, 15) AS failed_task,
    sluice.cut(translate(runs.reason, '
	'::text, '   '::text), 18) AS error
   FROM sluice.runs
     LEFT JOIN sluice.workflow_tasks failed ON failed.workflow_id = runs.workflow_id AND failed.task_no = runs.failed_task_no
     CROSS JOIN LATERAL ( SELECT count(*) AS total,
            count(*) FILTER (WHERE tasks_1.state = 'SUCCESS'::sluice.task_state) AS succeeded
           FROM sluice.tasks tasks_1
          WHERE tasks_1.run_id = runs.id) tasks
  WHERE runs.status <> 'RUNNING'::sluice.run_status
  ORDER BY runs.id DESC;

-- Runs that can be deleted: they have ended, and nothing of them runs any more.
--   id: The run.
--   finished_at: When it ended.
create view sluice.prunable_runs as
 SELECT id, finished_at
   FROM sluice.runs
  WHERE finished_at IS NOT NULL AND NOT (EXISTS ( SELECT
           FROM sluice.open_tasks
          WHERE open_tasks.run_id = runs.id AND open_tasks.state = 'RUNNING'::sluice.task_state));

-- The tasks of runs with their names, and what became of them; v_tasks is for people.
--   run_id: The run.
--   workflow_id: Its version.
--   task_no: The task's number.
--   name: The task's name.
--   connector: Its connector.
--   operation: Its operation.
--   state: Its state.
--   stopped: It was READY when its run stopped, and will not run.
--   attempt: Which attempt this is, or was.
--   retries: How many further attempts may follow a failed one.
--   token: Counts its executions.
--   runner_id: Who runs it, or ran it last.
--   ready_at: When it became READY.
--   started_at: When it was last claimed.
--   finished_at: When it reached SUCCESS or FAILED.
--   error: Why it failed: {"code", "message"}.
--   skipped: Why it was skipped: its condition did not hold.
--   reused_from: The run from which its output was taken over.
create view sluice.run_tasks as
 SELECT tasks.run_id, tasks.workflow_id, tasks.task_no, task.name, task.connector, task.operation, tasks.state,
    tasks.stopped, tasks.attempt, task.retries, tasks.token, tasks.runner_id, tasks.ready_at, tasks.started_at,
    tasks.finished_at, tasks.error,
        CASE
            WHEN task.condition IS NOT NULL AND tasks.output = jsonb_build_object('skipped', tasks.output -> 'skipped'::text) THEN tasks.output ->> 'skipped'::text
            ELSE NULL::text
        END AS skipped,
        CASE
            WHEN tasks.state = 'SUCCESS'::sluice.task_state AND tasks.ready_at IS NULL THEN reruns.of_run_id
            ELSE NULL::bigint
        END AS reused_from
   FROM sluice.tasks
     JOIN sluice.workflow_tasks task ON task.workflow_id = tasks.workflow_id AND task.task_no = tasks.task_no
     LEFT JOIN sluice.reruns ON reruns.run_id = tasks.run_id;

-- Every execution of every task; v_attempts is for people.
--   run_id: The run.
--   task_no: The task.
--   token: The token under which it ran.
--   attempt: Which attempt it was.
--   outcome: SUCCESS, FAILED, LOST, GIVEN BACK, or RUNNING.
--   runner_id: Who ran it.
--   started_at: When it began.
--   ended_at: When it ended.
--   error: Why it did not succeed.
create view sluice.executions as
 SELECT attempts.run_id, attempts.task_no, attempts.token, attempts.attempt, attempts.outcome, attempts.runner_id,
    attempts.started_at, attempts.ended_at, attempts.error
   FROM sluice.attempts
UNION ALL
 SELECT task.run_id, task.task_no, task.token, task.attempt, task.state::text AS outcome, task.runner_id,
    task.started_at, task.finished_at AS ended_at, NULL::jsonb AS error
   FROM sluice.run_tasks task
  WHERE task.reused_from IS NULL AND (task.state = 'SUCCESS'::sluice.task_state OR task.state = 'RUNNING'::sluice.task_state AND task.runner_id IS NOT NULL);

-- The tasks of runs: select * from v_tasks where run = 42
--   run: The run.
--   no: The task's number; parents have lower ones than their children.
--   task: The task.
--   connector: What does it: connector.operation.
--   state: Where it stands.
--   attempt: Which attempt, of how many.
--   took: How long the present attempt took, or has been taking.
--   runner: Who runs it, or ran it last.
--   note: Why it failed, was skipped, or did not have to run again; cut after 40 characters.
create view v_tasks as
 SELECT run_id AS run, task_no AS no, name AS task, (connector || '.'::text) || operation AS connector, state,
        CASE
            WHEN attempt > 0 THEN (attempt || '/'::text) || (retries + 1)
            ELSE NULL::text
        END AS attempt,
        CASE
            WHEN reused_from IS NULL AND NOT (state = 'RUNNING'::sluice.task_state AND runner_id IS NULL) THEN sluice.duration(EXTRACT(epoch FROM COALESCE(finished_at, clock_timestamp()) - started_at))
            ELSE NULL::text
        END AS took,
    runner_id AS runner,
    sluice.cut(translate(
        CASE
            WHEN reused_from IS NOT NULL THEN 'reused from run '::text || reused_from
            WHEN skipped IS NOT NULL THEN 'skipped: '::text || skipped
            ELSE error ->> 'message'::text
        END, '
	'::text, '   '::text), 40) AS note
   FROM sluice.run_tasks task
  ORDER BY run_id DESC, task_no;

-- Where the time went: select * from v_timeline where run = 42
--   run: The run.
--   task: The task, in the order in which they began.
--   state: Where it stands.
--   ready_after: How long after the run's start it became READY.
--   waited: How long it then waited for a slot of a runner.
--   took: How long it ran, all its executions together.
--   timeline: From the run's start to its end in 40 characters; # from its first execution to its end.
create view v_timeline as
 SELECT task.run_id AS run, task.name AS task, task.state,
    sluice.duration(EXTRACT(epoch FROM task.ready_at - runs.created_at)) AS ready_after,
    sluice.duration(EXTRACT(epoch FROM earlier.started_at - task.ready_at)) AS waited,
    sluice.duration(EXTRACT(epoch FROM earlier.took +
        CASE
            WHEN task.state = 'SUCCESS'::sluice.task_state OR task.state = 'RUNNING'::sluice.task_state AND task.runner_id IS NOT NULL THEN COALESCE(task.finished_at, clock_timestamp()) - task.started_at
            ELSE '00:00:00'::interval
        END)) AS took,
    repeat(' '::text, bar.start) || repeat('#'::text, GREATEST(1, bar.stop - bar.start)) AS timeline
   FROM sluice.run_tasks task
     JOIN sluice.runs ON runs.id = task.run_id
     CROSS JOIN LATERAL ( SELECT LEAST(task.started_at, min(attempts.started_at)) AS started_at,
            COALESCE(sum(attempts.ended_at - attempts.started_at), '00:00:00'::interval) AS took
           FROM sluice.attempts
          WHERE attempts.run_id = task.run_id AND attempts.task_no = task.task_no) earlier
     CROSS JOIN LATERAL ( SELECT NULLIF(EXTRACT(epoch FROM COALESCE(runs.finished_at, clock_timestamp()) - runs.created_at), 0::numeric) AS seconds) run
     CROSS JOIN LATERAL ( SELECT GREATEST(0::numeric, LEAST(39::numeric, floor(40::numeric * EXTRACT(epoch FROM earlier.started_at - runs.created_at) / run.seconds)))::integer AS start,
            GREATEST(0::numeric, LEAST(40::numeric, ceil(40::numeric * EXTRACT(epoch FROM COALESCE(task.finished_at, clock_timestamp()) - runs.created_at) / run.seconds)))::integer AS stop) bar
  WHERE task.started_at IS NOT NULL AND task.reused_from IS NULL
  ORDER BY task.run_id DESC, earlier.started_at, task.task_no;

-- Every execution of every task: select * from v_attempts where run = 42
--   run: The run.
--   task: The task.
--   attempt: Which attempt it was; one that was lost or given back is made again.
--   outcome: SUCCESS, FAILED, LOST (with its runner), GIVEN BACK (by its runner), or RUNNING.
--   runner: Who ran it.
--   started: When it began, in the time zone of the session.
--   took: How long it took.
--   error: Why it did not succeed, cut after 40 characters.
create view v_attempts as
 SELECT runs.id AS run, task.name AS task, execution.attempt, execution.outcome, execution.runner_id AS runner,
    date_trunc('second'::text, execution.started_at)::timestamp(0) without time zone AS started,
    sluice.duration(EXTRACT(epoch FROM COALESCE(execution.ended_at, clock_timestamp()) - execution.started_at)) AS took,
    sluice.cut(translate(execution.error ->> 'message'::text, '
	'::text, '   '::text), 40) AS error
   FROM sluice.runs
     CROSS JOIN LATERAL ( SELECT executions.run_id, executions.task_no, executions.token, executions.attempt,
            executions.outcome, executions.runner_id, executions.started_at, executions.ended_at, executions.error
           FROM sluice.executions
          WHERE executions.run_id = runs.id
         OFFSET 0) execution
     JOIN sluice.workflow_tasks task ON task.workflow_id = runs.workflow_id AND task.task_no = execution.task_no
  ORDER BY runs.id DESC, execution.started_at, execution.task_no, execution.token;

-- Everything that happened: select * from v_events where run = 42
--   run: The run.
--   at: When.
--   no: The task's number; null when it happened to the run itself.
--   task: The task.
--   what: The move; how an attempt ended that did not succeed; that the task is RUNNING again; of a run, its new status.
--   attempt: The task's attempt at that moment.
--   runner: Who ran it.
--   note: Why.
create view v_events as
 SELECT runs.id AS run, event.at, event.task_no AS no, task.name AS task, event.what, event.attempt,
    event.runner_id AS runner, event.note
   FROM sluice.runs
     CROSS JOIN LATERAL ( SELECT runs.created_at AS at, 0 AS place, 0 AS step, NULL::integer AS task_no,
            'RUNNING'::text AS what, NULL::integer AS attempt, NULL::integer AS runner_id,
            ( SELECT (('rerun of run '::text || reruns.of_run_id) || ' by '::text) || reruns.started_by
                   FROM sluice.reruns
                  WHERE reruns.run_id = runs.id) AS note
        UNION ALL
         SELECT transitions.at, transitions.task_no,
                CASE transitions.to_state
                    WHEN 'READY'::sluice.task_state THEN 1
                    WHEN 'RUNNING'::sluice.task_state THEN 2
                    ELSE 5
                END AS "case",
            transitions.task_no, COALESCE(transitions.from_state || ' → '::text, ''::text) || transitions.to_state,
            transitions.attempt, transitions.runner_id,
                CASE
                    WHEN transitions.from_state IS NULL THEN ( SELECT 'reused from run '::text || reruns.of_run_id
                       FROM sluice.reruns
                      WHERE reruns.run_id = runs.id)
                    WHEN transitions.to_state = 'FAILED'::sluice.task_state THEN ( SELECT tasks.error ->> 'message'::text
                       FROM sluice.tasks
                      WHERE tasks.run_id = runs.id AND tasks.task_no = transitions.task_no)
                    ELSE NULL::text
                END AS "case"
           FROM sluice.transitions
          WHERE transitions.run_id = runs.id
        UNION ALL
         SELECT attempts.ended_at, attempts.task_no, 3, attempts.task_no, 'attempt '::text || attempts.outcome,
            attempts.attempt, attempts.runner_id, attempts.error ->> 'message'::text
           FROM sluice.attempts
          WHERE attempts.run_id = runs.id
        UNION ALL
         SELECT again.started_at, again.task_no, 4, again.task_no, 'RUNNING again'::text, again.attempt, again.runner_id,
            NULL::text
           FROM sluice.executions again
          WHERE again.run_id = runs.id AND again.token > 1
        UNION ALL
         SELECT runs.finished_at, 2147483647, 6, NULL::integer, runs.status::text AS status, NULL::integer,
            NULL::integer, runs.reason
          WHERE runs.finished_at IS NOT NULL) event
     LEFT JOIN sluice.workflow_tasks task ON task.workflow_id = runs.workflow_id AND task.task_no = event.task_no
  ORDER BY runs.id, event.at, event.place, event.step;

-- The processes that execute tasks, newest first.
--   runner: Its number.
--   host: The machine that it runs on.
--   pid: Its process.
--   state: alive; dead, when nobody has taken its tasks over yet; stopped or lost, when it has ended.
--   running: How many tasks it runs now.
--   slots: How many it can run at once.
--   started: When it registered, in the time zone of the session.
--   up: How long it has been, or was, registered.
--   last_beat: How long ago it gave its last sign of life.
create view v_runners as
 SELECT runners.id AS runner, runners.host, runners.pid,
        CASE
            WHEN runners.ending IS NOT NULL THEN runners.ending
            WHEN (runners.id IN ( SELECT sluice.dead_runners() AS dead_runners)) THEN 'dead'::text
            ELSE 'alive'::text
        END AS state,
        CASE
            WHEN runners.ended_at IS NULL THEN COALESCE(held.tasks, 0)
            ELSE NULL::integer
        END AS running,
    runners.slots, date_trunc('second'::text, runners.started_at)::timestamp(0) without time zone AS started,
    sluice.duration(EXTRACT(epoch FROM COALESCE(runners.ended_at, clock_timestamp()) - runners.started_at)) AS up,
    sluice.duration(EXTRACT(epoch FROM clock_timestamp() - runners.beat_at)) AS last_beat
   FROM sluice.runners
     LEFT JOIN ( SELECT open_tasks.runner_id, count(*)::integer AS tasks
           FROM sluice.open_tasks
          GROUP BY open_tasks.runner_id) held ON held.runner_id = runners.id
  ORDER BY runners.id DESC;

-- The last hour, minute by minute, newest first; minutes in which nothing happened are left out.
--   minute: The minute, in the time zone of the session.
--   runs_started: Runs that were started.
--   tasks_started: Tasks that entered RUNNING.
--   succeeded: Tasks that reached SUCCESS.
--   failed: Tasks that reached FAILED.
--   tasks_per_s: Tasks that ended, per second.
create view v_throughput as
 SELECT date_trunc('minute'::text, at)::timestamp(0) without time zone AS minute,
    count(*) FILTER (WHERE what = 'start'::text) AS runs_started,
    count(*) FILTER (WHERE what = 'RUNNING'::text) AS tasks_started,
    count(*) FILTER (WHERE what = 'SUCCESS'::text) AS succeeded, count(*) FILTER (WHERE what = 'FAILED'::text) AS failed,
    round(count(*) FILTER (WHERE what = ANY (ARRAY['SUCCESS'::text, 'FAILED'::text]))::numeric / GREATEST(1::numeric, LEAST(60::numeric, EXTRACT(epoch FROM clock_timestamp() - date_trunc('minute'::text, max(at))))), 1) AS tasks_per_s
   FROM ( SELECT transitions.at, transitions.to_state::text AS what
           FROM ( SELECT active_runs.id
                   FROM sluice.active_runs
                UNION ALL
                 SELECT runs_1.id
                   FROM sluice.runs runs_1
                  WHERE runs_1.finished_at >= (date_trunc('minute'::text, now()) - '00:59:00'::interval)) runs
             CROSS JOIN LATERAL ( SELECT moved.at, moved.from_state, moved.to_state
                   FROM sluice.transitions moved
                  WHERE moved.run_id = runs.id AND moved.to_state <> 'READY'::sluice.task_state
                 OFFSET 0) transitions
          WHERE transitions.at >= (date_trunc('minute'::text, now()) - '00:59:00'::interval) AND transitions.from_state IS NOT NULL
        UNION ALL
         SELECT runs.created_at, 'start'::text
           FROM sluice.runs
          WHERE runs.created_at >= (date_trunc('minute'::text, now()) - '00:59:00'::interval)) event
  GROUP BY (date_trunc('minute'::text, at)::timestamp(0) without time zone)
  ORDER BY (date_trunc('minute'::text, at)::timestamp(0) without time zone) DESC;

-- The workflows and how their last 1,000 runs went; v_workflows is for people.
--   workflow: Its name.
--   version: Its newest version.
--   registered_at: When that was registered.
--   tasks: How many tasks that has.
--   runs: How many runs there are, of all versions.
--   active: Of the last 1,000, those under way.
--   ended: Of the last 1,000, those that have ended.
--   completed: Of these, those that are COMPLETED.
--   p50_ms: Half of the COMPLETED ones took at most so many milliseconds.
--   p95_ms: 95 % of them took at most so many.
--   last_run: The last run.
--   last_status: Its status.
--   last_started_at: When it was started.
create view sluice.workflow_statistics as
 SELECT newest.name AS workflow, newest.version, newest.created_at AS registered_at,
    ( SELECT count(*)::integer AS count
           FROM sluice.workflow_tasks task
          WHERE task.workflow_id = newest.id) AS tasks,
    total.runs, sample.active, sample.ended, sample.completed, sample.p50_ms, sample.p95_ms, last.id AS last_run,
    last.status AS last_status, last.created_at AS last_started_at
   FROM ( SELECT DISTINCT ON (workflows.name) workflows.id, workflows.name, workflows.version, workflows.created_at
           FROM sluice.workflows
          ORDER BY workflows.name, workflows.version DESC) newest
     CROSS JOIN LATERAL ( SELECT sum(version.runs)::bigint AS runs
           FROM sluice.workflows
             CROSS JOIN LATERAL ( SELECT count(*) AS runs
                   FROM sluice.runs
                  WHERE runs.workflow_id = workflows.id) version
          WHERE workflows.name = newest.name) total
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE recent.status = 'RUNNING'::sluice.run_status)::integer AS active,
            count(*) FILTER (WHERE recent.status <> 'RUNNING'::sluice.run_status)::integer AS ended,
            count(*) FILTER (WHERE recent.status = 'COMPLETED'::sluice.run_status)::integer AS completed,
            percentile_cont(0.5::double precision) WITHIN GROUP (ORDER BY recent.ms) AS p50_ms,
            percentile_cont(0.95::double precision) WITHIN GROUP (ORDER BY recent.ms) AS p95_ms
           FROM ( SELECT runs.status,
                        CASE
                            WHEN runs.status = 'COMPLETED'::sluice.run_status THEN 1000::double precision * EXTRACT(epoch FROM runs.finished_at - runs.created_at)::double precision
                            ELSE NULL::double precision
                        END AS ms
                   FROM sluice.workflows
                     CROSS JOIN LATERAL ( SELECT runs_1.id, runs_1.status, runs_1.finished_at, runs_1.created_at
                           FROM sluice.runs runs_1
                          WHERE ((ROW(runs_1.workflow_id, runs_1.id) > ROW(workflows.id, 0))) AND ((ROW(runs_1.workflow_id, runs_1.id) < ROW(workflows.id + 1, 0)))
                          ORDER BY runs_1.workflow_id DESC, runs_1.id DESC
                         LIMIT 1000) runs
                  WHERE workflows.name = newest.name
                  ORDER BY runs.id DESC
                 LIMIT 1000) recent) sample
     LEFT JOIN LATERAL ( SELECT latest.id, latest.status, latest.created_at
           FROM sluice.workflows
             CROSS JOIN LATERAL ( SELECT runs.id, runs.status, runs.created_at
                   FROM sluice.runs
                  WHERE ((ROW(runs.workflow_id, runs.id) > ROW(workflows.id, 0))) AND ((ROW(runs.workflow_id, runs.id) < ROW(workflows.id + 1, 0)))
                  ORDER BY runs.workflow_id DESC, runs.id DESC
                 LIMIT 1) latest
          WHERE workflows.name = newest.name
          ORDER BY latest.id DESC
         LIMIT 1) last ON true
  ORDER BY newest.name;

-- The workflows and how their last 1,000 runs went.
--   workflow: Its name.
--   version: Its newest version.
--   tasks: How many tasks that has.
--   runs: How many runs there are, of all versions.
--   success: How many of the last 1,000 were COMPLETED, of those that have ended.
--   p50: Half of these took at most so long.
--   p95: 95 % of these took at most so long.
--   last_run: The last run.
--   last_status: Its status.
--   last_started: When it was started, in the time zone of the session.
create view v_workflows as
 SELECT workflow, version, tasks, runs,
        CASE
            WHEN ended > 0 THEN round(100.0 * completed::numeric / ended::numeric, 1) || ' %'::text
            ELSE NULL::text
        END AS success,
    sluice.duration(p50_ms::numeric / 1000::numeric) AS p50, sluice.duration(p95_ms::numeric / 1000::numeric) AS p95,
    last_run, last_status, date_trunc('second'::text, last_started_at)::timestamp(0) without time zone AS last_started
   FROM sluice.workflow_statistics statistics;

-- The runners that are alive, and their slots.
--   runners: How many are alive.
--   slots: How many tasks they can run at once.
--   free: How many more they could run now.
create view sluice.capacity as
 SELECT count(*)::integer AS runners, LEAST(COALESCE(sum(slots), 0::bigint), 2147483647::bigint)::integer AS slots,
    LEAST(COALESCE(sum(GREATEST(0, slots - running)), 0::bigint), 2147483647::bigint)::integer AS free
   FROM v_runners
  WHERE state = 'alive'::text;

-- Which file became which run, newest first: select * from v_inbox where path = 'inbox/a.eml'
--   seen: When the file was last taken, in the time zone of the session.
--   path: Where the file was found.
--   run: The run of its content; the same content is one run.
--   status: How that run stands; null when it was pruned.
--   subject: What the run is about.
create view v_inbox as
 SELECT date_trunc('second'::text, files.seen_at)::timestamp(0) without time zone AS seen, files.path,
    files.run_id AS run, runs.status, sluice.run_subject(runs.id) AS subject
   FROM sluice.inbox_files files
     LEFT JOIN sluice.runs ON runs.id = files.run_id
  ORDER BY files.seen_at DESC, files.run_id DESC, files.path;

-- The audit: every move of every task, as the task's own marks tell it. Retries stay inside RUNNING: see attempts.
--   run_id: The run.
--   task_no: The task.
--   from_state: The state that it left; null when its output was taken over from an earlier run (see reruns).
--   to_state: The state that it entered; each is entered once.
--   attempt: Its attempt at that moment; 0 before the first.
--   runner_id: Who ran it.
--   at: When.
create view sluice.transitions as
 SELECT tasks.run_id, tasks.task_no, 'PENDING'::sluice.task_state AS from_state, 'READY'::sluice.task_state AS to_state,
    0 AS attempt, NULL::integer AS runner_id, tasks.ready_at AS at
   FROM sluice.tasks
  WHERE tasks.ready_at IS NOT NULL
UNION ALL
 SELECT tasks.run_id, tasks.task_no, 'READY'::sluice.task_state AS from_state, 'RUNNING'::sluice.task_state AS to_state,
    1 AS attempt, COALESCE(first.runner_id, tasks.runner_id) AS runner_id,
    COALESCE(first.started_at, tasks.started_at) AS at
   FROM sluice.tasks
     LEFT JOIN sluice.attempts first ON first.run_id = tasks.run_id AND first.task_no = tasks.task_no AND first.token = 1
  WHERE tasks.ready_at IS NOT NULL AND tasks.started_at IS NOT NULL
UNION ALL
 SELECT tasks.run_id, tasks.task_no,
        CASE
            WHEN tasks.ready_at IS NOT NULL THEN 'RUNNING'::sluice.task_state
            ELSE NULL::sluice.task_state
        END AS from_state,
    tasks.state AS to_state, tasks.attempt, tasks.runner_id,
        CASE
            WHEN tasks.ready_at IS NOT NULL THEN tasks.finished_at
            ELSE ( SELECT runs.created_at
               FROM sluice.runs
              WHERE runs.id = tasks.run_id)
        END AS at
   FROM sluice.tasks
  WHERE tasks.finished_at IS NOT NULL;

-- Tasks that are READY or RUNNING, unless put aside because their run has stopped.
--   run_id: The run that it belongs to.
--   workflow_id: The run's version, repeated so that promotion reads edges without the run.
--   task_no: Which task of the workflow.
--   waiting_for: How many of its parents have not succeeded yet. No longer counted once the run has stopped.
--   is_sink: Nobody waits for it: its success counts towards the end of the run.
--   state: Where it stands.
--   stopped: It was READY when its run stopped, and will not run.
--   token: Fences off whoever lost the task: counts its executions; a result must name it.
--   attempt: Which attempt this is, or was; at most retries + 1. Crashes do not count.
--   crashes: How often its runner, or the connection of its transaction amid a statement, was lost while it ran; the fifth time fails it as poison.
--   runner_id: Who runs it, or ran it last. A RUNNING task without runner waits to be taken on again.
--   started_at: When it was last claimed. When it was before is in attempts.
--   finished_at: When it reached SUCCESS or FAILED.
--   output: What it hands to its children; a skipped task says {"skipped": why}.
--   error: Why it failed: {"code", "message"}.
--   ready_at: When all its parents had succeeded. Null before, and when its output was taken over from an earlier run.
create view sluice.open_tasks as
 SELECT run_id, workflow_id, task_no, waiting_for, is_sink, state, stopped, token, attempt, crashes, runner_id,
    started_at, finished_at, output, error, ready_at
   FROM sluice.tasks
  WHERE waiting_for = 0 AND finished_at IS NULL AND NOT stopped;

-- Runs under way, found by their open tasks, newest first.
--   id: The run's number.
--   workflow_id: The version that it executes, from start to end.
--   workflow: The workflow's name: keys are unique per workflow, whatever its version.
--   status: RUNNING until all sinks have succeeded, one task has failed, or somebody cancelled.
--   waiting_for: How many sinks (tasks without children) have not succeeded yet.
--   input: What it was started with, defaults filled in.
--   key: Idempotency key: starting again with the same key gives this run.
--   created_at: When it was started.
--   finished_at: When it left RUNNING.
--   failed_task_no: The task at whose failure it stopped.
--   reason: Why it stopped: the error of that task, or who cancelled it.
create view sluice.active_runs as
 SELECT open.run_id AS id, run.workflow_id, run.workflow, run.status, run.waiting_for, run.input, run.key,
    run.created_at, run.finished_at, run.failed_task_no, run.reason
   FROM ( SELECT DISTINCT open_tasks.run_id
           FROM sluice.open_tasks
          ORDER BY open_tasks.run_id DESC) open
     CROSS JOIN LATERAL ( SELECT runs.id, runs.workflow_id, runs.workflow, runs.status, runs.waiting_for, runs.input,
            runs.key, runs.created_at, runs.finished_at, runs.failed_task_no, runs.reason
           FROM sluice.runs
          WHERE runs.id = open.run_id AND runs.status = 'RUNNING'::sluice.run_status
         OFFSET 0) run;

-- The advisory locks by which runners are known to live.
--   runner_id: The runner, by its identity.
--   pid: The session that holds the lock.
create view sluice.runner_locks as
 SELECT objid::bigint AS runner_id, pid
   FROM pg_locks
  WHERE locktype = 'advisory'::text AND granted AND database = (( SELECT pg_database.oid
           FROM pg_database
          WHERE pg_database.datname = current_database())) AND classid::bigint = (sluice.runner_lock()::bigint & '4294967295'::bigint) AND objsubid = 2;
