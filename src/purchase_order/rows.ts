import { readDate } from './dates.ts';
import { multiply, sameToTheCent, toUnits } from './decimal.ts';
import { EMPTY } from './drawn_columns.ts';
import { type Column, cellsOf, hasPrices, isNaming, isNumeric, type NumberColumn } from './headings.ts';
import { type Amount, CURRENCY, type Mark, MEASURE, readAmount, SIGN } from './money.ts';

/** One position of an order, numbers as decimal text; null where a column is missing. */
export interface Row {
  readonly item: string | null;
  readonly description: string;
  readonly quantity: string | null;
  readonly unit_price: string | null;
  readonly total: string | null;
  /** What quantity × unit price is reduced by: a percentage, or an amount. */
  readonly discount: string | null;
}

/** How the rows of a table are written. */
export interface Shape {
  readonly columns: readonly Column[];
  readonly mark: Mark;
}

interface Token {
  readonly text: string;
  readonly amount: Amount | null;
}

/** The longest row, in words; no more of a line is looked at than so many rows could have. */
const ROW_WORDS = 60;
const LINE_WORDS = 2_000;
/** What may stand beside a number. */
export const UNIT = new RegExp(String.raw`^(?:${MEASURE}|in|x|@|at)\.?$`, 'i');
/** What begins with a word for a unit, and names goods: "box spanner", and not "box of spanners". */
export const BEGINS_NAME = String.raw`(?:box|can|case|day|drum|hour|kit|pack|pallet|set|sheet|tube)\s\p{L}(?!f\s)`;
const IS_NAME = new RegExp(`^${BEGINS_NAME}`, 'iu');
const PER_UNIT = /\s?(?:(?:\/|per |@)\s?(?:1\s?)?\p{L}{1,10}\.?|\/\s?1)$|\s(?:each|ea)\.?$/iu;
/** "qty 400" */
const NAME_BEFORE = /^q'?ty\b\.?:?\s/i;
const UNIT_BEHIND = /(?<=\d)\s*(?!(?:k|thousand|million)\.?$)(?:\p{L}{1,10}[23]?\.?|\(\p{L}{1,10}\))$/u;
/** What stands in place of a price. */
const FREE = /^(?:f\.?o\.?c\.?|n\/?c|free(?: of charge)?|no[- ]charge|included|incl\.?)$/i;
const UNIT_WORD = /^\p{L}{1,10}[23]?\.?$/u;
const ITEM = /^#?(?=\S*\d)[\p{L}\p{N}][\p{L}\p{N}._/-]{0,29}[.)]?$/u;

/** The rows of one line: its cells, or several rows run together, or one that ends with its last numbers. */
export function readRows(line: string, shape: Shape): readonly Row[] | null {
  const byCells = readCells(line, shape);
  if (byCells) return [byCells];
  if (!hasPrices(shape.columns)) return null;
  const run = readRun(line, shape);
  const holds = shape.columns.includes('other') ? isProven : productHolds;
  if (run.rows.length > 1 && run.rest === '' && run.rows.every(holds)) return run.rows;
  // "34 687,50" is one amount where columns are kept apart by more than a blank; else the product decides.
  const inGroups = / {2}/.test(line.trim());
  const words = (text: string) => upToNumber(tokensOf(text, shape.mark));
  const [plain, grouped] = [
    words(line),
    words(line.replace(GROUPS, '').replace(GROUPED_CELL, (cell) => cell.replaceAll(' ', ''))),
  ];
  const [row, other] = inGroups ? [grouped, plain] : [plain, grouped];
  const otherwise = readRow(other, shape, true);
  const read =
    readRow(row, shape, true) ??
    (otherwise && isProven(otherwise) ? otherwise : null) ??
    readRow(row, shape, false);
  return read && [read];
}

/** The words up to the last number; none if they are too many for a row. */
function upToNumber(tokens: readonly Token[]): readonly Token[] {
  const row = tokens.slice(0, tokens.findLastIndex(({ amount }) => amount !== null) + 1);
  return row.length > ROW_WORDS ? [] : row;
}

/** A line with as many cells as the table has columns. */
export function readCells(line: string, { columns, mark }: Shape): Row | null {
  const cells = cellsOf(line);
  if (cells.length !== columns.length) return null;
  const cell = (column: Column) => {
    const text = cells[columns.indexOf(column)]?.text ?? EMPTY;
    return text === EMPTY ? null : text;
  };
  const number = (column: NumberColumn) => {
    const text = cell(column);
    const isBeside = text === '-' && column === 'total' && FREE.test(cell('unit_price') ?? '');
    if (text === null || isBeside || (column !== 'quantity' && FREE.test(text))) return null;
    return numberIn(column, text, mark)?.value;
  };
  const [quantity, unit_price, total] = [number('quantity'), number('unit_price'), number('total')];
  if (quantity === undefined || unit_price === undefined || total === undefined) return null;
  // What is free is so many of something, and costs nothing.
  const isFree = FREE.test(cell('unit_price') ?? '') || FREE.test(cell('total') ?? '');
  const costs = unit_price === null && total !== null && toUnits(total) !== 0n;
  if (isFree && (quantity === null || costs)) return null;
  // More of the description above, and nothing else.
  if (cells.filter(({ text }) => text !== EMPTY).length === 1) return null;
  const [item, description] = [cell('item'), cell('description')];
  if (!hasPrices(columns) && (quantity === null || !/\p{L}/u.test(description ?? ''))) return null;
  const named =
    description === null ? { item: null, description: item ?? '' } : { item: bareItem(item), description };
  return { ...named, quantity, unit_price, total, discount: discountIn(cell('discount') ?? '', mark) };
}

function discountIn(text: string, mark: Mark): string | null {
  return readAmount(text.replace(/^-|\s?%$/g, ''), mark)?.value ?? null;
}

/** The number in a cell, without its unit or its name. */
export function numberIn(column: NumberColumn, text: string, mark: Mark): Amount | null {
  const bare =
    column === 'quantity'
      ? text.replace(NAME_BEFORE, '').replace(UNIT_BEHIND, '')
      : text.replace(PER_UNIT, '');
  const amount = readAmount(bare, mark);
  return column === 'quantity' && amount?.currency ? null : amount;
}

/**
 * Rows one after the other on a line, and what stands behind them. A row ends at the first numbers whose
 * product is right; should the product be wrong, at the first two prices in sequence.
 */
export function readRun(
  line: string,
  shape: Shape,
): { readonly rows: readonly Row[]; readonly rest: string } {
  const tokens = tokensOf(line, shape.mark);
  const signed = tokens.some(({ amount }) => amount?.currency);
  const isPrice = (token?: Token) => (signed ? token?.amount?.currency : token?.amount?.isMoney);
  const rows: Row[] = [];
  let start = 0;
  for (let end = 0; end < tokens.length; end += 1) {
    const words = tokens.slice(Math.max(start, end - ROW_WORDS), end + 1);
    const bothPrices = isPrice(tokens[end]) && isPrice(tokens[end - 1]);
    const row = readRow(words, shape, true) ?? (bothPrices ? readRow(words, shape, false) : null);
    if (!row) continue;
    rows.push(row);
    start = end + 1;
  }
  const rest = tokens.slice(start).map(({ text }) => text);
  return { rows, rest: rest.join(' ') };
}

/** The blanks within "1 250,00"; two numbers in a row may look like that, too. */
const GROUPS = /(?<=(?<![\d.,])\d{1,3}) (?=\d{3}(?: \d{3})*[.,]\d\d(?!\d))/g;
/** "2 000", alone in its column */
const GROUPED_CELL = /(?<= {2})[1-9]\d{0,2}(?: \d{3})+(?= {2})/g;
const AMOUNT_FIRST = new RegExp(String.raw`(?<=\d)\s{1,20}(${CURRENCY})(?=\s|$)`, 'g');
const CURRENCY_FIRST = new RegExp(String.raw`(?<!\d)(${CURRENCY})\s{1,20}(?=${SIGN}?-?\d)`, 'g');
const CURRENCY_LAST = new RegExp(String.raw`${CURRENCY}\s{0,20}$`);

/** The words of a line, each with the amount it is; a currency is part of its amount. */
function tokensOf(line: string, mark: Mark): Token[] {
  // "4 EUR 5 EUR 20": whether the currency stands before or after its amount shows at the end.
  const steps = CURRENCY_LAST.test(line) ? [AMOUNT_FIRST, CURRENCY_FIRST] : [CURRENCY_FIRST, AMOUNT_FIRST];
  const glued = steps.reduce((text, step) => text.replace(step, '$1'), line);
  const words = glued.split(/\s+/, LINE_WORDS).filter((text) => text !== '');
  const bare = (text: string) => text.replace(PER_UNIT, '').replace(/^[@x]|[,;]$/g, '');
  return words.map((text) => ({ text, amount: readAmount(bare(text), mark) }));
}

/**
 * One row, whose last token is its last number. The numbers are chosen from the right; in an `exact` row such
 * that quantity × unit price = total, which decides where a description full of numbers ends.
 */
function readRow(row: readonly Token[], { columns, mark }: Shape, exact: boolean): Row | null {
  const order = columns.filter(isNumeric);
  const numbers = row.flatMap(({ amount }, index) => (amount ? [index] : []));
  const positions = numbers.length > 6 ? [...numbers.slice(0, 2), ...numbers.slice(-4)] : numbers;
  const last = row.at(-1)?.amount;
  if (!last) return null;
  if (order.at(-1) !== 'quantity' && !last.isMoney && row.some(({ amount }) => amount?.isMoney)) return null;
  // Where a number is missing, one amount too many is perhaps the one that is meant.
  const amounts = row.filter(({ amount }) => amount?.isMoney).length;
  const places = order.filter((column) => column !== 'quantity').length;
  const hasMore = columns.includes('other') || columns.includes('unit');
  if (order.length < 3 && hasMore && amounts > places) return null;

  for (const choice of choices(positions, order.length)) {
    if (!fits(row, choice, columns, order)) continue;
    const read = toRow(row, choice, { columns, mark }, order);
    if (read && (!exact || productHolds(read))) return read;
  }
  // The last number may stand in a column behind the total.
  const behind = columns.at(-1) === 'other' ? numbers.at(-2) : undefined;
  if (behind === undefined) return null;
  const shorter = readRow(row.slice(0, behind + 1), { columns: columns.slice(0, -1), mark }, true);
  return shorter && isProven(shorter) ? shorter : null;
}

/** Every way to choose so many positions, the last one always among them, the rightmost first. */
function* choices(positions: readonly number[], count: number): Generator<readonly number[]> {
  const last = positions.at(-1);
  if (last === undefined) return;
  if (count === 1) yield [last];
  for (let end = positions.length - 1; count > 1 && end >= count - 1; end -= 1) {
    for (const head of choices(positions.slice(0, end), count - 1)) yield [...head, last];
  }
}

/** Between the numbers of a row stand units and what other columns hold; the description only in its place. */
function fits(
  row: readonly Token[],
  choice: readonly number[],
  columns: readonly Column[],
  order: readonly NumberColumn[],
): boolean {
  if (row[choice[order.indexOf('quantity')] ?? -1]?.amount?.currency) return false;
  return order.slice(1).every((column, index) => {
    const between = row.slice((choice[index] ?? 0) + 1, choice[index + 1]);
    const inside = columns.slice(columns.indexOf(order[index] ?? column) + 1, columns.indexOf(column));
    if (inside.some(isNaming)) return between.length > 0;
    if (inside.includes('other') || inside.includes('discount')) return between.length <= 4;
    const unit = inside.includes('unit') ? UNIT_WORD : UNIT;
    return between.length <= 2 && between.every(({ text, amount }) => amount === null && unit.test(text));
  });
}

function toRow(
  row: readonly Token[],
  choice: readonly number[],
  { columns, mark }: Shape,
  order: readonly NumberColumn[],
): Row | null {
  const [first = 0, second] = choice;
  const words = row.slice(0, first).map(({ text }) => text);
  if (columns.indexOf('description') > columns.findIndex(isNumeric)) {
    const behind = row.slice(first + 1, second).map(({ text }) => text);
    const isUnit =
      UNIT.test(behind[0] ?? '') && (columns.includes('unit') || !IS_NAME.test(behind.join(' ')));
    words.push(...(isUnit ? behind.slice(1) : behind));
  }

  // The day on which it is due may stand in a column of its own.
  if (columns.slice(columns.indexOf('description'), columns.findIndex(isNumeric)).includes('other')) {
    const day = [1, 3].find((count) => readDate(words.slice(-count).join(' '))?.rest === '');
    if (day) words.splice(-day);
  }
  let item: string | null = null;
  for (const column of columns) {
    if (column !== 'item' || words.length < 2 || !ITEM.test(words[0] ?? '')) continue;
    const code = bareItem(words.shift() ?? null);
    item ??= code;
  }
  const description = words.join(' ').replace(/^[-–:|]\s|\s[-–:|]$/g, '');
  if (!/\p{L}/u.test(description)) return null;
  const number = (column: NumberColumn) => row[choice[order.indexOf(column)] ?? -1]?.amount?.value ?? null;
  const discount = row
    .filter((_, index) => index > first && !choice.includes(index))
    .map(({ text }) => discountIn(text, mark))
    .find((value) => value !== null);
  const read = {
    item,
    description,
    quantity: number('quantity'),
    unit_price: number('unit_price'),
    total: number('total'),
    discount: columns.includes('discount') ? (discount ?? null) : null,
  };
  return HALF_SUM.test(description) && !isProven(read) ? null : read;
}

/** "Angle 50 +" is cut off from its quantity of 50 + 5. */
const HALF_SUM = /(?<![\p{L}\p{N}])\d[\d.,]*\s?[+x×*]$/u;

function bareItem(text: string | null): string | null {
  return text?.replace(/^#(?=.)|[.)]$/g, '') || null;
}

/** Whether a line holds something that is printed as money. */
export function hasMoney(line: string, mark: Mark): boolean {
  return tokensOf(line, mark).some(({ amount }) => amount?.isMoney);
}

/** Whether a row says what it costs. */
export function isPriced({ unit_price, total }: Pick<Row, 'unit_price' | 'total'>): boolean {
  return unit_price !== null || total !== null;
}

/** Whether a row is one beyond doubt: it has all three numbers, and their product is right. */
export function isProven(row: Row): boolean {
  return row.quantity !== null && row.unit_price !== null && row.total !== null && productHolds(row);
}

/** Whether quantity × unit price, less the discount, = total; true when one of them is not stated. */
export function productHolds({ quantity, unit_price, total, discount }: Row): boolean {
  if (quantity === null || unit_price === null || total === null) return true;
  const product = multiply(toUnits(quantity), toUnits(unit_price));
  const less = toUnits(discount ?? '0');
  const reduced = [product, product - less, product - multiply(product, less) / 100n];
  return reduced.some((price) => sameToTheCent(price, toUnits(total)));
}
