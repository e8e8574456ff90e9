import { hostname } from 'node:os';
import type { Client } from 'pg';
import { openClient } from '../database/connect.ts';
import { giveBackOthers } from '../store.ts';
import {
  beat,
  endFormerSessions,
  endRunner,
  holdRunnerLock,
  isRunnerAlive,
  type Pulse,
  registerRunner,
  sessionNameOf,
  setUpSession,
} from './lives.ts';

/** No hop takes that long: a connection that has not answered by then is given up. */
const HOP_TIMEOUT_MS = 30_000;
/** A beat is answered in milliseconds: when it is not, nothing else will be. */
const BEAT_TIMEOUT_MS = 5_000;

/** How many hops may be under way at a time: while Postgres works on one, we execute what another has brought. */
export const LANES = 2;

/**
 * The connections of a runner under its identity. The control connection holds the lock by which others know that the
 * runner lives, and carries its beats. The others are lanes: each carries one hop at a time, however long that takes.
 */
export class Session implements AsyncDisposable {
  readonly runnerId: number;
  readonly #control: Client;
  readonly #lanes: readonly Client[];
  readonly #idle: Client[];
  #isGivenUp = false;

  private constructor(runnerId: number, control: Client, lanes: readonly Client[]) {
    this.runnerId = runnerId;
    this.#control = control;
    this.#lanes = lanes;
    this.#idle = [...lanes];
  }

  /** Opens a session of the runner `former`, if that is still registered; else of a new runner. */
  static async open(url: string, slots: number, former?: number): Promise<Session> {
    const open = (queryTimeoutMs: number) => openClient(url, { name: 'runner', queryTimeoutMs });
    const opening = [
      open(BEAT_TIMEOUT_MS),
      ...Array.from({ length: LANES }, () => open(HOP_TIMEOUT_MS)),
    ] as const;
    try {
      const [control, ...lanes] = await Promise.all(opening);
      const [host, { pid }] = [hostname(), process];
      const isNew = former === undefined || !(await isRunnerAlive(control, former, host, pid));
      const runnerId = isNew ? await registerRunner(control, host, pid, slots) : former;
      const name = sessionNameOf(runnerId);
      if (!isNew) await endFormerSessions(control, name);
      await holdRunnerLock(control, runnerId);
      await Promise.all([control, ...lanes].map((db) => setUpSession(db, name)));
      return new Session(runnerId, control, lanes);
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

  /** Does something over an idle lane, which nobody else uses meanwhile. */
  async onLane(act: (lane: Client) => Promise<void>): Promise<void> {
    const lane = this.#idle.pop();
    if (!lane) throw new Error('all lanes are taken');
    try {
      await act(lane);
    } finally {
      this.#idle.push(lane);
      if (this.#isGivenUp) void lane.end();
    }
  }

  /** A sign of life, which names the runs of which tasks are executed here. */
  beat(runs: readonly string[]): Promise<Pulse> {
    return beat(this.#control, this.runnerId, runs);
  }

  /**
   * Ends the identity. Gives the number of tasks that were given back; null when the identity had been given up before. Tasks
   * that are free are given back first: one that another session has locked makes the rest of this fail. Waits for a beat
   * that is under way.
   */
  async signOff(): Promise<number | null> {
    const { given_back: free } = await giveBackOthers(this.#control, this.runnerId, []);
    const rest = await endRunner(this.#control, this.runnerId);
    return rest === null ? null : free + rest;
  }

  /**
   * Ends it, but for what is under way: that is answered first. A start would not know otherwise whether it was made, and the
   * answer is that it was not.
   */
  giveUp(): void {
    this.#isGivenUp = true;
    for (const client of [this.#control, ...this.#idle]) void client.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#control, ...this.#lanes].map((client) => client.end()));
  }
}
