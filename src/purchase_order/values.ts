import { beginningOf } from '../json.ts';
import { type DateOrder, looksLikeDate, readDate } from './dates.ts';
import { toUnits } from './decimal.ts';
import { isDateField, isMoneyField, type LabelField, wordsOf } from './labels.ts';
import { type Amount, amountsIn, asMoney, CURRENCY, type Mark, MEASURE, readAmount } from './money.ts';

/** How a document writes what can be written in several ways. */
export interface Style {
  readonly mark: Mark;
  readonly order: DateOrder;
}

/** A value as it goes into the fields, and what has to be said about it. */
export interface Value {
  readonly value: string;
  readonly currency?: string | null;
  readonly doubt?: string;
}

const NO_VALUE =
  /^(?:n\/?a|none|nil|tb[acd]|to be \p{L}+|to follow|pending|unknown|(?:see|as) (?:below|above|attached|attachment|pdf|letterhead).*|use the ship-to .*|same(?: as .*)?|not (?:yet )?(?:known|assigned|available)|[-–—?._…*]+)[.!]?$/iu;
/** "$9,999.00 - 12,000.00", "$6,000.00 x 2" */
const GOES_ON = /[.,]\d\d\s*(?:[-–—x×*]|to|bis)\s*\p{Sc}?\s?\d/u;
const ORDER_NUMBER = /^(?:p\.?o\.?|no\.?|nr\.?|number|order)\s?[:#]?\s+(?=\S*\d)|^#\s?/i;
const IDENTIFIER = /^(?=[^\s]*\d)[A-Z0-9][A-Z0-9._/-]{0,39}/i;

/** Reads the text after a label as what the field holds; null when it is nothing of the kind. */
export function readValue(field: LabelField, text: string, { mark, order }: Style, label = ''): Value | null {
  const raw = text.trim();
  if (raw === '' || NO_VALUE.test(raw)) return null;
  if (field === 'po_number') return readOrderNumber(raw, label);
  if (isMoneyField(field)) return readMoney(field, raw, mark);
  if (field === 'currency') return readCurrency(raw);
  const date = readDate(raw, order);
  if (!isDateField(field)) {
    const named = raw.replace(/^(?:company )?name:\s*/i, '');
    const isElse = NAME.test(named) || DEFINES.test(named) || (field === 'vendor' && PERSON.test(named));
    return date?.rest === '' || isElse
      ? null
      : { value: plainText(field === 'ship_to' ? placeIn(named, order) : named) };
  }
  if (!date) return null;
  if (date.ambiguous) return { value: date.day, doubt: 'its numbers could also stand in another order' };
  if (OF_PART.test(date.rest)) return { value: date.day, doubt: 'it may be that of a part' };
  if (date.misnamed) return { value: date.day, doubt: 'that is another day of the week' };
  const other = datesIn(date.rest, order).find((day) => day !== date.day);
  return { value: date.day, ...(other && { doubt: `another date follows, ${other}` }) };
}

/** "(line 1)", "for items 2-4", "(50 pcs)" */
const OF_PART = new RegExp(
  String.raw`^\W{0,3}(?:for\s)?(?:(?:lines?|items?|pos)\b\.?\s?#?\d|\d[\d.,]*\s?${MEASURE}(?!\p{L}))`,
  'iu',
);

/** The name of a field, which is no value of another; a company may be called "Courier" or "Total". */
const NAME = new RegExp(`^(?:${wordsOf((field) => field !== null && !isMoneyField(field))})\\W*$`, 'iu');

/** Who is to read an order. */
export const PERSON = /^(?:attn|att|attention|for the attention|fao)(?!\p{L})/iu;

/** What terms and conditions say of a field: "Supplier: means the party …", "Ship to: the address …". */
const DEFINES = /^(?:means|shall|the (?:name|party|person|company|address|place|location|terms))\s\p{Ll}/u;

/** Whether a text that is no value of a field is stated for one all the same: a day, a number, and anything for the total. */
export function isUnreadable(field: LabelField, text: string): boolean {
  if (isDateField(field)) return looksLikeDate(text);
  if (NO_VALUE.test(text.trim())) return false;
  return field === 'total'
    ? /[\p{L}\p{N}]/u.test(text)
    : isMoneyField(field) && NUMBER.test(text) && !isCode(field, text);
}

const NUMBER = new RegExp(
  String.raw`^[\s(+-]*${CURRENCY}?[\s(+-]*\d[\d.,'’ ]*(?:e\d+)?\s?${CURRENCY}?\)?$`,
  'i',
);

/** A currency by its code, or by a name that no two countries share. */
function readCurrency(raw: string): Value | null {
  const code =
    raw.match(/\b[A-Z]{3}\b/g)?.find((word) => CODES.has(word)) ??
    NAMED.find(([name]) => name.test(raw))?.[1];
  return code ? { value: code } : null;
}

/** "USA" and "SEE" are none. */
const CODES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));
const NAMED: readonly (readonly [RegExp, string])[] = [
  [/\beuros?\b/i, 'EUR'],
  [/\bus dollars?\b/i, 'USD'],
  [/\bpounds? sterling\b/i, 'GBP'],
  [/\bswiss francs?\b/i, 'CHF'],
  [/\brmb\b/i, 'CNY'],
];

function plainText(raw: string): string {
  return beginningOf(raw.replace(/\s+/g, ' ').replace(/\s?[,;(]$|\s[-–]$/, ''), 500);
}

/** Where something goes, without by when and how: "Acme, 1 Road, Leeds by 24 Oct 2025 via UPS". */
function placeIn(raw: string, order: DateOrder): string {
  const place = raw.replace(BY_CARRIER, '');
  const by = BY_WHEN.exec(place);
  const date = by && readDate(place.slice(by.index + by[0].length), order);
  return date && !/[,\p{L}\p{N}]/u.test(date.rest) ? place.slice(0, by.index).replace(BY_CARRIER, '') : place;
}

const BY_WHEN =
  /(?<=[\p{L}\p{N}.)])(?:,\s?|\s)(?:by|(?:on or )?before|not? later than)\s(?=(?:\p{L}{3,9},? )?(?:the )?(?:\d|\p{L}{3,9}\.? \d))/iu;
const BY_CARRIER =
  /(?<=[\p{L}\p{N}.)])(?:,\s?|\s)via\s(?:ups|usps|fedex|dhl|tnt|dpd|truck|ltl|courier|ground|air|sea|ocean|rail|road)(?:\s(?:ground|air|express|freight|mail|next day|overnight|priority|2nd day))?[.!]?$/iu;

/** "Net 30", "2/10 net 30" */
const NET_DAYS = /^(?:\d{1,2}%?[ /]\d{1,2},? )?net \d{1,3}(?: days)?\.?$/i;

/** Whether a text, without a colon before it, is plainly a value of the field and nothing else. */
export function isPlainly(field: LabelField, text: string, style: Style): boolean {
  if (field === 'po_number') {
    const number = readOrderNumber(text);
    if (/\s/.test(number?.value ?? '')) return false; // "PO Unit 12"
    const rest = text
      .trim()
      .replace(ORDER_NUMBER, '')
      .slice(number?.value.length)
      .replace(/^(?:,? (?:dated?|dt|of|from)(?:\.|\b):?| \/| -) /i, '');
    return number !== null && (/^[.,;:]*$/.test(rest) || readDate(rest, style.order)?.rest === '');
  }
  if (isDateField(field)) return readValue(field, text, style) !== null;
  if (field === 'payment_terms') return NET_DAYS.test(text);
  return isMoneyField(field) && readAmount(text, style.mark) !== null;
}

/**
 * An amount may stand behind a quantity, so the last one counts; but not what follows it under a name of its own, as in
 * "15,834.00   Weight: 1,080.50" or "15,834.00, deposit 1,080.50". Of two that differ, either could be meant,
 * but before a tax may stand what is taxed.
 */
function readMoney(field: LabelField, raw: string, mark: Mark): Value | null {
  const holds = (text: string) =>
    readAmount(text, mark) !== null || amountsIn(text, mark).some(({ isMoney }) => isMoney);
  const own = raw.split(NEXT_MATTER).find(holds) ?? raw;
  const bare = amountsIn(own.replace(/\([^()]*\)/g, ' '), mark);
  const amounts = bare.length > 0 ? bare : amountsIn(own, mark); // "$119.00 (incl. $19.00 VAT)"
  const amount =
    amounts.findLast(({ currency }) => currency !== null) ??
    amounts.findLast(({ isMoney }) => isMoney) ??
    (amounts.length === 1 && readAmount(own, mark) && !isCode(field, raw) ? amounts[0] : undefined);
  if (!amount) return null;
  const { currency } = amount;
  if (amount.value.startsWith('-'))
    return field === 'discount' ? { value: asMoney(amount.value.slice(1)), currency } : null;
  const value = asMoney(amount.value);
  const others = amount.isMoney ? amounts : amountsIn(raw, mark);
  if (field === 'total' && toUnits(value) === 0n && /^\D*[-(]\D*0/.test(own))
    return { value, currency, doubt: 'it has a minus' };
  if (INEXACT.test(own)) return { value, currency, doubt: 'it may be no more than a limit, or an estimate' };
  if (REPEATED.test(own)) return { value, currency, doubt: 'it is that of a period' };
  const isTaxed = (other: Amount) => field === 'tax' && toUnits(other.value) > toUnits(amount.value);
  const isDoubtful =
    GOES_ON.test(own) ||
    others.some((other) => other.isMoney && other.value !== amount.value && !isTaxed(other));
  return { value, currency, ...(isDoubtful && { doubt: 'another amount stands beside it' }) };
}

/** "prepaid, max. 75.00", "free over $200.00", "approx. $250.00" */
const INEXACT =
  /\b(?:(?:max|min)(?:imum)?\b\.?|up to|over|above|insured for|not (?:to )?exceed(?:ing)?|approx(?:imately)?\b\.?|about|circa|ca\.)[^\p{L}\d]{0,20}(?:[A-Z]{3}[^\p{L}\d]{0,9})?\d/iu;
/** "$250.00 per month" */
const REPEATED =
  /\d\s?(?:per|\/|each|every|a)\s?(?:day|week|month|quarter|year|annum)\b|\d,? (?:monthly|quarterly|yearly|annually)\b/i;

const NEXT_MATTER = new RegExp(String.raw`(?:\s{2,}|[,;]\s)(?=\p{L})(?!${CURRENCY})`, 'u');

/** A long number without decimals beside "VAT" or "Freight" is that of an account. */
function isCode(field: LabelField, raw: string): boolean {
  return (field === 'tax' || field === 'shipping') && /\d{6}/.test(raw);
}

/** The dates in a text, wherever they stand. */
function datesIn(text: string, order: DateOrder): string[] {
  const starts = Array.from(
    text.slice(0, 200).matchAll(/(?<![\p{L}\p{N}])[\p{L}\p{N}]/gu),
    ({ index }) => index,
  );
  return starts.flatMap((start) => readDate(text.slice(start), order)?.day ?? []);
}

/**
 * The identifier alone: a token with a digit, without its label, a `#`, or punctuation behind it. Where the label does not
 * speak of a number, "25kg" is none, and a year is doubted; behind no more than "order", it has to stand alone.
 */
function readOrderNumber(text: string, label = ''): Value | null {
  const bare = text
    .replace(/[\u2010-\u2015\u2212]/g, '-')
    .trim()
    .replace(ORDER_NUMBER, '');
  if (readDate(bare)) return null;
  const number = IDENTIFIER.exec(bare)?.[0].replace(/[._/-]+$/, '');
  const inTwo = /^order$/i.test(label) ? null : IN_TWO.exec(bare);
  if (inTwo) return { value: inTwo[0], doubt: 'there is a blank in it' };
  if (!number) return null;
  const rest = bare.slice(number.length);
  const isVague = /(?:order|p\.?\s?\/?o\.?)$/i.test(label);
  if (isVague && HOW_MUCH.test(number)) return null;
  if (/^order$/i.test(label) && (NO_NUMBER.test(number) || !STANDS_ALONE.test(rest))) return null;
  const goesOn = GOES_ON_NUMBER.test(rest) && !readDate(rest.replace(/^[\s/,;&-]+/, ''));
  const isYear = isVague && /^(?:19|20)\d\d$/.test(number);
  const isCut = /^[^\s.,;:!?()[\]'"’”&/-]/.test(rest);
  const doubt = goesOn
    ? 'another number follows'
    : isYear
      ? 'it could be a year'
      : isCut
        ? 'it goes on with signs that are in no number'
        : undefined;
  return { value: number, ...(doubt && { doubt }) };
}

/** "AL 2291" */
const IN_TWO = /^(?!BOX)[A-Z]{1,5} \d{2,}(?![\p{L}\p{N}])/u;
/** "4500 12", "4500 / 2025", "4711, 4712", "4711 and PO 4712" */
const GOES_ON_NUMBER =
  /^(?=[\s,;&])\s?(?:[/,;&-]|and\b)?\s?(?:p\.?o\b\.?[\s#]?)?\d{2,}(?![\p{L}\p{N}.,/-]|\s\p{L})/iu;
/** "25kg", "3x", "12th" */
const HOW_MUCH = new RegExp(String.raw`^\d[\d.,]*(?:${MEASURE}|x|st|nd|rd|th)$`, 'i');
/** "12", "2025", "15/08", "KW26", "Q3-2025" */
const NO_NUMBER = /^(?:\d{1,3}|(?:19|20)\d\d|\d{1,2}[/.]\d{1,2}|(?:kw|cw|wk)\d{1,2}|q[1-4](?:\W.*)?)$/i;
const STANDS_ALONE = /^(?:[.!]*$|\s?[-/([]|,?\s(?:from|for|of|dated?)\b)/i;
/** Where a subject may name its order, the plainest first. */
const IN_SUBJECT = [
  /(?<![\p{L}\p{N}])(?:l?p\.?\/?o\b\.?|purchase order)\s?(?:number|no\b\.?|nr\b\.?|#)?/giu,
  /(?<![\p{L}\p{N}])(?=PO[-_]?\d)/giu,
  /(?<![\p{L}\p{N}])order\s?(?:number|no\b\.?|nr\b\.?|#)?/giu,
];

/** What an order is called off from: "against blanket order 4600001220". */
const FRAMEWORK = /\b(?:against|under|from|of) (?:our )?(?:blanket|framework|frame|outline|standing)\b.*/iu;

/** The order number of a subject line, where it is called one. */
export function orderNumberInSubject(subject: string): Value | null {
  const named = subject.replace(FRAMEWORK, '');
  for (const { 0: label, index } of IN_SUBJECT.flatMap((names) => [...named.matchAll(names)])) {
    const behind = named.slice(index + label.length).replace(/^\s?[:#]?\s?/, '');
    const number = readOrderNumber(behind, label.trim());
    if (number) return number;
  }
  return null;
}
