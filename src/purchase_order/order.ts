import * as z from 'zod';
import { DECIMAL } from './decimal.ts';

const decimal = z.string().regex(DECIMAL, 'expected a decimal in text, such as "1600.25"');
const day = z.iso.date();

const lineItem = z.strictObject({
  /** The number or code as printed. */
  item: z.string().nullable(),
  description: z.string(),
  quantity: z.number().nullable(),
  unit_price: decimal.nullable(),
  total: decimal.nullable(),
});

/** What an order says. Money is decimal text, a day is `yyyy-mm-dd`; null is what it does not say. */
export const orderFields = z.strictObject({
  po_number: z.string().nullable(),
  vendor: z.string().nullable(),
  ship_to: z.string().nullable(),
  order_date: day.nullable(),
  due_date: day.nullable(),
  payment_terms: z.string().nullable(),
  currency: z.string().nullable(),
  subtotal: decimal.nullable(),
  tax: decimal.nullable(),
  shipping: decimal.nullable(),
  total: decimal.nullable(),
  line_items: z.array(lineItem),
});

/** Something ambiguous or contradictory, in words for a person. */
export const orderWarning = z.strictObject({
  code: z.string(),
  field: z.string().nullable(),
  message: z.string(),
});

export type LineItem = z.output<typeof lineItem>;
export type OrderFields = z.output<typeof orderFields>;
export type OrderWarning = z.output<typeof orderWarning>;

/** Where a value was read. */
export type Origin = {
  /** `body`, `html`, `subject`, `forwarded message`, or `attachment` and its name. */
  readonly source: string;
  readonly line: number | null;
  readonly label: string | null;
  readonly raw: string;
};

export type Extraction = {
  readonly fields: OrderFields;
  /** By field; a field that is null has no entry. */
  readonly found: Readonly<Record<string, Origin>>;
  readonly warnings: readonly OrderWarning[];
};

/** Without these an order cannot be worked on. */
export const REQUIRED = ['po_number', 'vendor', 'due_date', 'total'] as const;
