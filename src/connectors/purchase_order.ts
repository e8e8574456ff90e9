import * as z from 'zod';
import { Connector, operation } from '../connector.ts';
import { emailMessage } from '../mail/message.ts';
import { checkOrder } from '../purchase_order/check.ts';
import { DECIMAL } from '../purchase_order/decimal.ts';
import { extractOrder } from '../purchase_order/extract.ts';
import { identifyOrder } from '../purchase_order/identity.ts';
import { orderFields, orderWarning } from '../purchase_order/order.ts';

/** Reads purchase orders from emails, and says which ones a person has to look at. */
export class PurchaseOrderConnector extends Connector {
  readonly operations = {
    extract: operation({
      parameters: z.strictObject({ email: emailMessage }),
      run: async ({ email }) => {
        const extraction = extractOrder(email);
        return { ...extraction, ...identifyOrder(email, extraction.fields) };
      },
    }),

    check: operation({
      parameters: z.strictObject({
        fields: orderFields,
        warnings: z.array(orderWarning),
        subject: z.string().nullable(),
        sent_on: z.iso.date().nullable(),
        /** The day on which the order is judged; the day the email was sent if not given. */
        as_of: z.iso.date().nullable().default(null),
        run_created_at: z.iso.datetime({ offset: true }),
        amount_over: z.string().regex(DECIMAL, 'expected a decimal in text, such as "10000.00"'),
        due_within_days: z.int().min(0).max(3650),
      }),
      run: async ({ as_of, sent_on, run_created_at, ...question }) =>
        checkOrder({
          ...question,
          as_of: as_of ?? sent_on ?? new Date(run_created_at).toISOString().slice(0, 10),
        }),
    }),
  };
}
