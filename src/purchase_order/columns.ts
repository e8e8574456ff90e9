import { toUnits } from './decimal.ts';
import {
  CODE,
  type Column,
  cellsOf,
  isKnown,
  isNumeric,
  NUMBER_COLUMNS,
  type NumberColumn,
  nameOf,
  RULE,
  readHeading,
} from './headings.ts';
import type { Mark } from './money.ts';
import type { Line } from './regions.ts';
import { isProven, numberIn, readCells } from './rows.ts';

/** What the columns of a table are, once its heading and its rows are known. */
export interface Settled {
  readonly columns: readonly Column[];
  /** One of its numbers is missing, while there is one under a name that does not say which. */
  readonly lacksNumber: boolean;
}

const ROWS = 100;
/** A table with more is none in which a number can be missing. */
const MOST_COLUMNS = 20;

/** Settles by the rows what the heading leaves open: which column holds the words, and which one a number. */
export function settleColumns(
  heading: string,
  columns: readonly Column[],
  below: readonly Line[],
  mark: Mark,
): Settled {
  const names = cellsOf(heading).map(({ text }) => text);
  const lines = rowsBelow(below, names.length);
  const rows = lines.filter((line) => {
    const row = readCells(line, { columns, mark });
    return row && columns.filter(isNumeric).every((column) => row[column] !== null);
  });
  const wider = lines.length > 0 ? [] : rowsBelow(below, names.length + 1);
  const settled = withProof(names, withWords(columns, rows), [...rows, ...wider], mark);
  return { columns: settled, lacksNumber: lacksNumber(names, settled, lines[0] ?? '', mark) };
}

/** The first lines below a heading that have as many cells, up to a blank line or the next heading. */
function rowsBelow(below: readonly Line[], count: number): string[] {
  const lines = below.slice(0, ROWS).map(({ text }) => text);
  const start = lines.findIndex((text) => !RULE.test(text));
  const end = lines.findIndex((text, at) => at > start && (text.trim() === '' || readHeading(text) !== null));
  return lines
    .slice(Math.max(start, 0), end < 0 ? undefined : end)
    .filter((text) => cellsOf(text).length === count);
}

/**
 * Where codes have to serve as the description, and another column begins with words, these are the description: a column
 * that is called one of codes, or one before the numbers that we do not know.
 */
function withWords(columns: readonly Column[], rows: readonly string[]): readonly Column[] {
  const [cells = [], ...others] = rows.map((row) => cellsOf(row).map(({ text }) => text));
  const naming = columns.indexOf('description');
  const numbers = columns.findIndex((column, index) => index > naming && isNumeric(column));
  const wordy = columns.findIndex((column, index) => {
    const isOpen = column === 'item' || (column === 'other' && index < numbers);
    return isOpen && WORDS[column].test(cells[index] ?? '') && !CODE.test(cells[index] ?? '');
  });
  const areCodes = [cells, ...others].every((row) => CODE.test(row[naming] ?? ''));
  if (wordy < 0 || !areCodes) return columns;
  return columns.map((column, index) =>
    index === wordy ? 'description' : index === naming ? 'item' : column,
  );
}

const WORDS = { item: /\p{L}{2}/u, other: /\p{L}{2}.* .*\p{L}{2}/u };

/**
 * Takes a column for the number that is missing, or for the price or the quantity in place of the first one of two, if it is the
 * only one with which quantity × price = total in every row. Where one is missing, one row may hold by chance: then it has to be
 * printed as money.
 */
function withProof(
  names: readonly string[],
  columns: readonly Column[],
  rows: readonly string[],
  mark: Mark,
): readonly Column[] {
  const missing = NUMBER_COLUMNS.filter((column) => !columns.includes(column));
  const wanted = missing[0] ?? 'unit_price';
  const holds = (attempt: readonly Column[]) => {
    const totals = new Set<string>();
    for (const line of rows) {
      const row = readCells(line, { columns: attempt, mark });
      if (!row || !isProven(row)) return false;
      if (row.total && toUnits(row.total) !== 0n) totals.add(`${row.quantity} ${row.total}`);
    }
    return totals.size > 1 || (totals.size === 1 && (missing.length === 0 || isMoney(attempt)));
  };
  const isMoney = (attempt: readonly Column[]) => {
    const cell = cellsOf(rows[0] ?? '')[attempt.indexOf(wanted)]?.text ?? '';
    return wanted !== 'quantity' && numberIn(wanted, cell, mark)?.isMoney === true;
  };
  if (columns.length > MOST_COLUMNS || holds(columns)) return columns;
  const meant = (column: Column, index: number): NumberColumn | null => {
    if (missing.length > 0) return column === 'other' || column === 'unit' ? wanted : null;
    const name = nameOf(names[index] ?? '');
    if (name === 'maybe_quantity') return 'quantity';
    return name === 'quantity' || name === 'unit_price' ? name : null;
  };
  const attempts = columns.flatMap((column, index) => {
    const number = meant(column, index);
    return number
      ? [columns.map((other, at) => (at === index ? number : other === number ? 'other' : other))]
      : [];
  });
  // Above totals, which stand last, there may be no name.
  if (wanted === 'total') attempts.push([...columns, wanted]);
  const [proven, another] = attempts.filter(holds);
  return proven && !another ? proven : columns;
}

/**
 * Whether a table lacks one of its numbers, while its first row has one under a name that does not say which, or two under
 * names of the same: "List Price   Net Price".
 */
function lacksNumber(names: readonly string[], columns: readonly Column[], row: string, mark: Mark): boolean {
  if (NUMBER_COLUMNS.every((column) => columns.includes(column))) return false;
  const cells = cellsOf(row).map(({ text }) => text);
  const isSecond = (name: string, index: number) => columns[index] === 'other' && isNumeric(nameOf(name));
  return names.some((name, index) => {
    const number = numberIn('unit_price', cells[index] ?? '', mark);
    return (
      number !== null && (nameOf(name) === 'unit' ? number.isMoney : !isKnown(name) || isSecond(name, index))
    );
  });
}
