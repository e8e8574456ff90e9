import { setTimeout as delay } from 'node:timers/promises';
import pgListen from 'pg-listen';
import { withSession } from './database/connect.ts';

/** Rings when there may be something to do. It carries nothing: a ring that nobody waits for is remembered once. */
export class Doorbell {
  #rung = true;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** True when it has rung since the last call. */
  answer(): boolean {
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }

  /** Resolves at the next ring, or at once when it has rung already. */
  async next(): Promise<void> {
    if (this.#rung) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

export interface Listening extends AsyncDisposable {
  /** Does a NOTIFY come back to us at all? A pooler in transaction mode swallows it. */
  verify(patienceMs?: number): Promise<boolean>;
}

/**
 * Listens until disposed of, also across restarts of the server, and calls back once for every ring and after every
 * reconnect. Whoever calls has to manage without it: rings get lost, and there may be no listening at all.
 */
export async function listen(
  url: string,
  channels: readonly string[],
  onRing: (channel: string) => void,
  onTrouble: (error: Error) => void = () => {},
): Promise<Listening> {
  const subscriber = pgListen.default(
    { connectionString: withSession(url), application_name: 'sluice listen', query_timeout: 10_000 },
    {
      retryInterval: 500,
      retryTimeout: Number.POSITIVE_INFINITY,
      paranoidChecking: 30_000,
      parse: (text: string) => text,
    },
  );
  const heard = new Set<string>();
  subscriber.events.on('error', onTrouble);
  subscriber.events.on('connected', () => channels.forEach(onRing));
  for (const channel of channels) {
    subscriber.notifications.on(channel, () => {
      heard.add(channel);
      onRing(channel);
    });
  }
  try {
    await subscriber.connect();
    await Promise.all(channels.map((channel) => subscriber.listenTo(channel)));
  } catch (error) {
    // It would go on trying to reconnect, and could not be used again.
    await subscriber.close().catch(() => {});
    throw error;
  }

  return {
    verify: async (patienceMs = 2_000) => {
      const [channel] = channels;
      if (channel === undefined) return true;
      heard.delete(channel);
      await subscriber.notify(channel, '');
      for (let waited = 0; waited < patienceMs && !heard.has(channel); waited += 10) await delay(10);
      return heard.has(channel);
    },
    [Symbol.asyncDispose]: async () => {
      await subscriber.close().catch(() => {});
    },
  };
}
