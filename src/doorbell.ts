import { setTimeout as delay } from 'node:timers/promises';

/** Rings when there may be something to do. It carries nothing: a ring that nobody waits for is remembered once. */
export class Doorbell {
  #rung = true;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** What has rung so far counts no longer. */
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

  /** The same, but no later than after so long, or when the signal aborts. */
  async nextWithin(ms: number, signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    // Not AbortSignal.any: what it makes is kept for as long as the signal that lives longest.
    signal.addEventListener('abort', () => end.abort(), { signal: end.signal });
    const late = delay(ms, undefined, { signal: end.signal }).catch(() => {});
    if (!signal.aborted) await Promise.race([this.next(), late]);
    end.abort();
  }
}
