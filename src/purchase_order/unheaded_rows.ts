import type { Reading, Source } from './headed_tables.ts';
import { CODE, cellsOf, type NumberColumn } from './headings.ts';
import { CURRENCY, type Mark, MEASURE } from './money.ts';
import { BEGINS_NAME, isProven, numberIn, type Row, UNIT } from './rows.ts';

const MOST_CELLS = 8;
/** "CHF   185.50" */
const SIGN_APART = new RegExp(String.raw`(?<=\s{2})(${CURRENCY})\s{2,20}(?=\d)`, 'g');
/** "3 x Rod", "3 pcs Rod" */
const COUNT = new RegExp(
  String.raw`(?<=^\d[\d.,]{0,12})\s(?:(?:[x×]|(?!${BEGINS_NAME})${MEASURE}\.?)\s)?(?=\p{L}{2})`,
  'iu',
);
/** "60 x $7.25", "$7.25 $435.00" */
const TIMES = new RegExp(
  String.raw`(?<=^\d[\d.,]{0,12})\s?[x×@]\s?(?=${CURRENCY})|(?<=^${CURRENCY}\d[\d.,]{0,12})\s(?=${CURRENCY}\d)`,
);

/**
 * The rows of tables without a heading that we know, where quantity × price = total tells which number is what. With a quantity
 * of one it holds by chance: then another row with as many cells has to tell. Other lines with an amount are told.
 */
export function readUnheaded({ lines, mark, labelledAs }: Source): Reading {
  const priced = lines.flatMap((line) => {
    const apart = cellsOf(line.text.replace(SIGN_APART, '$1 ')).flatMap(({ text }) => text.split(TIMES));
    const cells =
      apart.length === 3 ? apart.flatMap((text, index) => (index === 0 ? text.split(COUNT) : text)) : apart;
    const isPriced =
      cells.length > 2 && cells.length <= MOST_CELLS && cells.some((text) => isMoney(text, mark));
    if (!isPriced || labelledAs(line.text) !== null) return [];
    return { line, count: cells.length, row: readRow(cells, mark) };
  });
  const counts = new Set(
    priced.flatMap(({ row, count }) => (row && Number(row.quantity) !== 1 ? count : [])),
  );
  const found = priced.filter(({ row, count }) => row && counts.has(count));
  const others = priced.filter(({ row, count }) => counts.size > 0 && !(row && counts.has(count)));
  return {
    rows: found.flatMap(({ row }) => row ?? []),
    used: new Map([...found, ...others].map(({ line }) => [line.number, line.text])),
    rest: [],
    unread: others.map(({ line }) => line),
    unknown: [],
  };
}

/** Cells that end with a price and a total: a row if they name one thing, and the last number before is the quantity. */
function readRow(cells: readonly string[], mark: Mark): Row | null {
  const [price = '', total = ''] = cells.slice(-2).map((text) => text.replace(/^@\s?/, ''));
  const others = cells.slice(0, -2).filter((text) => !UNIT.test(text));
  const [name = '', another] = others.filter((text) => isName(text, mark));
  if (name === '' || another || !isMoney(price, mark)) return null;
  const isCount = (text: string) => numberIn('quantity', text, mark) !== null;
  const counted = others.findLastIndex(isCount);
  const number = (column: NumberColumn, text: string) => numberIn(column, text, mark)?.value ?? null;
  const row = {
    // Behind the name, another number is some measure.
    item:
      others.find(
        (text, index) =>
          index !== counted && text !== name && (index < others.indexOf(name) || !isCount(text)),
      ) ?? null,
    description: name,
    quantity: number('quantity', others[counted] ?? ''),
    unit_price: number('unit_price', price),
    total: number('total', total),
    discount: null,
  };
  return isProven(row) ? row : null;
}

function isMoney(text: string | undefined, mark: Mark): boolean {
  return numberIn('unit_price', text ?? '', mark)?.isMoney === true;
}

function isName(text: string, mark: Mark): boolean {
  return /\p{L}{2}/u.test(text) && !CODE.test(text) && numberIn('quantity', text, mark) === null;
}
