import { readBlocks } from './blocks.ts';
import { settleColumns } from './columns.ts';
import { cellsOf, type Heading, isNumeric, nameOf, RULE, readHeading } from './headings.ts';
import { EMPTY } from './layout.ts';
import { CURRENCY, type Mark } from './money.ts';
import type { Line } from './regions.ts';
import { hasMoney, isProven, type Row, readCells, readListed, readRows, readRun } from './rows.ts';

/** The item tables of a document. */
export interface Tables {
  readonly rows: readonly Row[];
  /** The numbers of the lines that belong to a table, headings included. */
  readonly used: ReadonlySet<number>;
  /** What stands behind the last row of a run-together table, on its line. */
  readonly rest: readonly Line[];
  /** Lines with amounts that could not be read as a row. */
  readonly unread: readonly Line[];
  /** Headings that may call one of the numbers by a name that we do not know. */
  readonly unknown: readonly Line[];
  /** The currencies that headings and amounts carry, in order. */
  readonly currencies: readonly string[];
}

/** The item's number, and something behind it. */
const STARTS_ROW = /^\s*\d{1,4}[.)]?\s+\S/;
/** After so many lines that are no rows it is no table. */
const UNREAD_LINES = 20;
const PRICE = /\p{Sc}|\d[.,]\d\d(?!\d)/u;
const PAGE_FOOT =
  /^\s*(?:page\s+\d+(?:\s*(?:of|\/)\s*\d+)?|(?:continued|page (?:sub-?)?total|(?:carr(?:y|ied)|brought) forward).{0,40}|\d+\s*\/\s*\d+)\s*$/i;

/** What a line is if it has a label: a sum, as stand below a table, or anything else, as may stand under an item. */
export type Labelling = (text: string) => 'sum' | 'note' | null;

/** Finds the items: in tables with headings, else in lines that say everything by themselves, else in blocks. */
export function readTables(lines: readonly Line[], mark: Mark, labelledAs: Labelling): Tables {
  const { rows, used, ...others } = readHeaded(lines, mark, labelledAs);
  for (const { number, text } of used.size === 0 ? lines : []) {
    const row = readListed(text, mark);
    if (!row) continue;
    rows.push(row);
    used.set(number, text);
  }
  const blocks = used.size === 0 ? readBlocks(lines, mark, labelledAs) : null;
  rows.push(...(blocks?.rows ?? []));
  for (const [number, text] of blocks?.used ?? []) used.set(number, text);
  const currencies = [...used.values()].join('\n').match(new RegExp(CURRENCY, 'g')) ?? [];
  return { ...others, rows, used: new Set(used.keys()), currencies };
}

/** The tables that have headings. What is used comes with its text, as far as that may hold a currency. */
function readHeaded(lines: readonly Line[], mark: Mark, labelledAs: Labelling) {
  const rows: Row[] = [];
  const used = new Map<number, string>();
  const rest: Line[] = [];
  const unread: Line[] = [];
  const unknown: Line[] = [];
  let heading: Heading | null = null;
  let missed = 0; // lines that are no rows
  let grouped = false; // there are names of groups between the rows
  let begun = ''; // a row that goes on on the next line
  let gap: 'blank' | 'note' | 'end' | null = null; // what the last line was, if it was no row

  for (const [index, { number, text }] of lines.entries()) {
    const found = readHeading(text);
    if (found) {
      const { columns, lacksNumber } = settleColumns(text, found.columns, lines.slice(index + 1), mark);
      heading = { ...found, columns };
      [begun, gap, missed] = ['', null, 0];
      used.set(number, text);
      if (lacksNumber) unknown.push({ number, text });
      const behind = text.slice(found.length);
      if (RULE.test(behind)) continue;
      const wrapped = wrappedLines(lines.slice(index + 1), labelledAs);
      for (const line of wrapped) used.set(line.number, line.text);
      const run = readRun([behind, ...wrapped.map((line) => line.text)].join(' '), {
        columns: found.columns,
        mark,
      });
      rows.push(...run.rows);
      if (run.rest !== '') rest.push({ number, text: run.rest });
      continue;
    }
    if (used.has(number)) continue;
    const shape = { columns: heading?.columns ?? [], mark };
    if (!heading || gap === 'end') {
      // Something stood in between, but the table goes on.
      const row = readCells(text, shape);
      if (row && row.quantity !== null && row.unit_price !== null) {
        if (isProven(row)) rows.push(row);
        else unread.push({ number, text });
        used.set(number, text);
        gap = null;
        continue;
      }
      const foreign = foreignTable(lines, index, mark);
      for (const line of foreign) used.set(line.number, line.text);
      unread.push(...foreign.slice(1));
      continue;
    }
    if (text.trim() === '') {
      gap ??= 'blank';
      continue;
    }
    if (RULE.test(text) || PAGE_FOOT.test(text)) {
      used.set(number, '');
      continue;
    }

    const read = readRows(`${begun}${text}`, shape) ?? readRows(text, shape);
    const label = labelledAs(text);
    const isLikely = !label && (gap !== 'note' || readCells(text, shape) !== null);
    if (read && (isLikely || read.every(isProven))) {
      rows.push(...read);
      used.set(number, text);
      [begun, gap] = ['', null];
      continue;
    }
    if (label || gap) {
      const isNote: boolean = label === 'note' || (gap === 'note' && /^\s{2}/.test(text));
      [begun, gap] = ['', isNote ? 'note' : 'end'];
      continue;
    }
    const words = cellsOf(text).flatMap((cell) => (cell.text === EMPTY ? [] : cell.text));
    const isWrapped = words.length === 1 && /^\s{2}/.test(text) && !PRICE.test(text); // "grade 8.8"
    if ((hasMoney(text, mark) && !isWrapped) || words.length > 2) {
      unread.push({ number, text });
      used.set(number, '');
      missed += 1;
      if (missed >= UNREAD_LINES) heading = null;
      continue;
    }

    // Words alone: the beginning of a row that goes on below, or more of the description above.
    const next = lines[index + 1]?.text ?? '';
    const last = rows.at(-1);
    const nextIsRow = readRows(next, shape) !== null;
    // Before the first row; later in a table that has begun with one, or where numbers stand, not descriptions.
    const isGroup: boolean =
      nextIsRow && (!last || ((grouped || heading.columns[0] === 'item') && /^\p{Lu}/u.test(text)));
    grouped ||= isGroup;
    if (
      STARTS_ROW.test(text) &&
      !(STARTS_ROW.test(next) && nextIsRow) &&
      readRows(`${text}  ${next}`, shape)
    ) {
      begun = `${text}  `;
    } else if (last && !isGroup && goesOn(text, nextIsRow || labelledAs(next) !== null)) {
      rows[rows.length - 1] = { ...last, description: `${last.description} ${words.join(' ')}` };
    } else if (!isGroup) {
      gap = 'end';
      continue;
    }
    used.set(number, '');
  }

  return { rows, used, rest, unread, unknown };
}

/**
 * A table of something that we do not know: names, one of them that of an amount, and two rows or more below. Its first
 * line names the columns. Empty when there is none.
 */
function foreignTable(lines: readonly Line[], index: number, mark: Mark): readonly Line[] {
  const names = cellsOf(lines[index]?.text ?? '').map(({ text }) => text);
  const priced = names.findIndex((name) => isNumeric(nameOf(name)));
  if (names.length < 3 || priced < 0 || names.some((name) => /[:\d]/.test(name))) return [];
  const isRow = (text: string) => {
    const cells = cellsOf(text);
    return cells.length === names.length && hasMoney(cells[priced]?.text ?? '', mark);
  };
  const end = lines.findIndex(
    ({ text }, at) => at > index && !isRow(text) && (text === '' || !RULE.test(text)),
  );
  const found = lines.slice(index, end < 0 ? undefined : end).filter(({ text }) => !RULE.test(text));
  return found.length > 2 ? found : [];
}

/** The lines over which a run-together table was wrapped. */
function wrappedLines(below: readonly Line[], labelledAs: Labelling): readonly Line[] {
  const end = below.findIndex(
    ({ text }) => text.trim() === '' || labelledAs(text) !== null || readHeading(text) !== null,
  );
  return end < 0 ? below : below.slice(0, end);
}

/** Whether words under a row are more of its description: indented, or short and with the table going on below. */
function goesOn(text: string, tableGoesOn: boolean): boolean {
  if (/^\s{2}/.test(text)) return text.trim().length <= 100;
  return tableGoesOn && text.length <= 80 && !/[.!?:]$/.test(text.trim());
}
