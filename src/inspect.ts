import type { Json, JsonObject } from './json.ts';
import type { Connection, TaskError } from './store.ts';

/*
 * Reading runs: queries that only look. Ids are text, times are Dates.
 */

export type TaskState = 'PENDING' | 'READY' | 'RUNNING' | 'SUCCESS' | 'FAILED';
export const RUN_STATUSES = ['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  /** What it is about, as its workflow says; null while nothing of it is known. */
  readonly subject: string | null;
  readonly status: RunStatus;
  readonly key: string | null;
  readonly created_at: Date;
  readonly finished_at: Date | null;
  /** How long it took, in milliseconds, as logs and views tell it: times in JavaScript have lost their microseconds. */
  readonly took_ms: number | null;
  readonly succeeded: number;
  readonly total: number;
  /** Names of the tasks that run now. */
  readonly running: readonly string[];
  /** Dead runners whose tasks of this run nobody has taken over yet: these tasks do not run, though they are RUNNING. */
  readonly dead_runners: readonly number[];
  /** What those of its tasks wait for that could run now; null when there are none. */
  readonly waiting_for: 'a slot' | 'a runner' | null;
  readonly failed_task: string | null;
  /** Why it stopped. */
  readonly reason: string | null;
}

export interface TaskOverview {
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
  readonly ready_at: Date | null;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly error: TaskError | null;
  /** Why it was skipped. */
  readonly skipped: string | null;
  /** The run from which its output was taken over. */
  readonly reused_from: string | null;
  readonly after: readonly string[];
}

export interface TaskDetails extends TaskOverview {
  readonly output: Json;
}

export interface AttemptDetails {
  readonly task: string;
  readonly attempt: number;
  readonly outcome: 'FAILED' | 'LOST' | 'GIVEN BACK';
  readonly runner_id: number;
  readonly started_at: Date;
  readonly ended_at: Date;
  readonly error: TaskError;
}

/** A run without its outputs, which may be large. */
export interface RunOverview extends RunSummary {
  readonly input: JsonObject;
  /** The run that this one repeats. */
  readonly rerun_of: string | null;
  /** It took over what had succeeded there. */
  readonly from_failed: boolean;
  /** The runs that repeat this one. */
  readonly reruns: readonly string[];
  readonly tasks: readonly TaskOverview[];
  /** Executions that did not succeed, oldest first. */
  readonly attempts: readonly AttemptDetails[];
}

export interface RunDetails extends RunOverview {
  readonly tasks: readonly TaskDetails[];
}

/** Which runs are listed; all of them if nothing is said. */
export interface RunFilter {
  readonly workflow?: string | undefined;
  readonly statuses?: readonly RunStatus[] | undefined;
  /** Started at that time or later. */
  readonly since?: Date | undefined;
  /** Older than this run. */
  readonly before?: string | undefined;
}

/** The names of the tasks that come before `task`. */
export const PARENTS = `
  array(select parent.name
          from sluice.workflow_edges as edge
          join sluice.workflow_tasks as parent on parent.workflow_id = edge.workflow_id and parent.task_no = edge.parent_no
         where edge.workflow_id = task.workflow_id and edge.child_no = task.task_no
         order by parent.task_no)`;

const SUMMARY = `
  select runs.id, runs.workflow, workflows.version, runs.status, runs.key, runs.created_at, runs.finished_at,
         round(1000 * date_part('epoch', runs.finished_at - runs.created_at)) as took_ms,
         tasks.succeeded, tasks.total, tasks.running, tasks.dead_runners, failed.name as failed_task, runs.reason,
         case when runs.status <> 'RUNNING' or tasks.claimable = 0 then null
              when (select sluice.has_runner()) then 'a slot'
              else 'a runner' end as waiting_for,
         sluice.run_subject(runs.id) as subject
    from sluice.runs
    join sluice.workflows on workflows.id = runs.workflow_id
    left join sluice.workflow_tasks as failed on failed.workflow_id = runs.workflow_id and failed.task_no = runs.failed_task_no
   cross join lateral (
     select count(*)::integer as total,
            count(*) filter (where tasks.state = 'SUCCESS')::integer as succeeded,
            count(*) filter (where tasks.state in ('READY', 'RUNNING') and tasks.runner_id is null) as claimable,
            coalesce(json_agg(task.name order by tasks.task_no) filter (where tasks.state = 'RUNNING' and tasks.runner_id is not null and tasks.runner_id <> all (dead.ids)), '[]') as running,
            coalesce(array_agg(distinct tasks.runner_id) filter (where tasks.state = 'RUNNING' and tasks.runner_id = any (dead.ids)), '{}') as dead_runners
       from (select array(select sluice.dead_runners()) as ids) as dead
      cross join sluice.tasks
       join sluice.workflow_tasks as task on task.workflow_id = tasks.workflow_id and task.task_no = tasks.task_no
      where tasks.run_id = runs.id
   ) as tasks`;

/**
 * A query for the ids of runs under way, or of those that have ended; undefined when the filter leaves none. Adds its values
 * to `values`: the workflow, if there is one, as the last.
 */
function selectRuns(
  which: 'active' | 'ended',
  { workflow, statuses, since, before }: RunFilter,
  values: unknown[],
): string | undefined {
  const possible = statuses?.filter((status) => (status === 'RUNNING') === (which === 'active'));
  if (possible?.length === 0) return undefined;
  const conditions = [`runs.finished_at is ${which === 'active' ? '' : 'not '}null`];
  const where = (condition: string, value: unknown) =>
    conditions.push(condition.replace('?', `$${values.push(value)}`));
  if (possible) where('runs.status = any (?::sluice.run_status[])', possible);
  // The condition of the index of stopped runs, so that the planner can use it.
  if (possible?.every((status) => status === 'FAILED' || status === 'CANCELLED'))
    conditions.push('runs.reason is not null');
  if (since) where('runs.created_at >= ?', since);
  if (before !== undefined) where('runs.id < ?', before);
  if (workflow !== undefined) where('runs.workflow = ?', workflow);
  return `select runs.id from sluice.${which === 'active' ? 'active_runs' : 'runs'} as runs where ${conditions.join(' and ')}`;
}

/** Runs under way, or those that have ended; newest first. */
export async function listRuns(
  db: Connection,
  which: 'active' | 'ended',
  limit: number,
  filter: RunFilter,
): Promise<RunSummary[]> {
  const values: unknown[] = [limit];
  const newest = selectRuns(which, filter, values);
  if (newest === undefined) return [];
  // For one workflow: version by version, each as a range of (workflow_id, id), which is the order of the index. Otherwise the
  // planner may walk through all runs by id until it has met enough of a workflow that is rarely run.
  const ids =
    filter.workflow === undefined || which === 'active'
      ? `${newest} order by runs.id desc limit $1`
      : `select runs.id
           from sluice.workflows
          cross join lateral (${newest}
            and (runs.workflow_id, runs.id) > (workflows.id, 0) and (runs.workflow_id, runs.id) < (workflows.id + 1, 0)
            order by runs.workflow_id desc, runs.id desc
            limit $1) as runs
          where workflows.name = $${values.length}
          order by runs.id desc
          limit $1`;
  const { rows } = await db.query(
    `${SUMMARY} where runs.id = any (array(${ids})) order by runs.id desc`,
    values,
  );
  return rows;
}

/** How many runs are under way. */
export async function countActiveRuns(db: Connection, filter: RunFilter): Promise<number> {
  const values: unknown[] = [];
  const active = selectRuns('active', filter, values);
  if (active === undefined) return 0;
  const { rows } = await db.query(`select count(*)::integer as count from (${active}) as active`, values);
  return rows[0].count;
}

/** Whether anybody is there to run tasks. */
export async function hasRunner(db: Connection): Promise<boolean> {
  const { rows } = await db.query('select sluice.has_runner() as found');
  return rows[0].found;
}

/** One run and its tasks, without outputs; undefined when there is none. */
export async function readOverview(db: Connection, id: string): Promise<RunOverview | undefined> {
  const { rows: runs } = await db.query(
    `select summary.*, runs.input, reruns.of_run_id as rerun_of, coalesce(reruns.from_failed, false) as from_failed,
            array(select later.run_id::text from sluice.reruns as later where later.of_run_id = runs.id order by later.run_id) as reruns
       from (${SUMMARY} where runs.id = $1) as summary
       join sluice.runs on runs.id = summary.id
       left join sluice.reruns on reruns.run_id = runs.id`,
    [id],
  );
  if (!runs[0]) return undefined;
  const { rows: tasks } = await db.query(
    `select task.task_no, task.name, task.connector, task.operation, task.state, task.stopped, task.attempt, task.retries,
            task.runner_id, task.ready_at, task.started_at, task.finished_at, task.error, task.skipped, task.reused_from,
            ${PARENTS} as after
       from sluice.run_tasks as task
      where task.run_id = $1
      order by task.task_no`,
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

/** One run with all that is known of it; undefined when there is none. */
export async function readRun(db: Connection, id: string): Promise<RunDetails | undefined> {
  const run = await readOverview(db, id);
  if (!run) return undefined;
  const { rows } = await db.query('select task_no, output from sluice.tasks where run_id = $1', [id]);
  const outputs = new Map<number, Json>(rows.map(({ task_no, output }) => [task_no, output]));
  return { ...run, tasks: run.tasks.map((task) => ({ ...task, output: outputs.get(task.task_no) ?? null })) };
}

/** Its status alone; undefined when there is no such run. */
export async function readStatus(db: Connection, id: string): Promise<RunStatus | undefined> {
  const { rows } = await db.query({
    name: 'run_status',
    text: 'select status from sluice.runs where id = $1',
    values: [id],
  });
  return rows[0]?.status;
}
