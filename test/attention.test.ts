import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractOrder } from '../src/purchase_order/extract.ts';
import type { OrderFields } from '../src/purchase_order/order.ts';
import { check, EMPTY, mail, pdf } from './support/order_mail.ts';

test('an order needs attention from the first cent over the limit and the last day within it', async () => {
  const verdict = async (total: string, due_date: string) => {
    const { triggers } = await check({ fields: { ...EMPTY, total, due_date }, as_of: '2024-02-28' });
    return [triggers.amount_over, triggers.due_within_days];
  };

  assert.deepEqual(await verdict('10000.00', '2024-03-07'), [false, false]);
  assert.deepEqual(await verdict('10000.01', '2024-03-06'), [true, true]);
  assert.deepEqual(await verdict('99999999999.99', '2023-12-31'), [true, true]);
});

test('a due date is told with how far it is away', async () => {
  const reason = async (as_of: string) => {
    const { reasons } = await check({ fields: { ...EMPTY, due_date: '2025-07-02' }, as_of });
    return reasons.find((each) => each.startsWith('the due date'));
  };

  assert.equal(
    await reason('2025-06-30'),
    'the due date 2025-07-02 is 2 days after 2025-06-30 (limit: 7 days)',
  );
  assert.equal(await reason('2025-07-02'), 'the due date 2025-07-02 is the day itself (limit: 7 days)');
  assert.equal(await reason('2025-07-03'), 'the due date 2025-07-02 was 1 day before 2025-07-03');
});

test('urgent counts as a word, in any case, in the subject only', async () => {
  const isUrgent = async (subject: string | null) => (await check({ subject })).triggers.urgent_subject;

  for (const subject of ['urgent', 'RE: UrGeNt!', '[URGENT] order', 'order – urgent'])
    assert.ok(await isUrgent(subject), subject);
  for (const subject of ['insurgent', 'urgently', 'order', '', null])
    assert.ok(!(await isUrgent(subject)), String(subject));
});

test('the reference day is the one that is given, else the day the mail was sent, else the day the run began', async () => {
  assert.equal((await check({ as_of: '2025-01-01', sent_on: '2025-01-02' })).as_of, '2025-01-01');
  assert.equal((await check({ sent_on: '2025-01-02' })).as_of, '2025-01-02');
  assert.equal((await check({})).as_of, '2025-06-30');
});

test('an order of which no item could be read needs attention, whatever else it says', async () => {
  const fields = { ...EMPTY, po_number: '1', vendor: 'Foo', due_date: '2025-12-01', total: '5.00' };
  const rod = { item: null, description: 'Rod', quantity: 1, unit_price: '5.00', total: '5.00' };

  const reasons = async (line_items: OrderFields['line_items']) =>
    (await check({ fields: { ...fields, line_items } })).reasons;

  assert.deepEqual(await reasons([]), ['no line item could be read']);
  assert.deepEqual(await reasons([rod]), []);
});

test('the reasons keep their order, and nothing is said twice', async () => {
  const attachments = [{ ...pdf(''), text: null, error: { code: 'PDF_DAMAGED', message: 'it is damaged' } }];
  const { warnings } = extractOrder({ ...mail('PO Number: 1\nTotal: $20,000.00'), attachments });

  const { reasons } = await check({
    fields: { ...EMPTY, po_number: '1', total: '20000.00', due_date: '2025-06-29' },
    subject: 'urgent',
    warnings,
  });

  assert.deepEqual(reasons, [
    'the subject says "urgent"',
    'required fields are missing: vendor',
    'no line item could be read',
    'the total 20000.00 is over 10000.00',
    'the due date 2025-06-29 was 1 day before 2025-06-30',
    'attachment "order.pdf" could not be read: it is damaged',
  ]);
});
