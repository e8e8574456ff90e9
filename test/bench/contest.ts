/*
 * What takes part in the benchmark: Sluice, the floors (the least that Postgres can do for the same effect) and the
 * peers. Each is a module that exports `measurements`; every measurement runs in a process and a database of its own.
 */

/** What was found out, by name; the name ends in the unit: `tasks_per_s`, `p50_ms`. */
export type Figures = Readonly<Record<string, number>>;

/** How much of everything: `{ runs: 20000, slots: 500 }`. */
export type Size = Readonly<Record<string, number>>;

/** Where and how much to measure. */
export interface Place {
  /** An empty database of its own; for Sluice with all migrations. */
  readonly url: string;
  /** The same for what the engine's role may not do. */
  readonly superuserUrl: string;
  readonly size: Size;
}

type Measurement = (place: Place) => Promise<Figures>;

/** By the names of the workloads; a contestant need not take part in all. */
export type Measurements = Readonly<Record<string, Measurement>>;

/** One of the sizes, which has to be there. */
export function amount(size: Size, name: string): number {
  const value = size[name];
  if (value === undefined)
    throw new Error(`this workload needs a size "${name}"; there are: ${Object.keys(size)}`);
  return value;
}
