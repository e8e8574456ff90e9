import { PARENTS, type TaskState } from './inspect.ts';
import type { Connection } from './store.ts';

/*
 * What happened, why something has not, and how workflows do: queries over the views that psql has, too.
 */

/** Something that happened to a task of a run, or to the run itself. */
export interface RunEvent {
  readonly at: Date;
  /** Null: the run itself. */
  readonly task: string | null;
  /** `READY → RUNNING`, `attempt FAILED`; of a run, its new status. */
  readonly what: string;
  readonly attempt: number | null;
  readonly runner: number | null;
  readonly note: string | null;
}

/** Why a task has not run, or what became of it. */
export interface Reason {
  readonly task: string;
  readonly state: TaskState;
  /** For programs: WAITS_FOR_PARENTS, NO_RUNNER, NO_FREE_SLOT, RUN_FAILED, SKIPPED, … */
  readonly code: string;
  /** For people. */
  readonly reason: string;
}

export interface WorkflowStatistics {
  readonly workflow: string;
  /** The newest. */
  readonly version: number;
  readonly registered_at: Date;
  readonly tasks: number;
  /** Of all versions. */
  readonly runs: string;
  /** Of the last 1,000 runs: those under way, those that have ended, and of these those that are COMPLETED. */
  readonly active: number;
  readonly ended: number;
  readonly completed: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly last_run: string | null;
  readonly last_status: string | null;
  readonly last_started_at: Date | null;
}

/** The shape of a workflow, or of a run with the states of its tasks. */
export interface Graph {
  readonly workflow: string;
  readonly version: number;
  readonly run: string | null;
  readonly tasks: readonly {
    readonly name: string;
    readonly connector: string;
    readonly operation: string;
    readonly after: readonly string[];
    readonly state: TaskState | null;
    readonly skipped: string | null;
    readonly reused_from: string | null;
  }[];
}

/** All that happened to a run, in order. */
export async function listEvents(db: Connection, runId: string): Promise<RunEvent[]> {
  const { rows } = await db.query(
    'select at, task, what, attempt, runner, note from public.v_events where run = $1',
    [runId],
  );
  return rows;
}

/** One reason per task. */
export async function explain(db: Connection, runId: string): Promise<Reason[]> {
  const { rows } = await db.query('select task, state, code, reason from sluice.why($1)', [runId]);
  return rows;
}

/** What a task waits for in the end, upstream of its parents. */
export async function listBlockers(db: Connection, runId: string, task: string): Promise<Reason[]> {
  const { rows } = await db.query(
    `select blocker.task, blocker.state, blocker.code, blocker.reason
       from sluice.run_tasks as waiting
      cross join lateral sluice.blockers(waiting.run_id, waiting.task_no) as blocker
      where waiting.run_id = $1
        and waiting.name = $2`,
    [runId, task],
  );
  return rows;
}

/** All workflows, by name. */
export async function listWorkflows(db: Connection): Promise<WorkflowStatistics[]> {
  const { rows } = await db.query('select * from sluice.workflow_statistics');
  return rows;
}

/** The newest version of a workflow; undefined when there is none of that name. */
export async function readGraph(db: Connection, workflow: string): Promise<Graph | undefined> {
  const { rows } = await db.query(
    `select newest.name as workflow, newest.version, null as run,
            (select json_agg(json_build_object('name', task.name, 'connector', task.connector, 'operation', task.operation,
                                               'state', null, 'skipped', null, 'reused_from', null,
                                               'after', ${PARENTS}) order by task.task_no)
               from sluice.workflow_tasks as task
              where task.workflow_id = newest.id) as tasks
       from sluice.workflows as newest
      where newest.name = $1
      order by newest.version desc
      limit 1`,
    [workflow],
  );
  return rows[0];
}
