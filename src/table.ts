import { type Colour, type Paint, printable } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly colour?: (row: Row) => Colour | undefined;
}

/** On a terminal: aligned columns under titles. Into a pipe: tab-separated, no titles, no colour. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  paint: Paint,
  isTerminal: boolean,
): string {
  const cells = rows.map((row) => columns.map(({ value }) => printable(value(row))));
  if (!isTerminal) return cells.map((line) => `${line.join('\t')}\n`).join('');
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((line) => width(line[index] ?? ''))),
  );
  const titles = columns.map(({ title, align }, index) => pad(title, widths[index] ?? 0, align));
  const lines = cells.map((line, at) =>
    columns.map(({ align, colour }, index) => {
      const row = rows[at];
      const chosen = row === undefined ? undefined : colour?.(row);
      const text = pad(line[index] ?? '', widths[index] ?? 0, align);
      return chosen ? paint(text, chosen) : text;
    }),
  );
  return [titles.map((title) => paint(title, 'dim')), ...lines]
    .map((line) => `${line.join('  ').trimEnd()}\n`)
    .join('');
}

function pad(text: string, to: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, to - width(text)));
  return align === 'right' ? space + text : text + space;
}

/** In characters, as people count them. */
function width(text: string): number {
  return [...text].length;
}
