import { after } from 'node:test';
import type pg from 'pg';
import type { RunStatus, TaskState } from '../../src/inspect.ts';
import type { Json } from '../../src/json.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { until } from './until.ts';

/** Who runs after whom: `{ a: [], b: [], both: ['a', 'b'] }`. */
export type Graph = Readonly<Record<string, readonly string[]>>;

interface SceneOptions {
  /** How many further attempts follow a failed one, by task. */
  readonly retries?: Readonly<Record<string, number>>;
  readonly slots?: number;
}

let database: Promise<TestDatabase> | undefined;
let drawn = 0;

/** The database of this test file; dropped when its tests are done. */
export function fileDatabase(): Promise<TestDatabase> {
  database ??= createDatabase();
  return database;
}

/** The rows that a statement gives there. */
// biome-ignore lint/suspicious/noExplicitAny: rows are what the statement asks for, as in pg itself.
export async function query(text: string, values: readonly unknown[] = []): Promise<any[]> {
  const { pool } = await fileDatabase();
  return (await pool.query(text, [...values])).rows;
}

after(async () => (await database)?.[Symbol.asyncDispose]());

/** Why a test is skipped that needs so new a Postgres; false where it is. Asked before all tests: `after` does not wait for later ones. */
export async function lacksPostgres(major: number): Promise<string | false> {
  const { pool } = await fileDatabase();
  const { rows } = await pool.query(`select current_setting('server_version_num')::integer as version`);
  return rows[0].version < major * 10_000 && `needs PostgreSQL ${major}`;
}

/** Registers a drawn graph under a name of its own; what its tasks do never matters. */
export async function draw(graph: Graph, { retries = {} }: SceneOptions = {}): Promise<string> {
  const { pool } = await fileDatabase();
  const name = `drawn_${++drawn}`;
  const tasks = Object.entries(graph).map(([task, parents]) => ({
    name: task,
    connector: 'none',
    operation: 'none',
    after: parents,
    retries: retries[task] ?? 0,
  }));
  await pool.query('select from sluice.register_workflow($1, $2)', [name, JSON.stringify(tasks)]);
  return name;
}

/** A run of a drawn graph, and a runner to move it. What is left of both is stopped when it goes out of scope. */
export async function running(graph: Graph, options: SceneOptions = {}): Promise<Scene> {
  const db = await fileDatabase();
  const workflow = await draw(graph, options);
  const { rows: runs } = await db.pool.query('select sluice.start_run($1) as id', [workflow]);
  const runner = await registerRunner(options.slots);
  const { rows } = await db.pool.query(
    'select name, task_no from sluice.workflow_tasks as task join sluice.runs using (workflow_id) where runs.id = $1',
    [runs[0].id],
  );
  return new Scene(db, {
    workflow,
    run: runs[0].id,
    runner,
    numbers: new Map(
      Object.keys(graph).map((name) => [name, rows.find((row) => row.name === name)?.task_no]),
    ),
  });
}

export async function registerRunner(slots = 100): Promise<number> {
  const { pool } = await fileDatabase();
  const { rows } = await pool.query(`select sluice.register_runner('test', 1, $1) as id`, [slots]);
  return rows[0].id;
}

interface Facts {
  readonly workflow: string;
  readonly run: string;
  readonly runner: number;
  readonly numbers: ReadonlyMap<string, number>;
}

type Row = Record<string, unknown>;

/** Moves the tasks of a run, by the functions that runners call and by plain SQL. */
class Hand {
  readonly workflow: string;
  readonly run: string;
  readonly runner: number;
  readonly #facts: Facts;
  readonly #db: Pick<pg.Pool | pg.PoolClient, 'query'>;

  constructor(db: Pick<pg.Pool | pg.PoolClient, 'query'>, facts: Facts) {
    this.workflow = facts.workflow;
    this.run = facts.run;
    this.runner = facts.runner;
    this.#facts = facts;
    this.#db = db;
  }

  /** Any statement. `$run` stands for the run's number, `$runner` for the runner's. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  async sql(text: string, values: readonly unknown[] = []): Promise<any[]> {
    const filled = text.replaceAll('$runner', String(this.runner)).replaceAll('$run', this.run);
    return (await this.#db.query(filled, [...values])).rows;
  }

  /** READY → RUNNING of these tasks by a plain update, in one statement. */
  async take(...names: readonly string[]): Promise<void> {
    await this.sql(
      `update sluice.tasks
          set state = 'RUNNING', runner_id = $runner, token = 1, attempt = 1, started_at = statement_timestamp()
        where run_id = $run and task_no = any ($1) and state = 'READY'`,
      [names.map((name) => this.number(name))],
    );
  }

  /** Reports success of these tasks in one statement; takes those that are READY first. */
  succeed(...names: readonly string[]): Promise<string[]> {
    return this.#end(names, (name) => ({ output: { from: name } }));
  }

  /** Reports failure of these tasks in one statement; takes those that are READY first. */
  fail(...names: readonly string[]): Promise<string[]> {
    return this.#end(names, (name) => ({ error: { code: 'BROKEN', message: `${name} broke` } }));
  }

  /** Reports results as they are given; the answers, in the same order. */
  async report(results: readonly Row[]): Promise<string[]> {
    const rows = await this.sql('select task_no, answer from sluice.report_and_claim(null, $1, 0)', [
      JSON.stringify(results),
    ]);
    return results.map(({ task_no }) => rows.find((row) => row.task_no === task_no)?.answer ?? 'SUCCESS');
  }

  /** What this runner claims now, as `name` in the order of the run. */
  async claim(slots: number, runner = this.runner): Promise<string[]> {
    const rows = await this.sql(
      `select run_id, task_no from sluice.report_and_claim($1, '[]', $2) order by run_id, task_no`,
      [runner, slots],
    );
    return rows.map(({ run_id, task_no }) =>
      run_id === this.run ? this.nameOf(task_no) : `of run ${run_id}`,
    );
  }

  async state(name: string): Promise<TaskState> {
    return (await this.task(name)).state;
  }

  /** All states, in the order in which the tasks were drawn: `a SUCCESS, b READY`. */
  async states(): Promise<string> {
    const rows = await this.sql('select task_no, state from sluice.tasks where run_id = $run');
    const states = new Map(rows.map(({ task_no, state }) => [task_no, state]));
    return [...this.#facts.numbers].map(([name, number]) => `${name} ${states.get(number)}`).join(', ');
  }

  async status(): Promise<RunStatus> {
    return (await this.sql('select status from sluice.runs where id = $run'))[0].status;
  }

  /** A task's row. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  async task(name: string): Promise<any> {
    return (
      await this.sql('select * from sluice.tasks where run_id = $run and task_no = $1', [this.number(name)])
    )[0];
  }

  /** What would be reported for a task: its claim, with the token that it has now. */
  async claimOf(name: string): Promise<Row> {
    return { run_id: this.run, task_no: this.number(name), token: (await this.task(name)).token };
  }

  number(name: string): number {
    const number = this.#facts.numbers.get(name);
    if (number === undefined) throw new Error(`there is no task ${name} in this scene`);
    return number;
  }

  nameOf(number: number): string {
    return [...this.#facts.numbers].find(([, one]) => one === number)?.[0] ?? `#${number}`;
  }

  async #end(names: readonly string[], result: (name: string) => Record<string, Json>): Promise<string[]> {
    await this.take(...names);
    const tokens = await this.sql(
      'select task_no, token from sluice.tasks where run_id = $run and task_no = any ($1)',
      [names.map((name) => this.number(name))],
    );
    const token = new Map(tokens.map((row) => [row.task_no, row.token]));
    return this.report(
      names.map((name) => ({
        run_id: this.run,
        task_no: this.number(name),
        token: token.get(this.number(name)),
        ...result(name),
      })),
    );
  }
}

export class Scene extends Hand implements AsyncDisposable {
  readonly db: TestDatabase;
  readonly #facts: Facts;

  constructor(db: TestDatabase, facts: Facts) {
    super(db.pool, facts);
    this.db = db;
    this.#facts = facts;
  }

  /** A transaction of its own; rolled back unless it is committed. */
  async transaction(): Promise<Transaction> {
    const client = await this.db.pool.connect();
    await client.query('begin');
    return new Transaction(client, this.#facts);
  }

  /** The tasks' moves as `PENDING → READY`, in order; all tasks', or one's. */
  async transitions(name?: string): Promise<string[]> {
    const rows = await this.sql(
      `select from_state, to_state from sluice.transitions
        where run_id = $run and ($1::integer is null or task_no = $1)
        order by at, task_no, to_state`,
      [name === undefined ? null : this.number(name)],
    );
    return rows.map(({ from_state, to_state }) => `${from_state} → ${to_state}`);
  }

  /** The task's executions that did not succeed, as `1 FAILED: why`. */
  async attempts(name: string): Promise<string[]> {
    const rows = await this.sql(
      'select attempt, outcome, error from sluice.attempts where run_id = $run and task_no = $1 order by token',
      [this.number(name)],
    );
    return rows.map(({ attempt, outcome, error }) => `${attempt} ${outcome}: ${error.message}`);
  }

  someoneWaitsForALock(count = 1): Promise<void> {
    return someoneWaitsForALock(count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql(
      `select sluice.cancel_run(id) from sluice.runs where workflow = $1 and status = 'RUNNING'`,
      [this.workflow],
    );
    await this.sql(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);
  }
}

/** A transaction that stays open until the test says otherwise. */
class Transaction extends Hand implements AsyncDisposable {
  readonly #client: pg.PoolClient;
  #open = true;

  constructor(client: pg.PoolClient, facts: Facts) {
    super(client, facts);
    this.#client = client;
  }

  commit(): Promise<void> {
    return this.#finish('commit');
  }

  rollback(): Promise<void> {
    return this.#finish('rollback');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) await this.rollback();
  }

  async #finish(how: 'commit' | 'rollback'): Promise<void> {
    this.#open = false;
    await this.#client.query(how);
    this.#client.release();
  }
}

/** Whoever a restart of the server cut off has time to come back, so nobody is dead in its first moments. */
export async function serverIsUpForAWhile(): Promise<void> {
  const { pool } = await fileDatabase();
  const isUp = `select clock_timestamp() - pg_postmaster_start_time() > '2 s' as long_enough`;
  await until(async () => (await pool.query(isUp)).rows[0].long_enough, 'the server to be up for a while');
}

/** Nobody writes to the table until this goes out of scope. */
export async function lockTable(table: string): Promise<AsyncDisposable> {
  const { pool } = await fileDatabase();
  const client = await pool.connect();
  await client.query(`begin; lock table ${table} in share mode`);
  const unlock = async () => {
    await client.query('rollback');
    client.release();
  };
  return { [Symbol.asyncDispose]: unlock };
}

/** Resolves when as many sessions of this database, the file's if not given, wait for a lock. */
export async function someoneWaitsForALock(count = 1, pool?: pg.Pool): Promise<void> {
  const db = pool ?? (await fileDatabase()).pool;
  await until(async () => {
    const { rows } = await db.query(
      `select count(*)::integer as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows[0].waiting >= count;
  }, `${count} sessions to wait for a lock`);
}
