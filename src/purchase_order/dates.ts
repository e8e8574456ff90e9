import { calendarDay, MONTH_NAME, monthNumber } from '../mail/dates.ts';

/** Whether the day or the month comes first in `03/04/2025`. One for the whole document. */
export type SlashOrder = 'month first' | 'day first';

export interface DateReading {
  readonly day: string;
  /** Read by the usual order only: day and month could be the other way round. */
  readonly ambiguous: boolean;
  /** What follows the date. */
  readonly rest: string;
}

const LEAD = String.raw`^(?:(?:no later than|not later than|latest|on or before|before|by|on|until|day)\s+)?(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?(?:the\s+)?`;
const END = String.raw`(?![\p{L}\p{N}]|[/.-]\d)`;
const ORDINAL = '(?:st|nd|rd|th)?';
const pattern = (date: string) => new RegExp(LEAD + date + END, 'iu');

const YEAR_FIRST = pattern(
  String.raw`(?<year>\d{4})([-/.])(?<month>\d{1,2})\2(?<day>\d{1,2})(?:T[\d:.]+Z?)?`,
);
const DAY_MONTH = pattern(
  String.raw`(?<day>\d{1,2})${ORDINAL}\.?(?:\s+of)?[\s-]\s*(?<name>${MONTH_NAME})\.?[\s,-]\s*(?<year>\d{4})`,
);
const MONTH_DAY = pattern(
  String.raw`(?<name>${MONTH_NAME})\.?[\s-]\s*(?<day>\d{1,2})${ORDINAL}[\s,-]\s*(?<year>\d{4})`,
);
const NAME_BETWEEN = pattern(
  String.raw`(?<day>\d{1,2})(?<between>[-/. ])(?<name>${MONTH_NAME})\k<between>(?<year>\d{4}|\d{2}(?!\s?:))`,
);
const YEAR_NAME = pattern(String.raw`(?<year>\d{4})-(?<name>${MONTH_NAME})-(?<day>\d{1,2})`);
const DOTTED = pattern(String.raw`(?<day>\d{1,2})\.\s?(?<month>\d{1,2})\.\s?(?<year>\d{4}|\d{2})`);
/** The forms that say by themselves which number is what. */
const PLAIN = [YEAR_FIRST, YEAR_NAME, DAY_MONTH, MONTH_DAY, NAME_BETWEEN, DOTTED];
const SLASHED = pattern(String.raw`(?<first>\d{1,2})([/-])(?<second>\d{1,2})\2(?<year>\d{4}|\d{2})`);

/**
 * Reads the date that a text begins with; null when it begins with none, or with a day that does not exist.
 * Dotted dates are day first; slashed ones follow the document, and the American order where it does not tell.
 */
export function readDate(text: string, order: SlashOrder | null): DateReading | null {
  const line = text.trim().replace(/[\u2010-\u2015\u2212]/g, '-');
  for (const form of PLAIN) {
    const found = form.exec(line);
    if (!found?.groups) continue;
    const { year = '', month, name = '', day = '' } = found.groups;
    return reading(
      fullYear(year),
      month ? Number(month) : monthNumber(name),
      Number(day),
      false,
      line,
      found[0],
    );
  }
  const found = SLASHED.exec(line);
  if (!found?.groups) return null;
  const first = Number(found.groups.first);
  const second = Number(found.groups.second);
  const dayFirst = first > 12 || (second <= 12 && order === 'day first');
  const [month, day] = dayFirst ? [second, first] : [first, second];
  // 25-06-30 may begin with its year.
  const mayBeYearFirst = /^\d\d-\d\d-\d\d$/.test(found[0]) && first >= 20 && first <= 31;
  const ambiguous = mayBeYearFirst || (order === null && first <= 12 && second <= 12 && first !== second);
  return reading(fullYear(found.groups.year ?? ''), month, day, ambiguous, line, found[0]);
}

function reading(
  year: number,
  month: number,
  day: number,
  ambiguous: boolean,
  line: string,
  found: string,
): DateReading | null {
  const date = calendarDay(year, month, day);
  return date === null ? null : { day: date, ambiguous, rest: line.slice(found.length).trim() };
}

function fullYear(year: string): number {
  return year.length === 2 ? 2000 + Number(year) : Number(year);
}

/**
 * What the slashed dates of a document have in common: a number above 12 can only be a day. Null when
 * none tells, or when they contradict each other.
 */
export function slashOrder(text: string): SlashOrder | null {
  let dayFirst = false;
  let monthFirst = false;
  for (const [, first, , second] of text.matchAll(
    /(?<![\d/-])(\d{1,2})([/-])(\d{1,2})\2(?:\d{4}|\d{2})(?![\d/-])/g,
  )) {
    if (Number(first) > 12 && Number(second) <= 12) dayFirst = true;
    if (Number(second) > 12 && Number(first) <= 12) monthFirst = true;
  }
  if (dayFirst === monthFirst) return null;
  return dayFirst ? 'day first' : 'month first';
}

/** Whether a text is written like a date, whether or not the calendar has it. */
export function looksLikeDate(text: string): boolean {
  return [...PLAIN, SLASHED].some((form) => form.test(text.trim()));
}
