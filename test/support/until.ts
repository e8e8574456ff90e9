import { setTimeout as delay } from 'node:timers/promises';

/** Looks every 20 ms until it is so; fails when that takes too long. */
export async function until(
  so: () => boolean | Promise<boolean>,
  what: string,
  patienceMs = 20_000,
): Promise<void> {
  for (const giveUp = performance.now() + patienceMs; !(await so()); await delay(20))
    if (performance.now() > giveUp) throw new Error(`waited ${patienceMs / 1000} s in vain for ${what}`);
}
