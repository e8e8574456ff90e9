import type { ReadDay } from './dates.ts';
import { cellsOf, readHeading } from './headings.ts';
import type { Line } from './regions.ts';

const DUE =
  /^(?:(?:delivery|deliver|due|need(?:ed)?|required|req(?:['’]?d|\.)?|requested)(?:[ -](?:by|on|date|delivery(?: date)?))?|date (?:due|needed|required))$/i;

/** The day that every row names, and where it stands first. */
export interface DueColumn {
  readonly value: string;
  readonly label: string;
  readonly raw: string;
  readonly line: number;
}

/** Where all rows of the item tables are due on one day, that is the order's; null if they differ, or one has none. */
export function readDueColumn(lines: readonly Line[], rows: number, readDay: ReadDay): DueColumn | null {
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
      if (day?.rest === '' && !day.ambiguous) found.push({ value: day.day, label, raw, line: number });
    }
  }
  const [first] = found;
  return first && found.length === rows && found.every(({ value }) => value === first.value) ? first : null;
}
