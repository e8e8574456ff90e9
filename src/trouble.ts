import { describeConnectionFailure, isDatabaseExhausted } from './database/failures.ts';
import type { Log } from './log.ts';

const AGAIN_MS = 30_000;

/**
 * Says in one line that the database keeps us from working, and when that is over. While a server goes away and comes back,
 * its errors have many names; they count as one trouble, which is told once, and again every half a minute.
 */
export class Trouble {
  readonly #log: Log;
  readonly #url: string;
  readonly #consequence: string;
  #since: number | undefined;
  #isExhausted = false;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log, url: string, consequence: string) {
    this.#log = log;
    this.#url = url;
    this.#consequence = consequence;
  }

  say(error: unknown): void {
    const now = performance.now();
    const isExhausted = isDatabaseExhausted(error);
    const isNews = this.#since === undefined || isExhausted !== this.#isExhausted;
    this.#since ??= now;
    this.#isExhausted = isExhausted;
    if (!isNews && now - this.#saidAt < AGAIN_MS) return;
    this.#saidAt = now;
    this.#log.warn({}, `${describeConnectionFailure(error, this.#url)} ${this.#consequence}`);
  }

  over(): void {
    if (this.#since === undefined) return;
    const after_ms = Math.round(performance.now() - this.#since);
    this.#since = undefined;
    this.#log.info({ after_ms }, 'the database is back');
  }
}
