import * as z from 'zod';
import { defineWorkflow } from '../connectors/index.ts';
import { DECIMAL } from '../purchase_order/decimal.ts';
import { input, output, run } from '../references.ts';

/** The order in which the alert shows what was read. */
const FIRST = ['po_number', 'reasons', 'fields', 'timestamp'];
const FIELDS = [
  'vendor',
  'ship_to',
  'order_date',
  'due_date',
  'payment_terms',
  'currency',
  'subtotal',
  'tax',
  'shipping',
];
const ITEMS = ['item', 'description', 'quantity', 'unit_price', 'total', 'line_items'];

/** A purchase order arrives by mail; it becomes a row, and an alert when somebody has to look at it. */
export default defineWorkflow('po_demo', {
  input: z.strictObject({
    /** The file that the mail was saved to. */
    email: z.string().min(1).default('samples/sample_po_email.txt'),
    /** The day on which the order is judged, yyyy-mm-dd; the day the mail was sent if not given. */
    as_of: z.iso.date().optional(),
    /** A total over this needs attention. */
    amount_over: z.string().regex(DECIMAL).describe('a decimal such as 10000.00').default('10000.00'),
    /** So does a due date at most so many days away. */
    due_within_days: z.int().min(0).max(3650).default(7),
    /** Where the alert is written to; may contain `{po_number}` and `{run}`. */
    alert_path: z.string().min(1).default('po_alert.json'),
  }),
  subject: [input('email'), output('extract_fields', 'fields', 'po_number')],
  tasks: {
    read_email: {
      connector: 'email',
      operation: 'read',
      parameters: { path: input('email') },
      retries: 2,
    },
    extract_fields: {
      connector: 'purchase_order',
      operation: 'extract',
      parameters: { email: output('read_email') },
      after: ['read_email'],
    },
    upsert_order: {
      connector: 'database',
      operation: 'upsert',
      parameters: {
        table: 'purchase_orders',
        key: ['order_key'],
        row: {
          order_key: output('extract_fields', 'order_key'),
          buyer: output('extract_fields', 'buyer'),
          po_number: output('extract_fields', 'fields', 'po_number'),
          vendor: output('extract_fields', 'fields', 'vendor'),
          ship_to: output('extract_fields', 'fields', 'ship_to'),
          order_date: output('extract_fields', 'fields', 'order_date'),
          due_date: output('extract_fields', 'fields', 'due_date'),
          payment_terms: output('extract_fields', 'fields', 'payment_terms'),
          currency: output('extract_fields', 'fields', 'currency'),
          subtotal: output('extract_fields', 'fields', 'subtotal'),
          tax: output('extract_fields', 'fields', 'tax'),
          shipping: output('extract_fields', 'fields', 'shipping'),
          total: output('extract_fields', 'fields', 'total'),
          line_items: output('extract_fields', 'fields', 'line_items'),
          subject: output('read_email', 'subject'),
          source: output('read_email', 'source'),
        },
      },
      after: ['extract_fields'],
      retries: 2,
    },
    check_attention: {
      connector: 'purchase_order',
      operation: 'check',
      parameters: {
        fields: output('extract_fields', 'fields'),
        warnings: output('extract_fields', 'warnings'),
        subject: output('read_email', 'subject'),
        sent_on: output('read_email', 'sent_on'),
        as_of: input('as_of'),
        run_created_at: run('created_at'),
        amount_over: input('amount_over'),
        due_within_days: input('due_within_days'),
      },
      after: ['upsert_order'],
    },
    write_alert: {
      connector: 'file',
      operation: 'writeJson',
      when: { value: output('check_attention', 'needs_attention'), is: true },
      parameters: {
        path: input('alert_path'),
        names: { po_number: output('extract_fields', 'fields', 'po_number'), run: run('id') },
        keys: [...FIRST, ...FIELDS, ...ITEMS],
        content: {
          po_number: output('extract_fields', 'fields', 'po_number'),
          reasons: output('check_attention', 'reasons'),
          fields: output('extract_fields', 'fields'),
          timestamp: run('created_at'),
        },
      },
      after: ['check_attention'],
      retries: 2,
    },
  },
});
