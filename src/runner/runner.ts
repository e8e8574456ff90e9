import { setImmediate as immediate } from 'node:timers/promises';
import type { Pool } from 'pg';
import { createPool } from '../database/connect.ts';
import { isAway, isGivenUp, isLocked, isPassing, isRefused, isStandby } from '../database/failures.ts';
import { Doorbell } from '../doorbell.ts';
import { Ear } from '../ear.ts';
import { ConnectorError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Log } from '../log.ts';
import {
  type Connection,
  type Hop,
  loadWorkflow,
  reportAndClaim,
  type StoredWorkflow,
  startAndClaim,
} from '../store.ts';
import { Trouble } from '../trouble.ts';
import type { Connectors } from '../workflow.ts';
import type { Execution, Outcome } from './execution.ts';
import { Holdings } from './holdings.ts';
import type { Pulse } from './lives.ts';
import { Narrator } from './narrator.ts';
import { Presence } from './presence.ts';
import { type Ended, Results } from './results.ts';
import { type Look, Search } from './search.ts';
import { LANES, type Session } from './session.ts';
import { Slots } from './slots.ts';
import { catchStrayErrors } from './stray.ts';

/*
 * The loop. A hop is one call of the database: it takes results there and brings tasks back, which are executed in slots;
 * their results wait for the next hop. Whatever may be a reason for a hop rings the bell, and each turn of the loop then
 * looks what there is to do.
 */

interface RunnerOptions {
  readonly url: string;
  readonly connectors: Connectors;
  readonly log: Log;
  /** How many tasks run at once. */
  readonly slots: number;
  /** Ends the runner: it claims nothing more and waits up to `graceMs` for what runs; what is left is given back. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
  /** Told once, when the runner is listening and may claim. */
  readonly onReady?: (runnerId: number) => void;
}

/**
 * What a hop asks for: at most `room` tasks. They are those that its own results make READY and, with a `look`, others that
 * wait to be claimed.
 */
interface Ask {
  readonly room: number;
  readonly look: Look | undefined;
}

const NOTHING: Ask = { room: 0, look: undefined };
const SUM_UP_MS = 60_000;
/** A hop that may claim fewer tasks than these costs nearly as much. */
const SMALLEST_PART = 20;
/** A timer that is set to more fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
/** How many tasks may have a transaction open at the same time. */
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
  readonly #holdings: Holdings;
  readonly #search = new Search();
  /** Each as it was loaded over some session. Over another one the database may have been set back, and their numbers others'. */
  readonly #workflows = new Map<string, { readonly session: Session; readonly definition: StoredWorkflow }>();
  /** How many hops are under way, also over sessions that have been given up. */
  #hops = 0;
  /** One of them is a start: see startRun. */
  #isStarting = false;
  /** The database was away when a task needed it: nothing more is claimed until the next beat. */
  #isResting = false;
  /** Nothing more is claimed; what runs may end. */
  #isStopping = false;
  /** Nothing more is done at all. */
  #hasLeft = false;
  /** Resolves when the grace is over. Rejects when something has failed that never should. */
  readonly #over: Promise<void>;
  #giveUp: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: RunnerOptions) {
    const { url, log, slots, connectors } = options;
    this.#options = options;
    this.#pool = createPool(url, { name: 'task', max: Math.min(slots, TRANSACTIONS) });
    this.#narrator = new Narrator(log, (id) => this.#workflows.get(id)?.definition.name ?? `workflow ${id}`);
    this.#slots = new Slots({
      count: slots,
      // A lane's part, which is executed while the other lane brings the next.
      part: Math.max(SMALLEST_PART, Math.ceil(slots / LANES)),
      surroundings: {
        connectors,
        pool: this.#pool,
        logOf: (execution) => this.#narrator.linesOf(execution),
      },
      onStart: (...what) => this.#narrator.started(...what),
      onEnd: (execution, outcome) => this.#finish(execution, outcome),
    });
    this.#holdings = new Holdings({
      slots: this.#slots,
      results: this.#results,
      narrator: this.#narrator,
      log,
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
      onTakenOver: (why) => this.#holdings.abandonAll(new ConnectorError('LOST', why)),
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

  /** Runs until the end; to be called once. */
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
      this.#hasLeft = true;
      clearInterval(minute);
      signal.removeEventListener('abort', stop);
      this.#holdings.abandonAll(new ConnectorError('SHUTDOWN', 'the runner stops'));
      await Promise.all([this.#ear[Symbol.asyncDispose](), this.#presence.leave(crashed)]);
      await this.#pool.end();
    }
  }

  /**
   * Starts a run and claims its first tasks in one commit, so that it begins at once. Undefined, and nothing was started, when
   * this runner has no time for it: no idle lane, no room, another start under way, or older tasks that may be waiting. It
   * takes a part of the room only; the rest is for what becomes READY meanwhile.
   */
  async startRun(
    workflow: string,
    input: JsonObject,
    checkedFor: string | undefined,
  ): Promise<string | undefined> {
    const { session } = this.#presence;
    const room = Math.ceil(this.#room / LANES);
    // A look is due as well while something has to be given back: see #reconcileSoon.
    if (!session?.hasIdleLane || this.#isStarting || this.#search.isDue || room === 0) return undefined;
    this.#isStarting = true;
    let started: { readonly runId: string; readonly hop: Hop } | undefined;
    let failure: unknown;
    const start = async (lane: Connection) => {
      try {
        started = await startAndClaim(lane, session.runnerId, room, workflow, input, checkedFor);
      } catch (error) {
        failure = error;
        // A wrong start is the business of its caller alone; anything else concerns our session, too.
        if (isPassing(error)) throw error;
      }
      return started?.hop;
    };
    await this.#carry(session, start, { room, look: undefined }, []).finally(() => {
      this.#isStarting = false;
    });
    // When something was locked for too long, or this runner was given up, nothing is wrong with the start: others may do it.
    if (failure && !isLocked(failure) && !isGivenUp(failure)) throw failure;
    return started?.runId;
  }

  async #work(): Promise<void> {
    while (!this.#presence.session && !this.#isDone) await this.#presence.connect();
    if (this.#isDone) return;
    // Not awaited: what waits already needs no ring.
    this.#listen().catch(this.#fail);
    while (!this.#isDone) await this.#turn();
  }

  async #listen(): Promise<void> {
    await this.#ear.open();
    const { runnerId } = this.#presence;
    if (!this.#hasLeft && runnerId !== undefined) this.#options.onReady?.(runnerId);
  }

  get #isDone(): boolean {
    return this.#hasLeft || (this.#isStopping && this.#hops === 0 && this.#holdings.claims.length === 0);
  }

  /** Begins a hop and does not wait for it; or waits for a reason to begin one. While all lanes are taken, results gather. */
  async #turn(): Promise<void> {
    const { session } = this.#presence;
    if (!session) return this.#presence.connect();
    this.#bell.answer();
    if (this.#holdings.areDoubted) {
      const reconcile = (lane: Connection) => this.#holdings.reconcile(lane, session.runnerId);
      if (this.#hops === 0) return this.#carry(session, reconcile, NOTHING, []);
    } else if (session.hasIdleLane && this.#results.isHeldDue) {
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

  /** How many tasks to claim now. */
  get #room(): number {
    return this.#hasLeft || this.#isStopping || this.#isResting ? 0 : this.#slots.room;
  }

  async #hop(session: Session): Promise<void> {
    const ask = { room: this.#results.goOneByOne ? 0 : this.#room, look: this.#search.begin() };
    const results = this.#results.take();
    await this.#carry(session, (lane) => this.#exchange(session, lane, results, ask), ask, results);
  }

  /** A hop with the results of one run that was held. As it may have to wait again, there is only one such hop at a time. */
  async #tryHeld(session: Session): Promise<void> {
    const results = this.#results.takeHeld();
    const exchange = async (lane: Connection) => {
      let hop: Hop | undefined;
      try {
        hop = await this.#exchange(session, lane, results, NOTHING);
      } finally {
        this.#results.heldTried(hop !== undefined);
      }
      return hop;
    };
    await this.#carry(session, exchange, NOTHING, results);
  }

  /**
   * Carries out a hop, or something that counts as one, over a lane, with slots reserved for what it claims. When it has its
   * answer, everything changes in one step: its lane is free, and so are its slots or what it claimed runs in them.
   */
  async #carry(
    session: Session,
    act: (lane: Connection) => Promise<Hop | undefined>,
    ask: Ask,
    ended: Ended[],
  ): Promise<void> {
    const { room } = ask;
    this.#slots.reserve(room);
    this.#hops += 1;
    let hop: Hop | undefined;
    try {
      await session.onLane(async (lane) => {
        hop = await act(lane);
        for (const { workflow_id: id } of hop?.claimed ?? [])
          if (this.#workflows.get(id)?.session !== session)
            this.#workflows.set(id, { session, definition: await loadWorkflow(lane, id) });
      });
      this.#presence.answered();
      if (hop && hop.claimed.length > 0) this.#slots.allowMore();
    } catch (error) {
      this.#presence.recover(session, error);
      if (isAway(error)) this.#slots.allowLess(room);
      // The hop has succeeded, but not all of its workflows could be loaded: what it claimed is given back by Holdings.
      if (hop) hop = { ...hop, claimed: [] };
    }
    this.#hops -= 1;
    this.#slots.release(room);
    if (hop) this.#accept(session, hop, ask, ended);
    this.#bell.ring();
  }

  /** The hop itself. Undefined when it failed over the results that it carried: the session is sound. */
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
      // Not when we have become another runner meanwhile: others have taken over what these are the results of.
      if (this.#presence.runnerId === session.runnerId) {
        const held = this.#results.keep(ended, room, error);
        if (held !== undefined) this.#narrator.tellHeld(held);
      }
      if (isPassing(error) && !isLocked(error)) throw error;
      return undefined;
    }
  }

  /** Tells what came of a hop, and executes what it claimed. */
  #accept(session: Session, hop: Hop, { room, look }: Ask, ended: Ended[]): void {
    this.#narrator.tell(hop, ended);
    this.#search.end(look, room, hop.claimed, ended);
    if (this.#hasLeft || this.#presence.runnerId !== session.runnerId) return;
    for (const task of hop.claimed)
      this.#slots.start(task, this.#workflows.get(task.workflow_id)?.definition);
  }

  /** An execution has ended, and its slot is free again. */
  #finish(execution: Execution, outcome: Outcome): void {
    if (outcome.kind === 'interrupted') {
      // After a deadlock, for one, the database is there: no rest.
      if (isAway(outcome.cause) || isStandby(outcome.cause)) {
        this.#taskTrouble.say(outcome.cause);
        this.#isResting = true;
      }
      // A password that was changed, say: our session goes on, but no task would get a transaction any more.
      if (isRefused(outcome.cause)) this.#fail(outcome.cause);
      if (outcome.crashed) this.#holdings.crashed(execution.task);
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

  /** What the database answers to a beat. */
  #heed({ claimable, stopped_runs: stopped, failed_runs: failed }: Pulse): void {
    for (const run of failed) this.#narrator.tellRun(run, run.workflow);
    if (claimable) this.#lookForWork();
    this.#isResting = false;
    if (this.#holdings.isRestDue && !this.#results.isTryingHeld) this.#reconcileSoon();
    this.#results.tryHeldAgain();
    if (this.#results.isHeldDue) this.#bell.ring();
    for (const run of stopped) if (this.#slots.stopRun(run.run_id)) this.#narrator.tellStopped(run);
  }

  /** Also makes a look due, so that startRun starts nothing meanwhile. */
  #reconcileSoon(): void {
    this.#holdings.areDoubted = true;
    this.#lookForWork();
  }

  #lookForWork(): void {
    this.#search.ring();
    this.#bell.ring();
  }

  /** Claims nothing more, and gives what runs its grace. */
  #stop(): void {
    this.#isStopping = true;
    const { log, graceMs } = this.#options;
    const { names } = this.#slots;
    if (names.length > 0) {
      const some = names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
      log.info({ tasks: names.length }, `stopping: waiting up to ${graceMs / 1000} s for what runs: ${some}`);
    }
    setTimeout(this.#giveUp, Math.min(graceMs, LONGEST_TIMEOUT_MS)).unref();
    // The loop may be waiting for a connection.
    if (this.#isDone) this.#giveUp();
    this.#bell.ring();
  }
}
