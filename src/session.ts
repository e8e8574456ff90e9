import { hostname } from 'node:os';
import type { Client } from 'pg';
import { openClient } from './database/connect.ts';
import {
  beat,
  endFormerSessions,
  endRunner,
  holdRunnerLock,
  isRunnerAlive,
  limitLocks,
  nameSession,
  type Pulse,
  registerRunner,
  sessionNameOf,
} from './lives.ts';
import { giveBackOthers } from './store.ts';

/** No call of ours takes that long; a connection that does not answer is given up. */
const HOP_TIMEOUT_MS = 30_000;
/** A beat is a small thing: when it does not come back, nothing does. */
const BEAT_TIMEOUT_MS = 5_000;

/** Hops under way at a time: while Postgres works on one, we execute what another has brought. */
export const LANES = 2;

/**
 * A runner's identity, and the connections that it stands on: one holds the lock by which others know that it lives, and
 * beats; the others are lanes, each of which carries a hop, however long that takes.
 */
export class Session implements AsyncDisposable {
  readonly runnerId: number;
  /** The former identity was given up, or there was none. */
  readonly isNew: boolean;
  readonly #control: Client;
  readonly #lanes: readonly Client[];
  readonly #idle: Client[];

  private constructor(runnerId: number, isNew: boolean, control: Client, lanes: readonly Client[]) {
    this.runnerId = runnerId;
    this.isNew = isNew;
    this.#control = control;
    this.#lanes = lanes;
    this.#idle = [...lanes];
  }

  /** Goes on as `former`, if that is still registered; else as a new runner. */
  static async open(url: string, slots: number, former?: number): Promise<Session> {
    const timeouts = [BEAT_TIMEOUT_MS, ...Array.from({ length: LANES }, () => HOP_TIMEOUT_MS)];
    const opening = timeouts.map((queryTimeoutMs) => openClient(url, { name: 'runner', queryTimeoutMs }));
    try {
      const [control, ...lanes] = (await Promise.all(opening)) as [Client, ...Client[]];
      const isNew = former === undefined || !(await isRunnerAlive(control, former));
      const runnerId = isNew ? await registerRunner(control, hostname(), process.pid, slots) : former;
      const name = sessionNameOf(runnerId);
      if (!isNew) await endFormerSessions(control, name);
      await Promise.all([
        holdRunnerLock(control, runnerId),
        ...[control, ...lanes].map((db) => nameSession(db, name)),
      ]);
      await Promise.all([control, ...lanes].map((db) => limitLocks(db)));
      return new Session(runnerId, isNew, control, lanes);
    } catch (error) {
      for (const client of opening)
        client.then(
          (opened) => opened.end(),
          () => {},
        );
      throw error;
    }
  }

  get hasIdleLane(): boolean {
    return this.#idle.length > 0;
  }

  /** Does something over a lane that nobody uses meanwhile. */
  async onLane<T>(act: (lane: Client) => Promise<T>): Promise<T> {
    const lane = this.#idle.pop();
    if (!lane) throw new Error('all lanes are taken');
    try {
      return await act(lane);
    } finally {
      this.#idle.push(lane);
    }
  }

  /** Says of which runs we hold tasks. */
  beat(runs: readonly string[]): Promise<Pulse> {
    return beat(this.#control, this.runnerId, runs);
  }

  /**
   * Says how many tasks it gave back; null when the runner had been given up before. What somebody holds keeps it from
   * ending, and only that from being given back. After a beat that is under way.
   */
  async signOff(): Promise<number | null> {
    const { given_back: free } = await giveBackOthers(this.#control, this.runnerId, []);
    const rest = await endRunner(this.#control, this.runnerId);
    return rest === null ? null : free + rest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#control, ...this.#lanes].map((client) => client.end()));
  }
}
