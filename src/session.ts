import { hostname } from 'node:os';
import type { Client } from 'pg';
import { openClient } from './database/connect.ts';
import { beat, holdRunnerLock, isRunnerAlive, type Pulse, registerRunner } from './store.ts';

/** No call of ours takes that long; a connection that does not answer is given up. */
const QUERY_TIMEOUT_MS = 30_000;

/**
 * A runner's identity, and the two connections that it stands on: one holds the lock by which others know that it lives,
 * and beats; the other carries its hops, however long they take.
 */
export class Session implements AsyncDisposable {
  readonly runnerId: number;
  /** The former identity was given up, or there was none. */
  readonly isNew: boolean;
  readonly hops: Client;
  readonly #control: Client;

  private constructor(runnerId: number, isNew: boolean, control: Client, hops: Client) {
    this.runnerId = runnerId;
    this.isNew = isNew;
    this.#control = control;
    this.hops = hops;
  }

  /** Goes on as `former`, if that is still registered; else as a new runner. */
  static async open(url: string, slots: number, former?: number): Promise<Session> {
    const control = await openClient(url, { name: 'runner', queryTimeoutMs: QUERY_TIMEOUT_MS });
    try {
      const isNew = former === undefined || !(await isRunnerAlive(control, former));
      const runnerId = isNew ? await registerRunner(control, hostname(), process.pid, slots) : former;
      await holdRunnerLock(control, runnerId);
      const hops = await openClient(url, {
        name: `runner ${runnerId} hops`,
        queryTimeoutMs: QUERY_TIMEOUT_MS,
      });
      return new Session(runnerId, isNew, control, hops);
    } catch (error) {
      await control.end().catch(() => {});
      throw error;
    }
  }

  beat(): Promise<Pulse> {
    return beat(this.#control, this.runnerId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#control.end(), this.hops.end()]);
  }
}
