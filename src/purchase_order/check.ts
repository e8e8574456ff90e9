import { daysBetween } from '../mail/dates.ts';
import { toUnits } from './decimal.ts';
import { type OrderFields, type OrderWarning, REQUIRED } from './order.ts';

export interface Question {
  readonly fields: OrderFields;
  readonly warnings: readonly OrderWarning[];
  readonly subject: string | null;
  /** The day on which the order is judged, `yyyy-mm-dd`. */
  readonly as_of: string;
  readonly amount_over: string;
  readonly due_within_days: number;
}

export type Verdict = {
  readonly needs_attention: boolean;
  /** Sentences with the figures in them, always in the same order. */
  readonly reasons: readonly string[];
  readonly triggers: {
    readonly urgent_subject: boolean;
    readonly missing_required_fields: boolean;
    readonly amount_over: boolean;
    readonly due_within_days: boolean;
  };
  readonly missing_required: readonly string[];
  readonly as_of: string;
};

/** Decides whether somebody has to look at an order. The same question always gets the same answer. */
export function checkOrder({
  fields,
  warnings,
  subject,
  as_of,
  amount_over,
  due_within_days,
}: Question): Verdict {
  const missing = REQUIRED.filter((field) => fields[field] === null);
  const daysLeft = fields.due_date === null ? null : daysBetween(as_of, fields.due_date);
  const triggers = {
    urgent_subject: /(?<![\p{L}\p{N}])urgent(?![\p{L}\p{N}])/iu.test(subject ?? ''),
    missing_required_fields: missing.length > 0,
    amount_over: fields.total !== null && toUnits(fields.total) > toUnits(amount_over),
    due_within_days: daysLeft !== null && daysLeft <= due_within_days,
  };

  const reasons = new Set<string>();
  if (triggers.urgent_subject) reasons.add('the subject says "urgent"');
  if (triggers.missing_required_fields) reasons.add(`required fields are missing: ${missing.join(', ')}`);
  if (fields.line_items.length === 0) reasons.add('no line item could be read');
  if (triggers.amount_over) {
    reasons.add(
      `the total ${[fields.total, fields.currency].filter(Boolean).join(' ')} is over ${amount_over}`,
    );
  }
  if (triggers.due_within_days && daysLeft !== null)
    reasons.add(dueSentence(fields.due_date, daysLeft, as_of, due_within_days));
  for (const { message } of warnings) reasons.add(message);

  return {
    needs_attention: reasons.size > 0,
    reasons: [...reasons],
    triggers,
    missing_required: missing,
    as_of,
  };
}

function dueSentence(due: string | null, daysLeft: number, as_of: string, limit: number): string {
  const days = (count: number) => (count === 1 ? '1 day' : `${count} days`);
  if (daysLeft < 0) return `the due date ${due} was ${days(-daysLeft)} before ${as_of}`;
  if (daysLeft === 0) return `the due date ${due} is the day itself (limit: ${days(limit)})`;
  return `the due date ${due} is ${days(daysLeft)} after ${as_of} (limit: ${days(limit)})`;
}
