import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from './abort.ts';
import { describeConnectionFailure, isAway, isPassing } from './database/failures.ts';
import { Doorbell } from './doorbell.ts';
import { listen } from './ear.ts';
import { UsageError } from './errors.ts';
import { type RunDetails, readRun, readStatus } from './inspect.ts';
import type { Connection } from './store.ts';

/*
 * Waiting: for whatever changes, for the end of a run, for the database.
 */

/** Pauses of waitForRun: a run that has just begun is looked at often, one that goes on twenty times a second. */
const [SHORTEST_MS, LONGEST_MS] = [2, 50];
/** Pauses of follow: after a change, and while nothing changes. */
const QUICK_MS = 40;
const SLOW_MS = 250;
/** A pause of follow is at least this many times as long as the look before it took: large things are looked at less often. */
const SHARE = 4;

/**
 * Gives what `look` finds, again and again: at once when a task has become READY or a run was stopped (which ring for the
 * runners anyway), soon after something has changed, and else four times a second. The end of a run rings no bell, on
 * purpose: NOTIFY takes a global lock at commit, and every run would pay for those who watch. Outages are waited out, and what
 * somebody cancels is looked at again: `onTrouble` is told once when the database does not answer, and with undefined when it
 * does again.
 */
export async function* follow<T>(
  url: string,
  look: () => Promise<T>,
  signal: AbortSignal,
  onTrouble: (line: string | undefined) => void = () => {},
): AsyncGenerator<T> {
  const bell = new Doorbell();
  // Not awaited: until it listens, and where that fails, polling has to do.
  const listening = listen(url, () => bell.ring()).catch(() => undefined);
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
        if (!isPassing(error)) throw error;
        if (!troubled) onTrouble(describeConnectionFailure(error, url));
        troubled = true;
        pause = SLOW_MS;
      }
      // A pause that no ring cuts short, however often it rings.
      const took = performance.now() - began;
      await delay(Math.max(QUICK_MS, took), undefined, { signal }).catch(() => {});
      await bell.nextWithin(Math.max(pause, took * SHARE) - QUICK_MS, signal);
    }
  } finally {
    void listening.then((one) => one?.[Symbol.asyncDispose]());
  }
}

/**
 * Resolves when the run has ended; rejects with the signal's reason. Outages are waited out, and a look that somebody cancels
 * is repeated: that the run was started is known here only.
 */
export async function waitForRun(db: Connection, id: string, given?: AbortSignal): Promise<RunDetails> {
  // A signal of our own: callers may share theirs, and Node warns of a leak when many listen to one.
  const signal = AbortSignal.any(given ? [given] : []);
  for (let pause = SHORTEST_MS; ; pause = Math.min(pause * 1.5, LONGEST_MS)) {
    try {
      if ((await unlessAborted(signal, readStatus(db, id))) !== 'RUNNING') {
        const run = await unlessAborted(signal, readRun(db, id));
        if (!run) throw new UsageError(`RUN_NOT_FOUND there is no run ${id}.`);
        return run;
      }
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
    }
    await unlessAborted(signal, delay(pause));
  }
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
