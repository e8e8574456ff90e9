import { type Colour, cut, glyphs, type Paint, pad, printable, width } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly colour?: (row: Row) => Colour | undefined;
  /** Is cut when the terminal is too narrow for the whole table. */
  readonly shrinks?: boolean;
}

export interface TableStyle {
  readonly paint: Paint;
  readonly isTerminal: boolean;
  /** Of the terminal, in columns. */
  readonly width: number;
  readonly unicode: boolean;
}

/** On a terminal: aligned columns under titles. Into a pipe: tab-separated, no titles, no colour. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], style: TableStyle): string {
  const { paint, isTerminal } = style;
  const cells = rows.map((row) => columns.map(({ value }) => printable(value(row))));
  if (!isTerminal) return cells.map((line) => `${line.join('\t')}\n`).join('');
  const widths = fit(
    columns,
    columns.map(({ title }, index) =>
      Math.max(title.length, ...cells.map((line) => width(line[index] ?? ''))),
    ),
    style.width,
  );
  const shown = (text: string, index: number, align?: 'left' | 'right') => {
    const columns = widths[index] ?? 0;
    return pad(cut(text, columns, glyphs(style).ellipsis), columns, align);
  };
  const titles = columns.map(({ title, align }, index) => paint(shown(title, index, align), 'dim'));
  const lines = rows.map((row, at) =>
    columns.map(({ align, colour }, index) => {
      const chosen = colour?.(row);
      const text = shown(cells[at]?.[index] ?? '', index, align);
      return chosen ? paint(text, chosen) : text;
    }),
  );
  return [titles, ...lines].map((line) => `${line.join('  ').trimEnd()}\n`).join('');
}

/** What is too wide is taken from the columns that shrink, the widest first; none gets narrower than its title. */
function fit<Row>(columns: readonly Column<Row>[], widths: readonly number[], total: number): number[] {
  const fitted = widths.map((wide, index) => (columns[index]?.shrinks ? Math.min(wide, total) : wide));
  for (let excess = fitted.reduce((sum, one) => sum + one + 2, -2) - total; excess > 0; excess--) {
    const slack = (index: number) => {
      const { shrinks, title = '' } = columns[index] ?? {};
      const wide = fitted[index] ?? 0;
      return shrinks && wide > title.length ? wide : 0;
    };
    const widest = fitted.reduce((best, _, index) => (slack(index) >= slack(best) ? index : best), 0);
    if (slack(widest) === 0) break;
    fitted[widest] = (fitted[widest] ?? 0) - 1;
  }
  return fitted;
}
