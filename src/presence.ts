import { setTimeout as delay } from 'node:timers/promises';
import { isAway, isDatabaseExhausted, isGivenUp, isPassing } from './database/failures.ts';
import { messageOf } from './errors.ts';
import type { Pulse } from './lives.ts';
import type { Log } from './log.ts';
import { Session } from './session.ts';
import { Trouble } from './trouble.ts';

interface PresenceOptions {
  readonly url: string;
  readonly log: Log;
  readonly slots: number;
  /** Of which runs we hold tasks. */
  readonly runs: () => readonly string[];
  /** There is a session, or none any more. */
  readonly onChange: () => void;
  /** The database may hold us to tasks that we do not know of: a call failed, or its answer was lost. */
  readonly onDoubt: () => void;
  readonly onPulse: (pulse: Pulse) => void;
  /** Others have taken over what we run: nothing of it is worth reporting. Says how many tasks it lets go of. */
  readonly onTakenOver: (why: string) => number;
  /** Something failed that should not. */
  readonly onFailure: (error: unknown) => void;
}

const BEAT_MS = 1_000;
const RECONNECT_MS = 250;

/**
 * Who a runner is to the database: an identity and a session, kept by a sign of life every second. A session that breaks
 * is replaced under the same identity; an identity that was given up, by a new one.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #trouble: Trouble;
  #session: Session | undefined;
  #runnerId: number | undefined;
  #heart: NodeJS.Timeout | undefined;
  #beating = false;
  /** How long the next attempt to connect waits. */
  #pauseMs = 0;
  #left = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options.log, options.url, 'Waiting for the database.');
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Without a session, the one to go on as. */
  get runnerId(): number | undefined {
    return this.#runnerId;
  }

  /** The database has answered. */
  answered(): void {
    this.#trouble.over();
  }

  /** Tries once; where the database is not there, waits a moment. */
  async connect(): Promise<void> {
    if (this.#pauseMs > 0) await delay(this.#pauseMs);
    this.#pauseMs = 0;
    this.#heart ??= setInterval(() => this.beat(), BEAT_MS);
    try {
      const { url, slots, onChange, onDoubt } = this.#options;
      const session = await Session.open(url, slots, this.#runnerId);
      if (this.#left) {
        await session.signOff().catch(() => {});
        return await session[Symbol.asyncDispose]();
      }
      if (session.isNew && this.#runnerId !== undefined) this.#forget(this.#runnerId);
      this.#session = session;
      this.#runnerId = session.runnerId;
      if (!session.isNew) return onDoubt();
      onChange();
      // Somebody who comes anew has not been cut off: he may look at once who is dead.
      void this.beat();
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#trouble.say(error);
      await delay(RECONNECT_MS);
    }
  }

  /** The sign of life, and news that need no hurry: the backstop for rings that were lost. */
  async beat(): Promise<void> {
    const session = this.#session;
    if (!session || this.#beating) return;
    this.#beating = true;
    try {
      const { runs, log, onPulse } = this.#options;
      const pulse = await session.beat(runs());
      // Whoever leaves still tells what his last beat took over.
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

  /** After a call that failed. Beat and hops may all find that a session is broken; the second one finds it replaced. */
  recover(session: Session, error: unknown): void {
    if (this.#session !== session) return;
    if (isGivenUp(error)) {
      this.#loseIdentity(session);
    } else if (isAway(error)) {
      this.#trouble.say(error);
      // A new session helps when the server has changed its mind about this one: it was read-only, say.
      this.#drop(session);
      if (isDatabaseExhausted(error)) this.#pauseMs = BEAT_MS;
    } else if (!isPassing(error)) {
      this.#options.onFailure(error);
    }
    this.#options.onDoubt();
  }

  /**
   * Signs off, and gives back what is left; not where it has crashed: others find it dead, and that counts for the tasks that
   * it ran, as one of them may be to blame.
   */
  async leave(crashed = false): Promise<void> {
    this.#left = true;
    clearInterval(this.#heart);
    const { log } = this.#options;
    const runner = this.#runnerId;
    const session = this.#session;
    // No further beat; and what ends one that is under way concerns nobody any more.
    this.#session = undefined;
    if (runner === undefined) return;
    try {
      if (crashed) throw new Error('something was thrown past everybody');
      const tasks = await session?.signOff();
      if (typeof tasks !== 'number') throw new Error('the database is not there');
      log.info({ runner }, `runner ${runner} stopped${tasks ? `; tasks given back: ${tasks}` : ''}`);
    } catch (error) {
      const why = messageOf(error);
      log.warn({ runner }, `runner ${runner} could not sign off: ${why}; others take over what it ran`);
    }
    await session?.[Symbol.asyncDispose]();
  }

  #drop(session: Session): void {
    this.#session = undefined;
    // Not awaited: a connection that does not answer takes its time to end.
    void session[Symbol.asyncDispose]();
  }

  #loseIdentity(session: Session): void {
    this.#forget(session.runnerId);
    this.#drop(session);
    this.#options.onChange();
  }

  /** We go on as somebody else. */
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
