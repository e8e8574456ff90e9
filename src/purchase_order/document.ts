import { beginningOf } from '../json.ts';
import { dateOrder, type ReadDay, readDate } from './dates.ts';
import { withAlignedCells, withPlainColumns, withSeparatedColumns } from './drawn_columns.ts';
import { readDueColumn } from './due_column.ts';
import { cellsOf } from './headings.ts';
import {
  cellOf,
  type Found,
  findLabels,
  isDateField,
  isMoneyField,
  type LabelField,
  type Revision,
} from './labels.ts';
import { areAligned, type Labelled, valueText } from './layout.ts';
import { currencyBeside, decimalMark, type Mark } from './money.ts';
import type { Line, Region } from './regions.ts';
import type { Row } from './rows.ts';
import { withColons, withSumsApart } from './run_together.ts';
import { withNamesApart, withWholeHeadings, withWholeRows } from './split_headings.ts';
import { withStackedRows } from './stacked_cells.ts';
import { readTables, type Tables } from './tables.ts';
import { isPlainly, isUnreadable, readValue, type Value } from './values.ts';

/** One value that a document states, and where. */
export interface Statement extends Value {
  readonly field: LabelField;
  readonly rank: number;
  readonly strong: boolean;
  readonly qualified: boolean;
  readonly revision: Revision;
  readonly line: number;
  readonly label: string;
  readonly raw: string;
}

interface Unreadable {
  readonly field: LabelField;
  readonly raw: string;
}

/** What one document says: the own message, one below it, or an attachment. */
export interface Document {
  readonly source: string;
  readonly text: string;
  readonly statements: readonly Statement[];
  readonly tables: Tables;
  /** The days on which rows of its tables are due. */
  readonly daysDue: ReadonlySet<string>;
  /** Days that are none of the calendar, and amounts that are none. */
  readonly unreadable: readonly Unreadable[];
  readonly mark: Mark;
  /** Reads its rows by the other mark where nothing tells which one is the decimal mark, else null. */
  readonly otherwise: (() => readonly Row[]) | null;
}

/** Reads everything that a document states: labelled values, and the rows of its item tables. */
export function readDocument(region: Region, source: string, sentOn: string | null): Document {
  const drawn = withSeparatedColumns(
    withAlignedCells(withoutSpacing(region.lines)).map(({ number, text }) => ({
      number,
      text: withPlainColumns(text),
    })),
  );
  const { mark, certain } = decimalMark(drawn.map((line) => line.text).join('\n'));
  const lines = withWholeHeadings(withWholeRows(withStackedRows(withNamesApart(drawn), mark)));
  const text = lines.map((line) => line.text).join('\n');
  const style = { mark, order: dateOrder(text, sentOn) };
  const readDay: ReadDay = (day) => readDate(day, style.order);
  const labelsOf = (line: string) => findLabels(line, (field, value) => isPlainly(field, value, style));
  const labelledAs = (line: string) => {
    // A row may stand before them on its line.
    const apart = labelsOf(withSumsApart(line));
    const labels = (apart[0]?.start === line.search(/\S/) ? apart : labelsOf(line)).filter(
      ({ strong, field }) => strong && field !== 'charge',
    );
    const isSum = labels.some(
      ({ field, value }) => isMoneyField(field) && readValue(field, value, style) !== null,
    );
    return isSum ? 'sum' : labels.some(({ colon }) => colon) ? 'note' : null;
  };

  const tables = readTables(lines, mark, labelledAs);
  const outside = lines.map((line) => (tables.used.has(line.number) ? { ...line, text: '' } : line));
  const opensWith = (field: LabelField, value: string) =>
    isDateField(field) ? readDay(value) !== null : OPENING[field]?.test(value) === true;
  const labelled: Labelled[] = withColons([...outside, ...tables.rest], opensWith).map(({ number, text }) => {
    const line = { number, text: withSumsApart(text) };
    return { line, labels: labelsOf(line.text) };
  });

  const statements: Statement[] = [];
  const unreadable: Unreadable[] = [];
  for (const [index, { line, labels }] of labelled.entries()) {
    for (const found of labels) {
      if (isOfSignature(labelled, index, found) || isBelowName(labelled, index, found)) continue;
      const { strong, qualified, revision, label, addendum } = found;
      for (const [field, raw, rank] of partsOf(found, valueText(labelled, index, found, readDay), readDay)) {
        const value = readValue(field, raw, style, label);
        if (value)
          statements.push({
            ...(isCut(labelled, index, found) && { doubt: 'it may go on on the next line' }),
            ...(isShared(labelled, index, found) && { doubt: 'it may be that of two columns' }),
            ...value,
            ...(value.currency === null && { currency: currencyBeside(`${label} ${addendum}`, raw) }),
            field,
            rank,
            strong,
            qualified,
            revision,
            line: line.number,
            label,
            raw: beginningOf(raw, 200),
          });
        else if ((strong || isDateField(field)) && isUnreadable(field, cellOf(raw)))
          unreadable.push({ field, raw: cellOf(raw) });
      }
    }
  }
  const rowsDue = readDueColumn(
    lines.filter(({ number }) => tables.used.has(number)),
    readDay,
  );
  const daysDue = new Set(rowsDue.map(({ value }) => value));
  const inTables = { rank: ASIDE, strong: true, qualified: false, revision: null };
  const unread = new Set(tables.unread.map(({ number }) => number));
  const ofRows = rowsDue.filter(({ line }) => !unread.has(line));
  // Where all rows are due on one day, so is the order.
  if (daysDue.size === 1 && ofRows[0] && ofRows.length === tables.rows.length)
    statements.push({ ...inTables, ...ofRows[0], field: 'due_date' });

  const otherwise = certain ? null : () => readTables(lines, mark === '.' ? ',' : '.', labelledAs).rows;
  return { source, text, statements, tables, daysDue, unreadable, mark, otherwise };
}

/** So many lines, each with a blank one below it, are not so by chance. */
const SPACED_LINES = 8;

/** Where a blank line stands below every other, as some mail programs set them, it means nothing. */
function withoutSpacing(lines: readonly Line[]): readonly Line[] {
  const isBlank = (line?: Line) => line === undefined || line.text.trim() === '';
  const written = lines.filter((line) => !isBlank(line)).length;
  const isSpaced = lines.every((line, index) => isBlank(line) || isBlank(lines[index + 1]));
  if (written < SPACED_LINES || !isSpaced) return lines;
  return lines.filter((line, index) => !isBlank(line) || isBlank(lines[index - 1]));
}

/** How a value plainly begins. */
const OPENING: Partial<Record<LabelField, RegExp>> = {
  po_number: /^\S*\d/,
  payment_terms: /^net \d/i,
  currency: /^[A-Z]{3}$/,
};
/** Whatever label stands elsewhere says more of the whole order. */
const ASIDE = 9;

const SIGNED =
  /^\W*(?:date\s?\/\s?)?(?:(?:approved|authori[sz]ed|signed|accepted)(?:\s(?:and accepted\s)?(?:by|for)(?!\p{L}))?|(?:\p{L}+['’]?s?\s)?signature)(?:\s?[:_(]|\s{2}|$|(?<=by|for)\s)/iu;

/** Whether a date without another name is that of who signed, on its line or up to two lines above. */
function isOfSignature(lines: readonly Labelled[], index: number, { field, label }: Found): boolean {
  if (field !== 'order_date' || !/^dated?$/i.test(label)) return false;
  return lines.slice(Math.max(0, index - 2), index + 1).some(({ line }) => SIGNED.test(line.text));
}

/** Whether words stand in a row of cells below names of fields, and are no name themselves: "Destination" below "F.O.B.". */
function isBelowName(lines: readonly Labelled[], index: number, { colon }: Found): boolean {
  const [above, here] = index > 0 ? lines.slice(index - 1, index + 1) : [];
  const bare = above?.labels.filter(({ value }) => value === '') ?? [];
  const [names, cells] = [above, here].map((line) => cellsOf(line?.line.text ?? ''));
  return !colon && bare.length > 2 && bare.length === names?.length && areAligned(names, cells ?? []);
}

/** Whether a text below a label may stand below another one, too: "Vendor: Ship to:" with one name below, or with two. */
function isShared(lines: readonly Labelled[], index: number, found: Found): boolean {
  const [here, next] = lines.slice(index, index + 2);
  const [cell, another] = cellsOf(next?.line.text ?? '');
  if (!isText(found) || found.value !== '' || !here || !cell) return false;
  const bare = here.labels.filter(({ value }) => value === '');
  if (another) return bare.length > 1 && cellsOf(here.line.text).length === 1;
  const isBelow = ({ start }: Found) => start >= cell.start && start < cell.start + cell.text.length;
  return bare.filter(isBelow).length > 1 && isBelow(found);
}

/** Whether the text behind the last of the labels that were run together on a line may have been wrapped. */
function isCut(lines: readonly Labelled[], index: number, found: Found): boolean {
  const [here, next] = lines.slice(index, index + 2);
  if (!isText(found) || !here || here.labels.length < 2 || here.labels.at(-1) !== found) return false;
  const isRunTogether = /\S\s$/.test(here.line.text.slice(0, found.start));
  return isRunTogether && /^\S/.test(next?.line.text ?? '') && next?.labels[0]?.start !== 0;
}

function isText({ field }: Found): boolean {
  return field === 'vendor' || field === 'ship_to' || field === 'payment_terms';
}

/** "4711 / 12.06.2025", "4711 dated 12 June 2025" */
const NUMBER_AND_DATE = /^\S+(?:\s?[/-]\s|,?\s(?:dated?|dt|of)(?:\.|\b):?\s)(?<date>.*?)[.,;]?$/i;

/** What a value is read as, and the rank of its label; behind the number of an order, its date may stand, and no more. */
function partsOf(
  { field, label, rank }: Found,
  raw: string,
  readDay: ReadDay,
): readonly (readonly [field: LabelField, raw: string, rank: number])[] {
  if (field === null) return [];
  if (field !== 'po_number') return [[field, raw, rank]];
  const number = [field, raw, rank] as const;
  if (/date$/i.test(label)) return [number, ['order_date', raw.replace(/^\S+[\s/]*/, ''), rank]];
  const date = NUMBER_AND_DATE.exec(raw)?.groups?.date ?? '';
  return readDay(date)?.rest === '' ? [number, ['order_date', date, ASIDE]] : [number];
}

/** The currencies that the amounts of the order carry: that of its total if it says which, else those of its tables first. */
export function orderCurrencies({ tables, statements }: Document): string[] {
  const ofTotal = statements.flatMap(({ field, currency }) => (field === 'total' && currency) || []);
  const certain = ofTotal.filter((sign) => sign !== '$');
  if (certain.length > 0) return certain;
  return [...tables.currencies, ...statements.flatMap(({ currency }) => currency ?? [])];
}
