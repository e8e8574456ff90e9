import { hostname } from 'node:os';
import type { Client } from 'pg';
import { openClient } from './database/connect.ts';
import {
  beat,
  endRunner,
  holdRunnerLock,
  isRunnerAlive,
  nameSession,
  type Pulse,
  registerRunner,
} from './store.ts';

/** No call of ours takes that long; a connection that does not answer is given up. */
const HOP_MS = 30_000;
/** A beat is a small thing: when it does not come back, nothing does. */
const BEAT_MS = 5_000;
const GOODBYE_MS = 1_000;

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
    const clients: Client[] = [];
    try {
      const control = await openClient(url, { name: 'runner', queryTimeoutMs: BEAT_MS });
      clients.push(control);
      const hops = await openClient(url, { name: 'runner', queryTimeoutMs: HOP_MS });
      clients.push(hops);
      const isNew = former === undefined || !(await isRunnerAlive(control, former));
      const runnerId = isNew ? await registerRunner(control, hostname(), process.pid, slots) : former;
      await nameSession(hops, await holdRunnerLock(control, runnerId));
      return new Session(runnerId, isNew, control, hops);
    } catch (error) {
      for (const client of clients) void close(client);
      throw error;
    }
  }

  beat(): Promise<Pulse> {
    return beat(this.#control, this.runnerId);
  }

  /** Says how many tasks it gave back; null when the runner had been given up before. After a beat that is under way. */
  signOff(): Promise<number | null> {
    return endRunner(this.#control, this.runnerId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([close(this.#control), close(this.hops)]);
  }
}

/** A connection that does not answer would take its time to end, and keep the process alive. */
async function close(client: Client): Promise<void> {
  const timer = setTimeout(() => client.connection.stream.destroy(), GOODBYE_MS);
  await client.end().catch(() => {});
  clearTimeout(timer);
}
