import type { ReadDay } from './dates.ts';
import { type Cell, cellsOf, looksLikeHeading, RULE, readHeading } from './headings.ts';
import { cellOf, type Found, findLabels, isDateField, isMoneyField, type LabelField } from './labels.ts';
import type { Line } from './regions.ts';
import { PERSON } from './values.ts';

/** The lines of a document, and the labels found in each. */
export interface Labelled {
  readonly line: Line;
  readonly labels: readonly Found[];
}

const TEXT_LINES = 8;
const LABEL_AND_VALUE = 80;
/** "70% on delivery" */
const SHARE = /^\s*\d{1,3}\s?%\s\p{L}/u;
/** No mail program wraps a line that is shorter. */
const WRAPPED_AT = 60;
/** A greeting, a wish, or what is ordered. */
const OPENING = String.raw`^\s*(?:(?:many )?thanks?|thank you|(?:(?:best|kind) )?(?:regards|rgds)|sincerely|cheers|yours|hello|hi|dear|please|we (?:need|require|want|will|would|are|have|can|expect)|qty|quantity)(?![\p{L}\p{N}-])`;
const OPENS = new RegExp(OPENING, 'iu');
/** What stands in a mail between its values: such a line, an item of a list, or six words and more up to a full stop. */
export const SENTENCE = new RegExp(
  String.raw`${OPENING}|\bplease[.!]?$|^\s*(?:[-*•]|\d+\s?x)\s|^\s*(?:\S+\s+){5,40}\S+[.!?]$`,
  'iu',
);
/** "4.", behind a full stop */
const NEXT_CLAUSE = /(?<=\S)\.\s+\d{1,2}[.)](?=\s|$)/;
/** Where a sentence may begin, or an abbreviation ends. */
const FULL_STOP = /\.\s+(?=\p{Lu})/gu;
/** "Blvd.", "Inc.", "D.C.", and not "Rgds." */
const ABBREVIATION =
  /(?<!\p{L})(?:\p{L}|apt|ave?|bhd|bldg|blvd|bros|co|corp|ct|dept|dr|hwy|inc|intl|jr|ln|ltd|mfg|no|pkwy|pl|pte|pty|pvt|rd|rm|sq|sr|st|ste|str|ter|whse)\.$/iu;
/** "Priority: high", which begins something else, unless it is a part of an address. */
const ENTRY = /^\p{L}[^:\d]{1,30}(?:\d{4})?:\s+\S/u;
const OF_ADDRESS =
  /^(?:attn|att|attention|for the attention|c\/o|fao|(?:company |contact )?name|company|street|address|addr|city|town|state|county|zip|post(?:al)? ?code|country|dock|gate|building|floor|suite|unit)\b/i;
/** How to reach somebody, which may stand within an address. */
const CONTACT = /^(?:contact|phone|tel(?:ephone)?|fax|mobile|cell|e-?mail)\b[^:]{0,20}:/i;
const POSTAL_CODE = String.raw`(?<![\p{L}\p{N}])(?<!\b[Bb][Oo][Xx] )(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d)`;
const ENDS_WITH_CODE = new RegExp(`${POSTAL_CODE}$`, 'u');
/** Of countries whose addresses end with a postal code. */
const COUNTRY =
  /^(?:u\.?s\.?(?:a\.?)?|united states(?: of america)?|u\.?k\.?|united kingdom|great britain|england|scotland|wales|northern ireland|canada|mexico)$/i;
/** "1001   Acme" */
const NUMBER_BEFORE = /^\d+\s{3,}(?=\p{L}[^:]*$)/u;
/** A value below its label may begin this much further left. */
const SLACK = 2;

/** The text of a value; an address and terms end where another matter begins. */
export function valueText(lines: readonly Labelled[], index: number, label: Found, readDay: ReadDay): string {
  const text = textInColumn(lines, index, label, readDay);
  return label.field === 'ship_to' || label.field === 'payment_terms'
    ? upToNextMatter(text, label, readDay)
    : text;
}

/** A text up to a full stop with a greeting behind it, or with a label and plainly its value; terms, up to the next clause. */
function upToNextMatter(all: string, { field }: Found, readDay: ReadDay): string {
  const text = field === 'payment_terms' ? (all.split(NEXT_CLAUSE, 1)[0] ?? '') : all;
  const isValue = (field: LabelField, value: string) =>
    isDateField(field) ? readDay(value) !== null : field === 'payment_terms' && /^net \d/i.test(value);
  const end = Array.from(text.matchAll(FULL_STOP)).find(({ 0: stop, index }) => {
    const from = index + stop.length;
    const rest = text.slice(from, from + LABEL_AND_VALUE);
    const [label] = findLabels(rest, isValue);
    const isAbbreviation = /(?<!\p{L})\p{L}{1,4}$/u.test(text.slice(0, index));
    return (OPENS.test(rest) && !isAbbreviation) || (label?.start === 0 && label.value !== '');
  });
  return text.slice(0, end?.index);
}

/** What stands beside a label, else below it in the same column; an address goes on below. */
function textInColumn(lines: readonly Labelled[], index: number, label: Found, readDay: ReadDay): string {
  const inGrid = cellInGrid(lines, index, label);
  if (label.field === 'ship_to') {
    const isBeside = inGrid === undefined && !isInNextColumn(lines, index, label);
    const first = isBeside ? besideOf(label) : '';
    return below(lines, index, label, first).join(', ').replace(/,\s*,/g, ',');
  }
  // Above the name of a supplier, its number may stand, or who is to read it.
  const fits = (text: string) => label.field !== 'vendor' || (/\p{L}/u.test(text) && !PERSON.test(text));
  if (inGrid !== undefined && fits(inGrid)) return inGrid;
  const beside = isMoneyField(label.field) ? label.value : besideOf(label);
  if (!label.strong) return beside;
  if (isDateField(label.field) && beside !== '') return dayBelow(lines, index, label, beside, readDay);
  // In the next column, another matter may have its name and value in one cell, with nothing below it.
  const isOther = !label.colon && isEntry(beside) && isCellAt(label.start, lines[index + 1]);
  const text =
    beside !== '' && fits(beside) && !isOther
      ? beside
      : (below(lines, index, label, PERSON.test(beside) ? beside : '')
          .slice(0, 2)
          .find(fits) ?? beside);
  return label.field === 'payment_terms'
    ? withMoreTerms(text, lines, beside === '' || isOther ? index + 1 : index)
    : text;
}

/**
 * The cell beside a label, unless it is the name of what stands elsewhere: "Ship to:   Supplier's invoice:". Between the label
 * and a name, its number may stand.
 */
function besideOf({ field, value }: Found): string {
  const isNumbered = (field === 'ship_to' || field === 'vendor') && NUMBER_BEFORE.test(value);
  const bare = isNumbered ? value.replace(NUMBER_BEFORE, '') : value;
  const text = cellOf(OF_ADDRESS.test(bare) ? bare.replace(/:\s+/, ': ') : bare);
  // The lines of an address may stand behind one another, up to its postal code.
  const [, street, city] = cellsOf(bare);
  if (field === 'ship_to' && city && /^\d/.test(street?.text ?? '') && hasPostalCode([bare]))
    return bare.replace(/\s{2,}/g, ', ');
  return /^[^,\d]*:$/.test(text) && !OF_ADDRESS.test(text) ? '' : text;
}

/** Whether what stands beside the label of an address begins the next column: an address stands below the label, too. */
function isInNextColumn(lines: readonly Labelled[], index: number, label: Found): boolean {
  const starts = cellsOf(lines[index + 1]?.line.text ?? '').map(({ start }) => start);
  if (!starts.includes(label.start) || !starts.includes(label.valueStart)) return false;
  const own = below(lines, index, label, '');
  return own.length > 2 && /\d/.test(own.join());
}

/**
 * Terms that end their line, and what they go on with: other shares of the payment, which make a whole, and where the line was
 * wrapped within a sentence, what begins with a small letter, indented or below a long line.
 */
function withMoreTerms(text: string, lines: readonly Labelled[], index: number): string {
  const [first, ...below] = lines.slice(index, index + 1 + TEXT_LINES);
  if (text === '' || !first?.line.text.endsWith(text)) return text;
  const end = below.findIndex(({ line, labels }, at) => {
    const above = (at === 0 ? first : below[at - 1])?.line.text ?? '';
    const isWrapped = /^\s{2}/.test(line.text) || above.length >= WRAPPED_AT || above.endsWith(':');
    const goesOn =
      (isWrapped && /^\s*\p{Ll}/u.test(line.text) && !/[.!?]$/.test(above)) || SHARE.test(line.text);
    return !goesOn || labels.length > 0 || cellsOf(line.text).length !== 1 || OPENS.test(line.text);
  });
  const more = (end < 0 ? below : below.slice(0, end)).map(({ line }) => line.text.trim());
  const whole = more.findIndex((_, at) => percentIn([text, ...more.slice(0, at + 1)].join(' ')) === 100);
  const another = more.findIndex((line, at) => at > whole && SHARE.test(line));
  return more.slice(0, another < 0 ? undefined : another).reduce((terms, line) => {
    const isNext = SHARE.test(line) && !/[,;]$/.test(terms);
    return `${terms}${isNext ? ', ' : ' '}${line}`;
  }, text);
}

function percentIn(text: string): number {
  return text.match(/\d{1,3}(?=\s?%)/g)?.reduce((sum, percent) => sum + Number(percent), 0) ?? 0;
}

/** What stands beside a date's label, unless it is the next column, and a day stands below; several are those of a table. */
function dayBelow(
  lines: readonly Labelled[],
  index: number,
  label: Found,
  beside: string,
  readDay: ReadDay,
): string {
  if (label.colon || readDay(beside) || looksLikeHeading(lines[index]?.line.text ?? '')) return beside;
  const [day, another] = below(lines, index, label, '');
  const isDay = (text = '') => readDay(text)?.rest === '';
  return day && isDay(day) && !isDay(another) ? day : beside;
}

/**
 * The cell below a label in a row of labels, some of which we may not know: the next line has as many cells, and no label.
 * One label alone is in such a row if there are digits only below it, or if the row is in capitals and the next is not.
 */
function cellInGrid(lines: readonly Labelled[], index: number, label: Found): string | undefined {
  const { line, labels } = lines[index] ?? { line: { text: '' }, labels: [] };
  const below = lines.slice(index + 1, index + 4);
  const first = below.findIndex((next) => !RULE.test(next.line.text));
  const [values, next] = first < 0 ? [] : below.slice(first);
  if (labels.some(({ colon }) => colon) || !values) return undefined;
  const [heads, cells] = [cellsOf(line.text), cellsOf(values.line.text)];
  // "Freight" may be a label, or what stands below "Ship via".
  if ((values.labels.length > 0 && !areNames(heads, cells)) || readHeading(values.line.text))
    return undefined;
  const column = heads.findIndex(({ start }) => start === label.start);
  if (areTitles(heads, cells) && !looksLikeHeading(line.text)) return cells[column]?.text;
  const isAddress = label.field === 'ship_to' || label.field === 'vendor';
  const isTable = looksLikeHeading(line.text) || cellsOf(next?.line.text ?? '').length === heads.length;
  if (labels.length < 2 && (isAddress || isTable || !areNames(heads, cells))) return undefined;
  return heads.length > 2 && heads.length === cells.length ? cells[column]?.text : undefined;
}

/** Whether cells are the names of those below: these have digits, and begin where the names do. */
function areNames(names: readonly Cell[], below: readonly Cell[]): boolean {
  const hasDigit = ({ text }: Cell) => /\d/.test(text);
  return areAligned(names, below) && !names.some(hasDigit) && below.filter(hasDigit).length > 1;
}

/** Whether cells are in capitals, and those below, which begin where they do, are not. */
function areTitles(names: readonly Cell[], below: readonly Cell[]): boolean {
  const isTitle = ({ text }: Cell) => /^[^\p{Ll}\d]+$/u.test(text);
  const isText = ({ text }: Cell) => /\p{Ll}/u.test(text);
  return names.length > 1 && areAligned(names, below) && names.every(isTitle) && below.every(isText);
}

export function areAligned(names: readonly Cell[], below: readonly Cell[]): boolean {
  return names.length === below.length && names.every(({ start }, index) => start === below[index]?.start);
}

/** A value and what stands below it in its column, up to a blank line, a label at its edge, a heading or a rule. */
function below(lines: readonly Labelled[], index: number, label: Found, beside: string): string[] {
  const labels = lines[index]?.labels ?? [];
  const column = labels.indexOf(label);
  const heads = cellsOf(lines[index]?.line.text ?? '');
  // Where the next column begins, which may have a name that we do not know.
  // A label that we know may stand within it: "Confirm to:".
  const right = heads.find(({ start, text }) =>
    beside === '' ? start >= label.valueStart : start > label.start && start + text.length > label.end,
  );
  const parts = beside === '' ? [] : [beside];
  // Words may stand before the label of a column, which begins with them.
  const head = heads.findLast(({ start }) => start <= label.start);
  // So they may before the only label of a line: "Lieferanschrift / Delivery address: Acme".
  const isOnly = label.strong && labels.length === 1 && heads.length === 1;
  let left = (beside === '' || isOnly) && head ? head.start : label.start;
  let edge: number | undefined;
  for (let next = index + 1; next < lines.length && parts.length < TEXT_LINES; next += 1) {
    const { line, labels: others } = lines[next] ?? { line: { text: '' }, labels: [] };
    const isFirst = parts.length === 0;
    // Labels may be followed by a rule, or by a blank line: one alone on its line, several with their values right below it.
    const areAbove = labels.length === 1 || areAligned(heads, cellsOf(lines[next + 1]?.line.text ?? ''));
    if (isFirst && (line.text === '' ? areAbove && next === index + 1 : RULE.test(line.text))) continue;
    // Side by side, with blank lines as below their labels, a name and its street may stand apart.
    const isApart = line.text === '' && lines[index + 1]?.line.text === '' && heads.length > 1;
    const street = cellsOf(lines[next + 1]?.line.text ?? '').find(({ start }) => start === edge);
    if (isApart && parts.length === 1 && !/\d/.test(parts[0] ?? '') && /^\d/.test(street?.text ?? ''))
      continue;
    if (RULE.test(line.text) || readHeading(line.text)) break;

    const cells = cellsOf(line.text);
    // Below a label alone on its line, a block may stand anywhere.
    if (isFirst && heads.length === 1 && cells.length === 1) left = Math.min(left, cells[0]?.start ?? 0);
    const inColumn =
      isFirst && labels.length > 1 && cells.length === labels.length && cells.length === heads.length
        ? cells.slice(column, column + 1)
        : cells.filter(({ start }) => start >= left - SLACK && (!right || start < right.start - SLACK));
    // Of columns that stand at different heights, each may have lines of its own.
    const isSkipped = cells.length > 0 && inColumn.length === 0;
    if (isSkipped && isCellAt(edge, lines[next + 1]) && !hasPostalCode(parts)) continue;
    const isContact = !isFirst && CONTACT.test(inColumn[0]?.text ?? '');
    if (isContact && !hasPostalCode(parts) && hasPostalCode(upToNextEntry(lines, next))) continue;
    const mine = upToNextColumn(inColumn, others, right);
    const first = mine[0];
    if (!first) break;
    // A label alone has one cell below it.
    if (isFirst && labels.length === 1 && mine.length > 1) break;
    const text = mine.map((cell) => cell.text).join(' ');
    if (SENTENCE.test(text)) break;
    const isOthers = others.some(({ valueStart }) => valueStart === first.start);
    if (!isFirst && (first.start === 0 || isOthers) && isFinished(parts, text)) break;
    // The next entry of a form, or of a list whose values stand beside their names.
    if (isEntry(text)) break;
    if (beside !== '' && inColumn.length > 1 && first.start < label.valueStart - SLACK) break;
    parts.push(text);
    edge = first.start;
  }
  return parts;
}

/** Cells up to a label, or to one that reaches below the next column: where cells end below each other, it begins anywhere. */
function upToNextColumn(cells: readonly Cell[], labels: readonly Found[], next?: Cell): readonly Cell[] {
  const end = cells.findIndex(({ start, text }, index) => {
    const reaches = start + text.length;
    return (
      labels.some((label) => label.start >= start && label.start < reaches) ||
      (index > 0 && next && reaches > next.start)
    );
  });
  return end < 0 ? cells : cells.slice(0, end);
}

/** What stands below a line, up to a blank one or a label, contacts aside. */
function upToNextEntry(lines: readonly Labelled[], index: number): string[] {
  const following = lines.slice(index + 1, index + 1 + TEXT_LINES);
  const end = following.findIndex(
    ({ line, labels }) => line.text === '' || (labels.length > 0 && !CONTACT.test(line.text.trim())),
  );
  return following.slice(0, end < 0 ? undefined : end).map(({ line }) => line.text);
}

function isEntry(text: string): boolean {
  return ENTRY.test(text) && !OF_ADDRESS.test(text);
}

/** Whether a line is a single cell that begins at a place. */
function isCellAt(start: number | undefined, next: Labelled | undefined): boolean {
  const [cell, another] = cellsOf(next?.line.text ?? '');
  return cell !== undefined && !another && cell.start === start;
}

/** An address that has its postal code lacks no more than a country or a name, and a sentence is no part of one. */
function isFinished(address: readonly string[], next: string): boolean {
  if (COUNTRY.test(next) || OF_ADDRESS.test(next)) return false;
  return hasPostalCode(address) || next.length > 60 || (/[.!?:]$/.test(next) && !ABBREVIATION.test(next));
}

function hasPostalCode(address: readonly string[]): boolean {
  return address.some((part) => ENDS_WITH_CODE.test(part));
}

const POSTAL_CODES = new RegExp(String.raw`${POSTAL_CODE}(?![\p{L}\p{N}])`, 'gu');

/** The postal codes of an address. */
export function postalCodesIn(address: string): readonly string[] {
  return address.match(POSTAL_CODES) ?? [];
}
