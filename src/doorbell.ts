import { setTimeout as delay } from 'node:timers/promises';

/** Rings when there may be something to do. However often it has rung while nobody waited, that counts as one ring. */
export class Doorbell {
  #rung = true;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Forgets the rings so far. To be called before looking for something to do, so that later rings count. */
  answer(): void {
    this.#rung = false;
  }

  /** Resolves at the next ring, or at once when it has rung already. */
  async next(): Promise<void> {
    if (this.#rung) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** Resolves at the next ring, after `ms`, or when the signal aborts, whatever comes first. */
  async nextWithin(ms: number, signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    // Not AbortSignal.any: each signal that this made would be kept in memory for as long as `signal` is.
    signal.addEventListener('abort', () => end.abort(), { signal: end.signal });
    const late = delay(ms, undefined, { signal: end.signal }).catch(() => {});
    if (!signal.aborted) await Promise.race([this.next(), late]);
    end.abort();
  }
}
