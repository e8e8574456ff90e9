import { DECIMAL } from './decimal.ts';

/** The decimal mark. One for the whole document: it cannot be told from a single `1.234`. */
export type Mark = '.' | ',';

/** What else may be written with a bare `$`. */
const OTHER_DOLLARS = 'CAD|AUD|NZD|SGD|HKD|TWD|MXN|ARS|CLP|COP|UYU';
/** What else may be written with `Rs`. */
const OTHER_RUPEES = 'PKR|LKR|NPR|MUR';
/** Of a thousand parts each: three decimals are their cents. "Sdn Bhd" is a kind of company. */
const IN_THOUSANDTHS = 'KWD|(?<!SDN[. ]{1,2})BHD|TND|OMR|JOD';
/** "KWD 1.250" */
export const THOUSANDTHS = new RegExp(String.raw`(?:${IN_THOUSANDTHS})\W{0,9}\d[\d,]*\.\d{3}(?![\d.,]*\d)`);
const CODES = `USD|EUR|GBP|${OTHER_DOLLARS}|CHF|JPY|CNY|INR|${OTHER_RUPEES}|SEK|NOK|DKK|PLN|CZK|HUF|BRL|ZAR|KRW|TRY|ILS|AED|THB|${IN_THOUSANDTHS}`;
const CODE = new RegExp(`^(?:${CODES})`);
// biome-ignore format: a table
const SIGNS: Readonly<Record<string, string>> = {
  'US$': 'USD', 'US $': 'USD', 'CA$': 'CAD', 'CDN$': 'CAD', 'C$': 'CAD', 'AU$': 'AUD', 'A$': 'AUD', 'NZ$': 'NZD',
  'HK$': 'HKD', 'S$': 'SGD', 'NT$': 'TWD', 'MX$': 'MXN', 'R$': 'BRL',
  '€': 'EUR', '£': 'GBP', '₹': 'INR', '₩': 'KRW', '₪': 'ILS', '₺': 'TRY', '฿': 'THB', 'Kč': 'CZK', 'zł': 'PLN',
};
const DOLLARS = Object.keys(SIGNS)
  .filter((sign) => sign.endsWith('$'))
  .map((sign) => sign.replace('$', '\\$'))
  .join('|');
export const SIGN = '[$€£¥₹₩₪₺฿]';

/** A currency as it stands before or after an amount. A sign behind a code, as in "MXN $8.00", adds nothing to it. */
export const CURRENCY = String.raw`(?:(?<![A-Za-z])(?:${DOLLARS}|(?:Kč|zł)(?![A-Za-z])|Rs\.?(?![A-Za-z])|(?:${CODES})(?:${SIGN}| ${SIGN}(?=\.?\d)|(?![A-Za-z])))|${SIGN})`;
/** The end of an amount without cents: "1.200,-", "1,92,576/-". */
const EVEN = String.raw`(?:(?<=\d[.,])-{1,2}|\/-)`;
/** The first digit of an amount, or the point before the cents: ".85". */
const FIRST = String.raw`(?:\d|\.(?=\d))`;
// biome-ignore format: one line per part
const AMOUNT = new RegExp(
  String.raw`^(?<open>\()?(?<minus>-)?(?<before>${CURRENCY})?\s{0,12}(?<minus2>-)?` +
    String.raw`(?<digits>${FIRST}[\d.,'’ ]*)(?<even>${EVEN})?\s?(?<after>${CURRENCY})?(?<close>\))?$`,
);

/** What a number counts if it is no money. */
export const MEASURE =
  '(?:ea|each|pcs?|pieces?|units?|box(?:es)?|bxs?|cases?|cs|pks?|packs?|pkgs?|sets?|kits?|pairs?|prs?|dozen|dz|rolls?|rls?|bags?|kgs?|g|lbs?|t|tons?|tonnes?|m[23²³]?|mm|cm|cbm|ft|yds?|l|ltrs?|litres?|liters?|gals?|h|hrs?|hours?|days?|lots?|stk|stück|ct|cartons?|ctns?|pallets?|sheets?|bottles?|drums?|reels?|reams?|cans?|tubes?|bundles?)';

export interface Amount {
  /** Decimal text, `-` in front if negative, decimals as printed. */
  readonly value: string;
  readonly currency: string | null;
  /** Printed as money: with a currency, or with a decimal mark. */
  readonly isMoney: boolean;
}

/** Reads a whole text as one amount or number; null when it is anything else, or has more digits than we store. */
export function readAmount(text: string, mark: Mark): Amount | null {
  const parts = AMOUNT.exec(text.trim())?.groups;
  if (!parts || (parts.open === undefined) !== (parts.close === undefined)) return null;
  const isEven = parts.even !== undefined;
  const digits = (parts.digits ?? '').trim();
  const number = readNumber(isEven ? digits.replace(/[.,]$/, '') : digits, mark);
  if (number === null) return null;
  const currency = parts.before ?? parts.after ?? null;
  const negative = parts.open ?? parts.minus ?? parts.minus2;
  const value = negative === undefined || /^[0.]*$/.test(number) ? number : `-${number}`;
  return { value, currency, isMoney: currency !== null || isEven || number.includes('.') };
}

const PLAIN = { '.': /^(?:\d+(?:\.\d+)?|\.\d+)$/, ',': /^\d+(?:,\d+)?$/ };
// Groups of three, the Indian ones of two before the last; apostrophes and spaces group in either style.
const GROUPED = {
  '.': /^[1-9]\d{0,2}(?:[,'’ ]\d{2,3})*[,'’ ]\d{3}(?:\.\d+)?$/,
  ',': /^[1-9]\d{0,2}(?:[.'’ ]\d{2,3})*[.'’ ]\d{3}(?:,\d+)?$/,
};

function readNumber(digits: string, mark: Mark): string | null {
  if (!PLAIN[mark].test(digits) && !GROUPED[mark].test(digits)) return null;
  const [whole = '', fraction] = digits.split(mark);
  const bare = whole.replace(/\D/g, '').replace(/^0+(?=\d)/, '') || '0';
  const number = fraction === undefined ? bare : `${bare}.${fraction}`;
  return DECIMAL.test(number) ? number : null;
}

/** Decimal text as money: two decimals at least, more if printed. */
export function asMoney(value: string): string {
  const [whole = '0', fraction = ''] = value.split('.');
  return `${whole}.${fraction.padEnd(2, '0')}`;
}

/** What may follow an amount that is not what it seems: a percentage, a magnitude, the rest of a code or of a number. */
const MAGNITUDE = String.raw`(?:[Kk]|[Mm](?:n|io|illion(?:en|s)?)?|[Tt](?:housand|ausend|sd)|[Bb](?:n|illion))(?![\p{L}\p{N}])`;
const NO_END = String.raw`\s?%|\s?${MAGNITUDE}|[\p{L}\p{N}/_-]|[.,'’]\d|\^\d\d|\p{Sc}/`;

/** Something in a line that could be an amount, with what it is attached to. */
const IN_LINE = new RegExp(
  String.raw`(?<![\p{L}\p{N}.,/_-])\(?-?(?:${CURRENCY}\s{0,12})?-?${FIRST}[\d.,'’]*(?: \d{3}(?:[.,]\d+)?(?![\d.,]))*${EVEN}?(?:\s?${CURRENCY})?\)?(?!${NO_END})`,
  'gu',
);

/** The amounts in a stretch of text, in order; percentages, dates, codes and measures are none. */
export function amountsIn(text: string, mark: Mark): Amount[] {
  return Array.from(text.matchAll(IN_LINE), ({ 0: found, index }) => {
    const amount = readAmount(found.replace(/(?<=\d)[.,]+(?=\)?$)/, ''), mark);
    return amount?.currency === null && MEASURED.test(text.slice(index + found.length)) ? null : amount;
  }).filter((amount) => amount !== null);
}

const MEASURED = new RegExp(String.raw`^\s?${MEASURE}(?![\p{L}\p{N}])`, 'iu');

/**
 * The decimal mark of a document, by vote of the amounts that can only be read one way: `1.234,56` and `36,50`
 * for the comma, `1,234.56` and `0.85` for the point. Where none tells, `1.234` and `1,234` are thousands. Amounts that
 * carry a currency vote first.
 */
export function decimalMark(text: string): { readonly mark: Mark; readonly certain: boolean } {
  const all = vote(text);
  // Times, weights and drawing numbers have points, too.
  const priced = text.match(PRICED)?.join('\n') ?? '';
  const prices = vote(priced);
  const isGrouped = /\d[.,]\d{3}(?!\d)/.test(priced);
  return prices.certain || (isGrouped && prices.mark !== all.mark) ? prices : all;
}

const PRICED = new RegExp(
  String.raw`${CURRENCY}\s{0,12}-?\d[\d.,'’ ]{0,30}|\d[\d.,'’ ]{0,30}${CURRENCY}`,
  'g',
);

function vote(text: string): { readonly mark: Mark; readonly certain: boolean } {
  const commas = /(?<![\d.,])\d{1,3}(?:[.'’ ]\d{3})*,(?:\d{2}|-|(?<=\.\d{3},)\d{3})(?![\d.,]\d|\d)/g;
  const points = /(?<![\d.,])\d{1,3}(?:[,'’ ]\d{2,3})*(?:\.\d{2}|\/-|(?<=,\d{3})\.\d{3})(?![\d.,]\d|\d)/g;
  const [comma, point] = [count(text, commas), count(text, points) + count(text, THOUSANDTHS)];
  if (comma !== point) return { mark: comma > point ? ',' : '.', certain: true };
  // "23437.50" is no more than likely to be an amount: numbers of articles are written likewise.
  const [commaEnds, pointEnds] = [
    count(text, /\b\d{4,9},\d\d\b(?![.,]\d)/g),
    count(text, /\b\d{4,9}\.\d\d\b(?![.,]\d)/g),
  ];
  if (commaEnds !== pointEnds) return { mark: commaEnds > pointEnds ? ',' : '.', certain: false };
  const pointGroups = count(text, /(?<![\d.,])(?:[1-9]\d{0,2}(?:\.\d{3})+|0,\d{3})(?![\d.,]*\d)/g);
  const commaGroups = count(text, /(?<![\d.,])(?:[1-9]\d{0,2}(?:,\d{3})+|0\.\d{3})(?![\d.,]*\d)/g);
  return { mark: pointGroups > commaGroups ? ',' : '.', certain: false };
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** The currency that stands with the label of an amount, `Total (USD):`, or is written out behind it. */
export function currencyBeside(addendum: string, raw: string): string | null {
  return new RegExp(`\\b(?:${CODES})\\b`).exec(addendum)?.[0] ?? (/\d\s?euros?\b/i.test(raw) ? 'EUR' : null);
}

/** What a sentence says of all amounts: "All prices are in EUR, excluding VAT." */
const ALL_IN = new RegExp(
  String.raw`\b(?:[Pp]rices|[Aa]ll amounts)(?: \w+){0,2} in (?<code>${CODES})\b`,
  'g',
);

/** The currencies in which all amounts are said to be. */
export function currenciesOfAll(text: string): string[] {
  return Array.from(text.matchAll(ALL_IN), ({ groups }) => groups?.code ?? '');
}

/** The currency of an order: a code that is written with its amounts, then a sign; a bare `$` is a US one, `Rs` an Indian one, `¥` a yen, unless another is named. */
export function currencyOf(signs: readonly string[], text: string): string | null {
  const code = signs.find((each) => CODE.test(each))?.slice(0, 3);
  const sign = signs[0];
  if (code !== undefined || sign === undefined) return code ?? null;
  const [usual, others] = sign.startsWith('Rs')
    ? ['INR', OTHER_RUPEES]
    : sign === '¥'
      ? ['JPY', 'CNY']
      : ['USD', OTHER_DOLLARS];
  return SIGNS[sign] ?? new RegExp(`(?<![A-Za-z])(?:${others})(?![A-Za-z])`).exec(text)?.[0] ?? usual;
}
