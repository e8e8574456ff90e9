export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  return { min: percentile(values, 0), median: percentile(values, 50), max: percentile(values, 100) };
}

/** Between two values, the one in proportion. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place % 1);
}

/** How long something took each time, in milliseconds, as figures. */
export function latencies(values: readonly number[], prefix = ''): Record<string, number> {
  return {
    [`${prefix}p50_ms`]: percentile(values, 50),
    [`${prefix}p95_ms`]: percentile(values, 95),
    [`${prefix}max_ms`]: percentile(values, 100),
  };
}
