/**
 * Calendar days without time zones. A day is text, `yyyy-mm-dd`, and never passes through `new Date(text)`,
 * which rolls 31 April over to 1 May and reads a bare day as midnight in some time zone.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MILLISECONDS_A_DAY = 86_400_000;

/** Matches the name of a month, in full or abbreviated. */
export const MONTH_NAME =
  'jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?';

/** 1 to 12, or 0 for a word that names no month. */
export function monthNumber(name: string): number {
  return MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1;
}

/** The day as `yyyy-mm-dd`; null when the calendar has no such day. */
export function calendarDay(year: number, month: number, day: number): string | null {
  const date = new Date(Date.UTC(year, month - 1, day));
  const exists =
    year >= 1900 &&
    year <= 2199 &&
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day;
  return exists ? date.toISOString().slice(0, 10) : null;
}

/** Whole days from one day to another; negative when the second is earlier. */
export function daysBetween(from: string, to: string): number {
  return (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / MILLISECONDS_A_DAY;
}

const MAIL_DATE = new RegExp(
  String.raw`^(?:[a-z]{3,9}\.?,?\s+)?(?:(?<day>\d{1,2})\s+(?<month>${MONTH_NAME})\.?,?\s+(?<year>\d{4})` +
    String.raw`|(?<month2>${MONTH_NAME})\.?\s+(?<day2>\d{1,2}),?\s+(?<year2>\d{4})` +
    String.raw`|(?<year3>\d{4})-(?<month3>\d{2})-(?<day3>\d{2}))(?=$|[\s,T])`,
  'i',
);

/**
 * The calendar day of a Date header in the sender's own time zone, as it is written there; null when it names
 * none. Reads `Wed, 18 Jun 2025 …`, and what people paste: `June 18, 2025 …` and `2025-06-18…`.
 */
export function sentOn(header: string): string | null {
  const parts = MAIL_DATE.exec(header.trim())?.groups;
  if (!parts) return null;
  const month = parts.month ?? parts.month2;
  return calendarDay(
    Number(parts.year ?? parts.year2 ?? parts.year3),
    month === undefined ? Number(parts.month3) : monthNumber(month),
    Number(parts.day ?? parts.day2 ?? parts.day3),
  );
}
