import { readBlocks } from './blocks.ts';
import { type Labelling, readHeaded } from './headed_tables.ts';
import { isListed, readListed } from './listed_rows.ts';
import { CURRENCY, type Mark } from './money.ts';
import type { Line } from './regions.ts';
import { isProven, type Row } from './rows.ts';

/** The item tables of a document. */
export interface Tables {
  readonly rows: readonly Row[];
  /** The numbers of the lines that belong to a table, headings included. */
  readonly used: ReadonlySet<number>;
  /** What stands before the heading and behind the last row of a run-together table, on their line. */
  readonly rest: readonly Line[];
  /** Lines with amounts that could not be read as a row. */
  readonly unread: readonly Line[];
  /** Headings that may call one of the numbers by a name that we do not know. */
  readonly unknown: readonly Line[];
  /** The currencies that headings and amounts carry, in order. */
  readonly currencies: readonly string[];
}

/** Finds the items: in tables with headings, else in lines that say everything by themselves, else in blocks. */
export function readTables(lines: readonly Line[], mark: Mark, labelledAs: Labelling): Tables {
  const { rows, used, unread, ...others } = readHeaded({ lines, mark, labelledAs });
  const listed: Line[] = [];
  for (const line of used.size === 0 ? lines : []) {
    const row = readListed(line.text, mark);
    const isRow = row && (isProven(row) || labelledAs(line.text) === null);
    if (isRow) {
      rows.push(row);
      used.set(line.number, line.text);
    } else if (isListed(line.text, mark) && labelledAs(line.text) === null) listed.push(line);
  }
  const blocks = used.size === 0 ? readBlocks(lines, mark, labelledAs) : null;
  rows.push(...(blocks?.rows ?? []));
  for (const [number, text] of blocks?.used ?? []) used.set(number, text);
  if (!blocks?.rows.length) unread.push(...listed);
  const currencies = [...used.values()].join('\n').match(new RegExp(CURRENCY, 'g')) ?? [];
  return { ...others, rows, unread, used: new Set(used.keys()), currencies };
}
