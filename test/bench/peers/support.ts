import { setTimeout as delay } from 'node:timers/promises';

/** How often latencies are tried before they count. */
const WARM_UP = 50;

/** Looks until it is so, and not so often that looking costs anything. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await delay(3);
}

/** Counts what is done; `reached` resolves when so much has been done in all. */
export function counter() {
  let done = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let settle: () => void = () => {};
  return {
    count: () => {
      if (++done >= wanted) settle();
    },
    reached: async (goal: number) => {
      wanted = goal;
      if (done < goal)
        await new Promise<void>((resolve) => {
          settle = resolve;
        });
    },
  };
}

/** How long it took each time, in milliseconds; the first times do not count, and nobody is in step with a timer. */
export async function repeat(count: number, pauseMs: number, act: () => Promise<number>): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < count + WARM_UP; index++) {
    took.push(await act());
    if (pauseMs > 0) await delay(pauseMs * (0.5 + Math.random()));
  }
  return took.slice(WARM_UP);
}

/** Splits into batches of the size. */
export function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** The tasks of 1 → N → 1, or of a chain, with those that each waits for. */
export interface Node {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

export function chainOf(length: number): Node[] {
  return Array.from({ length }, (_, index) => ({
    ref: `t${index}`,
    dependsOn: index > 0 ? [`t${index - 1}`] : [],
  }));
}

export function fanOf(width: number): Node[] {
  const middle = Array.from({ length: width }, (_, index) => `m${index}`);
  return [
    { ref: 'first', dependsOn: [] },
    ...middle.map((ref) => ({ ref, dependsOn: ['first'] })),
    { ref: 'last', dependsOn: middle },
  ];
}
