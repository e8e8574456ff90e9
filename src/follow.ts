import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from './abort.ts';
import { describeConnectionFailure, isAway } from './database/connect.ts';
import { Doorbell } from './doorbell.ts';
import { listen } from './ear.ts';

interface FollowSettings {
  readonly url: string;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Told once when the database does not answer, and with undefined when it does again. */
  readonly onTrouble?: (line: string | undefined) => void;
}

const QUICK_MS = 40;
const SLOW_MS = 250;
/** A look may take this part of our time; what is large is looked at less often. */
const SHARE = 4;

/**
 * Looks again and again: at once when a task has become READY for whoever takes it or a run was stopped (these ring anyway),
 * soon after something has changed, and four times a second otherwise. The end of a run rings no bell, on purpose: NOTIFY
 * takes a global lock at commit, and every run would pay for those who watch. Outages are waited out.
 */
export async function* follow<T>(
  look: () => Promise<T>,
  { url, signal, onTrouble = () => {} }: FollowSettings,
): AsyncGenerator<T> {
  const bell = new Doorbell();
  // Without it there is the polling.
  const listening = await listen(url, () => bell.ring()).catch(() => undefined);
  try {
    let troubled = false;
    let shown = '';
    for (let pause = QUICK_MS; !signal.aborted; ) {
      bell.answer();
      const began = performance.now();
      try {
        const seen = await unlessAborted(signal, look());
        if (troubled) onTrouble(undefined);
        troubled = false;
        yield seen;
        const text = JSON.stringify(seen);
        pause = text === shown ? Math.min(SLOW_MS, pause * 1.5) : QUICK_MS;
        shown = text;
      } catch (error) {
        if (signal.aborted) return;
        if (!isAway(error)) throw error;
        if (!troubled) onTrouble(describeConnectionFailure(error, url));
        troubled = true;
        pause = SLOW_MS;
      }
      // However often it rings, there is a pause.
      const took = performance.now() - began;
      await delay(Math.max(QUICK_MS, took), undefined, { signal }).catch(() => {});
      await bell.nextWithin(Math.max(pause, took * SHARE) - QUICK_MS, signal);
    }
  } finally {
    await listening?.[Symbol.asyncDispose]();
  }
}
