import type { ReadDay } from './dates.ts';
import { type Cell, cellsOf, readHeading } from './headings.ts';
import type { Line } from './regions.ts';

const DUE =
  /^(?:(?:delivery|deliver|del(?:iv)?\.?|due|need(?:ed)?|required|req(?:['’]?d|\.)?|requested|expected|promised)(?:[ -](?:by|on|date(?:\/time)?|(?:delivery|receipt)(?: date)?))?|date (?:due|needed|req(?:uired|\.)))$/i;

/** The day on which a row is due, and where that stands. */
interface DueColumn {
  readonly value: string;
  readonly label: string;
  readonly raw: string;
  readonly line: number;
}

/** The days that the rows of the item tables name in a column for them. */
export function readDueColumn(lines: readonly Line[], readDay: ReadDay): readonly DueColumn[] {
  const found: DueColumn[] = [];
  let columns: readonly Cell[] = [];
  let due: Cell | undefined;
  for (const { number, text } of lines) {
    const cells = cellsOf(text);
    if (readHeading(text)) {
      const [name, another] = cells.filter((cell) => DUE.test(cell.text));
      [columns, due] = [cells, another ? undefined : name];
    } else if (due) {
      // In a row with empty cells, or on its second line, the day begins where its name does.
      const { start, text: label } = due;
      const isFull = cells.length === columns.length;
      const raw =
        (isFull ? cells[columns.indexOf(due)] : cells.find((cell) => cell.start === start))?.text ?? '';
      const day = readDay(raw);
      if (day && /^[\d:]*$/.test(day.rest) && !day.ambiguous)
        found.push({ value: day.day, label, raw, line: number });
    }
  }
  return found;
}
