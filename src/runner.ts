import { setImmediate as immediate } from 'node:timers/promises';
import type { Pool } from 'pg';
import { createPool } from './database/connect.ts';
import { isAway, isLocked } from './database/failures.ts';
import { Doorbell } from './doorbell.ts';
import { Ear } from './ear.ts';
import { ConnectorError, codeOf } from './errors.ts';
import type { Execution, Outcome } from './execution.ts';
import type { JsonObject } from './json.ts';
import type { Pulse } from './lives.ts';
import type { Log } from './log.ts';
import { Narrator } from './narrator.ts';
import { isPassing, Presence } from './presence.ts';
import { type Ended, Results } from './results.ts';
import { type Look, Search } from './search.ts';
import { LANES, type Session } from './session.ts';
import { Slots } from './slots.ts';
import {
  type Claim,
  type Connection,
  giveBackOthers,
  type Hop,
  loadWorkflow,
  reportAndClaim,
  type StoredWorkflow,
  startAndClaim,
} from './store.ts';
import { catchStrayErrors } from './stray.ts';
import { Trouble } from './trouble.ts';
import type { Connectors } from './workflow.ts';

/*
 * The loop: a hop takes results to the database and brings tasks, which are executed in slots; what they come to waits for
 * the next hop. Whatever may be a reason for a hop rings the bell, and then a turn looks what there is to do.
 */

interface RunnerOptions {
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

/** What a hop asks for: so many tasks at the most, and where it looks for some that wait, if it does. */
interface Ask {
  readonly room: number;
  readonly look: Look | undefined;
}

const NOTHING: Ask = { room: 0, look: undefined };
const SUM_UP_MS = 60_000;
/** A hop with fewer tasks costs nearly as much as one with so many. */
const SMALLEST_PART = 20;
/** Node takes a longer one for none at all. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
/** The task's transactions at a time; more slots than these share them. */
const TRANSACTIONS = 10;

/** Runs tasks until the signal aborts. Survives restarts of the database; waits for one that is not up yet. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #bell = new Doorbell();
  readonly #ear: Ear;
  readonly #pool: Pool;
  readonly #narrator: Narrator;
  readonly #presence: Presence;
  readonly #taskTrouble: Trouble;
  readonly #slots: Slots;
  readonly #results = new Results();
  readonly #search = new Search();
  readonly #workflows = new Map<string, StoredWorkflow>();
  /** So many tasks a hop asks for at the most: fewer after one that got no answer, as what they read may be large. */
  #most = Number.POSITIVE_INFINITY;
  /** Hops under way, of a session that is gone perhaps. */
  #hops = 0;
  /** A start is one of them. */
  #starting = false;
  /** A task could not use the database: nothing more is claimed until the next beat. */
  #resting = false;
  /** Results of runs that somebody else holds are to be tried again; and whether some of them are being tried. */
  #isHeldDue = false;
  #tryingHeld = false;
  #stopping = false;
  /** The database may hold us to tasks that we do not know of, or no longer: no hop begins before they are given back. */
  #mustReconcile = false;
  /** Of these, somebody holds some: each beat tries again. */
  #isLeftToGiveBack = false;
  /** Executions that may have taken Postgres down: said of them when they are given back. */
  readonly #crashed: Claim[] = [];
  #left = false;
  /** Resolves when waiting has an end: the grace is over. Rejects when something failed that should not. */
  readonly #over: Promise<void>;
  #giveUp: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: RunnerOptions) {
    const { url, log, slots, connectors } = options;
    this.#options = options;
    this.#pool = createPool(url, { name: 'task', max: Math.min(slots, TRANSACTIONS) });
    this.#narrator = new Narrator(log, (id) => this.#workflows.get(id)?.name ?? `workflow ${id}`);
    this.#slots = new Slots({
      count: slots,
      surroundings: {
        connectors,
        pool: this.#pool,
        logOf: (execution) => this.#narrator.linesOf(execution),
      },
      onStart: (...what) => this.#narrator.started(...what),
      onEnd: (execution, outcome) => this.#finish(execution, outcome),
    });
    this.#taskTrouble = new Trouble(log, url, 'Tasks that need it are interrupted, and run again.');
    this.#presence = new Presence({
      url,
      log,
      slots,
      runs: () => this.#slots.runs,
      onChange: () => this.#lookForWork(),
      onDoubt: () => this.#reconcileSoon(),
      onPulse: (pulse) => this.#heed(pulse),
      onTakenOver: (why) => this.#abandonAll(new ConnectorError('LOST', why)),
      onFailure: (error) => this.#fail(error),
    });
    this.#ear = new Ear({
      url,
      log,
      onRing: (channel) => (channel === 'run_stopped' ? void this.#presence.beat() : this.#lookForWork()),
    });
    this.#over = new Promise((resolve, reject) => {
      this.#giveUp = resolve;
      this.#fail = reject;
    });
    this.#over.catch(() => {});
  }

  /** Once only. */
  async run(): Promise<void> {
    let crashed = false;
    using _ = catchStrayErrors((error) => {
      crashed = true;
      this.#fail(error);
    });
    const { signal } = this.#options;
    const stop = () => this.#stop();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const minute = setInterval(() => this.#narrator.sumUp(), SUM_UP_MS);
    try {
      await Promise.race([this.#work(), this.#over]);
    } finally {
      this.#left = true;
      clearInterval(minute);
      signal.removeEventListener('abort', stop);
      this.#abandonAll(new ConnectorError('SHUTDOWN', 'the runner stops'));
      await Promise.all([this.#ear[Symbol.asyncDispose](), this.#presence.leave(crashed)]);
      await this.#pool.end();
    }
  }

  /**
   * Starts a run and claims its first tasks, in one commit. Undefined when that does not suit: then nothing was started.
   * One at a time, over a lane that is idle, and for a part of the room: the rest is for results that come meanwhile. Not
   * while older tasks may be waiting.
   */
  async startRun(
    workflow: string,
    input: JsonObject,
    checkedFor: string | undefined,
  ): Promise<string | undefined> {
    const { session } = this.#presence;
    const room = Math.ceil(this.#room / LANES);
    // While something has to be given back, a look is due as well.
    if (!session?.hasIdleLane || this.#starting || this.#search.isDue || room === 0) return undefined;
    this.#starting = true;
    let runId: string | undefined;
    let failed: { readonly error: unknown } | undefined;
    const start = async (lane: Connection) => {
      try {
        const started = await startAndClaim(lane, session.runnerId, room, workflow, input, checkedFor);
        runId = started.runId;
        return started.hop;
      } catch (error) {
        failed = { error };
        // What is wrong with the start is its caller's business alone.
        if (isPassing(error)) throw error;
        return undefined;
      }
    };
    await this.#carry(session, start, { room, look: undefined }, []).finally(() => {
      this.#starting = false;
    });
    // Where the lane has waited for long enough, or the runner has been given up, others may start it.
    if (failed && !isLocked(failed.error) && codeOf(failed.error) !== 'WF006') throw failed.error;
    return runId;
  }

  async #work(): Promise<void> {
    while (!this.#presence.session && !this.#isDone) await this.#presence.connect();
    if (this.#isDone) return;
    // What waits already needs no ring.
    this.#listen().catch(this.#fail);
    while (!this.#isDone) await this.#turn();
  }

  async #listen(): Promise<void> {
    await this.#ear.open();
    const { runnerId } = this.#presence;
    if (!this.#left && runnerId !== undefined) this.#options.onReady?.(runnerId);
  }

  get #isDone(): boolean {
    return this.#left || (this.#stopping && this.#hops === 0 && this.#claims.length === 0);
  }

  /** Begins a hop, or waits for a reason to begin one. Results gather while all lanes are under way. */
  async #turn(): Promise<void> {
    const { session } = this.#presence;
    if (!session) return this.#presence.connect();
    this.#bell.answer();
    if (this.#mustReconcile) {
      if (this.#hops === 0) return this.#reconcile(session);
    } else if (session.hasIdleLane && this.#isHeldDue) {
      this.#tryHeld(session).catch(this.#fail);
      return;
    } else if (session.hasIdleLane && (this.#results.count > 0 || (this.#search.isDue && this.#room > 0))) {
      this.#hop(session).catch(this.#fail);
      return;
    }
    await this.#bell.next();
    // Whatever else finishes in this tick goes into the same hop.
    if (this.#slots.running > 0) await immediate();
  }

  /** How much to claim at once: a lane's part, which is executed while the next part is on its way. */
  get #room(): number {
    if (this.#left || this.#stopping || this.#resting) return 0;
    const part = Math.max(SMALLEST_PART, Math.ceil(this.#options.slots / LANES));
    return Math.max(0, Math.min(this.#slots.free, part, this.#most));
  }

  async #hop(session: Session): Promise<void> {
    const room = this.#results.goOneByOne ? 0 : this.#room;
    const look = this.#search.begin();
    const results = this.#results.take();
    const exchange = (lane: Connection) => this.#exchange(session, lane, results, { room, look });
    await this.#carry(session, exchange, { room, look }, results);
  }

  /** A hop with the results of one run that somebody else held, over one lane at a time: it may have to wait again. */
  async #tryHeld(session: Session): Promise<void> {
    this.#isHeldDue = false;
    this.#tryingHeld = true;
    const results = this.#results.takeHeld();
    const exchange = async (lane: Connection) => {
      try {
        const hop = await this.#exchange(session, lane, results, NOTHING);
        // Where one is free again, others may be.
        if (hop) this.#isHeldDue = this.#results.hasHeld;
        return hop;
      } finally {
        this.#tryingHeld = false;
      }
    };
    await this.#carry(session, exchange, NOTHING, results);
  }

  /**
   * A hop, or what is one to the others: something over a lane, with room kept for what it claims. All that it changes here
   * it changes at once: that its lane and its room are free, and what runs.
   */
  async #carry(
    session: Session,
    act: (lane: Connection) => Promise<Hop | undefined>,
    { room, look }: Ask,
    ended: Ended[],
  ): Promise<void> {
    const reserved = this.#slots.reserve(room);
    this.#hops += 1;
    let hop: Hop | undefined;
    try {
      await session.onLane(async (lane) => {
        hop = await act(lane);
        for (const { workflow_id: id } of hop?.claimed ?? [])
          if (!this.#workflows.has(id)) this.#workflows.set(id, await loadWorkflow(lane, id));
      });
      this.#presence.answered();
      if (hop && hop.claimed.length > 0) this.#most *= 2;
    } catch (error) {
      this.#presence.recover(session, error);
      if (room > 0 && isAway(error)) this.#most = Math.ceil(room / 4);
      // What it ended is told; what it claimed is given back.
      if (hop) hop = { ...hop, claimed: [] };
    }
    this.#hops -= 1;
    reserved[Symbol.dispose]();
    if (hop) this.#accept(session, hop, { room, look }, ended);
    this.#bell.ring();
  }

  /** Nothing, when the database refuses the results. */
  async #exchange(
    session: Session,
    lane: Connection,
    ended: Ended[],
    { room, look }: Ask,
  ): Promise<Hop | undefined> {
    const results = ended.map(({ result }) => result);
    try {
      const hop = await reportAndClaim(lane, session.runnerId, results, room, look?.from ?? null);
      this.#results.release(ended);
      return hop;
    } catch (error) {
      if (look) this.#search.ring();
      // An identity that was lost meanwhile took its results with it.
      if (this.#presence.runnerId === session.runnerId) this.#keep(ended, room, error);
      if (isPassing(error) && !isLocked(error)) throw error;
      return undefined;
    }
  }

  /** Nothing was written: the results go with another hop. */
  #keep(ended: readonly Ended[], room: number, error: unknown): void {
    if (isLocked(error)) {
      const run = this.#results.setApart(ended, room);
      if (run === undefined) return;
      const what = `run ${run} is held by another session's transaction: what its tasks came to is written when that ends`;
      this.#options.log.warn({ run }, what);
    } else if (isPassing(error)) {
      this.#results.putBack(ended);
    } else {
      this.#results.refuse(ended, room, error);
    }
  }

  /** Tells what came of a hop, and executes what it claimed. */
  #accept(session: Session, hop: Hop, { room, look }: Ask, ended: Ended[]): void {
    this.#narrator.tell(hop, ended);
    this.#search.end(look, room, hop.claimed, ended);
    if (this.#left || this.#presence.runnerId !== session.runnerId) return;
    for (const task of hop.claimed) this.#slots.start(task, this.#workflows.get(task.workflow_id));
  }

  #finish(execution: Execution, outcome: Outcome): void {
    if (outcome.kind === 'interrupted') {
      // After a deadlock there is nothing to wait for: the database is there.
      if (isAway(outcome.cause)) {
        this.#taskTrouble.say(outcome.cause);
        this.#resting = true;
      }
      if (outcome.crashed) this.#crashed.push(execution.task);
      this.#narrator.interrupted(execution, outcome.cause);
      this.#reconcileSoon();
    } else if (outcome.kind === 'result') {
      this.#results.add({ execution, result: outcome.result });
    } else {
      this.#taskTrouble.over();
      this.#narrator.tell(outcome.hop, [{ execution, result: outcome.result }]);
    }
    this.#bell.ring();
  }

  #heed({ claimable, stopped_runs: stopped, failed_runs: failed }: Pulse): void {
    for (const run of failed) this.#narrator.tellRun(run, run.workflow);
    if (claimable) this.#lookForWork();
    this.#resting = false;
    if (this.#isLeftToGiveBack && !this.#tryingHeld) this.#reconcileSoon();
    this.#isHeldDue = this.#results.hasHeld && !this.#tryingHeld;
    if (this.#isHeldDue) this.#bell.ring();
    for (const run of stopped) if (this.#slots.stopRun(run.run_id)) this.#narrator.tellStopped(run);
  }

  /** What the database should think that we hold; that it does is certain while no hop is under way. */
  get #claims(): Claim[] {
    return [...this.#slots.claims, ...this.#results.claims];
  }

  /** Lets go of everything, and reports nothing of it; says how much it was. */
  #abandonAll(reason: ConnectorError): number {
    const { length } = this.#claims;
    this.#slots.abandonAll(reason);
    this.#results.drop();
    return length;
  }

  /** Gives back what the database thinks we run and we do not: the answer to a claim may have been lost. */
  async #reconcile(session: Session): Promise<void> {
    this.#mustReconcile = false;
    const giveBack = async (lane: Connection) => {
      const crashed = [...this.#crashed];
      const { given_back: tasks, held } = await giveBackOthers(lane, session.runnerId, this.#claims, crashed);
      this.#isLeftToGiveBack = held > 0;
      if (held === 0) this.#crashed.splice(0, crashed.length);
      if (tasks > 0)
        this.#options.log.info({ runner: session.runnerId, tasks }, `interrupted tasks given back: ${tasks}`);
      return undefined;
    };
    await this.#carry(session, giveBack, NOTHING, []);
  }

  /** Nobody starts runs for us meanwhile: a look is due. */
  #reconcileSoon(): void {
    this.#mustReconcile = true;
    this.#lookForWork();
  }

  #lookForWork(): void {
    this.#search.ring();
    this.#bell.ring();
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const { log, graceMs } = this.#options;
    const { names } = this.#slots;
    if (names.length > 0) {
      const some = names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
      log.info({ tasks: names.length }, `stopping: waiting up to ${graceMs / 1000} s for what runs: ${some}`);
    }
    setTimeout(this.#giveUp, Math.min(graceMs, LONGEST_TIMEOUT_MS)).unref();
    this.#bell.ring();
  }
}
