import { calendarDay, daysBetween, MONTH_NAME, monthNumber } from '../mail/dates.ts';

/** Whether the day or the month comes first in a date of numbers. */
type Order = 'month first' | 'day first';

/** Which comes first in `03/04/2025`, null if nothing tells, and in `03.04.2025`. One for the whole document. */
export interface DateOrder {
  readonly slashed: Order | null;
  readonly dotted: Order;
  /** The last two digits of the year in which the mail was sent, if that is known. */
  readonly sentIn?: number | undefined;
}
const USUAL: DateOrder = { slashed: null, dotted: 'day first' };

interface DateReading {
  readonly day: string;
  /** Read by the usual order only: day and month could be the other way round. */
  readonly ambiguous: boolean;
  /** Said to be another day of the week than it is. */
  readonly misnamed: boolean;
  /** What follows the date. */
  readonly rest: string;
}

/** Reads dates as a document writes them. */
export type ReadDay = (text: string) => DateReading | null;

/** "CW 15 / 11.04.2025" */
const WEEK = String.raw`(?:(?:[ck]w|wk|week)\s?\d{1,2}\s?[/,(–-]\s?)?`;
const LEAD = String.raw`^${WEEK}(?:(?:no later than|not later than|latest|on or before|before|by|on|until|day)\s+)?(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?(?:the\s+)?`;
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
/** The forms that say by themselves which number is what. */
const PLAIN = [YEAR_FIRST, YEAR_NAME, DAY_MONTH, MONTH_DAY, NAME_BETWEEN];
const DOTTED = pattern(String.raw`(?<first>\d{1,2})\.\s?(?<second>\d{1,2})\.\s?(?<year>\d{4}|\d{2})`);
const SLASHED = pattern(String.raw`(?<first>\d{1,2})([/-])(?<second>\d{1,2})\2(?<year>\d{4}|\d{2})`);

/**
 * Reads the date that a text begins with; null when it begins with none, or with a day that does not exist.
 * Dotted and slashed dates follow the document; where it does not tell, dotted ones are day first, and slashed ones
 * have the American order.
 */
export function readDate(text: string, order: DateOrder = USUAL): DateReading | null {
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
  const dotted = DOTTED.exec(line);
  if (dotted?.groups) {
    const { first, second, year = '' } = dotted.groups;
    const [month, day] = order.dotted === 'month first' ? [first, second] : [second, first];
    const ambiguous = mayBeYearFirst(dotted[0], order);
    return reading(fullYear(year), Number(month), Number(day), ambiguous, line, dotted[0]);
  }
  const found = SLASHED.exec(line);
  if (!found?.groups) return null;
  const first = Number(found.groups.first);
  const second = Number(found.groups.second);
  const dayFirst = first > 12 || (second <= 12 && order.slashed === 'day first');
  const [month, day] = dayFirst ? [second, first] : [first, second];
  const ambiguous =
    mayBeYearFirst(found[0], order) ||
    (order.slashed === null && first <= 12 && second <= 12 && first !== second);
  return reading(fullYear(found.groups.year ?? ''), month, day, ambiguous, line, found[0]);
}

/** Whether a date may begin with its year: 25-06-30, and 25/06/30 in a mail of 2025. */
function mayBeYearFirst(date: string, { sentIn }: DateOrder): boolean {
  const [, first, sign, last] = /^(2\d|3[01])([-/.])\d\d\2(\d\d)$/.exec(date) ?? [];
  const years = (year = '') => Math.abs(Number(year) - (sentIn ?? Number(last)));
  return sign === '-' || years(first) < years(last);
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
  if (date === null) return null;
  const rest = line.slice(found.length).trim();
  const name = (NAME_OF_DAY.exec(found) ?? NAME_OF_DAY.exec(BEHIND.exec(rest)?.[0] ?? ''))?.[0].toLowerCase();
  const misnamed = name !== undefined && DAYS[daysBetween(A_MONDAY, date) % 7] !== name;
  return { day: date, ambiguous, misnamed, rest };
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const A_MONDAY = '1900-01-01';
const NAME_OF_DAY = new RegExp(String.raw`\b(?:${DAYS.join('|')})`, 'i');
/** "12 June 2025 (Friday)" */
const BEHIND = /^[,(]?\s?(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?(?!\p{L})/iu;

function fullYear(year: string): number {
  return year.length === 2 ? 2000 + Number(year) : Number(year);
}

const SLASHED_DATES = /(?<![\d/-])(\d{1,2})([/-])(\d{1,2})\2(?:\d{4}|\d{2})(?![\d/-])/g;
/** With a year in full, and not behind a word that announces a version: "firmware 1.14.2025". */
const DOTTED_DATES =
  /(?<![\p{L}\p{N}.,/-])(?<!\b(?:v|ver|version|rev|revision|release|build|firmware|software)\b\.?[ :]{0,2})(\d{1,2})(\.)(\d{1,2})\.(?:19|20)\d\d(?![\p{L}\p{N}]|[.,/-]\d)/giu;

/** What the dates of a document have in common; where its numbers do not tell, a date may be that of the mail. */
export function dateOrder(text: string, sentOn: string | null): DateOrder {
  return {
    slashed: orderOf(text, SLASHED_DATES) ?? orderAsSent(text, sentOn),
    dotted: orderOf(text, DOTTED_DATES) ?? USUAL.dotted,
    sentIn: sentOn === null ? undefined : Number(sentOn.slice(2, 4)),
  };
}

/** A number from 13 to 31 can only be a day. Null when none tells, or when they contradict each other. */
function orderOf(text: string, dates: RegExp): Order | null {
  const isMonth = (number: string | undefined) => Number(number) <= 12;
  const isDay = (number: string | undefined) => !isMonth(number) && Number(number) <= 31;
  let dayFirst = false;
  let monthFirst = false;
  for (const [, first, , second] of text.matchAll(dates)) {
    if (isDay(first) && isMonth(second)) dayFirst = true;
    if (isDay(second) && isMonth(first)) monthFirst = true;
  }
  if (dayFirst === monthFirst) return null;
  return dayFirst ? 'day first' : 'month first';
}

/** What is due is so on another day, mostly. */
const OF_DELIVERY = /deliver|due|need|requir|ship|arriv|promis|\beta\b/i;

/** The order in which one of the slashed dates is the day on which the mail was sent; null if there is none, or in both. */
function orderAsSent(text: string, sentOn: string | null): Order | null {
  const past = text.split('\n').filter((line) => !OF_DELIVERY.test(line));
  const dates = Array.from(past.join('\n').matchAll(SLASHED_DATES), ([date]) => date);
  const fitting = (['month first', 'day first'] as const).filter((slashed) =>
    dates.some((date) => readDate(date, { ...USUAL, slashed })?.day === sentOn),
  );
  return fitting.length === 1 ? (fitting[0] ?? null) : null;
}

/** Whether a text is written like a date, whether or not the calendar has it. */
export function looksLikeDate(text: string): boolean {
  return [...PLAIN, DOTTED, SLASHED].some((form) => form.test(text.trim()));
}
