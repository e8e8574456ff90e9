import { readBlocks } from './blocks.ts';
import { type Labelling, type Reading, readHeaded, type Source } from './headed_tables.ts';
import { hasPrices } from './headings.ts';
import { isListed, readListed, readListedBelow } from './listed_rows.ts';
import { CURRENCY, type Mark } from './money.ts';
import type { Line } from './regions.ts';
import { isProven, type Row } from './rows.ts';
import { readUnheaded } from './unheaded_rows.ts';

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

/** Finds the items of a document. */
export function readTables(lines: readonly Line[], mark: Mark, labelledAs: Labelling): Tables {
  const { rows, used, ...others } = readFirst({ lines, mark, labelledAs });
  const currencies = [...used.values()].join('\n').match(new RegExp(CURRENCY, 'g')) ?? [];
  return { ...others, rows, used: new Set(used.keys()), currencies };
}

/**
 * What there is first: tables with headings, blocks, lines that say everything by themselves, tables without a heading that we
 * know. Where there are no prices in any of these, tables without them.
 */
function readFirst(source: Source): Reading {
  const { lines, mark, labelledAs } = source;
  const priced = readHeaded(source, hasPrices);
  if (priced.rows.length > 0) return priced;
  const unheaded = readUnheaded(source);
  if (priced.used.size > 0)
    return unheaded.rows.length > 0
      ? { ...withUnread(unheaded, priced), used: new Map([...priced.used, ...unheaded.used]) }
      : priced;
  const list = readList(source);
  const blocks = readBlocks(lines, mark, labelledAs);
  if (blocks.rows.length > 0) return { ...NOTHING, ...blocks };
  if (list.rows.length > 0) return list;
  return withUnread(unheaded.rows.length > 0 ? unheaded : readHeaded(source, () => true), list);
}

/** A reading, and what neither it nor another one could read. */
function withUnread(reading: Reading, other: Reading): Reading {
  const unread = other.unread.filter(({ number }) => !reading.used.has(number));
  return { ...reading, unread: [...reading.unread, ...unread] };
}

const NOTHING: Reading = { rows: [], used: new Map(), rest: [], unread: [], unknown: [] };

/** The rows of a list, and what seem to be others. */
function readList({ lines, mark, labelledAs }: Source): Reading {
  const read = lines.map((line, index) => {
    const row = readListed(line.text, mark) ?? readListedBelow(lines[index - 1]?.text ?? '', line.text, mark);
    const isOpen = labelledAs(line.text) === null;
    return { line, isOpen, row: row && (isOpen || isProven(row)) ? row : null };
  });
  // The same at several prices is an offer.
  const times = new Map<string, number>();
  for (const { row } of read) if (row) times.set(row.description, (times.get(row.description) ?? 0) + 1);
  const isOffer = (row: Row) => !isProven(row) && times.get(row.description) !== 1;
  const found = read.flatMap(({ line, row }) => (row && !isOffer(row) ? { line, row } : []));
  const used = new Map(found.map(({ line }) => [line.number, line.text]));
  return {
    ...NOTHING,
    rows: found.map(({ row }) => row),
    used,
    unread: read
      .filter(({ line, isOpen }) => isOpen && !used.has(line.number) && isListed(line.text, mark))
      .map(({ line }) => line),
  };
}
