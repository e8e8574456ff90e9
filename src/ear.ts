import { Socket } from 'node:net';
import pgListen from 'pg-listen';
import { openClient, withSession } from './database/connect.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

interface Listening extends AsyncDisposable {
  /** Does a NOTIFY of `task_ready` that somebody else sends arrive here? A pooler in transaction mode swallows it. */
  hears(): Promise<boolean>;
}

const CHANNELS = ['task_ready', 'run_stopped'];
const AGAIN_MS = 10_000;
const CONNECT_MS = 10_000;
const ANSWER_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;
const GOODBYE_MS = 1_000;
const PATIENCE_MS = 2_000;

interface EarOptions {
  readonly url: string;
  readonly log: Log;
  readonly onRing: (channel: string) => void;
}

/**
 * What a runner hears with, for as long as it lives. Rings spare it the wait for the next beat: what cannot be had is said
 * once, and tried again now and then.
 */
export class Ear implements AsyncDisposable {
  readonly #options: EarOptions;
  #listening: Listening | undefined;
  #closed = false;

  constructor(options: EarOptions) {
    this.#options = options;
  }

  /** Resolves when it hears, or when it is known that it does not. */
  open(): Promise<void> {
    return this.#open(true);
  }

  async #open(isFirst: boolean): Promise<void> {
    const { url, log, onRing } = this.#options;
    try {
      const listening = await listen(url, onRing);
      if (this.#closed) return await listening[Symbol.asyncDispose]();
      this.#listening = listening;
      if (await listening.hears()) return;
      log.warn(
        {},
        'NOTIFY does not arrive (is a pooler in transaction mode in between?): looking for work once a second instead',
      );
    } catch (error) {
      // Once it listens, it looks after its connection itself.
      if (this.#closed || this.#listening) return;
      if (isFirst) log.warn({}, `cannot listen: ${messageOf(error)}; looking for work once a second instead`);
      setTimeout(() => this.#closed || this.#open(false), AGAIN_MS).unref();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#listening?.[Symbol.asyncDispose]();
  }
}

/**
 * Listens until disposed of, also across restarts of the server, and calls back once for every ring and after every
 * reconnect. Whoever calls has to manage without it: rings get lost, and there may be no listening at all.
 */
export async function listen(url: string, onRing: (channel: string) => void): Promise<Listening> {
  let closed = false;
  const sockets = new Set<Socket>();
  const subscriber = pgListen.default(
    {
      connectionString: withSession(url),
      application_name: 'sluice listen',
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: ANSWER_MS,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      // It hides its connections, and we have to be able to let go of one that does not answer.
      stream: () => {
        const socket = new Socket();
        sockets.add(socket);
        return socket.once('close', () => sockets.delete(socket));
      },
    },
    {
      retryInterval: 250,
      retryTimeout: Number.POSITIVE_INFINITY,
      // The system asks whether the other side is still there, which costs no query; and a beat finds what is not rung for.
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

  // It looks after its connection itself, and has no other errors.
  subscriber.events.on('error', () => {});
  // Closing does not end its attempts to reconnect; this does.
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
    // It would go on trying to reconnect, and could not be used again.
    await close();
    throw error;
  }

  return {
    hears: async () => {
      let timer: NodeJS.Timeout | undefined;
      const arrived = new Promise<boolean>((resolve) => {
        subscriber.notifications.once('task_ready', () => resolve(true));
        timer = setTimeout(resolve, PATIENCE_MS, false);
      });
      try {
        await ring(url);
        return await arrived;
      } finally {
        clearTimeout(timer);
      }
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Over a connection of its own: tasks may have taken all others, for as long as they run. */
async function ring(url: string): Promise<void> {
  const client = await openClient(url, { name: 'ring', queryTimeoutMs: ANSWER_MS });
  await client.query('notify task_ready').finally(() => client.end());
}
