import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import type { Pool } from 'pg';
import {
  createPool,
  describeConnectionFailure,
  isConnectionFailure,
  isDatabaseExhausted,
} from './database/connect.ts';
import { Doorbell, type Listening, listen } from './doorbell.ts';
import { ConnectorError, DatabaseUnavailableError, messageOf } from './errors.ts';
import { catchStrayErrors, type Execution, execute, type Outcome } from './execution.ts';
import type { Log } from './log.ts';
import { Narrator } from './narrator.ts';
import { Session } from './session.ts';
import {
  type Claim,
  type ClaimedTask,
  endRunner,
  giveBackOthers,
  type Hop,
  loadWorkflow,
  type Result,
  reportAndClaim,
  type StoredWorkflow,
} from './store.ts';
import type { Connectors } from './workflow.ts';

export interface RunnerOptions {
  readonly url: string;
  readonly connectors: Connectors;
  readonly log: Log;
  /** How many tasks run at once. */
  readonly slots: number;
  /** Ends the runner: it claims nothing more and waits for what runs, `graceMs` at the most; the rest is given back. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
  /** Told once, when the runner is listening and may claim. */
  readonly onReady?: (runnerId: number) => void;
}

const BEAT_MS = 1_000;
const RECONNECT_MS = 250;
/** The task's transactions at a time; more slots than these share them. */
const TRANSACTIONS = 10;

/** Runs tasks until the signal aborts. Survives restarts of the database; waits for one that is not up yet. */
export async function runRunner(options: RunnerOptions): Promise<void> {
  using _ = catchStrayErrors();
  await new Runner(options).run();
}

class Runner {
  readonly #options: RunnerOptions;
  readonly #bell = new Doorbell();
  readonly #pool: Pool;
  readonly #narrator: Narrator;
  readonly #executions = new Map<string, Execution>();
  readonly #workflows = new Map<string, StoredWorkflow>();
  #results: Result[] = [];
  #session: Session | undefined;
  #runnerId: number | undefined;
  /** A call failed, so the database may hold us to tasks that we do not know of. */
  #mustReconcile = false;
  #stopping = false;
  #trouble: string | undefined;
  #beating = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#pool = createPool(options.url, { name: 'task', max: Math.min(options.slots, TRANSACTIONS) });
    this.#narrator = new Narrator(options.log);
  }

  async run(): Promise<void> {
    const { signal, url, onReady } = this.#options;
    const stop = () => this.#stop();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const heart = setInterval(() => this.#beat(), BEAT_MS);
    let listening: Listening | undefined;
    try {
      await this.#connect();
      listening = await this.#listen(url);
      if (this.#runnerId !== undefined) onReady?.(this.#runnerId);
      while (!(this.#stopping && this.#executions.size === 0 && this.#results.length === 0))
        await this.#turn();
    } finally {
      clearInterval(heart);
      signal.removeEventListener('abort', stop);
      await listening?.[Symbol.asyncDispose]();
      await this.#leave();
      await this.#pool.end();
    }
  }

  /** One hop, or the wait for a reason to make one. Results gather while a hop is under way. */
  async #turn(): Promise<void> {
    try {
      await this.#connect();
      if (!this.#session) return;
      if (this.#mustReconcile) await this.#reconcile(this.#session);

      const free = this.#stopping ? 0 : this.#options.slots - this.#executions.size;
      const rung = this.#bell.answer();
      if (this.#results.length === 0 && !(rung && free > 0)) {
        await this.#bell.next();
        // Whatever finishes in this tick goes into the same hop.
        await immediate();
        return;
      }
      const batch = this.#results;
      this.#results = [];
      try {
        const hop = await reportAndClaim(this.#session.hops, this.#session.runnerId, batch, free);
        this.#trouble = undefined;
        await this.#settle(hop, free);
      } catch (error) {
        this.#results.unshift(...batch);
        throw error;
      }
    } catch (error) {
      await this.#recover(error);
    }
  }

  async #settle(hop: Hop, free: number): Promise<void> {
    this.#narrator.tell(hop);
    // There may be more than we had room for.
    if (free > 0 && hop.claimed.length === free) this.#bell.ring();
    const ids = new Set(hop.claimed.map(({ workflow_id }) => workflow_id));
    for (const id of ids)
      if (!this.#workflows.has(id)) this.#workflows.set(id, await loadWorkflow(this.#pool, id));
    for (const task of hop.claimed) void this.#start(task);
  }

  async #start(task: ClaimedTask): Promise<void> {
    const workflow = this.#workflows.get(task.workflow_id);
    const definition = workflow?.tasks.get(task.task_no);
    if (!workflow || !definition)
      throw new Error(`task ${task.task_no} of workflow ${task.workflow_id} is not in the database`);
    const log = this.#narrator.started(task, workflow.name, definition);
    const execution = execute(task, definition, {
      connectors: this.#options.connectors,
      pool: this.#pool,
      log,
    });
    const key = keyOf(task);
    this.#executions.set(key, execution);
    const outcome = await execution.outcome;
    // Not ours any more, if it was abandoned with our identity or at the end.
    if (this.#executions.get(key) !== execution) return;
    this.#executions.delete(key);
    this.#finish(task, outcome);
    this.#bell.ring();
  }

  #finish(task: ClaimedTask, outcome: Outcome): void {
    if (outcome.kind === 'interrupted') {
      this.#narrator.interrupted(task, outcome.cause);
      this.#mustReconcile = true;
      return;
    }
    this.#narrator.ended(outcome.result);
    if (outcome.kind === 'committed') this.#narrator.tell(outcome.hop);
    else this.#results.push(outcome.result);
  }

  /** The sign of life, and news that need no hurry: the backstop for rings that were lost. */
  async #beat(): Promise<void> {
    const session = this.#session;
    if (!session || this.#beating) return;
    this.#beating = true;
    try {
      const pulse = await session.beat();
      if (!pulse.alive) {
        this.#loseIdentity(session);
      } else {
        if (pulse.claimable) this.#bell.ring();
        for (const id of pulse.lost_runners)
          this.#options.log.warn({ lost_runner: id }, `runner ${id} is dead; its tasks are taken over`);
        for (const { task, stop } of this.#executions.values()) {
          if (pulse.stopped_runs.includes(task.run_id))
            stop(new ConnectorError('RUN_STOPPED', `run ${task.run_id} has stopped`));
        }
      }
    } catch (error) {
      if (this.#session === session) await this.#recover(error);
    } finally {
      this.#beating = false;
    }
  }

  async #connect(): Promise<void> {
    while (!this.#session && !(this.#stopping && this.#executions.size === 0)) {
      try {
        const session = await Session.open(this.#options.url, this.#options.slots, this.#runnerId);
        if (session.isNew && this.#runnerId !== undefined)
          this.#abandonAll(`runner ${this.#runnerId} was thought dead`);
        if (this.#trouble) this.#options.log.info({ runner: session.runnerId }, 'the database is back');
        this.#session = session;
        this.#runnerId = session.runnerId;
        this.#mustReconcile = !session.isNew;
        this.#trouble = undefined;
        this.#bell.ring();
      } catch (error) {
        if (!isConnectionFailure(error) && !isDatabaseExhausted(error)) throw error;
        this.#say(error);
        await delay(RECONNECT_MS);
      }
    }
  }

  async #recover(error: unknown): Promise<void> {
    const session = this.#session;
    if (session && codeOf(error) === 'WF006') {
      this.#loseIdentity(session);
    } else if (isConnectionFailure(error) || isQueryTimeout(error)) {
      this.#say(error);
      this.#session = undefined;
      // Not awaited: a connection that does not answer takes its time to end.
      void session?.[Symbol.asyncDispose]();
      this.#bell.ring();
    } else if (isDatabaseExhausted(error)) {
      this.#say(error);
      this.#mustReconcile = true;
      await delay(BEAT_MS);
      this.#bell.ring();
    } else {
      throw error;
    }
  }

  /** Somebody took our tasks over: nothing that we have is worth reporting, and we go on as somebody else. */
  #loseIdentity(session: Session): void {
    if (this.#session !== session) return;
    this.#abandonAll(`runner ${session.runnerId} was thought dead`);
    this.#session = undefined;
    void session[Symbol.asyncDispose]();
    this.#bell.ring();
  }

  #abandonAll(why: string): void {
    this.#options.log.warn(
      { runner: this.#runnerId ?? null, tasks: this.#executions.size },
      `${why}: its tasks were taken over, and it goes on under a new identity`,
    );
    this.#runnerId = undefined;
    this.#results = [];
    for (const execution of this.#executions.values()) execution.abandon(new ConnectorError('LOST', why));
    this.#executions.clear();
  }

  /** Gives back what the database thinks we run and we do not: the answer to a claim may have been lost. */
  async #reconcile(session: Session): Promise<void> {
    const known: Claim[] = [...[...this.#executions.values()].map(({ task }) => task), ...this.#results];
    const count = await giveBackOthers(session.hops, session.runnerId, known);
    if (count > 0)
      this.#options.log.info(
        { runner: session.runnerId, tasks: count },
        `gave back ${count} interrupted tasks`,
      );
    this.#mustReconcile = false;
  }

  async #listen(url: string): Promise<Listening | undefined> {
    const onRing = (channel: string) => (channel === 'run_stopped' ? void this.#beat() : this.#bell.ring());
    try {
      const listening = await listen(url, ['task_ready', 'run_stopped'], onRing, (error) => this.#say(error));
      if (await listening.verify()) return listening;
      this.#options.log.warn(
        {},
        'NOTIFY does not arrive (is a pooler in transaction mode in between?): looking for work once a second instead',
      );
      return listening;
    } catch (error) {
      this.#options.log.warn(
        {},
        `cannot listen: ${messageOf(error)}; looking for work once a second instead`,
      );
      return undefined;
    }
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const { log, graceMs } = this.#options;
    const names = [...this.#executions.values()].map(
      ({ task, definition }) => `run ${task.run_id} ${definition.name}`,
    );
    if (names.length > 0) {
      const some = names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
      log.info(
        { tasks: names.length },
        `stopping: waiting up to ${graceMs / 1000} s for ${names.length} running tasks (${some})`,
      );
      const timer = setTimeout(() => {
        for (const execution of this.#executions.values())
          execution.abandon(new ConnectorError('SHUTDOWN', 'the runner stops'));
        this.#executions.clear();
        this.#bell.ring();
      }, graceMs);
      timer.unref();
    }
    this.#bell.ring();
  }

  async #leave(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    try {
      const count = await endRunner(session.hops, session.runnerId);
      this.#options.log.info(
        { runner: session.runnerId },
        `runner ${session.runnerId} stopped${count ? `; ${count} tasks were given back` : ''}`,
      );
    } catch (error) {
      this.#options.log.warn(
        { runner: session.runnerId },
        `could not sign off: ${messageOf(error)}; what runs is taken over by others`,
      );
    }
    await session[Symbol.asyncDispose]();
  }

  /** Once per trouble, not once per attempt. */
  #say(error: unknown): void {
    const line =
      error instanceof DatabaseUnavailableError
        ? error.message
        : describeConnectionFailure(error, this.#options.url);
    if (this.#trouble === line) return;
    this.#trouble = line;
    this.#options.log.warn({}, `${line} Waiting for the database.`);
  }
}

function keyOf({ run_id, task_no, token }: Claim): string {
  return `${run_id}/${task_no}/${token}`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function isQueryTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}
