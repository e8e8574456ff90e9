import { readHeading } from './headings.ts';
import { candidates, isMoneyField, type LabelField, RATE, wordsOf } from './labels.ts';
import { CURRENCY } from './money.ts';
import type { Line } from './regions.ts';

/*
 * What has lost its line ends, columns or colons on its way into a mail gets them back, where nothing else can be meant.
 */

const AT_RATE = String.raw`(?:\s?@?\s?\(?${RATE}\)?)`;
const MONEY = String.raw`(?:${CURRENCY}\s?\d[\d.,'’]*|\d[\d.,'’]*[.,]\d\d(?:\s?${CURRENCY})?)(?![\p{L}\p{N}])`;
/** "$530.00 Tax 8.25% $43.73", "$530.00 / Tax $43.73" */
const NEXT_SUM = new RegExp(
  String.raw`(?<=${CURRENCY}\s?\d[\d.,'’]{0,20}|[.,]\d\d(?:\s?${CURRENCY})?)(?:[ ,;]{1,2}|\s[/–-]\s)(?=(?:${wordsOf(isMoneyField)})${AT_RATE}?\s?:?\s?${MONEY})`,
  'giu',
);
/** "4711Vendor: Acme", and not the rate in "15% discount: …" */
const LOST_END = new RegExp(String.raw`(?<=\d)(?=\p{L})(?=(?:${wordsOf(() => true)})${AT_RATE}?\s?:)`, 'giu');
/** Few lines have: a pattern with all labels takes a tenth of a second to compile. */
const MAY_HAVE_LOST_END = /\d\p{L}.*:/u;

/** Keeps sums apart that follow one another, and labels from the number right before them. */
export function withSumsApart(line: string): string {
  const apart = line.replace(NEXT_SUM, '   ');
  return MAY_HAVE_LOST_END.test(apart) ? apart.replace(LOST_END, '   ') : apart;
}

/** A heading within a line is looked for so often, and so far. */
const TRIES = 60;
const LENGTH = 400;

/** Where a heading begins that was run together with what stands before it; 0 if there is none, or no row behind it. */
export function headingWithin(line: string): number {
  if (!/q'?ty|quant/i.test(line) || readHeading(line)) return 0;
  const starts = Array.from(line.matchAll(/(?<=\S\s+)\p{Lu}/gu), ({ index }) => index).slice(0, TRIES);
  return (
    starts.find((start) => {
      const heading = readHeading(line.slice(start, start + LENGTH));
      return heading && /\d/.test(line.slice(start + heading.length));
    }) ?? 0
  );
}

/** Whether a text begins with what a field plainly looks like. */
type Opening = (field: LabelField, text: string) => boolean;

/** A label of a form, without its colon. */
interface Name {
  readonly field: LabelField | null;
  readonly start: number;
  readonly end: number;
}

/**
 * Gives the labels of a form their colons, as in "Vendor Acme Due Date 2025-06-25 Ship To …": three fields and more in one
 * paragraph, each with a capital, at the beginnings of lines or behind one another, at least one with what plainly is its value.
 */
export function withColons(lines: readonly Line[], opensWith: Opening): readonly Line[] {
  return paragraphsOf(lines).flatMap((paragraph) => {
    const named = paragraph.map((line) => ({ line, names: namesIn(line.text, opensWith) }));
    const names = named.flatMap(({ line, names }) => names.map((name) => ({ ...name, text: line.text })));
    const fields = new Set(names.flatMap(({ field }) => field ?? []));
    const isForm =
      fields.size > 2 &&
      names.some(({ field, end, text }) => field && opensWith(field, text.slice(end).trim()));
    return isForm
      ? named.map(({ line, names }) => ({ ...line, text: spelledOut(line.text, names) }))
      : paragraph;
  });
}

/** Lines up to a blank one, which ends their paragraph. */
function paragraphsOf(lines: readonly Line[]): Line[][] {
  const paragraphs: Line[][] = [[]];
  for (const line of lines) {
    paragraphs.at(-1)?.push(line);
    if (line.text.trim() === '') paragraphs.push([]);
  }
  return paragraphs;
}

/** What may follow a label of a form: no word of a sentence, and no other name that the label is a part of. */
const VALUE = /^\s(?!(?:Name|Address|Phone|Contact|E-?mail|Details|Attention)\b)[^\s:\p{Ll}–—-]/u;

/** The labels of a line without a colon: if it begins with one, or has three. */
function namesIn(line: string, opensWith: Opening): readonly Name[] {
  const names: Name[] = [];
  for (const { field, rank, start, end } of candidates(line)) {
    const behind = line.slice(end);
    if (start < (names.at(-1)?.end ?? 0) || !/^\p{Lu}/u.test(line.slice(start)) || !VALUE.test(behind))
      continue;
    const isText = rank === 0 && !isMoneyField(field) && field !== 'currency';
    if (field === null ? rank < 4 : isText || opensWith(field, behind.trim()))
      names.push({ field, start, end });
  }
  return names.length > 2 || names[0]?.start === line.search(/\S/) ? names : [];
}

function spelledOut(line: string, names: readonly Name[]): string {
  return names.reduceRight((text, { start, end }) => {
    const [before, name, behind] = [text.slice(0, start), text.slice(start, end), text.slice(end)];
    return `${before}${before.trim() === '' ? '' : '   '}${name}:${behind}`;
  }, line);
}
