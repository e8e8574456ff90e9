import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import type { Pool } from 'pg';
import { createPool, isConflict, isConnectionFailure, isDatabaseExhausted } from './database/connect.ts';
import { Doorbell, type Listening, listen } from './doorbell.ts';
import { ConnectorError, messageOf } from './errors.ts';
import { catchStrayErrors, type Execution, execute, type Outcome } from './execution.ts';
import type { Log } from './log.ts';
import { Narrator } from './narrator.ts';
import { Session } from './session.ts';
import {
  type Claim,
  type ClaimedTask,
  failure,
  giveBackOthers,
  type Hop,
  loadWorkflow,
  type Result,
  reportAndClaim,
  ringDoorbell,
  type StoredWorkflow,
} from './store.ts';
import { Trouble } from './trouble.ts';
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
const SUM_UP_MS = 60_000;
const RECONNECT_MS = 250;
const LISTEN_AGAIN_MS = 10_000;
/** The task's transactions at a time; more slots than these share them. */
const TRANSACTIONS = 10;

/** Runs tasks until the signal aborts. Survives restarts of the database; waits for one that is not up yet. */
export async function runRunner(options: RunnerOptions): Promise<void> {
  const runner = new Runner(options);
  using _ = catchStrayErrors((error) => runner.fail(error));
  await runner.run();
}

class Runner {
  readonly #options: RunnerOptions;
  readonly #bell = new Doorbell();
  readonly #pool: Pool;
  readonly #narrator: Narrator;
  readonly #trouble: Trouble;
  readonly #taskTrouble: Trouble;
  readonly #executions = new Map<string, Execution>();
  readonly #workflows = new Map<string, StoredWorkflow>();
  #results: Result[] = [];
  #session: Session | undefined;
  #runnerId: number | undefined;
  #listening: Listening | undefined;
  #beating = false;
  /** A call failed, so the database may hold us to tasks that we do not know of. */
  #mustReconcile = false;
  /** A task could not use the database: nothing more is claimed until the next beat. */
  #resting = false;
  /** The database refused a batch of results: one at a time shows which of them it was. */
  #oneByOne = false;
  #stopping = false;
  #left = false;
  /** Resolves when waiting has an end: the grace is over. Rejects when something failed that should not. */
  readonly #over: Promise<void>;
  #giveUp: () => void = () => {};
  fail: (error: unknown) => void = () => {};

  constructor(options: RunnerOptions) {
    const { url, log, slots } = options;
    this.#options = options;
    this.#pool = createPool(url, { name: 'task', max: Math.min(slots, TRANSACTIONS) });
    this.#narrator = new Narrator(log);
    this.#trouble = new Trouble(log, url, 'Waiting for the database.');
    this.#taskTrouble = new Trouble(log, url, 'Tasks that need it are interrupted, and run again.');
    this.#over = new Promise((resolve, reject) => {
      this.#giveUp = resolve;
      this.fail = reject;
    });
    this.#over.catch(() => {});
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const stop = () => this.#stop();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const heart = setInterval(() => this.#beat(), BEAT_MS);
    const minute = setInterval(() => this.#narrator.sumUp(), SUM_UP_MS);
    try {
      await Promise.race([this.#work(), this.#over]);
    } finally {
      this.#left = true;
      clearInterval(heart);
      clearInterval(minute);
      signal.removeEventListener('abort', stop);
      this.#abandonAll(new ConnectorError('SHUTDOWN', 'the runner stops'));
      await Promise.all([this.#listening?.[Symbol.asyncDispose](), this.#leave()]);
      await this.#pool.end();
    }
  }

  async #work(): Promise<void> {
    while (!this.#session && !this.#isDone) await this.#connect();
    if (this.#isDone) return;
    await this.#listen();
    if (this.#runnerId !== undefined) this.#options.onReady?.(this.#runnerId);
    while (!this.#isDone) await this.#turn();
  }

  get #isDone(): boolean {
    return this.#left || (this.#stopping && this.#executions.size === 0 && this.#results.length === 0);
  }

  /** One hop, or the wait for a reason to make one. Results gather while a hop is under way. */
  async #turn(): Promise<void> {
    const session = this.#session;
    if (!session) return this.#connect();
    try {
      if (this.#mustReconcile) await this.#reconcile(session);
      const isFull = this.#stopping || this.#resting;
      const free = isFull ? 0 : this.#options.slots - this.#executions.size;
      const rung = this.#bell.answer();
      if (this.#results.length > 0 || (rung && free > 0)) return await this.#hop(session, free);
    } catch (error) {
      return this.#recover(session, error);
    }
    // The ring of a stop may have been answered above.
    if (this.#isDone) return;
    await this.#bell.next();
    // Whatever finishes in this tick goes into the same hop.
    await immediate();
  }

  async #hop(session: Session, free: number): Promise<void> {
    const batch = this.#results.splice(0, this.#oneByOne ? 1 : this.#results.length);
    let hop: Hop;
    try {
      hop = await reportAndClaim(session.hops, session.runnerId, batch, free);
    } catch (error) {
      if (!isPassing(error)) this.#refuse(batch, error);
      // An identity that was lost meanwhile took its results with it.
      if (this.#runnerId === session.runnerId) this.#results.unshift(...batch);
      if (isPassing(error)) throw error;
      return;
    }
    this.#oneByOne &&= this.#results.length > 0;
    this.#trouble.over();
    this.#narrator.tell(hop);
    if (this.#runnerId !== session.runnerId) return;
    // There may be more than we had room for.
    if (free > 0 && hop.claimed.length === free) this.#bell.ring();
    for (const { workflow_id: id } of hop.claimed)
      if (!this.#workflows.has(id)) this.#workflows.set(id, await loadWorkflow(session.hops, id));
    for (const task of hop.claimed) this.#start(task).catch(this.fail);
  }

  /** A result that the database does not take fails its task, and neither the others nor the runner. */
  #refuse(batch: Result[], error: unknown): void {
    const [result] = batch;
    if (batch.length > 1) {
      this.#oneByOne = true;
    } else if (result && 'output' in result) {
      const why = `the database refuses the output: ${messageOf(error)}`;
      batch[0] = failure(result, new ConnectorError('OUTPUT_REFUSED', why));
      this.#narrator.ended(batch[0]);
    } else {
      throw error;
    }
  }

  async #start(task: ClaimedTask): Promise<void> {
    const workflow = this.#workflows.get(task.workflow_id);
    const definition = workflow?.tasks.get(task.task_no);
    if (!workflow || !definition)
      throw new Error(`task ${task.task_no} of workflow ${task.workflow_id} is not in the database`);
    const log = this.#narrator.started(task, workflow.name, definition);
    const { connectors } = this.#options;
    const execution = execute(task, definition, { connectors, pool: this.#pool, log });
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
      this.#taskTrouble.say(outcome.cause);
      this.#narrator.interrupted(task, outcome.cause);
      this.#mustReconcile = true;
      this.#resting = true;
      return;
    }
    this.#narrator.ended(outcome.result);
    if (outcome.kind === 'result') {
      this.#results.push(outcome.result);
      return;
    }
    this.#taskTrouble.over();
    this.#narrator.tell(outcome.hop);
  }

  /** The sign of life, and news that need no hurry: the backstop for rings that were lost. */
  async #beat(): Promise<void> {
    const session = this.#session;
    if (!session || this.#beating) return;
    this.#beating = true;
    try {
      const pulse = await session.beat();
      if (this.#session !== session) return;
      if (!pulse.alive) return this.#loseIdentity(session);
      this.#trouble.over();
      if (pulse.claimable || this.#resting) this.#bell.ring();
      this.#resting = false;
      for (const id of pulse.lost_runners)
        this.#options.log.warn({ lost_runner: id }, `runner ${id} is dead; its tasks are taken over`);
      for (const { task, stop } of this.#executions.values())
        if (pulse.stopped_runs.includes(task.run_id))
          stop(new ConnectorError('RUN_STOPPED', `run ${task.run_id} has stopped`));
    } catch (error) {
      await this.#recover(session, error).catch(this.fail);
    } finally {
      this.#beating = false;
    }
  }

  async #connect(): Promise<void> {
    try {
      const { url, slots } = this.#options;
      const session = await Session.open(url, slots, this.#runnerId);
      if (this.#left) return await session[Symbol.asyncDispose]();
      if (session.isNew && this.#runnerId !== undefined) this.#forget(this.#runnerId);
      this.#session = session;
      this.#runnerId = session.runnerId;
      this.#mustReconcile = !session.isNew;
      this.#bell.ring();
      // Somebody who comes anew has not been cut off: he may look at once who is dead.
      if (session.isNew) void this.#beat();
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#trouble.say(error);
      await delay(RECONNECT_MS);
    }
  }

  /** Beat and hop may both find that a session is broken; the second one finds it replaced. */
  async #recover(session: Session, error: unknown): Promise<void> {
    if (this.#session !== session) return;
    this.#mustReconcile = true;
    if (codeOf(error) === 'WF006') {
      this.#loseIdentity(session);
    } else if (isConnectionFailure(error) || isDatabaseExhausted(error)) {
      this.#trouble.say(error);
      // A new session helps when the server has changed its mind about this one: it was read-only, say.
      this.#drop(session);
      if (isDatabaseExhausted(error)) await delay(BEAT_MS);
    } else if (!isConflict(error)) {
      throw error;
    }
    this.#bell.ring();
  }

  #drop(session: Session): void {
    this.#session = undefined;
    // Not awaited: a connection that does not answer takes its time to end.
    void session[Symbol.asyncDispose]();
  }

  #loseIdentity(session: Session): void {
    this.#forget(session.runnerId);
    this.#drop(session);
    this.#bell.ring();
  }

  /** Somebody took our tasks over: nothing that we have is worth reporting, and we go on as somebody else. */
  #forget(runnerId: number): void {
    const why = `runner ${runnerId} was thought dead`;
    const tasks = this.#executions.size + this.#results.length;
    this.#options.log.warn(
      { runner: runnerId, tasks },
      `${why}: its tasks were taken over, and it goes on under a new identity`,
    );
    this.#runnerId = undefined;
    this.#results = [];
    this.#abandonAll(new ConnectorError('LOST', why));
  }

  #abandonAll(reason: ConnectorError): void {
    for (const execution of this.#executions.values()) execution.abandon(reason);
    this.#executions.clear();
  }

  /** Gives back what the database thinks we run and we do not: the answer to a claim may have been lost. */
  async #reconcile(session: Session): Promise<void> {
    this.#mustReconcile = false;
    const running = [...this.#executions.values()].map(({ task }) => task);
    const known: Claim[] = [...running, ...this.#results];
    const tasks = await giveBackOthers(session.hops, session.runnerId, known);
    if (tasks > 0)
      this.#options.log.info({ runner: session.runnerId, tasks }, `gave back ${tasks} interrupted tasks`);
  }

  /** Rings spare us the wait for the next beat. What cannot be had is said once, and tried again now and then. */
  async #listen(isFirst = true): Promise<void> {
    const { url, log } = this.#options;
    const onRing = (channel: string) => (channel === 'run_stopped' ? void this.#beat() : this.#bell.ring());
    try {
      const listening = await listen(url, ['task_ready', 'run_stopped'], onRing);
      if (this.#left) return await listening[Symbol.asyncDispose]();
      this.#listening = listening;
      if (await listening.hears('task_ready', () => ringDoorbell(this.#pool))) return;
      log.warn(
        {},
        'NOTIFY does not arrive (is a pooler in transaction mode in between?): looking for work once a second instead',
      );
    } catch (error) {
      // Once it listens, it looks after its connection itself.
      if (this.#left || this.#listening) return;
      if (isFirst) log.warn({}, `cannot listen: ${messageOf(error)}; looking for work once a second instead`);
      setTimeout(() => this.#left || this.#listen(false), LISTEN_AGAIN_MS).unref();
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
    }
    setTimeout(this.#giveUp, graceMs).unref();
    this.#bell.ring();
  }

  async #leave(): Promise<void> {
    const { log } = this.#options;
    const runner = this.#runnerId;
    if (runner === undefined) return;
    try {
      const tasks = await this.#session?.signOff();
      if (typeof tasks !== 'number') throw new Error('the database is not there');
      log.info({ runner }, `runner ${runner} stopped${tasks ? `; ${tasks} tasks were given back` : ''}`);
    } catch (error) {
      const why = messageOf(error);
      log.warn({ runner }, `runner ${runner} could not sign off: ${why}; others take over what it ran`);
    }
    await this.#session?.[Symbol.asyncDispose]();
  }
}

/** The same may succeed later, or over another connection; or under another name. */
function isPassing(error: unknown): boolean {
  return (
    isConnectionFailure(error) || isDatabaseExhausted(error) || isConflict(error) || codeOf(error) === 'WF006'
  );
}

function keyOf({ run_id, task_no, token }: Claim): string {
  return `${run_id}/${task_no}/${token}`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
