import type { RunEvent } from '../explain.ts';
import { colourOf, withArrows } from '../terminal.ts';
import type { Display } from './display.ts';
import { type Column, table } from './table.ts';

/** All that happened, in order. */
export function eventsScreen(events: readonly RunEvent[], display: Display): string {
  return table(events, columns(display), display);
}

function columns(display: Display): Column<RunEvent>[] {
  return [
    {
      title: 'AT (UTC)',
      value: ({ at }) =>
        at
          .toISOString()
          .replace('T', ' ')
          .slice(display.isTerminal ? 11 : 0, 23),
    },
    { title: 'TASK', value: ({ task }) => task ?? '(run)' },
    {
      title: 'WHAT',
      value: ({ what }) => withArrows(what, display),
      colour: ({ what }) => colourOf(what.split(/ → | /).at(-1) ?? ''),
    },
    { title: 'ATTEMPT', value: ({ attempt }) => (attempt ? String(attempt) : ''), align: 'right' },
    { title: 'RUNNER', value: ({ runner }) => (runner === null ? '' : String(runner)), align: 'right' },
    { title: 'NOTE', value: ({ note }) => note ?? '', shrinks: true },
  ];
}
