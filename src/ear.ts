import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pgListen, { type Subscriber } from 'pg-listen';
import { CONNECT_MS, GOODBYE_MS, openClient, withSession } from './database/connect.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

interface Listening extends AsyncDisposable {
  /** Whether a NOTIFY of `task_ready` from another session arrives here: a pooler in transaction mode swallows it. */
  hears(): Promise<boolean>;
}

const CHANNELS = ['task_ready', 'run_stopped'];
/** After this time, listening is tried again. */
const AGAIN_MS = 10_000;
const ANSWER_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;
/** How long a test notification may take to arrive. */
const PATIENCE_MS = 2_000;

interface EarOptions {
  readonly url: string;
  readonly log: Log;
  readonly onRing: (channel: string) => void;
}

/**
 * Hears the rings of Postgres for a runner, for as long as that lives. A runner can do without them, as each beat looks for
 * work, too: when listening fails at the beginning, a warning says so; it is tried again now and then.
 */
export class Ear implements AsyncDisposable {
  readonly #options: EarOptions;
  #listening: Listening | undefined;
  #closed = false;

  constructor(options: EarOptions) {
    this.#options = options;
  }

  /** Resolves when it listens, or when it is known that it cannot. Never rejects. */
  open(): Promise<void> {
    return this.#open(true);
  }

  async #open(isFirst: boolean): Promise<void> {
    const { url, log, onRing } = this.#options;
    let listening: Listening | undefined;
    try {
      listening = await listen(url, onRing, () => this.#openAgain());
      if (this.#closed) return await listening[Symbol.asyncDispose]();
      this.#listening = listening;
      if (await listening.hears()) return;
      log.warn(
        {},
        'NOTIFY does not arrive (is a pooler in transaction mode in between?): looking for work once a second instead',
      );
    } catch (error) {
      // What failed was only the test whether it hears. It listens, and looks after its connection itself.
      if (this.#closed || listening) return;
      if (isFirst) log.warn({}, `cannot listen: ${messageOf(error)}; looking for work once a second instead`);
      this.#openAgain();
    }
  }

  /** In a while. */
  #openAgain(): void {
    void this.#listening?.[Symbol.asyncDispose]();
    this.#listening = undefined;
    setTimeout(() => this.#closed || this.#open(false), AGAIN_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#listening?.[Symbol.asyncDispose]();
  }
}

/**
 * Listens until disposed of, also across restarts of the server. Calls back for every ring, and after every reconnect for
 * each channel, as rings may have been missed. Callers must not depend on it: rings get lost. When it cannot go on it calls
 * `onDeaf`, and has to be opened anew.
 */
export async function listen(
  url: string,
  onRing: (channel: string) => void,
  onDeaf: () => void = () => {},
): Promise<Listening> {
  let closed = false;
  const sockets = new Set<Socket>();
  const subscriber = pgListen.default(
    {
      connectionString: withSession(url),
      application_name: 'sluice listen',
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: ANSWER_MS,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      // pg-listen does not hand out its connections, and we have to be able to drop one that does not answer.
      stream: () => {
        const socket = new Socket();
        sockets.add(socket);
        return socket.once('close', () => sockets.delete(socket));
      },
    },
    {
      retryInterval: 250,
      retryTimeout: Number.POSITIVE_INFINITY,
      // No queries to test the connection: TCP keep-alive does that, and beats find what was not rung for.
      paranoidChecking: false,
      parse: (text: string) => text,
    },
  );
  const close = async () => {
    closed = true;
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, GOODBYE_MS);
    await subscriber.close().catch(() => {});
    clearTimeout(timer);
  };

  // pg-listen reconnects by itself, but gives up when LISTEN fails over the new connection, as a standby refuses it.
  subscriber.events.on('error', () => closed || onDeaf());
  // Closing does not end its attempts to reconnect, but an error in this listener does.
  subscriber.events.on('reconnect', () => {
    if (closed) throw new Error('closed');
  });
  subscriber.events.on('connected', () => {
    if (closed) void close();
    else CHANNELS.forEach(onRing);
  });
  for (const channel of CHANNELS) subscriber.notifications.on(channel, () => onRing(channel));
  try {
    await subscriber.connect();
    await Promise.all(CHANNELS.map((channel) => subscriber.listenTo(channel)));
  } catch (error) {
    // Otherwise it would go on trying to reconnect; and it cannot be used again.
    await close();
    throw error;
  }

  return { hears: () => hears(subscriber, url), [Symbol.asyncDispose]: close };
}

/** Rings, and waits for that to arrive. */
async function hears({ notifications }: Subscriber, url: string): Promise<boolean> {
  const arrived = new Promise<true>((resolve) => notifications.once('task_ready', () => resolve(true)));
  // Connecting may take long.
  await ring(url);
  return Promise.race([arrived, delay(PATIENCE_MS, false, { ref: false })]);
}

/** Sends a NOTIFY, over a connection of its own: long tasks may have taken all that there are. */
async function ring(url: string): Promise<void> {
  await using client = await openClient(url, { name: 'ring', queryTimeoutMs: ANSWER_MS });
  await client.query('notify task_ready');
}
