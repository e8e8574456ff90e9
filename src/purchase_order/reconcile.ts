import { fromUnits, multiply, sameToTheCent, toUnits } from './decimal.ts';
import type { OrderFields, OrderWarning } from './order.ts';
import { isPriced, productHolds, type Row } from './rows.ts';

/** The printed figures that have to add up. */
export type Sums = Pick<OrderFields, 'subtotal' | 'tax' | 'shipping' | 'total'> & {
  readonly discount: string | null;
  /** Whatever else is charged. */
  readonly charge: string | null;
  readonly rows: readonly Row[];
  /** The prices contain the tax, so it is not added again. */
  readonly taxIncluded: boolean;
};

/** The sum of the rows, those without a total by quantity × price; null when none of them has a price. */
export function sumOfRows(rows: readonly Row[]): string | null {
  if (!rows.some(isPriced)) return null;
  const units = ({ quantity, unit_price, total }: Row) =>
    total === null ? multiply(toUnits(quantity ?? '1'), toUnits(unit_price ?? '0')) : toUnits(total);
  return fromUnits(rows.reduce((sum, row) => sum + units(row), 0n));
}

/** Subtotal plus tax, shipping and charges less discount; null when there is neither a subtotal nor rows to sum up. */
export function expectedTotal(sums: Sums): string | null {
  const goods = sums.subtotal ?? sumOfRows(sums.rows);
  if (goods === null) return null;
  const units = (decimal: string | null) => (decimal === null ? 0n : toUnits(decimal));
  const tax = sums.taxIncluded ? 0n : units(sums.tax);
  return fromUnits(toUnits(goods) + tax + units(sums.shipping) + units(sums.charge) - units(sums.discount));
}

/** Says where the printed figures contradict each other. Printed values count: nothing is corrected. */
export function findMismatches(sums: Sums): OrderWarning[] {
  const warnings: OrderWarning[] = [];
  for (const [index, row] of sums.rows.entries()) {
    const { quantity, unit_price, total } = { ...row, quantity: row.quantity ?? '1' };
    if (unit_price === null || total === null || productHolds({ ...row, quantity })) continue;
    const product = fromUnits(multiply(toUnits(quantity), toUnits(unit_price)));
    const message = `line item ${index + 1} says ${total}, but ${quantity} × ${unit_price} is ${product}`;
    warnings.push({ code: 'ROW_MISMATCH', field: 'line_items', message });
  }

  const rows = sumOfRows(sums.rows);
  if (rows !== null && sums.subtotal !== null && !same(rows, sums.subtotal)) {
    const message = `the subtotal is ${sums.subtotal}, but the line items add up to ${rows}`;
    warnings.push({ code: 'SUBTOTAL_MISMATCH', field: 'subtotal', message });
  }
  const expected = expectedTotal(sums);
  if (expected !== null && sums.total !== null && !same(expected, sums.total)) {
    const message = `the total is ${sums.total}, but the figures above it add up to ${expected}`;
    warnings.push({ code: 'TOTAL_MISMATCH', field: 'total', message });
  }
  return warnings;
}

/** Whether two decimals are the same amount, to the cent. */
export function same(a: string, b: string): boolean {
  return sameToTheCent(toUnits(a), toUnits(b));
}
