import { describeConnectionFailure } from './database/connect.ts';
import { DatabaseUnavailableError } from './errors.ts';
import type { Log } from './log.ts';

const AGAIN_MS = 30_000;

/** Says in one line what keeps us from working, once per trouble and then every half a minute; and when it is over. */
export class Trouble {
  readonly #log: Log;
  readonly #url: string;
  readonly #consequence: string;
  #since: number | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log, url: string, consequence: string) {
    this.#log = log;
    this.#url = url;
    this.#consequence = consequence;
  }

  say(error: unknown): void {
    const now = performance.now();
    const isNew = this.#since === undefined;
    this.#since ??= now;
    if (!isNew && now - this.#saidAt < AGAIN_MS) return;
    this.#saidAt = now;
    const what =
      error instanceof DatabaseUnavailableError ? error.message : describeConnectionFailure(error, this.#url);
    this.#log.warn({}, `${what} ${this.#consequence}`);
  }

  over(): void {
    if (this.#since === undefined) return;
    const after_ms = Math.round(performance.now() - this.#since);
    this.#since = undefined;
    this.#log.info({ after_ms }, 'the database is back');
  }
}
