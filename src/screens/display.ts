import type { TaskOverview } from '../inspect.ts';
import type { TableStyle } from '../table.ts';
import { type Colour, colourOf, cut, printable } from '../terminal.ts';

/** How and when a screen is drawn: its tests fix the time and the size. */
export interface Display extends TableStyle {
  /** Of the terminal, in lines. */
  readonly height: number;
  readonly now: Date;
}

/** Everything that needs a font. Each is one column wide. */
export interface Glyphs {
  readonly branch: string;
  readonly last: string;
  readonly trunk: string;
  readonly full: string;
  readonly failed: string;
  readonly waiting: string;
  readonly empty: string;
  readonly ellipsis: string;
}

const UNICODE: Glyphs = {
  branch: '├─',
  last: '└─',
  trunk: '│ ',
  full: '█',
  failed: '▒',
  waiting: '·',
  empty: '░',
  ellipsis: '…',
};
const ASCII: Glyphs = {
  branch: '|-',
  last: '`-',
  trunk: '| ',
  full: '#',
  failed: 'x',
  waiting: '.',
  empty: '.',
  ellipsis: '...',
};

export function glyphs({ unicode }: Pick<Display, 'unicode'>): Glyphs {
  return unicode ? UNICODE : ASCII;
}

export type Standing = Pick<TaskOverview, 'skipped' | 'reused_from'> & {
  readonly state: TaskOverview['state'] | null;
};

/** One character that says how a task stands: unicode, ASCII, colour. */
export function mark({ state, skipped, reused_from }: Standing, { unicode, paint }: Display): string {
  const [fancy, plain, colour] = markOf(state, skipped !== null, reused_from !== null);
  return paint(unicode ? fancy : plain, colour);
}

function markOf(state: Standing['state'], skipped: boolean, reused: boolean): [string, string, Colour] {
  if (reused) return ['↺', '=', 'green'];
  if (skipped) return ['↷', '-', 'dim'];
  if (state === 'SUCCESS') return ['✓', '+', 'green'];
  if (state === 'FAILED') return ['✗', 'x', 'red'];
  if (state === 'RUNNING') return ['●', '>', 'cyan'];
  if (state === 'READY') return ['◎', 'o', 'yellow'];
  return state === 'PENDING' ? ['○', '.', 'dim'] : ['•', '*', colourOf('')];
}

/** In UTC: `2026-11-22 20:05:57`. */
export function timestamp(time: Date): string {
  return time.toISOString().replace('T', ' ').slice(0, 19);
}

/** Short, in UTC: the time on the same day, else the date as well. */
export function shortTime(time: Date, now: Date): string {
  const text = timestamp(time);
  return text.slice(0, 10) === timestamp(now).slice(0, 10) ? text.slice(11) : text.slice(0, 16);
}

/** One line of foreign text, at most so wide. */
export function brief(text: string, columns: number, display: Pick<Display, 'unicode'>): string {
  return cut(printable(text), columns, glyphs(display).ellipsis);
}

/** `1,234` */
export function count(value: number | string): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
