import type { Figures } from './contest.ts';
import type { Machine } from './machine.ts';
import { type Summary, summarise } from './statistics.ts';

/** Of one contestant in one workload. */
type Summaries = Readonly<Record<string, Summary>>;

export interface WorkloadReport {
  readonly workload: string;
  readonly title: string;
  readonly size: Readonly<Record<string, number>>;
  readonly rounds: number;
  readonly contestants: Readonly<Record<string, Summaries>>;
}

/** The figures of all rounds of one contestant, put together. */
export function summariseRounds(rounds: readonly Figures[]): Summaries {
  const names = [...new Set(rounds.flatMap((figures) => Object.keys(figures)))];
  const valuesOf = (name: string) =>
    rounds.map((figures) => figures[name]).filter((value) => value !== undefined);
  return Object.fromEntries(names.map((name) => [name, summarise(valuesOf(name))]));
}

export function machineLines({
  date,
  processors,
  memory_gb,
  system,
  node,
  load,
  server,
  settings,
}: Machine): string {
  const set = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  return [
    `${date}  ${processors}, ${memory_gb} GB, ${system}, node ${node}, load ${load}`,
    `${server}: ${set.join(', ')}`,
  ].join('\n');
}

/** One line per figure and contestant; the ratio is to Sluice's median, above 1 where Sluice is ahead. */
export function workloadLines({ workload, title, size, rounds, contestants }: WorkloadReport): string {
  const sizes = Object.entries(size).map(([name, value]) => `${name} ${value}`);
  const lines = [['figure', 'contestant', 'min', 'median', 'max', 'Sluice ahead by']];
  const names = [...new Set(Object.values(contestants).flatMap((summaries) => Object.keys(summaries)))];
  for (const figure of names) {
    for (const [contestant, summaries] of Object.entries(contestants)) {
      const summary = summaries[figure];
      if (!summary) continue;
      const ours = contestants.sluice?.[figure];
      const ratio = ours && contestant !== 'sluice' ? lead(figure, ours.median, summary.median) : '';
      lines.push([figure, contestant, ...[summary.min, summary.median, summary.max].map(rounded), ratio]);
    }
  }
  return `\n${workload}: ${title} (${sizes.join(', ')}; ${rounds} rounds)\n${aligned(lines)}`;
}

/** How many times better ours is: more a second, or less of everything else. */
function lead(figure: string, ours: number, theirs: number): string {
  return `${(figure.endsWith('_per_s') ? ours / theirs : theirs / ours).toFixed(2)} ×`;
}

function rounded(value: number): string {
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const pad = (cell: string, column: number) =>
    column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return lines.map((line) => `  ${line.map(pad).join('  ').trimEnd()}`).join('\n');
}
