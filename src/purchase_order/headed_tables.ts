import { settleColumns } from './columns.ts';
import { EMPTY } from './drawn_columns.ts';
import { foreignTable } from './foreign_tables.ts';
import {
  type Cell,
  type Column,
  cellsOf,
  type Heading,
  hasPrices,
  isNumeric,
  RULE,
  readHeading,
} from './headings.ts';
import { SENTENCE } from './layout.ts';
import { type Mark, MEASURE } from './money.ts';
import type { Line } from './regions.ts';
import { hasMoney, isProven, numberIn, type Row, readCells, readRows, readRun, type Shape } from './rows.ts';
import { headingWithin } from './run_together.ts';

/** The item's number, and something behind it. */
const STARTS_ROW = /^\s*\d{1,4}[.)]?\s+\S/;
/** After so many lines that are no rows it is no table. */
const UNREAD_LINES = 20;
/** "$5", "5.00", and not "1.89 kg" */
const PRICE = new RegExp(String.raw`\p{Sc}|\d[.,]\d\d(?!\d|\s?${MEASURE}(?![\p{L}\p{N}]))`, 'iu');
/** What stands above a table, and says nothing. */
const TITLE = /\s(?:line |order )?items\s?:?\s*$/i;
const PAGE_FOOT =
  /^\s*(?:page\s+\d+(?:\s*(?:of|\/)\s*\d+)?|(?:continued|page (?:sub-?)?total|(?:carr(?:y|ied)|brought) forward)(?:\s+\S{1,20}){0,4}|\d+\s*\/\s*\d+)\s*$/i;

/** "Subtotal hardware   $50.00", "Hardware subtotal: $50.00" */
const SUM_OF_GROUP =
  /^\s*(?:\p{L}\S{0,20} ){0,3}sub-?total\b(?: \p{L}\S{0,20}){0,3}:?\s+(?:[A-Z]{3} ?|\p{Sc} ?)?\d[\d.,'’ ]*$/iu;

/** What a line is if it has a label: a sum, as stand below a table, or anything else, as may stand under an item. */
export type Labelling = (text: string) => 'sum' | 'note' | null;

/** What has been read of the items. What is used comes with its text, as far as that may hold a currency. */
export interface Reading {
  readonly rows: readonly Row[];
  readonly used: ReadonlyMap<number, string>;
  readonly rest: readonly Line[];
  readonly unread: readonly Line[];
  readonly unknown: readonly Line[];
}

/** A reading that goes on. */
interface Draft extends Reading {
  readonly rows: Row[];
  readonly used: Map<number, string>;
  readonly rest: Line[];
  readonly unread: Line[];
  readonly unknown: Line[];
}

/** What is read, and how. */
export interface Source {
  readonly lines: readonly Line[];
  readonly mark: Mark;
  readonly labelledAs: Labelling;
}

/** The table whose rows are being read. */
interface Table extends Shape {
  /** Where its columns begin; empty if that is not known. */
  readonly starts: readonly number[];
  /** Where the cells of its last row begin; empty if these are not as many as its columns. */
  rowStarts: readonly number[];
  /** The number of its first row. */
  readonly first: number;
  /** The rows that went on on the next line. */
  readonly long: Set<number>;
  /** How many lines are no rows. */
  missed: number;
  /** There are names of groups between the rows. */
  grouped: boolean;
  /** A row that goes on on the next line. */
  begun: string;
  /** What the last line was, if it was no row. */
  gap: 'blank' | 'note' | 'end' | null;
}

/** The tables below headings of the kind that is wanted. */
export function readHeaded(
  { lines, ...style }: Source,
  isWanted: (columns: readonly Column[]) => boolean,
): Reading {
  const reading: Draft = { rows: [], used: new Map(), rest: [], unread: [], unknown: [] };
  const source = { lines: lines.map((line) => fromHeading(line, reading)), ...style };
  let table: Table | null = null;
  for (const [index, { number, text }] of source.lines.entries()) {
    const heading = readHeading(text);
    if (heading && isWanted(heading.columns)) table = openTable(heading, source, index, reading);
    else if (reading.used.has(number)) continue;
    else if (!table || table.gap === 'end' || table.missed >= UNREAD_LINES) {
      readBehind(table, source, index, reading);
    } else readBelow(table, source, index, reading);
  }
  return reading;
}

/** A line from the heading of a run-together table on; what stands before it is left to others. */
function fromHeading({ number, text }: Line, { rest }: Draft): Line {
  const start = headingWithin(text);
  if (start > 0) rest.push({ number, text: text.slice(0, start).replace(TITLE, '') });
  return { number, text: text.slice(start) };
}

/** Begins with the heading; in a run-together table the rows follow on its line. */
function openTable(
  heading: Heading,
  { lines, mark, labelledAs }: Source,
  index: number,
  { rows, used, rest, unknown }: Draft,
): Table {
  const { number, text } = lines[index] ?? { number: 0, text: '' };
  const below = lines.slice(index + 1);
  const { columns, lacksNumber } = settleColumns(text, heading.columns, below, mark);
  const starts = startsOf(text, columns);
  used.set(number, text);
  if (lacksNumber) unknown.push({ number, text });
  const behind = text.slice(heading.length);
  if (!RULE.test(behind)) {
    const wrapped = wrappedLines(below, labelledAs);
    for (const line of wrapped) used.set(line.number, line.text);
    const run = readRun([behind, ...wrapped.map((line) => line.text)].join(' '), {
      columns: heading.columns,
      mark,
    });
    rows.push(...run.rows);
    if (run.rest !== '') rest.push({ number, text: run.rest });
  }
  const state = { rowStarts: [], missed: 0, grouped: false, begun: '', gap: null };
  return { columns, mark, starts, first: rows.length, long: new Set(), ...state };
}

/** Something stood behind the last row; a table may go on, and another one begin that we do not know. */
function readBehind(
  table: Table | null,
  { lines, mark }: Source,
  index: number,
  { rows, used, unread }: Draft,
): void {
  const { number, text } = lines[index] ?? { number: 0, text: '' };
  const row = table && table.missed < UNREAD_LINES ? readCells(text, table) : null;
  if (table && row && row.quantity !== null && (row.unit_price !== null || !hasPrices(table.columns))) {
    if (isProven(row)) rows.push(row);
    else unread.push({ number, text });
    used.set(number, text);
    table.gap = null;
    return;
  }
  const foreign = foreignTable(lines, index, mark);
  for (const line of foreign) used.set(line.number, line.text);
  unread.push(...foreign.slice(1));
}

/** A line of a table: a row, a gap, more of a description, or nothing that belongs to it. */
function readBelow(
  table: Table,
  { lines, labelledAs }: Source,
  index: number,
  { rows, used, unread }: Draft,
): void {
  const { number, text } = lines[index] ?? { number: 0, text: '' };
  if (text.trim() === '') {
    table.gap ??= 'blank';
    return;
  }
  if (RULE.test(text) || PAGE_FOOT.test(text)) {
    used.set(number, '');
    return;
  }

  const read = readPlaced(text, table) ?? readRows(`${table.begun}${text}`, table) ?? readRows(text, table);
  const label = labelledAs(text);
  if (!label && SUM_OF_GROUP.test(text)) {
    used.set(number, '');
    return;
  }
  const reaches = reachesNumbers(text, table);
  const isLikely = !label && (readCells(text, table) !== null || (table.gap !== 'note' && reaches));
  if (read && (isLikely || read.every(isProven))) {
    rows.push(...read);
    used.set(number, text);
    table.rowStarts = startsOf(text, table.columns);
    [table.begun, table.gap] = ['', null];
    return;
  }
  if (label === 'sum' && !table.gap && !hasPrices(table.columns) && !hasMoney(text, table.mark)) {
    // Of its quantities.
    used.set(number, '');
    return;
  }
  const signs = [read !== null, STARTS_ROW.test(text), hasMoney(text, table.mark)];
  const seemsRow = !label && table.gap === 'note' && reaches && signs.filter(Boolean).length > 1;
  if ((label || table.gap) && !seemsRow) {
    const isNote = label === 'note' || (table.gap === 'note' && /^\s{2}/.test(text));
    [table.begun, table.gap] = ['', isNote ? 'note' : 'end'];
    return;
  }
  const { words, others } = wordsIn(text, table);
  const isWrapped = words.length === 1 && /^\s{2}/.test(text) && !PRICE.test(text); // "grade 8.8"
  const isPriced = hasMoney(text, table.mark) && !isWrapped;
  const counts = others.some((cell) => numberIn('quantity', cell, table.mark) !== null);
  if (seemsRow || isPriced || counts || words.length > 2 || seemsToCount(text, table)) {
    unread.push({ number, text });
    used.set(number, '');
    table.missed += 1;
    return;
  }

  // Words alone: the beginning of a row that goes on below, or more of the description above.
  const next = lines[index + 1]?.text ?? '';
  const last = rows.at(-1);
  const nextIsRow = readRows(next, table) !== null;
  // Before the first row; later in a table that has begun with one, or where numbers stand, not descriptions.
  const isGroup =
    nextIsRow && (!last || ((table.grouped || table.columns[0] === 'item') && /^\p{Lu}/u.test(text)));
  table.grouped ||= isGroup;
  const tableGoesOn = nextIsRow || labelledAs(next) !== null || isSecondLine(text, rows.length - 1, table);
  if (STARTS_ROW.test(text) && !(STARTS_ROW.test(next) && nextIsRow) && readRows(`${text}  ${next}`, table)) {
    table.begun = `${text}  `;
  } else if (last && !isGroup && goesOn(text, tableGoesOn)) {
    rows[rows.length - 1] = { ...last, description: joined(last.description, words) };
    table.long.add(rows.length - 1);
  } else if (!isGroup) {
    table.gap = 'end';
    return;
  }
  used.set(number, '');
}

/** A row with empty cells: each of the others begins where a column does, and its product is right. */
function readPlaced(text: string, table: Table): readonly Row[] | null {
  const cells = cellsOf(text);
  const isPlaced = ({ start, text }: Cell) =>
    table.starts.includes(start) && !table.starts.some((next) => next > start && next < start + text.length);
  if (!cells.every(isPlaced)) return null;
  const placed = table.starts.map((start) => cells.find((cell) => cell.start === start)?.text ?? EMPTY);
  const row = readCells(placed.join('   '), table);
  return row && row.description !== '' && isProven(row) ? [row] : null;
}

/** Whether a line is as long as one that holds numbers: what ends left of their columns is more of a description. */
function reachesNumbers(text: string, { columns, starts }: Table): boolean {
  return text.length > (starts[columns.findIndex(isNumeric)] ?? 0);
}

/** The cells of a line: what may be more of a description, and what stands below others behind it. */
function wordsIn(text: string, { columns, starts, rowStarts }: Table) {
  const naming = columns.indexOf('description');
  const behind = [starts, rowStarts].flatMap((all) => all.slice(naming + 1));
  const cells = cellsOf(text).filter((cell) => cell.text !== EMPTY);
  const isBehind = ({ start }: Cell) => behind.includes(start);
  return {
    words: cells.flatMap((cell) => (isBehind(cell) ? [] : cell.text)),
    others: cells.flatMap((cell) => (isBehind(cell) ? cell.text : [])),
  };
}

/** Where the cells of a line begin that has one in each column. */
function startsOf(text: string, columns: readonly Column[]): readonly number[] {
  const cells = cellsOf(text);
  return cells.length === columns.length ? cells.map(({ start }) => start) : [];
}

/** Whether a line may be a row where no price tells: it is full, has a number behind its first cell, or begins like one. */
function seemsToCount(text: string, { columns, mark }: Table): boolean {
  const cells = cellsOf(text);
  const isNumber = ({ text }: Cell) => numberIn('quantity', text, mark) !== null;
  const isRow = cells.length === columns.length || cells.slice(1).some(isNumber) || STARTS_ROW.test(text);
  return !hasPrices(columns) && isRow;
}

/** Whether a line may belong to the last row of a table, because each row before it went on on a second line. */
function isSecondLine(text: string, last: number, { first, long }: Table): boolean {
  if (last <= first || long.has(last) || /:\s/.test(text) || SENTENCE.test(text)) return false;
  return Array.from({ length: last - first }).every((_, index) => long.has(first + index));
}

/** The lines over which a run-together table was wrapped. */
function wrappedLines(below: readonly Line[], labelledAs: Labelling): readonly Line[] {
  const end = below.findIndex(
    ({ text }) => text.trim() === '' || labelledAs(text) !== null || readHeading(text) !== null,
  );
  return end < 0 ? below : below.slice(0, end);
}

/** A text that goes on: behind "non-", without a blank. */
function joined(text: string, words: readonly string[]): string {
  return words.reduce((all, more) => `${all}${/\p{L}-$/u.test(all) ? '' : ' '}${more}`, text);
}

/** Whether words under a row are more of its description: indented, or short and with the table going on below. */
function goesOn(text: string, tableGoesOn: boolean): boolean {
  if (/^\s{2}/.test(text)) return text.trim().length <= 100;
  return tableGoesOn && text.length <= 80 && !/[.!?:]$/.test(text.trim());
}
