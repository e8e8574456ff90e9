import type { ReadDay } from './dates.ts';
import { cellsOf, readHeading } from './headings.ts';
import type { Line } from './regions.ts';

const DUE =
  /^(?:(?:delivery|deliver|del(?:iv)?\.?|due|need(?:ed)?|required|req(?:['’]?d|\.)?|requested)(?:[ -](?:by|on|date|delivery(?: date)?))?|date (?:due|needed|req(?:uired|\.)))$/i;

/** The day on which a row is due, and where that stands. */
export interface DueColumn {
  readonly value: string;
  readonly label: string;
  readonly raw: string;
  readonly line: number;
}

/** The days that the rows of the item tables name in a column for them. */
export function readDueColumn(lines: readonly Line[], readDay: ReadDay): readonly DueColumn[] {
  const found: DueColumn[] = [];
  let label = '';
  let columns: readonly string[] = [];
  for (const { number, text } of lines) {
    const cells = cellsOf(text).map((cell) => cell.text);
    if (readHeading(text)) {
      columns = cells;
      const [name = '', another] = cells.filter((cell) => DUE.test(cell));
      label = another ? '' : name;
    } else if (label !== '' && cells.length === columns.length) {
      const raw = cells[columns.indexOf(label)] ?? '';
      const day = readDay(raw);
      if (day && /^[\d:]*$/.test(day.rest) && !day.ambiguous)
        found.push({ value: day.day, label, raw, line: number });
    }
  }
  return found;
}
