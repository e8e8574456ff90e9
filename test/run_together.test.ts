import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { withSumsApart } from '../src/purchase_order/run_together.ts';
import { mail } from './support/order_mail.ts';

const read = (text: string) => extractOrder(mail(text)).fields;
const doubts = (text: string) => extractOrder(mail(text)).warnings.map(({ code }) => code);

test('the heading of a table ends the value that it was run together with', () => {
  for (const before of [
    'Due Date: 2025-06-25 Payment Terms: Net 30',
    'Vendor: Foo',
    'Ship To: 1 Road, Leeds',
  ])
    for (const title of ['', ' LINE ITEMS', ' Items:', ' Order items']) {
      const text = `PO Number: A-1 ${before}${title} Item Description Qty Unit Price Total 1 Gloves 30 $12.80 $384.00 Subtotal: $384.00 Total: $384.00`;
      const { line_items, total, ...fields } = read(text);
      assert.equal(fields.po_number, 'A-1');

      assert.deepEqual(line_items, [
        { item: '1', description: 'Gloves', quantity: 30, unit_price: '12.80', total: '384.00' },
      ]);
      assert.equal(total, '384.00');
      for (const value of Object.values(fields)) assert.doesNotMatch(value ?? '', /items|description/i, text);
      assert.deepEqual(doubts(text), []);
    }
});

test('a text that ends the line it was run together on is doubted, unless a label begins the next line', () => {
  const wrapped = (next: string) => doubts(`PO Number: A-1 Vendor: Precision Label\n${next}\nTotal: $5.00`);

  assert.deepEqual(wrapped('Co. Ship To: 1 Road, Leeds'), ['VALUE_AMBIGUOUS']);
  assert.deepEqual(wrapped('Co.'), ['VALUE_AMBIGUOUS']);
  assert.deepEqual(wrapped('Ship To: 1 Road, Leeds'), []);
  assert.deepEqual(wrapped(''), []);
  assert.deepEqual(doubts('PO Number: A-1   Vendor: Precision Label\n1 Road, Leeds'), []);
});

test('words that are the names of columns make no table without a row behind them', () => {
  const text = 'Notes: see Item Description Qty Unit Price Total on page 2\nVendor: Foo\nTotal: $5.00';

  assert.equal(read(text).vendor, 'Foo');
  assert.deepEqual(read(text).line_items, []);
});

test('sums that follow one another are told apart, with colons or without', () => {
  const sums = (text: string) => {
    const { subtotal, tax, shipping, total } = read(`PO Number: A-1\n${text}`);
    return [subtotal, tax, shipping, total].join(' ');
  };

  for (const text of [
    'Subtotal $530.00 Tax $43.73 Shipping $20.00 Total $593.73',
    'Subtotal: $530.00 Tax: $43.73 Shipping: $20.00 Total: $593.73',
    'Subtotal: $530.00 Tax $43.73 Shipping $20.00 Total: $593.73',
    'Subtotal 530.00 Sales Tax 8.25% 43.73 Freight 20.00 Total USD 593.73',
    'Goods total £530.00 Carriage £20.00 VAT @ 8.25% £43.73 Order total £593.73',
    'Subtotal: $530.00, Tax (8.25%): $43.73, Shipping: $20.00, Total: $593.73',
    'Subtotal: $530.00Tax (8.25%): $43.73Shipping: $20.00Total: $593.73',
    'Subtotal $530.00 / Tax $43.73 / Shipping $20.00 / Total $593.73',
    'Subtotal: $530.00 - Tax: $43.73 - Shipping: $20.00 - Total: $593.73',
  ])
    assert.equal(sums(text), '530.00 43.73 20.00 593.73', text);
});

test('sums behind a run-together table are its end', () => {
  const { line_items, subtotal, tax, total } = read(
    'PO Number: A-1\nItem Description Qty Unit Price Total 1 Gloves 30 $12.80 $384.00 Subtotal $384.00 Tax $16.00 Total $400.00',
  );

  assert.deepEqual([line_items.length, subtotal, tax, total], [1, '384.00', '16.00', '400.00']);
});

test('so are sums on a line of their own directly below a row', () => {
  const { line_items, subtotal, tax, total } = read(
    'PO Number: A-1\nItem   Qty   Price    Total\nGloves   30   $12.80   $384.00\nSubtotal $384.00 Tax $16.00 Total $400.00',
  );

  assert.deepEqual([line_items.length, subtotal, tax, total], [1, '384.00', '16.00', '400.00']);
});

test('a row of a run-together table may begin with a word that names a column', () => {
  const { line_items } = read(
    'PO Number: A-1\nDescription Qty Rate Total Hours of support 30 $12.80 $384.00',
  );

  assert.deepEqual(
    line_items.map(({ description }) => description),
    ['Hours of support'],
  );
});

test('a label right behind a number begins a value', () => {
  const { po_number, vendor, payment_terms, ship_to } = read(
    'PO Number: PO-6641Vendor: Kestrel\nPayment Terms: Net 30Ship To: 1 Road, Leeds',
  );

  assert.deepEqual(
    [po_number, vendor, payment_terms, ship_to],
    ['PO-6641', 'Kestrel', 'Net 30', '1 Road, Leeds'],
  );
});

test('a form needs no colons, on one line or on several', () => {
  const fields = [
    'PO Number 0071934',
    'PO Date 4/14/2025',
    'Vendor Stonebridge Mills',
    'Bill To Prairie Linen 900 Grain St',
    'Ship To Prairie Linen 1450 Depot Ave',
    'Delivery Date 5/19/2025',
    'Payment Terms Net 30',
    'FOB Destination',
  ];

  for (const text of [fields.join('\n'), `PURCHASE ORDER ${fields.join(' ')}`]) {
    const { po_number, order_date, vendor, ship_to, due_date, payment_terms } = read(text);

    assert.deepEqual(
      [po_number, order_date, vendor, ship_to, due_date, payment_terms],
      ['0071934', '2025-04-14', 'Stonebridge Mills', 'Prairie Linen 1450 Depot Ave', '2025-05-19', 'Net 30'],
      text,
    );
  }
});

test('a dash behind a label of a form is its colon', () => {
  const { vendor, ship_to, due_date } = read(
    'PO 8847\nVendor - Metro\nShip to – Garage, 21 Route 9, Keene\nNeed by - 2025-06-18',
  );

  assert.deepEqual([vendor, ship_to, due_date], ['Metro', 'Garage, 21 Route 9, Keene', '2025-06-18']);
});

test('a form may have terms and a currency, and other names that begin like those of its fields', () => {
  const { vendor, ship_to, currency, payment_terms, total } = read(
    'Purchase Order 4711\nOrder Date 2025-06-01\nVendor Address 5 Road, Leeds\nVendor Phone 555-1234\nShip To Plant 3, York\nCurrency GBP\nTerms Net 30\nTotal 500.00',
  );

  assert.deepEqual(
    [vendor, ship_to, currency, payment_terms, total],
    [null, 'Plant 3, York', 'GBP', 'Net 30', '500.00'],
  );
});

test('the name of who gets the goods is no address of a form', () => {
  const { vendor, ship_to } = read(
    'PO Number 77301\nVendor Name Foo West\nShip To Name Metro\nShip To Address 400 Ohm St, Leeds\nDue Date 2025-06-18',
  );

  assert.deepEqual([vendor, ship_to], ['Foo West', '400 Ohm St, Leeds']);
});

test('an amount within terms is no sum of its own', () => {
  const terms = 'Net 30, discount $5.00 if paid in 10 days';

  assert.equal(read(`PO Number: 1\nPayment Terms: ${terms}`).payment_terms, terms);
});

test('prose that speaks of the fields of a form is none', () => {
  for (const text of [
    'Vendor must comply with the Payment Terms and Ship To instructions of the Purchase Order.',
    'The Vendor, the Due Date and the Ship To address are binding.\nPayment Terms are as agreed.',
    'Vendor Terms apply.\n\nPayment Terms As agreed.\n\nShip To Plant 3 only.\n\nCurrency EUR',
    'Vendor must confirm this order in writing.\nShip To address may not be changed.\nPayment Terms as agreed.',
  ])
    assert.deepEqual(
      Object.values(read(`${text}\n\nTotal: $5.00`)).filter((value) => value !== null),
      ['USD', '5.00', []],
      text,
    );
});

test('a label right behind a number is set apart from it, and a rate is not from its own digits', () => {
  assert.equal(withSumsApart('PO: 4711Vendor: Acme'), 'PO: 4711   Vendor: Acme');
  assert.equal(withSumsApart('Less 15% discount: $3.00'), 'Less 15% discount: $3.00');
});
