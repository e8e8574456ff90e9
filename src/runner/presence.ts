import { setTimeout as delay } from 'node:timers/promises';
import { isAway, isDatabaseExhausted, isGivenUp, isPassing } from '../database/failures.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { duration } from '../terminal.ts';
import { Trouble } from '../trouble.ts';
import type { Pulse } from './lives.ts';
import { Session } from './session.ts';

interface PresenceOptions {
  readonly url: string;
  readonly log: Log;
  readonly slots: number;
  /** The ids of the runs of which tasks are executed here. */
  readonly runs: () => readonly string[];
  /** Told when a session has been opened, or its identity was lost. */
  readonly onChange: () => void;
  /** Told when a call has failed or its answer was lost: the database may think that we run tasks that we do not know of. */
  readonly onDoubt: () => void;
  readonly onPulse: (pulse: Pulse) => void;
  /** Told when others have taken over what we run, so that it is let go of unreported. Says how many tasks that were. */
  readonly onTakenOver: (why: string) => number;
  /** Told of a failure that no new session mends. */
  readonly onFailure: (error: unknown) => void;
}

const BEAT_MS = 1_000;
/** A beat that is so late is told: after 15 s others take us for dead. */
const LATE_MS = 5_000;
const RECONNECT_MS = 250;

/**
 * Who a runner is to the database: an identity, which is a row of sluice.runners, and a session, which is its connections.
 * A sign of life every second, the beat, keeps them. When a session breaks, another one is opened under the same identity.
 * When the database has given the identity up, because it took the runner for dead, the runner registers as a new one.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #trouble: Trouble;
  #session: Session | undefined;
  #runnerId: number | undefined;
  #heart: NodeJS.Timeout | undefined;
  #beating = false;
  #tickedAt = performance.now();
  /** How long to wait before the next attempt to connect. */
  #pauseMs = 0;
  #left = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log, options.url, 'Waiting for the database.');
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** While there is no session: the identity under which the next one is opened. */
  get runnerId(): number | undefined {
    return this.#runnerId;
  }

  /** To be told whenever the database has answered a hop. */
  answered(): void {
    this.#trouble.over();
  }

  /** Tries once to open a session; where the database is away, says so and waits a moment. */
  async connect(): Promise<void> {
    if (this.#pauseMs > 0) await delay(this.#pauseMs);
    this.#pauseMs = 0;
    this.#heart ??= setInterval(() => this.#tick(), BEAT_MS);
    try {
      const { url, slots, onChange, onDoubt } = this.#options;
      const former = this.#runnerId;
      const session = await Session.open(url, slots, former);
      if (this.#left) {
        await session.signOff().catch(() => {});
        return await session[Symbol.asyncDispose]();
      }
      if (former !== undefined && session.runnerId !== former) this.#forget(former);
      this.#session = session;
      this.#runnerId = session.runnerId;
      if (session.runnerId === former) return onDoubt();
      onChange();
      // A new runner may look for dead ones at once. One that was cut off for a while first has to be heard again itself.
      void this.beat();
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#trouble.say(error);
      await delay(RECONNECT_MS);
    }
  }

  #tick(): void {
    const late_ms = Math.round(performance.now() - this.#tickedAt - BEAT_MS);
    this.#tickedAt = performance.now();
    if (late_ms > LATE_MS)
      this.#options.log.warn(
        { late_ms },
        `a sign of life is ${duration(late_ms)} late: this process was stopped, or a task computed without a pause. After 15 s of silence others take its tasks over`,
      );
    void this.beat();
  }

  /** The sign of life. Its answer brings news for which a ring may have been lost. */
  async beat(): Promise<void> {
    const session = this.#session;
    if (!session || this.#beating) return;
    this.#beating = true;
    try {
      const { runs, log, onPulse } = this.#options;
      const pulse = await session.beat(runs());
      // Once the runner has left, its last beat may still have taken something over, which is told.
      if (this.#session !== session && !this.#left) return;
      if (!pulse.alive) return this.#left ? undefined : this.#loseIdentity(session);
      this.#trouble.over();
      for (const id of pulse.lost_runners)
        log.warn({ lost_runner: id }, `runner ${id} is dead; its tasks are taken over`);
      onPulse(pulse);
    } catch (error) {
      this.recover(session, error);
    } finally {
      this.#beating = false;
    }
  }

  /** To be told when a call has failed. Beat and hops may all find a session broken: only the first one has it replaced. */
  recover(session: Session, error: unknown): void {
    if (this.#session !== session) return;
    if (isGivenUp(error)) {
      this.#loseIdentity(session);
    } else if (isAway(error)) {
      this.#trouble.say(error);
      // Also where the connection is sound: a server that was read-only, say, may treat a new session differently.
      this.#drop(session);
      if (isDatabaseExhausted(error)) this.#pauseMs = BEAT_MS;
    } else if (!isPassing(error)) {
      this.#options.onFailure(error);
    }
    this.#options.onDoubt();
  }

  /**
   * Signs off and gives back the tasks that are left. Not after a crash, for which one of the tasks may be to blame: then
   * others find the runner dead, and count that against the tasks that it ran.
   */
  async leave(crashed = false): Promise<void> {
    this.#left = true;
    clearInterval(this.#heart);
    const { log } = this.#options;
    const runner = this.#runnerId;
    const session = this.#session;
    // So that nothing more comes of a beat that is under way, if it fails.
    this.#session = undefined;
    if (runner === undefined) return;
    try {
      if (crashed) throw new Error('something was thrown past everybody');
      const tasks = await session?.signOff();
      if (tasks === undefined) throw new Error('the database is not there');
      if (tasks === null) throw new Error('it was thought dead');
      log.info({ runner }, `runner ${runner} stopped${tasks ? `; tasks given back: ${tasks}` : ''}`);
    } catch (error) {
      const why = messageOf(error);
      log.warn({ runner }, `runner ${runner} could not sign off: ${why}; others take over what it ran`);
    }
    await session?.[Symbol.asyncDispose]();
  }

  #drop(session: Session): void {
    this.#session = undefined;
    // Not awaited: a connection that does not answer takes a while to end.
    void session[Symbol.asyncDispose]();
  }

  #loseIdentity(session: Session): void {
    this.#forget(session.runnerId);
    this.#session = undefined;
    session.giveUp();
    this.#options.onChange();
  }

  /** The identity is lost: we go on under another one. */
  #forget(runner: number): void {
    const why = `runner ${runner} was thought dead`;
    const tasks = this.#options.onTakenOver(why);
    this.#options.log.warn(
      { runner, tasks },
      `${why}: its tasks were taken over, and it goes on under a new identity`,
    );
    this.#runnerId = undefined;
  }
}
