import type { AttemptDetails, RunOverview, TaskOverview } from '../inspect.ts';
import { colourOf, duration, glyphs, pad, width, wrap } from '../terminal.ts';
import { brief, type Display, succeededOrRuns } from './display.ts';
import { summarise } from './tree.ts';

/** How many lines there are at the most: more would say less. */
const LINES = 24;
/** How many columns the bars have at least: shorter ones say nothing. */
const SHORTEST = 10;

interface Bar {
  readonly task: TaskOverview;
  /** When it first began, with attempts that failed. */
  readonly began: number;
  readonly ended: number;
  /** Its executions. In between it waited to be claimed again. */
  readonly pieces: readonly Piece[];
}

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly failed: boolean;
}

/** What ran when, and beside what; then the chain of tasks that decided how long it took. */
export function timelineScreen(run: RunOverview, display: Display, lines = LINES): string {
  const bars = barsOf(run, display.now.getTime());
  if (bars.length === 0) return '';
  const { paint } = display;
  const begin = run.created_at.getTime();
  const end = Math.max(
    run.finished_at?.getTime() ?? display.now.getTime(),
    ...bars.map(({ ended }) => ended),
    begin + 1,
  );
  const shown = mostTelling(bars, lines);
  const room = Math.max(4, Math.min(24, display.width - SHORTEST - 14));
  const names = Math.min(room, Math.max(...shown.map(({ task }) => width(task.name))));
  const columns = Math.max(SHORTEST, display.width - names - 14);
  // What ran before the run began (the clock went back) is shown at its beginning.
  const place = (time: number) => Math.max(0, Math.round((columns * (time - begin)) / (end - begin)));
  const rows = shown.map((bar) => {
    const name = pad(brief(bar.task.name, names, display), names);
    const took = pad(duration(ran(bar)), 10, 'right');
    return `${name}  ${barLine(bar, place, columns, display)}  ${took}`;
  });
  const scale = pad(duration(end - begin), columns - 1, 'right');
  const hidden = bars.filter((bar) => !shown.includes(bar)).map(({ task }) => task);
  return [
    paint(`${' '.repeat(names + 2)}0${scale}`, 'dim'),
    ...rows,
    ...(hidden.length > 0 ? [paint(summarise(hidden), 'dim')] : []),
    '',
    longestChain(run, bars, end, display),
    '',
  ].join('\n');
}

function barsOf(run: RunOverview, now: number): Bar[] {
  const failed = groupAttempts(run.attempts);
  return run.tasks
    .map((task) => {
      const pieces = (failed.get(task.name) ?? []).map(({ started_at, ended_at }) =>
        pieceOf(started_at, ended_at.getTime(), true),
      );
      if (task.started_at && succeededOrRuns(task))
        pieces.push(pieceOf(task.started_at, task.finished_at?.getTime() ?? now, false));
      const began = Math.min(...pieces.map(({ from }) => from));
      return { task, began, ended: Math.max(began, task.finished_at?.getTime() ?? now), pieces };
    })
    .filter(({ pieces }) => pieces.length > 0)
    .sort((a, b) => a.began - b.began || a.task.task_no - b.task.task_no);
}

/** The clock may have gone back meanwhile. */
function pieceOf(started_at: Date, ended: number, failed: boolean): Piece {
  const from = started_at.getTime();
  return { from, to: Math.max(from, ended), failed };
}

function ran({ pieces }: Bar): number {
  return pieces.reduce((sum, { from, to }) => sum + to - from, 0);
}

function groupAttempts(attempts: readonly AttemptDetails[]): Map<string, AttemptDetails[]> {
  const groups = new Map<string, AttemptDetails[]>();
  for (const attempt of attempts) groups.set(attempt.task, [...(groups.get(attempt.task) ?? []), attempt]);
  return groups;
}

/** Dots while it could run and nobody ran it, blocks while it ran, another pattern for attempts that failed. */
function barLine(
  { task, began, ended, pieces }: Bar,
  place: (time: number) => number,
  columns: number,
  display: Display,
): string {
  const { full, failed: broken, waiting } = glyphs(display);
  const cells: string[] = Array(columns).fill(' ');
  const fill = (from: number, to: number, glyph: string) => {
    const start = Math.min(columns - 1, place(from));
    cells.fill(glyph, start, Math.max(start + 1, place(to)));
  };
  if (task.ready_at && place(task.ready_at.getTime()) < place(began))
    fill(task.ready_at.getTime(), began, waiting);
  fill(began, ended, waiting);
  for (const { from, to, failed } of pieces.toReversed()) fill(from, to, failed ? broken : full);
  return display.paint(cells.join(''), colourOf(task.state));
}

/** When there is no room for all of them: those that took longest, in the order in which they began. */
function mostTelling(bars: readonly Bar[], lines: number): Bar[] {
  if (bars.length <= lines) return [...bars];
  const longest = bars.toSorted((a, b) => b.ended - b.began - (a.ended - a.began)).slice(0, lines);
  return bars.filter((bar) => longest.includes(bar));
}

/**
 * The task that ended last, before it the parent of it that ended last, and so on: only when one of these takes less time does
 * the run end earlier.
 */
function longestChain(run: RunOverview, bars: readonly Bar[], end: number, display: Display): string {
  const byName = new Map(bars.map((bar) => [bar.task.name, bar]));
  const chain: Bar[] = [];
  const last = (some: readonly Bar[]) =>
    some.reduce<Bar | undefined>((a, b) => (a && a.ended > b.ended ? a : b), undefined);
  for (let bar = last(bars); bar; ) {
    chain.unshift(bar);
    bar = last(bar.task.after.flatMap((name) => byName.get(name) ?? []));
  }
  const active = chain.reduce((sum, bar) => sum + ran(bar), 0);
  const names = chain.map(({ task }) => brief(task.name, 24, display));
  const { arrow, ellipsis } = glyphs(display);
  const path = names.length > 6 ? [...names.slice(0, 3), ellipsis, ...names.slice(-2)] : names;
  const total = end - run.created_at.getTime();
  const text = `Longest chain: ${path.join(` ${arrow} `)}. It ran for ${duration(active)} and waited for ${duration(Math.max(0, total - active))}.`;
  return wrap(text, display.width);
}
