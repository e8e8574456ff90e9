import { isKnown } from './headings.ts';
import { CURRENCY, type Mark, MEASURE, readAmount } from './money.ts';
import { BEGINS_NAME, hasMoney, isProven, type Row } from './rows.ts';

/** What a line of a list says, as printed. */
interface Listed {
  readonly item?: string;
  readonly quantity: string;
  readonly unit?: string;
  readonly description: string;
  /** The price is called one: "@ $5.00". */
  readonly at?: string;
  readonly price: string;
  readonly per?: string;
  readonly total?: string;
}

const BULLET = String.raw`(?:[*•·-]|\d{1,3}[.)](?=\s))`;
const OPENING = String.raw`^[\s*•·-]*(?:(?:(?:line|item|pos\.?) )?#?(?<item>\d{1,3})[.):]\s+)?`;
/** What counts goods, unless it may be the first word of their name, as in "box spanner". */
const COUNTER = String.raw`(?:x|×|(?!${BEGINS_NAME})${MEASURE})(?![\p{L}\p{N}])\.?`;
const QUANTITY = String.raw`(?:q'?ty\b\.?:?\s)?(?<quantity>\d(?:[\d.,]{0,14}\d)?)(?:\s?(?<unit>${COUNTER}))?`;
const DESCRIPTION = String.raw`(?<description>(?![-–—*•·@=\s]|${CURRENCY}).{0,119}?[^\s,:])`;
const DASH = '[-–—]';
const AMOUNT = String.raw`(?:${CURRENCY}\s{0,3})?\d(?:[\d.,'’]{0,14}\d)?(?: \d{3}(?:[.,]\d\d)?){0,3}(?:,-|\/-)?(?:\s?${CURRENCY})?`;
const PER = String.raw`(?<per>\s?(?:each|ea\b\.?|(?:per\s|\/\s?)\p{L}{1,10}))`;
const TOTAL = String.raw`(?:\s?(?:=|→|->)|\s${DASH}|[,:])\s{0,3}(?<total>${AMOUNT})`;
const PRICE = String.raw`(?<price>${AMOUNT})${PER}?(?:${TOTAL})?\.?\s*$`;
/** `10 pcs Bracket @ $5.00 = $50.00` */
const COUNT_FIRST = new RegExp(
  String.raw`${OPENING}${QUANTITY}(?:\s+of|\s${DASH})?\s+${DESCRIPTION}(?:(?:,|\s${DASH})?\s+(?<at>@|at|à)\s?|\s${DASH}\s|[,:]\s|\s?=\s?)${PRICE}`,
  'iu',
);
/** `Bracket - 10 pcs @ $5.00`, `1 - Bracket - 10 pcs @ $5.00` */
const COUNT_BEHIND = new RegExp(
  String.raw`${OPENING.replace('[.):]', `(?:[.):]|\\s${DASH})`)}${DESCRIPTION}(?:\s[-–—x×]|[,:])\s${QUANTITY}(?:,?\s?(?<at>@|at\s|à\s|x\s|×)\s?|\s${DASH}\s|,\s)${PRICE}`,
  'iu',
);

/**
 * A line of a list: a row if its product is right. One without a total has to leave no doubt of what its numbers are: how
 * many of what, `@`, and the price.
 */
export function readListed(line: string, mark: Mark): Row | null {
  const found = readings(line).filter(
    ({ description }) => !INSTALMENT.test(description) && !COUNTED_ALONE.test(description),
  );
  const proven = found.find(
    (listed) => (listed.unit || listed.at || listed.per) && isProven(rowOf(listed, mark)),
  );
  if (proven) return rowOf(proven, mark);
  const [only, another] = found;
  return only && !another && isPlain(only, mark) ? rowOf(only, mark) : null;
}

/** "10 pcs @ $5.00" does not say of what; "24 Bags" do. */
const COUNTED_ALONE = new RegExp(`^(?=\\p{Ll})${MEASURE}\\.?$`, 'u');

/** A row whose numbers stand below what they are of: "2. Rod" above "Qty 10 x $5.00 = $50.00". */
export function readListedBelow(title: string, line: string, mark: Mark): Row | null {
  if (!/\p{L}{2}/u.test(title) || /[:.!?]\s*$/.test(title) || hasMoney(title, mark)) return null;
  const row = readListed(`${title} - ${line.trim()}`, mark);
  return row && isProven(row) && title.endsWith(row.description) ? row : null;
}

const INSTALMENT = /\b(?:instal+ments?|deposits?|payable|payments?)\b/i;

/** Whether a line of a list says how many of something cost what, in whatever way. */
export function isListed(line: string, mark: Mark): boolean {
  if (!hasMoney(line, mark) && !CARRIES.test(line)) return false;
  return readings(line).length > 0 || COUNTED.test(line) || PRICED.test(line);
}

const CARRIES = new RegExp(`@|${CURRENCY}`);
const SOME_QUANTITY = String.raw`\d[\d.,]{0,15}\s?${COUNTER}[\s,]`;
const COUNTED = new RegExp(String.raw`${OPENING}${SOME_QUANTITY}.{0,200}?(?:@|${CURRENCY})\s?\d`, 'iu');
/** With a bullet, and an amount as its end. */
const PRICED = new RegExp(
  String.raw`^\s*${BULLET}\s*(?:\d[\d.,]{0,15}\s\p{L}|.{0,120}?(?<![\p{L}\d.,-])${SOME_QUANTITY}).{1,120}?(?<!\d)${AMOUNT}${PER}?\.?\s*$`,
  'iu',
);

/** "— Unit price: $5.00 — Total: $50.00" */
const named = (names: string) =>
  new RegExp(String.raw`(?:[,;|]|\s${DASH})\s(?:${names})\s?:\s?(?=${CURRENCY}?\s?\d)`, 'i');
const [NAMED_PRICE, NAMED_TOTAL] = [
  named('(?:unit )?(?:price|cost|rate)'),
  named('(?:(?:line|item) )?(?:total|amount)'),
];

/** The only gap of "1.  Rod, 10 ea @ $5.00          $50.00" */
const BEFORE_TOTAL = /(?<=^\s*\S+\s{1,3}\S+(?: \S+)* [@x×] ?\S+(?: \S+)?)\s{2,60}(?=\S+\s*$)/;

/** What a line of a list may say, its amounts by signs or by name. */
function readings(line: string): Listed[] {
  const signed = line.replace(NAMED_PRICE, ' @ ').replace(NAMED_TOTAL, ' = ').replace(BEFORE_TOTAL, ' = ');
  return [COUNT_FIRST, COUNT_BEHIND].flatMap((form) => {
    const { quantity, description, price, ...others } = form.exec(signed)?.groups ?? {};
    return quantity && description && price ? { quantity, description, price, ...others } : [];
  });
}

const BARE = /^\p{L}[^@=:.!?]*$/u;
/** Words of sentences, which are in no name of goods. */
const TELLS =
  /(?<![\p{L}\p{N}])(?:we|i|you|it|our|your|as|if|was|were|is|are|be|please|last|each|price[ds]?|quoted?|offer(?:ed)?|order(?:ed)?|agreed|confirmed|same|again|min(?:imum)?|max(?:imum)?|moq|instead|not)(?![\p{L}\p{N}])/iu;

/** Whether a line without a total can only be a row. */
function isPlain({ unit, description, at, price, per, total }: Listed, mark: Mark): boolean {
  const of = per?.replace(/^\s?(?:per|\/)?\s?|\.$/gi, '').toLowerCase();
  const isEach = !of || /^(?:each|ea|pcs?|piece|unit)$/.test(of) || isUnit(of, unit);
  const isGoods =
    BARE.test(description) &&
    ![TELLS, CARRIES].some((words) => words.test(description)) &&
    !isKnown(description);
  const isPrice = at === '@' && isEach && readAmount(price, mark)?.isMoney === true;
  return total === undefined && unit !== undefined && isGoods && isPrice;
}

/** "hour", of "hours" */
function isUnit(word: string, units = ''): boolean {
  return [word, `${word}s`, `${word}es`].includes(units.toLowerCase());
}

function rowOf({ item, quantity, description, price, total }: Listed, mark: Mark): Row {
  const number = (text = '') => readAmount(text, mark)?.value ?? null;
  return {
    item: item ?? null,
    description,
    quantity: number(quantity),
    unit_price: number(price),
    total: number(total),
    discount: null,
  };
}
