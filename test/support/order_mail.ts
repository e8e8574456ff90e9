import { PurchaseOrderConnector } from '../../src/connectors/purchase_order.ts';
import type { EmailMessage } from '../../src/mail/message.ts';
import type { Verdict } from '../../src/purchase_order/check.ts';
import type { Mail } from '../../src/purchase_order/choose.ts';
import type { Extraction, OrderFields } from '../../src/purchase_order/order.ts';
import { taskContext } from './task_context.ts';

export const EMPTY: OrderFields = {
  po_number: null,
  vendor: null,
  ship_to: null,
  order_date: null,
  due_date: null,
  payment_terms: null,
  currency: null,
  subtotal: null,
  tax: null,
  shipping: null,
  total: null,
  line_items: [],
};

type Question = Partial<Pick<EmailMessage, 'subject' | 'sent_on'>> &
  Partial<Pick<Extraction, 'fields' | 'warnings'>> & { email?: EmailMessage; as_of?: string };

export async function check({ email, as_of, ...question }: Question): Promise<Verdict> {
  const parameters = {
    fields: EMPTY,
    warnings: [],
    subject: email?.subject ?? null,
    sent_on: email?.sent_on ?? null,
    run_created_at: '2025-07-01T01:30:00+02:00',
    amount_over: '10000.00',
    due_within_days: 7,
    ...question,
    ...(as_of === undefined ? {} : { as_of }),
  };
  return (await new PurchaseOrderConnector().execute('check', parameters, taskContext())) as Verdict;
}

export function mail(text: string, subject: string | null = null, sentOn: string | null = null): Mail {
  return { subject, sent_on: sentOn, text, html_used: false, attachments: [], warnings: [] };
}

export function pdf(text: string): EmailMessage['attachments'][number] {
  return { index: 0, name: 'order.pdf', type: 'application/pdf', size: 1, text, error: null };
}
