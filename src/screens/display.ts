import type { RunSummary, TaskOverview } from '../inspect.ts';
import { colourOf, cut, duration, glyphs, printable } from '../terminal.ts';
import type { TableStyle } from './table.ts';

/** How large, in what style and at what time a screen is drawn; tests set all of it. */
export interface Display extends TableStyle {
  /** Of the terminal, in lines. */
  readonly height: number;
  readonly now: Date;
}

type Standing = Pick<TaskOverview, 'skipped' | 'reused_from'> & {
  readonly state: TaskOverview['state'] | null;
};

/** One character that says how a task stands. */
export function mark({ state, skipped, reused_from }: Standing, { unicode, paint }: Display): string {
  const { marks } = glyphs({ unicode });
  if (reused_from !== null) return paint(marks.reused, 'green');
  if (skipped !== null) return paint(marks.skipped, 'dim');
  return state === null ? paint(marks.defined, 'dim') : paint(marks[state], colourOf(state));
}

/** `███████░░░` */
export function progressBar(done: number, total: number, columns: number, display: Display): string {
  const { full, empty } = glyphs(display);
  const filled = total === 0 ? 0 : Math.floor((columns * done) / total);
  return full.repeat(filled) + empty.repeat(columns - filled);
}

/** In UTC: `2026-11-22 20:05:57`. */
export function timestamp(time: Date): string {
  return time.toISOString().replace('T', ' ').slice(0, 19);
}

/** In UTC. On a terminal it is short: the time on the same day, else the date as well. */
export function shownTime(time: Date, { isTerminal, now }: Display): string {
  const text = timestamp(time);
  if (!isTerminal) return text;
  return text.slice(0, 10) === timestamp(now).slice(0, 10) ? text.slice(11) : text.slice(0, 16);
}

/** How long something took, or has been going on. */
export function elapsed(from: Date, to: Date | null, now: Date): string {
  return duration(Math.max(0, (to ?? now).getTime() - from.getTime()));
}

/** How long a run took, or has been going on. */
export function tookOf({ created_at, took_ms }: RunSummary, now: Date): string {
  return took_ms === null ? elapsed(created_at, null, now) : duration(took_ms);
}

/** `a, b, c and 7 more` */
export function someOf(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}

/** Why a run stopped: `post: connection refused`. Empty when nothing has stopped it. */
export function causeOf({ failed_task, reason }: Pick<RunSummary, 'failed_task' | 'reason'>): string {
  return [failed_task, reason].filter((part) => part !== null).join(': ');
}

/** Why a task is RUNNING and yet nobody runs it; empty when somebody does. */
export function lacksRunner(
  { dead_runners, waiting_for }: Pick<RunSummary, 'dead_runners' | 'waiting_for'>,
  { state, runner_id }: Pick<TaskOverview, 'state' | 'runner_id'>,
): string {
  if (state !== 'RUNNING') return '';
  if (runner_id === null) return waiting_for === null ? '' : `waits for ${waiting_for}`;
  return dead_runners.includes(runner_id) ? 'its runner is dead' : '';
}

/** Whether it has succeeded in this run, or somebody runs it. The times of other executions are those of attempts. */
export function succeededOrRuns({ state, runner_id, reused_from }: TaskOverview): boolean {
  return reused_from === null && (state === 'SUCCESS' || (state === 'RUNNING' && runner_id !== null));
}

/** A text from outside, on one line of at most so many columns. */
export function brief(text: string, columns: number, display: Pick<Display, 'unicode'>): string {
  return cut(printable(text), columns, glyphs(display).ellipsis);
}

/** A number with its digits in groups: `1,234`. */
export function grouped(value: number | string): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
