import type { ClientBase, Pool } from 'pg';
import type { Json, JsonObject } from './json.ts';
import type { Condition } from './references.ts';

/*
 * The statements of hops and of starts. The first parameter is the connection, so that callers choose
 * the transaction. Ids are text, as pg delivers a bigint; nobody calculates with them.
 */
export type Connection = Pick<ClientBase | Pool, 'query'>;

/**
 * How long a hop waits for a lock. A transaction that is left open and has locked a run for longer holds up the results of
 * that run, and no others.
 */
export const LOCK_TIMEOUT_MS = 2_000;

/** What identifies one execution of a task. Each has a new token, and a result that names an old one is refused. */
export interface Claim {
  readonly run_id: string;
  readonly task_no: number;
  readonly token: number;
}

/** A claim as a text, to look it up by. */
export function keyOf({ run_id, task_no, token }: Claim): string {
  return `${run_id}/${task_no}/${token}`;
}

export interface ClaimedTask extends Claim {
  readonly attempt: number;
  readonly workflow_id: string;
  /** The time as Postgres writes it. */
  readonly run_created_at: string;
  readonly input: JsonObject;
  /** Those that the task refers to, by task; null when there are none, or they are too large to be handed out. */
  readonly outputs: JsonObject | null;
}

export interface TaskError {
  readonly code: string;
  readonly message: string;
}

export type Result = Claim & ({ readonly output: Json } | { readonly error: TaskError });

/** A result that did not make its task SUCCESS. */
export interface Answer extends Claim {
  readonly answer: 'RETRY' | 'FAILED' | 'ALREADY' | 'LOST';
}

export interface EndedRun {
  readonly run_id: string;
  readonly answer: 'COMPLETED' | 'FAILED';
  readonly took_ms: number;
  readonly failure: { readonly task: string; readonly reason: string } | null;
}

interface FinishedRun extends EndedRun {
  readonly workflow_id: string;
}

/** What came of a hop. */
export interface Hop {
  /** A result without an answer has made its task SUCCESS. */
  readonly answers: readonly Answer[];
  readonly finished: readonly FinishedRun[];
  readonly claimed: readonly ClaimedTask[];
}

/** A task of a registered workflow, as runners need it. */
export interface StoredTask {
  readonly name: string;
  readonly connector: string;
  readonly operation: string;
  readonly parameters: Json;
  readonly condition: Condition | null;
  /** The numbers of the tasks whose outputs it refers to. */
  readonly reads: readonly number[];
  readonly retries: number;
  readonly timeout_ms: number;
}

export interface StoredWorkflow {
  readonly name: string;
  readonly tasks: ReadonlyMap<number, StoredTask>;
}

/**
 * Starts runs; gives their ids, in the order of the inputs. A key that was used before gives the run that has it. Fails with
 * WF010 when `checkedFor`, the version for which the inputs were checked, is not the newest any more.
 */
export async function startRuns(
  db: Connection,
  workflow: string,
  inputs: readonly JsonObject[],
  keys: readonly (string | null)[],
  checkedFor?: string,
): Promise<string[]> {
  const { rows } = await db.query({
    name: 'start_runs',
    text: 'select run_id from sluice.start_runs($1, $2::jsonb[], $3, $4)',
    values: [
      workflow,
      inputs.map((input) => JSON.stringify(input)),
      keys.some((key) => key !== null) ? keys : null,
      checkedFor,
    ],
  });
  return rows.map(({ run_id }) => run_id);
}

export async function loadWorkflow(db: Connection, workflowId: string): Promise<StoredWorkflow> {
  const { rows } = await db.query(
    `select workflows.name as workflow, task.task_no, task.name, task.connector, task.operation,
            task.parameters, task.condition, task.reads, task.retries, task.timeout_ms
       from sluice.workflows
       join sluice.workflow_tasks as task on task.workflow_id = workflows.id
      where workflows.id = $1`,
    [workflowId],
  );
  return {
    name: rows[0].workflow,
    tasks: new Map(rows.map((row) => [row.task_no, row])),
  };
}

const HOP =
  'answer, run_id, task_no, token, attempt, workflow_id, run_created_at::text, input, outputs, took_ms, failure';

/** No run has an id as low as this, so all runs come after it. */
export const FIRST_RUN = '0';

/**
 * A hop: results in, and at most `slots` tasks out. These are what the results made READY, and whatever else can be claimed of
 * the run `from` and of later ones. With `from` null nothing else is claimed, unless one of the results is a failure, which
 * may have to be tried again.
 */
export async function reportAndClaim(
  db: Connection,
  runnerId: number,
  results: readonly Result[],
  slots: number,
  from: string | null = FIRST_RUN,
): Promise<Hop> {
  const { rows } = await db.query({
    name: 'report_and_claim',
    text: `select ${HOP}
             from sluice.report_and_claim($1, $2, $3, $4)`,
    values: [runnerId, JSON.stringify(results), slots, from],
  });
  return sortRows(rows);
}

/** Starts a run and claims its first tasks, in one commit. Fails with WF010 as startRuns does. */
export async function startAndClaim(
  db: Connection,
  runnerId: number,
  slots: number,
  workflow: string,
  input: JsonObject,
  checkedFor?: string,
): Promise<{ runId: string; hop: Hop }> {
  const { rows } = await db.query({
    name: 'start_and_claim',
    text: `select ${HOP}
             from sluice.start_and_claim($1, $2, $3, $4, $5)`,
    values: [runnerId, slots, workflow, JSON.stringify(input), checkedFor],
  });
  const [started, ...hop] = rows;
  return { runId: started.run_id, hop: sortRows(hop) };
}

/**
 * Gives back all tasks that the runner holds, except for those in `kept` and those that another session has locked. Gives the
 * numbers of tasks that were given back and that were locked. It costs none of them an attempt; those in `crashed` may have
 * taken the server down, and are FAILED when that has happened five times.
 */
export async function giveBackOthers(
  db: Connection,
  runnerId: number,
  kept: readonly Claim[],
  crashed: readonly Claim[] = [],
): Promise<{ readonly given_back: number; readonly held: number }> {
  const { rows } = await db.query('select given_back, held from sluice.give_back_others($1, $2, $3)', [
    runnerId,
    asJson(kept),
    asJson(crashed),
  ]);
  return rows[0];
}

/**
 * Those of a runner's claims that it cannot have made in this database: it was set back (a backup was restored, or a standby
 * promoted that lagged behind), and under the same number there may be another task by now. Not those that were taken over,
 * whose tokens are old: they are refused.
 */
export async function unknownClaims(
  db: Connection,
  runnerId: number,
  claims: readonly Claim[],
): Promise<Claim[]> {
  if (claims.length === 0) return [];
  const { rows } = await db.query(
    `select claim.run_id, claim.task_no, claim.token
       from jsonb_to_recordset($2) as claim(run_id bigint, task_no integer, token integer)
       left join sluice.tasks using (run_id, task_no)
      where tasks.token is null
         or tasks.token < claim.token
         or tasks.token = claim.token and tasks.runner_id is distinct from $1`,
    [runnerId, asJson(claims)],
  );
  return rows;
}

/** The runs that have failed because one of these executions was the fifth of its task to crash. */
export async function poisonedRuns(
  db: Connection,
  crashed: readonly Claim[],
): Promise<(EndedRun & { readonly workflow: string })[]> {
  const { rows } = await db.query(
    `select runs.id as run_id, runs.workflow, runs.status as answer,
            round(1000 * date_part('epoch', runs.finished_at - runs.created_at)) as took_ms,
            jsonb_build_object('task', task.name, 'reason', runs.reason) as failure
       from jsonb_to_recordset($1) as crashed(run_id bigint, task_no integer, token integer)
       join sluice.tasks using (run_id, task_no, token)
       join sluice.runs on runs.id = tasks.run_id and runs.failed_task_no = tasks.task_no
       join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id and task.task_no = tasks.task_no
      where tasks.error ->> 'code' = 'POISON'`,
    [asJson(crashed)],
  );
  return rows;
}

function asJson(claims: readonly Claim[]): string {
  return JSON.stringify(claims.map(({ run_id, task_no, token }) => ({ run_id, task_no, token })));
}

/** The rows that a hop gives, sorted by what they are about. */
export function sortRows(rows: readonly Record<string, unknown>[]): Hop {
  const claimed: unknown[] = [];
  const answers: unknown[] = [];
  const finished: unknown[] = [];
  for (const row of rows)
    (row.answer === 'CLAIMED' ? claimed : row.task_no === null ? finished : answers).push(row);
  return {
    claimed: claimed as ClaimedTask[],
    answers: answers as Answer[],
    finished: finished as FinishedRun[],
  };
}
