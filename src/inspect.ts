import type { Json, JsonObject } from './json.ts';
import type { Connection } from './store.ts';

/*
 * Reading what happened: every query that only looks. Ids are text, times are Dates.
 */

export type TaskState = 'PENDING' | 'READY' | 'RUNNING' | 'SUCCESS' | 'FAILED';
export type RunStatus = 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly status: RunStatus;
  readonly key: string | null;
  readonly created_at: Date;
  readonly finished_at: Date | null;
  readonly succeeded: number;
  readonly total: number;
  /** Names of the tasks that run now. */
  readonly running: readonly string[];
  readonly failed_task: string | null;
  /** Why it stopped. */
  readonly reason: string | null;
}

export interface TaskDetails {
  readonly task_no: number;
  readonly name: string;
  readonly connector: string;
  readonly operation: string;
  readonly state: TaskState;
  /** It was READY when the run stopped, and will not run. */
  readonly stopped: boolean;
  readonly attempt: number;
  readonly retries: number;
  readonly runner_id: number | null;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly output: Json;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly after: readonly string[];
}

export interface AttemptDetails {
  readonly task: string;
  readonly attempt: number;
  readonly outcome: 'FAILED' | 'LOST' | 'GIVEN BACK';
  readonly runner_id: number;
  readonly started_at: Date;
  readonly ended_at: Date;
  readonly error: { readonly code: string; readonly message: string };
}

export interface RunDetails extends RunSummary {
  readonly input: JsonObject;
  readonly tasks: readonly TaskDetails[];
  /** Executions that did not succeed, oldest first. */
  readonly attempts: readonly AttemptDetails[];
}

const SUMMARY = `
  select runs.id, runs.workflow, workflows.version, runs.status, runs.key, runs.created_at, runs.finished_at,
         tasks.succeeded, tasks.total, tasks.running, failed.name as failed_task, runs.reason, runs.input
    from sluice.runs
    join sluice.workflows on workflows.id = runs.workflow_id
    left join sluice.workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
   cross join lateral (
     select count(*)::integer as total,
            count(*) filter (where tasks.state = 'SUCCESS')::integer as succeeded,
            coalesce(json_agg(task.name order by tasks.task_no) filter (where tasks.state = 'RUNNING'), '[]') as running
       from sluice.tasks
       join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
      where tasks.run_id = runs.id
   ) as tasks`;

/** Runs under way, or those that have ended; newest first. */
export async function listRuns(
  db: Connection,
  which: 'active' | 'ended',
  limit: number,
): Promise<RunSummary[]> {
  const condition = which === 'active' ? `runs.status = 'RUNNING'` : `runs.status <> 'RUNNING'`;
  const { rows } = await db.query(`${SUMMARY} where ${condition} order by runs.id desc limit $1`, [limit]);
  return rows.map(({ input: _, ...summary }) => summary);
}

/** One run with all that is known of it; undefined when there is none. */
export async function readRun(db: Connection, id: string): Promise<RunDetails | undefined> {
  const { rows: runs } = await db.query(`${SUMMARY} where runs.id = $1`, [id]);
  if (!runs[0]) return undefined;
  const { rows: tasks } = await db.query(
    `select tasks.task_no, task.name, task.connector, task.operation, tasks.state, tasks.stopped, tasks.attempt, task.retries,
            tasks.runner_id, tasks.started_at, tasks.finished_at, tasks.output, tasks.error,
            array(select parent.name
                    from sluice.workflow_edges as edge
                    join sluice.workflow_tasks as parent on parent.workflow_id = edge.workflow_id and parent.task_no = edge.parent_no
                   where edge.workflow_id = tasks.workflow_id and edge.child_no = tasks.task_no
                   order by parent.task_no) as after
       from sluice.tasks
       join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
      where tasks.run_id = $1
      order by tasks.task_no`,
    [id],
  );
  const { rows: attempts } = await db.query(
    `select task.name as task, attempts.attempt, attempts.outcome, attempts.runner_id, attempts.started_at, attempts.ended_at, attempts.error
       from sluice.attempts
       join sluice.runs on runs.id = attempts.run_id
       join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = attempts.task_no
      where attempts.run_id = $1
      order by attempts.ended_at, attempts.task_no`,
    [id],
  );
  return { ...runs[0], tasks, attempts };
}

/** Its status alone; undefined when there is no such run. */
export async function runStatus(db: Connection, id: string): Promise<RunStatus | undefined> {
  const { rows } = await db.query({
    name: 'run_status',
    text: 'select status from sluice.runs where id = $1',
    values: [id],
  });
  return rows[0]?.status;
}
