import type { Reason } from '../explain.ts';
import type { RunSummary } from '../inspect.ts';
import { colourOf, pad, printable, width, wrap } from '../terminal.ts';
import type { Display } from './display.ts';
import { type Column, table } from './table.ts';

/** Tasks of which one would not ask why they have not run. */
const HAVE_RUN = new Set(['SUCCEEDED', 'REUSED', 'FAILED']);

const COLUMNS: readonly Column<Reason>[] = [
  { title: 'TASK', value: ({ task }) => task },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'CODE', value: ({ code }) => code },
  { title: 'WHY', value: ({ reason }) => reason },
];

/** Why the tasks of a run that have not run have not. */
export function whyScreen(run: RunSummary, reasons: readonly Reason[], display: Display): string {
  const open = reasons.filter(({ code }) => !HAVE_RUN.has(code));
  if (!display.isTerminal) return table(open, COLUMNS, display);
  const status = display.paint(run.status, colourOf(run.status));
  const head = `run ${run.id} of ${run.workflow} is ${status}`;
  if (open.length === 0) return `${wrap(`${head}: all of its tasks have run.`, display.width)}\n`;
  const sum = `${head}. Not run, or not to the end: ${open.length} of ${reasons.length} tasks.`;
  const names = Math.max(...open.map(({ task }) => width(task)));
  const beside = names + 11;
  // Where there is no room beside it, a reason stands below its task.
  const isNarrow = display.width - beside < 30;
  const indent = isNarrow ? 2 : beside;
  const lines = open.map(({ task, state, reason }, index) => {
    const words = wrap(printable(reason), display.width - indent).split('\n');
    // A run that has stopped says the same of many.
    const isRepeated = words.length > 1 && reason === open[index - 1]?.reason;
    const why = isRepeated ? 'as the one above' : words.join(`\n${' '.repeat(indent)}`);
    const start = `${pad(task, names)}  ${pad(display.paint(state, colourOf(state)), 7)}`;
    return isNarrow ? `${start.trimEnd()}\n${' '.repeat(indent)}${why}\n` : `${start}  ${why}\n`;
  });
  return `${wrap(sum, display.width)}\n\n${lines.join('')}`;
}

/** Why one task has not run, and what it waits for in the end. */
export function whyTaskScreen(reason: Reason, blockers: readonly Reason[], display: Display): string {
  const lines = [reason, ...blockers];
  if (!display.isTerminal) return table(lines, COLUMNS, display);
  const say = ({ task, state, reason }: Reason) =>
    `${task} (${display.paint(state, colourOf(state))}): ${printable(reason).replace(/\.?$/, '.')}`;
  const end = blockers.map((one) => wrap(`In the end it waits for ${say(one)}`, display.width));
  return `${[wrap(say(reason), display.width), ...end].join('\n')}\n`;
}
