import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from './abort.ts';
import { describeConnectionFailure, isAway } from './database/failures.ts';
import { Doorbell } from './doorbell.ts';
import { listen } from './ear.ts';
import { UsageError } from './errors.ts';
import { type RunDetails, readRun, readStatus } from './inspect.ts';
import type { Connection } from './store.ts';

/*
 * Waiting: for whatever changes, for the end of a run, for the database.
 */

interface FollowSettings {
  readonly url: string;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Told once when the database does not answer, and with undefined when it does again. */
  readonly onTrouble?: (line: string | undefined) => void;
}

/** Of who waits for the end of a run: short runs are looked at often, long ones twenty times a second. */
const [SHORTEST_MS, LONGEST_MS] = [2, 50];
/** Of who follows. */
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

/** Resolves when the run has ended; rejects with the signal's reason. Outages are waited out. */
export async function waitForRun(db: Connection, id: string, given?: AbortSignal): Promise<RunDetails> {
  // Of our own: any number may wait by one signal.
  const signal = AbortSignal.any(given ? [given] : []);
  for (let pause = SHORTEST_MS; ; pause = Math.min(pause * 1.5, LONGEST_MS)) {
    try {
      const run = await unlessAborted(signal, readEnded(db, id));
      if (run) return run;
      if (run === undefined) throw new UsageError(`RUN_NOT_FOUND there is no run ${id}.`);
    } catch (error) {
      if (signal.aborted || !isAway(error)) throw error;
    }
    await unlessAborted(signal, delay(pause));
  }
}

/** False as long as it is under way, undefined when there is no such run. */
async function readEnded(db: Connection, id: string): Promise<RunDetails | undefined | false> {
  return (await readStatus(db, id)) !== 'RUNNING' && (await readRun(db, id));
}

/** Resolves when the database answers, or the signal aborts; says once that it waits. Other failures are thrown. */
export async function waitForDatabase(
  db: Connection,
  url: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  for (let said = false; !signal.aborted; said = true) {
    try {
      await unlessAborted(signal, db.query('select'));
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isAway(error)) throw error;
      if (!said) say(`${describeConnectionFailure(error, url)} Waiting for the database.`);
      await delay(SLOW_MS, undefined, { signal }).catch(() => {});
    }
  }
}
