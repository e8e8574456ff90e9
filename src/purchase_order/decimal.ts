/**
 * Decimal text, exact: sums and products of amounts never pass through a floating-point number. A decimal is
 * text like `1600.25`, with a sign if negative; in between it is a whole number of millionths.
 */

const DIGITS = 6;
const UNIT = 10n ** BigInt(DIGITS);

/** What is read: up to twelve digits before the point and six behind it. */
export const DECIMAL = /^-?\d{1,12}(?:\.\d{1,6})?$/;

/** Sums and products may have more digits than what was read. */
const EXACT = /^-?\d+(?:\.\d{1,6})?$/;

/** The decimal in millionths. */
export function toUnits(decimal: string): bigint {
  if (!EXACT.test(decimal)) throw new RangeError(`not a decimal: ${JSON.stringify(decimal)}`);
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.');
  const units = BigInt(whole) * UNIT + BigInt(fraction.padEnd(DIGITS, '0'));
  return decimal.startsWith('-') ? -units : units;
}

/** Millionths as decimal text with at least two decimals. */
export function fromUnits(units: bigint): string {
  const digits = String(units < 0n ? -units : units).padStart(DIGITS + 1, '0');
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '').padEnd(2, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -DIGITS)}.${fraction}`;
}

/** The product in millionths, rounded to them. */
export function multiply(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product + (product < 0n ? -UNIT : UNIT) / 2n) / UNIT;
}

/** Whether two amounts are the same but for rounding: less than a cent apart. */
export function sameToTheCent(a: bigint, b: bigint): boolean {
  const difference = a > b ? a - b : b - a;
  return difference * 100n < UNIT;
}
