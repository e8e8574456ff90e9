import type { Pool } from 'pg';
import { createPool } from './database/connect.ts';
import { migrate, requireSchema } from './database/migrate.ts';
import { databaseUrlProblems } from './database/url.ts';
import { Declarations, keyProblem, readDeclaration } from './declarations.ts';
import { codeOf, UsageError } from './errors.ts';
import {
  explain,
  type Graph,
  listBlockers,
  listEvents,
  listWorkflows,
  type Reason,
  type RunEvent,
  readGraph,
  type WorkflowStatistics,
} from './explain.ts';
import {
  countActiveRuns,
  hasRunner,
  listRuns,
  type RunDetails,
  type RunFilter,
  type RunOverview,
  type RunStatus,
  type RunSummary,
  readOverview,
  readRun,
  readStatus,
} from './inspect.ts';
import type { JsonObject } from './json.ts';
import { type Log, SILENT } from './log.ts';
import { type Registered, register } from './register.ts';
import { Runner } from './runner/runner.ts';
import { cancelRun, countPrunable, pruneSome, rerun } from './steer.ts';
import { startRuns } from './store.ts';
import { follow, waitForDatabase, waitForRun } from './waiting.ts';
import type { Connectors, Workflow } from './workflow.ts';

export interface EngineOptions {
  /** A postgres:// URL of the database that holds everything. */
  readonly connectionString: string;
  /** What tasks may use, by the names under which workflows call them. */
  readonly connectors: Connectors;
  /** What `register` registers. */
  readonly workflows?: readonly Workflow[];
  /** Told what runners do; silent if not given. */
  readonly log?: Log;
}

export interface Start {
  /** What the workflow declares; what is left out gets its default. */
  readonly input?: JsonObject;
  /** Starting again with the same key gives the same run. Another input with a used key is an error. */
  readonly key?: string | undefined;
}

export interface RunnerSettings {
  /** How many tasks run at once; 20 if not given. */
  readonly slots?: number;
  /** Stops the runner: see `graceMs`. */
  readonly signal: AbortSignal;
  /** How long running tasks may take to end once it stops, in milliseconds; what is left is given back. 10000 if not given. */
  readonly graceMs?: number;
  /** Told once, when it listens and may claim. */
  readonly onReady?: (runnerId: number) => void;
}

/** The largest `integer` of Postgres. */
const MOST_SLOTS = 2 ** 31 - 1;

/**
 * What the commands do with workflows and runs, for programs. Dispose of it when done:
 * `await using engine = openEngine(…)`.
 */
export class Engine implements AsyncDisposable {
  readonly #options: EngineOptions;
  readonly #pool: Pool;
  /** The runners of this process, until they have stopped. */
  readonly #runners = new Map<Runner, Promise<void>>();
  readonly #disposal = new AbortController();
  readonly #declarations: Declarations;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#pool = createPool(options.connectionString, { name: 'engine', max: 4 });
    this.#declarations = new Declarations(this.#pool);
  }

  /** Resolves when the database answers, or the signal aborts; says once that it waits. Other failures are thrown. */
  waitForDatabase(signal: AbortSignal, say: (line: string) => void): Promise<void> {
    return waitForDatabase(this.#pool, this.#options.connectionString, signal, say);
  }

  /** Brings the database up to date; says which migrations were new. Others may do so at the same moment. */
  migrate(say?: (line: string) => void): Promise<string[]> {
    return migrate(this.#options.connectionString, say);
  }

  /**
   * Registers all workflows or none; a changed one becomes a new version. Throws a DefinitionError with all problems of all,
   * or a SchemaError when the database is newer or older than this checkout.
   */
  async register(): Promise<Registered[]> {
    const { workflows = [], connectors } = this.#options;
    await requireSchema(this.#pool);
    return register(this.#pool, workflows, connectors);
  }

  /** Starts a run of the newest version; gives its id. Throws a UsageError when the input is not what is declared. */
  async startRun(workflow: string, start: Start = {}): Promise<string> {
    const [runId] = await this.startRuns(workflow, [start]);
    if (runId === undefined) throw new Error('no run was started');
    return runId;
  }

  /** Starts many runs in one transaction: all or none. Their ids are in the order of the starts. */
  async startRuns(workflow: string, starts: readonly Start[]): Promise<string[]> {
    const inputs = starts.map(({ input }) => input ?? {});
    const keys = starts.map(({ key }) => key ?? null);
    for (const key of keys) {
      const problem = key === null ? undefined : keyProblem(key);
      if (problem)
        throw new UsageError(`BAD_KEY the key of a run of ${workflow}: ${problem}. Nothing was started.`);
    }
    for (;;) {
      const checkedFor = await this.checkInputs(workflow, inputs);
      try {
        return await this.#start(workflow, inputs, keys, checkedFor);
      } catch (error) {
        // Somebody has registered a new version meanwhile, which may ask something else of inputs.
        if (codeOf(error) !== 'WF010') throw error;
        this.#declarations.forget(workflow);
      }
    }
  }

  /**
   * A single run is started by a runner of this process if one has time for it, as that can begin with it at once. Not a run
   * with a key: another session may have locked that key for long.
   */
  async #start(
    workflow: string,
    inputs: readonly JsonObject[],
    keys: readonly (string | null)[],
    checkedFor: string | undefined,
  ): Promise<string[]> {
    const [input, ...others] = inputs;
    if (input && others.length === 0 && keys[0] === null) {
      for (const runner of this.#runners.keys()) {
        const runId = await runner.startRun(workflow, input, checkedFor);
        if (runId !== undefined) return [runId];
      }
    }
    return startRuns(this.#pool, workflow, inputs, keys, checkedFor);
  }

  /**
   * Runs tasks until the signal aborts, or the engine is disposed of. Throws a UsageError when there are no slots. Meanwhile
   * an error that nobody in the process catches ends this with that error, and not the process: but for one that a task has
   * caused, which fails that task, and unless the process has listeners of its own for such errors.
   */
  async run({ slots = 20, graceMs = 10_000, signal, ...settings }: RunnerSettings): Promise<void> {
    if (!Number.isInteger(slots) || slots < 1 || slots > MOST_SLOTS)
      throw new UsageError(`BAD_SLOTS a runner has 1 to ${MOST_SLOTS} slots, a whole number, not ${slots}.`);
    const { connectionString: url, connectors, log = SILENT } = this.#options;
    const end = AbortSignal.any([signal, this.#disposal.signal]);
    const runner = new Runner({ url, connectors, log, slots, graceMs, signal: end, ...settings });
    const running = runner.run();
    this.#runners.set(runner, running);
    try {
      await running;
    } finally {
      this.#runners.delete(runner);
    }
  }

  /** One run with its tasks, attempts, outputs and errors; undefined when there is none. */
  readRun(id: string): Promise<RunDetails | undefined> {
    return readRun(this.#pool, id);
  }

  /** The status of a run; undefined when there is no such run. */
  readStatus(id: string): Promise<RunStatus | undefined> {
    return readStatus(this.#pool, id);
  }

  /** The same as readRun without outputs, which may be large. */
  readOverview(id: string): Promise<RunOverview | undefined> {
    return readOverview(this.#pool, id);
  }

  /** Runs, newest first. */
  listRuns(which: 'active' | 'ended', limit = 20, filter: RunFilter = {}): Promise<RunSummary[]> {
    return listRuns(this.#pool, which, limit, filter);
  }

  /** How many runs are under way. */
  countActiveRuns(filter: RunFilter = {}): Promise<number> {
    return countActiveRuns(this.#pool, filter);
  }

  /** Whether any runner is alive. */
  hasRunner(): Promise<boolean> {
    return hasRunner(this.#pool);
  }

  /** All that happened to a run, in order. */
  listEvents(id: string): Promise<RunEvent[]> {
    return listEvents(this.#pool, id);
  }

  /** Why each task of a run has not run, or what became of it. */
  explain(id: string): Promise<Reason[]> {
    return explain(this.#pool, id);
  }

  /** What a task of a run waits for in the end, upstream of its parents. */
  listBlockers(id: string, task: string): Promise<Reason[]> {
    return listBlockers(this.#pool, id, task);
  }

  /** All registered workflows, and how their last 1,000 runs went. */
  listWorkflows(): Promise<WorkflowStatistics[]> {
    return listWorkflows(this.#pool);
  }

  /** The shape of the newest version of a workflow; undefined when there is none of that name. */
  readGraph(workflow: string): Promise<Graph | undefined> {
    return readGraph(this.#pool, workflow);
  }

  /**
   * What `look` sees, again and again until the signal aborts: at once when the doorbell rings, soon after a change, else four
   * times a second. Waits out restarts of the database.
   */
  follow<T>(
    look: () => Promise<T>,
    signal: AbortSignal,
    onTrouble?: (line: string | undefined) => void,
  ): AsyncGenerator<T> {
    return follow(this.#options.connectionString, look, signal, onTrouble);
  }

  /**
   * Resolves when the run has ended. Short runs are looked at often, long ones twenty times a second; restarts of the
   * database are waited out.
   */
  waitForRun(id: string, signal?: AbortSignal): Promise<RunDetails> {
    return waitForRun(this.#pool, id, signal);
  }

  /** Stops a run: what has not begun will not, what runs is told. False when it had ended before. */
  cancelRun(id: string, by: string): Promise<boolean> {
    return cancelRun(this.#pool, id, by);
  }

  /**
   * Starts a run again, of the same version and with the same input; gives the new run's id. From where it failed, it
   * takes over what had succeeded and runs the rest.
   */
  rerun(id: string, by: string, fromFailed = false): Promise<string> {
    return rerun(this.#pool, id, fromFailed, by);
  }

  /** How many runs ended longer ago than `age`, an interval of Postgres, and can be deleted. */
  countPrunable(age: string): Promise<number> {
    return countPrunable(this.#pool, age);
  }

  /**
   * Deletes those runs with all they have left, so many in each transaction that nobody has to wait for it. Yields how many it
   * has deleted each time.
   */
  async *prune(age: string, batch = 1000): AsyncGenerator<number> {
    for (;;) {
      const deleted = await pruneSome(this.#pool, age, batch);
      if (deleted === 0) return;
      yield deleted;
    }
  }

  /** The JSON Schema of what a run of the workflow is started with. */
  async inputSchema(workflow: string): Promise<JsonObject | undefined> {
    return (await readDeclaration(this.#pool, workflow))?.schema;
  }

  /** Throws a UsageError unless all are what the workflow declares; gives the version that it looked at. */
  checkInputs(workflow: string, inputs: readonly JsonObject[]): Promise<string | undefined> {
    return this.#declarations.check(workflow, inputs);
  }

  /** Stops what runs here, as its signal would. Other calls under way have five seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort();
    await Promise.allSettled(this.#runners.values());
    await this.#pool.end();
  }
}

/** An engine on a database. Connects when it has to. Throws a UsageError when the connection string is none. */
export function openEngine(options: EngineOptions): Engine {
  // From the environment mostly, where there may be none.
  const problems = databaseUrlProblems(options.connectionString ?? '');
  if (problems.length > 0)
    throw new UsageError(problems.map((problem) => `BAD_DATABASE_URL ${problem}`).join('\n'));
  return new Engine(options);
}
