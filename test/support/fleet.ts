import { DatabaseConnector } from '../../src/connectors/database.ts';
import { createPool, openClient } from '../../src/database/connect.ts';
import { migrate } from '../../src/database/migrate.ts';
import { type Engine, openEngine } from '../../src/engine.ts';
import type { RunDetails } from '../../src/inspect.ts';
import type { JsonObject } from '../../src/json.ts';
import { TABLES, TortureConnector } from '../torture/connector.ts';
import { createDatabase } from './database.ts';
import { isSound } from './doctor.ts';
import { RunnerProcess, type RunnerProcessOptions } from './runner_process.ts';
import { until } from './until.ts';

/** A task by its operation of the torture connector, and whom it comes after. */
type Plan = Readonly<Record<string, readonly [operation: string, ...after: string[]]>>;

/** A database, and processes that run tasks on it. In the end all stop, and what they leave has to be sound. */
export class Fleet implements AsyncDisposable {
  readonly url: string;
  readonly engine: Engine;
  readonly pool: ReturnType<typeof createPool>;
  readonly runners: RunnerProcess[] = [];
  readonly #dispose: () => Promise<void>;
  #planned = 0;

  private constructor(url: string, dispose: () => Promise<void>) {
    this.url = url;
    this.pool = createPool(url, { name: 'test', max: 4 });
    const connectors = { database: new DatabaseConnector(), torture: new TortureConnector(this.pool) };
    this.engine = openEngine({ connectionString: url, connectors });
    this.#dispose = dispose;
  }

  /** On a database of its own: in the cluster that tests share, or in one that is given. */
  static async open(cluster?: string): Promise<Fleet> {
    const { url, dispose } = cluster === undefined ? await inShared() : await inCluster(cluster);
    const fleet = new Fleet(url, dispose);
    await fleet.pool.query(TABLES);
    return fleet;
  }

  /** Registers what is planned. */
  async plan(plan: Plan, retries = 0): Promise<string> {
    const name = `planned_${++this.#planned}`;
    const tasks = Object.entries(plan).map(([task, [operation, ...after]]) => ({
      ...{ name: task, connector: 'torture', operation, after, retries },
      parameters: { run: { $run: ['id'] }, task } as unknown as JsonObject,
    }));
    await this.pool.query('select from sluice.register_workflow($1, $2)', [name, JSON.stringify(tasks)]);
    return name;
  }

  async start(plan: Plan, retries = 0): Promise<string> {
    return this.engine.startRun(await this.plan(plan, retries));
  }

  /** A runner that is ready. */
  launch(options: RunnerProcessOptions & { readonly url?: string } = {}): Promise<RunnerProcess> {
    return this.spawn(options).ready();
  }

  spawn({
    url = this.url,
    ...options
  }: RunnerProcessOptions & { readonly url?: string } = {}): RunnerProcess {
    const runner = new RunnerProcess(url, { directUrl: this.url, ...options });
    this.runners.push(runner);
    return runner;
  }

  /** Lets the held tasks of a run through. */
  async openGate(run: string): Promise<void> {
    await this.pool.query('insert into public.gates values ($1)', [run]);
  }

  /** Waits until a held task has been run so many times. */
  async held(run: string, times = 1): Promise<void> {
    await until(async () => (await this.count('calls', run)) >= times, `${times} executions of run ${run}`);
  }

  async count(table: 'effects' | 'calls', run: string): Promise<number> {
    const { rows } = await this.pool.query(
      `select count(*)::integer as count from public.${table} where run = $1`,
      [run],
    );
    return rows[0].count;
  }

  /** Waits for the end of a run. */
  ended(run: string, patienceMs = 30_000): Promise<RunDetails> {
    return this.engine.waitForRun(run, AbortSignal.timeout(patienceMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.runners.map((runner) => runner.isAlive && runner.stop()));
    try {
      await isSound(this.pool);
    } finally {
      await this.engine[Symbol.asyncDispose]();
      await this.pool.end();
      await this.#dispose();
    }
  }
}

/** How the executions of a run ended that did not succeed. */
export function outcomes({ attempts }: RunDetails): string[] {
  return attempts.map(({ attempt, outcome }) => `${attempt} ${outcome}`);
}

interface Place {
  readonly url: string;
  readonly dispose: () => Promise<void>;
}

async function inShared(): Promise<Place> {
  const db = await createDatabase();
  return { url: db.url, dispose: async () => db[Symbol.asyncDispose]() };
}

let made = 0;

async function inCluster(cluster: string): Promise<Place> {
  const url = new URL(cluster);
  url.pathname = `/fleet_${++made}`;
  const client = await openClient(cluster);
  await client.query(`create database fleet_${made}`);
  await client.end();
  await migrate(url.href);
  // It disappears with its cluster.
  return { url: url.href, dispose: async () => {} };
}
