import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EmailConnector } from '../src/connectors/email.ts';
import { PurchaseOrderConnector } from '../src/connectors/purchase_order.ts';
import { jsonProblem } from '../src/json.ts';
import type { EmailMessage } from '../src/mail/message.ts';
import { extractOrder } from '../src/purchase_order/extract.ts';
import type { Extraction, OrderFields } from '../src/purchase_order/order.ts';
import { effortOf } from './support/effort.ts';
import { check, mail, pdf } from './support/order_mail.ts';
import { anyOrder, anyStyle, Choices, comparable, writeOrder } from './support/orders.ts';
import { taskContext } from './support/task_context.ts';

const CASES = fileURLToPath(new URL('./po-cases/', import.meta.url));
const SAMPLES = fileURLToPath(new URL('../samples/', import.meta.url));

interface Case extends OrderFields {
  readonly case: string;
  readonly input: string;
  readonly needs: string;
  readonly about: string;
  readonly reference_date: string;
  readonly missing_required: readonly string[];
  readonly triggers: Readonly<Record<string, boolean>>;
  readonly warnings?: readonly string[];
  readonly may_reject?: boolean;
}

for (const file of readdirSync(CASES).filter((name) => name.endsWith('.expected.json'))) {
  const expected: Case = JSON.parse(readFileSync(CASES + file, 'utf8'));

  test(`case ${expected.case}: ${expected.about}`, async () => {
    if (expected.may_reject) {
      await assert.rejects(read(CASES, expected.input), { code: 'EMAIL_EMPTY' });
      return;
    }

    const email = await read(CASES, expected.input);
    const { fields, warnings } = await extract(email);
    const verdict = await check({ fields, warnings, email, as_of: expected.reference_date });

    assert.deepEqual(comparable(fields), comparable(expected));
    const unreadable = expected.needs.includes('unreadable') ? ['ATTACHMENT_UNREADABLE'] : [];
    assert.deepEqual(
      warnings.map(({ code }) => code),
      expected.warnings ?? unreadable,
    );
    const { urgent_subject, missing_required_fields, amount_over_10000, due_within_7_days } =
      expected.triggers;
    assert.deepEqual(verdict.triggers, {
      urgent_subject,
      missing_required_fields,
      amount_over: amount_over_10000,
      due_within_days: due_within_7_days,
    });
    assert.deepEqual(verdict.missing_required, expected.missing_required);
    assert.equal(
      verdict.needs_attention,
      Object.values(expected.triggers).includes(true) || warnings.length > 0,
    );
  });
}

test('the sample needs attention for exactly three reasons', async () => {
  const email = await read(SAMPLES, 'sample_po_email.txt');
  const { fields, warnings } = await extract(email);

  const { reasons, as_of } = await check({ fields, warnings, email });

  assert.equal(as_of, '2025-06-18');
  assert.deepEqual(reasons, [
    'the subject says "urgent"',
    'the total 19350.25 USD is over 10000.00',
    'the due date 2025-06-25 is 7 days after 2025-06-18 (limit: 7 days)',
  ]);
});

test('the sample with a PDF is read from the PDF, and needs no attention', async () => {
  const email = await read(SAMPLES, 'po_with_pdf.eml');
  const { fields, found, warnings } = await extract(email);

  const { reasons } = await check({ fields, warnings, email });

  assert.equal(fields.po_number, 'PO-2025-0519');
  assert.equal(fields.total, '3983.04');
  assert.equal(found.total?.source, 'attachment PO-2025-0519.pdf');
  assert.deepEqual(reasons, []);
});

test('every value says where it was found', async () => {
  const { found } = await extract(await read(SAMPLES, 'sample_po_email.txt'));

  assert.deepEqual(found.vendor, { source: 'body', line: 5, label: 'Vendor', raw: 'Precision Label Co.' });
  assert.deepEqual(found.total, { source: 'body', line: 14, label: 'TOTAL', raw: '$19,350.25' });
  assert.deepEqual([found.line_items?.line, found.line_items?.raw], [9, '3 rows']);
});

test('an order reads the same in every layout that it is written in', () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const choices = new Choices(seed);
    const order = anyOrder(choices);
    const text = `Hello,\n\nplease deliver:\n\n${writeOrder(order, anyStyle(choices))}\n\nThanks,\nJo\n`;

    const { fields, warnings } = extractOrder(mail(text));

    assert.deepEqual(comparable(fields), comparable(order), `seed ${seed}:\n${text}`);
    assert.deepEqual(warnings, [], `seed ${seed}:\n${text}`);
  }
});

test('blank lines between all others mean nothing', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const choices = new Choices(seed);
    const order = anyOrder(choices);
    const text = `Hello,\n\n${writeOrder(order, anyStyle(choices))}\n\nJo`.replaceAll('\n', '\n\n');

    const { fields, warnings } = extractOrder(mail(text));

    assert.deepEqual(comparable(fields), comparable(order), `seed ${seed}:\n${text}`);
    assert.deepEqual(warnings, [], `seed ${seed}:\n${text}`);
  }
});

test('an order number is taken from the subject only if it is stated nowhere else', () => {
  const inBoth = extractOrder(mail('PO Number: A-1\nTotal: $5.00', 'Purchase Order #B-2'));
  const inSubject = extractOrder(mail('Vendor: Foo\nTotal: $5.00', 'URGENT: Purchase Order #B-2 (rush)'));
  const mentioned = extractOrder(
    mail('Vendor: Foo\nTotal: $5.00', 'Order 12 pumps as in quotation 2024-117'),
  );

  assert.equal(inBoth.fields.po_number, 'A-1');
  assert.equal(inSubject.fields.po_number, 'B-2');
  assert.equal(inSubject.found.po_number?.source, 'subject');
  assert.equal(mentioned.fields.po_number, null);
});

test('the message itself counts before its PDF, and the difference is said', () => {
  const attachments = [pdf('PO Number: A-1\nVendor: Foo\nTotal: $7.00')];

  const { fields, warnings } = extractOrder({ ...mail('PO Number: A-1\nTotal: $5.00'), attachments });

  assert.equal(fields.total, '5.00');
  assert.equal(fields.vendor, 'Foo');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['VALUES_DIFFER'],
  );
});

test('a PDF about another order is left out', () => {
  const attachments = [pdf('PO Number: B-2\nVendor: Foo\nTotal: $7.00')];

  const { fields, warnings } = extractOrder({ ...mail('PO Number: A-1'), attachments });

  assert.equal(fields.vendor, null);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['OTHER_ORDER'],
  );
});

test('another order below is told if it was forwarded, and passed by in silence if it was quoted', () => {
  const warned = (mark: string, ...orders: readonly string[]) => {
    const text = orders.map((number) => `PO Number: ${number}\nTotal: $5.00`).join(`\n\n${mark}\n\n`);
    const { fields, warnings } = extractOrder(mail(text));
    return [fields.po_number, ...warnings.map(({ message }) => message)];
  };
  const other = (number: string) =>
    `the forwarded message is about order "${number}", not "A-1", and was left out`;

  assert.deepEqual(warned('---- Forwarded message ----', 'A-1', 'A-2'), ['A-1', other('A-2')]);
  assert.deepEqual(warned('---- Forwarded message ----', 'A-1', 'PO A-1'), ['A-1']);
  assert.deepEqual(warned('-- Original message --', 'A-1', 'A-2'), ['A-1']);
  assert.deepEqual(
    extractOrder(
      mail(
        '---- Forwarded message ----\nPO Number: A-1\n---- Forwarded message ----\nPO Number: A-2\nTotal: $5.00',
      ),
    ).warnings.map(({ message }) => message),
    [other('A-2')],
  );
});

test('what a PDF says that names no order is doubted', () => {
  const attachments = [pdf('Quotation No: Q-77\nDate: 2025-05-01\nTotal: $750.00')];

  const { fields, warnings } = extractOrder({ ...mail('PO Number: A-1\nVendor: Foo'), attachments });

  assert.deepEqual([fields.order_date, fields.total], ['2025-05-01', '750.00']);
  assert.deepEqual(
    warnings.map(({ code, field }) => `${code} ${field}`),
    ['VALUE_AMBIGUOUS order_date', 'VALUE_AMBIGUOUS total'],
  );
});

test('a PDF that names the order counts before one that does not', () => {
  const attachments = [pdf('Liability. Total: $500,000.00'), pdf('PO Number: A-1\nTotal: $7.00')];

  const { fields } = extractOrder({ ...mail('See attached.'), attachments });

  assert.equal(fields.total, '7.00');
});

test('a list without prices in the message does not hide the priced one in its PDF', () => {
  const list =
    'Item   Description      Qty   Unit\n1      Bracket           10   pc\n2      Spacer            20   pc';
  const priced =
    'PO Number: A-1\nDescription      Qty   Price    Total\nBracket           10   $5.00   $50.00';

  const { line_items } = extractOrder({
    ...mail(`PO Number: A-1\n\n${list}`),
    attachments: [pdf(priced)],
  }).fields;

  assert.deepEqual(
    line_items.map(({ description, total }) => [description, total]),
    [['Bracket', '50.00']],
  );
  assert.equal(extractOrder(mail(`PO Number: A-1\n\n${list}`)).fields.line_items.length, 2);
});

test('items in two places that do not add up to the same are told', () => {
  const heading = 'Description      Qty   Price    Total';
  const [rod, nut] = ['Rod              10    $5.00    $50.00', 'Nut              10    $1.00    $10.00'];
  const codes = (row: string) =>
    extractOrder({
      ...mail(`PO Number: A-1\n${heading}\n${rod}\n\nTotal: $50.00`),
      attachments: [pdf(`${heading}\n${row}`)],
    }).warnings.map(({ code, field }) => `${code} ${field}`);

  assert.deepEqual(codes(nut), ['VALUES_DIFFER line_items']);
  assert.deepEqual(codes(rod), []);
});

test('that a text was cut is told with the order, and not that the day of the mail could not be read', () => {
  const warnings = ['TEXT_CUT', 'DATE_UNREADABLE'].map((code) => ({ code, message: code }));

  assert.deepEqual(
    extractOrder({ ...mail('PO Number: A-1'), warnings }).warnings.map(({ code }) => code),
    ['TEXT_CUT'],
  );
});

test('an order that is only quoted is read, and a person is asked', () => {
  const text =
    'Thanks, received.\n\nOn Wed, Jun 4, 2025 at 9:00 AM Bob <bob@x.example>\nwrote:\n> PO Number: 5521\n> Total: $9.00';

  const { fields, warnings } = extractOrder(mail(text, 'Re: order'));

  assert.equal(fields.po_number, '5521');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['ORDER_IS_QUOTED'],
  );
});

test('the header of a forwarded message says nothing about the order', () => {
  const text =
    'FYI\n\n---- Forwarded message ----\nFrom: a@b.example\nDate: 2025-06-02\nTo: c\n\nPO Number: 7\nTotal: $9.00';

  const { fields, found } = extractOrder(mail(text));

  assert.equal(fields.order_date, null);
  assert.deepEqual([found.po_number?.source, found.po_number?.line], ['forwarded message', 8]);
});

test('of several totals the one that adds up counts; if none does, or another is larger, a person is asked', () => {
  const sums = 'PO Number: 1\nSubtotal: $10.00\nTax: $1.00\n';

  const clear = extractOrder(mail(`${sums}Total: $11.00\nTotal: $10.00`));
  const unclear = extractOrder(mail(`${sums}Total: $12.00\nTotal: $13.00`));

  const ofParts = extractOrder(mail(`${sums}Order Total: $11.00\nTotal: $4.00\nTotal: $15.00`));

  assert.equal(clear.fields.total, '11.00');
  assert.deepEqual(clear.warnings, []);
  assert.deepEqual(
    ofParts.warnings.map(({ code }) => code),
    ['SEVERAL_VALUES'],
  );
  assert.deepEqual(
    unclear.warnings.map(({ code }) => code),
    ['SEVERAL_VALUES', 'TOTAL_MISMATCH'],
  );
});

test('a mail that is no order says so', () => {
  const { warnings } = extractOrder(mail('Lunch on Friday? Bring 2 friends, it costs $12.50 each.', 'lunch'));

  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['NOT_A_PURCHASE_ORDER'],
  );
});

test('hostile text does not take for ever', async () => {
  const bits = [
    ' ',
    '1 ',
    '$1 ',
    '1,',
    '(',
    '> ',
    'Total: ',
    'PO ',
    'Ship To: ',
    '1 EUR ',
    '- - ',
    '*a',
    '|',
    'Item Description Qty Unit Price Total ',
    'Item: 1   ',
    'Qty: 1, ',
    '",',
    '1 - ',
    'SKU; Item; Qty; Price; ',
    'x qty SKU ',
    '1Vendor: ',
    'Tax 8% $1 ',
    'Vendor Ship To ',
    'a / Vendor ',
    '999,',
    '____A',
  ];
  for (const bit of bits) {
    for (const line of [bit.repeat(2_000), bit.repeat(20)]) {
      const lines = Array.from({ length: Math.ceil(30_000 / line.length) }, () => line);

      const took = await effortOf(() => {
        for (const heading of ['Item  Description  Qty  Unit Price  Total\n', ''])
          extractOrder(mail(`PO Number: 1\n${heading}${lines.join('\n')}`, line));
      });

      assert.ok(took < 20_000, `${JSON.stringify(bit)} took ${took.toFixed(0)} ms`);
    }
  }
});

test('what is read can be stored, wherever a long text is cut', () => {
  for (const before of ['', 'x']) {
    const long = `${before}${'😀'.repeat(3_000)}`;
    const order = `PO Number: ${long}\nVendor: ${long}\nShip To: ${long}\n\nItem  Qty  Unit Price  Total\n${long}  1  2.00  2.00\n`;

    assert.equal(jsonProblem(extractOrder(mail(order))), undefined);
  }
});

async function read(root: string, path: string): Promise<EmailMessage> {
  return (await new EmailConnector({ root }).execute('read', { path }, taskContext())) as EmailMessage;
}

async function extract(email: EmailMessage): Promise<Extraction> {
  return (await new PurchaseOrderConnector().execute('extract', { email }, taskContext())) as Extraction;
}
