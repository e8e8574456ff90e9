import { type Colour, cut, glyphs, type Paint, pad, printable, width } from '../terminal.ts';

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

/** A column as it is drawn: its index, and how wide it is. */
interface Place {
  readonly index: number;
  readonly title: string;
  readonly shrinks: boolean;
  width: number;
}

const GAP = '  ';
/** A column that shrinks keeps this width: cut any shorter, it would say nothing. */
const LEAST = 8;

/**
 * On a terminal: aligned columns under titles; where it is too narrow for them, the last ones go on below, indented. Into
 * a pipe: tab-separated, no titles, no colour.
 */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], style: TableStyle): string {
  const { paint, isTerminal } = style;
  const cells = rows.map((row) => columns.map(({ value }) => printable(value(row))));
  if (!isTerminal) return cells.map((line) => `${line.join('\t')}\n`).join('');
  const places = columns.map(({ title, shrinks = false }, index) => {
    const wide = Math.max(title.length, ...cells.map((line) => width(line[index] ?? '')));
    return { index, title, shrinks, width: shrinks ? Math.min(wide, style.width) : wide };
  });
  const layout = broken(places, style.width);
  const drawn = (texts: readonly string[], colourAt: (index: number) => Colour | undefined) => {
    const lines = layout.map((line, at) => {
      const shown = line.map(({ index, width }) => {
        const text = cut(texts[index] ?? '', width, glyphs(style).ellipsis);
        const colour = colourAt(index);
        return pad(colour ? paint(text, colour) : text, width, columns[index]?.align);
      });
      return `${at > 0 ? GAP : ''}${shown.join(GAP)}`.trimEnd();
    });
    return `${lines.join('\n').trimEnd()}\n`;
  };
  const titles = drawn(
    columns.map(({ title }) => title),
    () => 'dim',
  );
  const lines = rows.map((row, at) => drawn(cells[at] ?? [], (index) => columns[index]?.colour?.(row)));
  return [titles, ...lines].join('');
}

/** The columns of each line: as many as have room on it when those that shrink are as narrow as they may be. */
function broken(places: readonly Place[], total: number): Place[][] {
  const lines: Place[][] = [];
  let room = -1;
  for (const place of places) {
    room -= leastOf(place) + GAP.length;
    if (room < 0) {
      room = total - leastOf(place) - (lines.length > 0 ? GAP.length : 0);
      lines.push([]);
    }
    lines.at(-1)?.push(place);
  }
  return lines.map((line, at) => fit(line, at > 0 ? total - GAP.length : total));
}

/** The columns of one line, made to fit: what is too much is taken from those that shrink, the widest first. */
function fit(line: readonly Place[], total: number): Place[] {
  const fitted = line.map((place) => ({ ...place }));
  const sum = fitted.reduce((sum, { width }) => sum + width + GAP.length, -GAP.length);
  for (let excess = sum - total; excess > 0; excess--) {
    const yielding = fitted.filter((place) => place.width > leastOf(place));
    const most = Math.max(...yielding.map(({ width }) => width));
    const widest = yielding.findLast(({ width }) => width === most);
    if (!widest) break;
    widest.width--;
  }
  return fitted;
}

function leastOf({ shrinks, title, width }: Place): number {
  return shrinks ? Math.min(width, Math.max(title.length, LEAST)) : width;
}
