import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clean } from '../src/mail/text.ts';
import { type DateOrder, readDate } from '../src/purchase_order/dates.ts';
import { fromUnits, multiply, toUnits } from '../src/purchase_order/decimal.ts';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { readAmount } from '../src/purchase_order/money.ts';
import { mail } from './support/order_mail.ts';

test('an amount that can be read in two ways is never read silently', () => {
  const codes = (total: string) =>
    extractOrder(mail(`PO Number: 1\nTotal: ${total}`)).warnings.map(({ code }) => code);

  assert.deepEqual(codes('1,000'), ['VALUE_AMBIGUOUS']);
  assert.deepEqual(codes('€ 1.000'), ['VALUE_AMBIGUOUS']);
  assert.deepEqual(codes('$1,000'), []);
  assert.deepEqual(codes('¥1,000'), []);
  assert.deepEqual(codes('1,000.00'), []);
});

test('a date may begin with its year, if that is the one of the mail', () => {
  const codes = (day: string, sentOn: string | null) =>
    extractOrder(mail(`PO Number: 1\nDue Date: ${day}`, null, sentOn)).warnings.map(({ code }) => code);

  for (const day of ['25/06/30', '25.06.30', '25-06-30'])
    assert.deepEqual(codes(day, '2025-06-10'), ['VALUE_AMBIGUOUS'], day);
  for (const day of ['30/06/25', '30.06.25', '25.06.25']) assert.deepEqual(codes(day, '2025-06-10'), [], day);
  assert.deepEqual(codes('25.06.30', null), []);
});

test('an amount whose thousands are not grouped tells the decimal mark, too', () => {
  const total = (text: string) => extractOrder(mail(`PO Number: 1\n${text}`)).fields.total;

  assert.equal(total('Rate: 1.875\nTotal: 23437.50'), '23437.50');
  assert.equal(total('Rate: 1,875\nTotal: 23437,50'), '23437.50');
});

test('an amount with parts of a cent is doubted: nobody pays them', () => {
  const said = (total: string) =>
    extractOrder(mail(`PO Number: 1\nTotal: ${total}`)).warnings.map(({ message }) => message);

  assert.deepEqual(said('$1234.5678'), [
    'total "$1234.5678" was read as 1234.5678, but it has parts of a cent',
  ]);
  assert.deepEqual(said('$1234.5000'), []);
});

test('an amount that goes on is none: a magnitude, a mistyped digit, a range; and one that is multiplied is doubted', () => {
  const read = (total: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 1\nTotal: ${total}`));
    return fields.total ?? warnings.map(({ code }) => code).join();
  };
  const doubts = (total: string) => extractOrder(mail(`PO Number: 1\nTotal: ${total}`)).warnings.length;

  for (const total of [
    '$12.5k',
    '$1.2M',
    '$1.2 million',
    'EUR 2 Mio',
    '$100.00 Mio.',
    '$50,000ish',
    '$10,00O.00',
  ])
    assert.equal(read(total), 'AMOUNT_UNREADABLE', total);
  assert.equal(read('$9,999.00-12,000.00'), 'AMOUNT_UNREADABLE');
  assert.deepEqual(
    ['$9,999.00 - 12,000.00', '$6,000.00 x 2', '$10.00', '$10.00 MXN'].map(doubts),
    [1, 1, 0, 0],
  );
});

test('amounts are read in every notation, and what is no amount is not', () => {
  const read = (text: string, mark: '.' | ',' = '.') => readAmount(text, mark)?.value ?? null;

  assert.equal(read('1,234.56'), '1234.56');
  assert.equal(read('1.234,56 €', ','), '1234.56');
  assert.equal(read('1 234,56 €', ','), '1234.56');
  assert.equal(read("CHF 1'234.50"), '1234.50');
  assert.equal(read('₹1,23,456.00'), '123456.00');
  assert.equal(read('1.200,-', ','), '1200');
  assert.equal(read("1'200.--"), '1200');
  assert.equal(read('₹1,92,576/-'), '192576');
  assert.equal(read('(100)'), '-100');
  assert.equal(read('$.085'), '0.085');
  assert.equal(read('-$5.00'), '-5.00');
  assert.equal(read('-0'), '0');
  assert.equal(read('999999999999.999999'), '999999999999.999999');
  for (const text of [
    '1e9',
    'NaN',
    'Infinity',
    '0x10',
    '1.2.3',
    '.',
    '.8.5',
    '1,23',
    '12,34.5',
    '',
    '$',
    '9'.repeat(30),
  ]) {
    assert.equal(read(text), null, text);
  }
});

test('dates are read in every notation, and days that do not exist are not', () => {
  const read = (text: string, order?: DateOrder) => readDate(text, order)?.day ?? null;

  for (const text of [
    '2025-06-18',
    '2025/06/18',
    '18 June 2025',
    '18. Jun 2025',
    '18-Jun-2025',
    '18/Jun/2025',
    '18 Jun 25',
    '2025-Jun-18',
    'June 18, 2025',
  ]) {
    assert.equal(read(text), '2025-06-18', text);
  }
  for (const text of [
    'Wednesday, June 18th, 2025',
    'by 18.06.2025',
    'Day 18.06.2025',
    'latest 18.06.2025',
    '06/18/2025',
    '18.6.25',
    '2025-06-18T23:59:00Z',
  ]) {
    assert.equal(read(text), '2025-06-18', text);
  }
  for (const text of ['CW 25 / 18.06.2025', 'week 25 (18 June 2025)', 'KW25, 2025-06-18'])
    assert.equal(read(text), '2025-06-18', text);
  assert.equal(read('week 25'), null);
  assert.equal(read('03/04/2025', { slashed: 'day first', dotted: 'day first' }), '2025-04-03');
  for (const text of [
    '2025-02-30',
    '31 April 2025',
    '2025-13-01',
    '18 June 10:30',
    '29.02.2025',
    'June 25',
    'next Friday',
    '',
  ]) {
    assert.equal(read(text), null, text);
  }
});

test('money is exact where floating point is not', () => {
  assert.equal(fromUnits(toUnits('0.1') + toUnits('0.2')), '0.30');
  assert.equal(fromUnits(multiply(toUnits('3'), toUnits('999999999999.99'))), '2999999999999.97');
  assert.equal(fromUnits(-toUnits('0.05')), '-0.05');
});

test('a product may be rounded to the cent, but not be a cent off', () => {
  const codes = (total: string) => {
    const rows = `Item  Description  Qty  Price  Total\n1  Rod  33  $0.333  $${total}`;
    return extractOrder(mail(`PO Number: 7\n${rows}\nTotal: $${total}`)).warnings.map(({ code }) => code);
  };

  assert.deepEqual(codes('10.99'), []);
  assert.deepEqual(codes('11.00'), ['ROW_MISMATCH']);
});

test('what is no plain total is missing or in doubt, never another number', () => {
  const read = (total: string) => {
    const { fields, warnings } = extractOrder(mail(clean(`PO Number: 1\nTotal: ${total}`)));
    return [fields.total, warnings.map(({ code }) => code).join()];
  };
  const none = [
    '1e9',
    '$1e9',
    'NaN',
    'Infinity',
    '0x10',
    '(100)',
    '-$5.00',
    '12.50-',
    '1.2.3',
    '12,34.5',
    '1O0',
  ];

  for (const text of [...none, '1/2', '$5k', '500%', 'five hundred', '9'.repeat(30), `$${'9'.repeat(30)}.00`])
    assert.deepEqual(read(text), [null, 'AMOUNT_UNREADABLE'], text);
  for (const text of [
    '-0',
    '-$0.00',
    '($0.00)',
    '$1,000 or $2,000',
    '$5.00 / $6.00',
    '$1,000.00 - $2,000.00',
    '$ 12.345',
  ])
    assert.equal(read(text)[1], 'VALUE_AMBIGUOUS', text);
  for (const text of ['1.200,-', '1.200,- EUR', '1,200/-'])
    assert.deepEqual(read(text), ['1200.00', ''], text);
  assert.deepEqual(read('$0.00 (0.00 EUR)'), ['0.00', '']);
  assert.deepEqual(read('１２３'), ['123.00', '']);
  assert.deepEqual(read('$１,２３４.５６'), ['1234.56', '']);
  assert.deepEqual(read('1 234,56 €'), ['1234.56', '']);
  assert.deepEqual(read('$119.00 (incl. $19.00 VAT)'), ['119.00', '']);
});

test('an amount that is stated and cannot be read is told', () => {
  const read = (text: string) =>
    extractOrder(mail(`PO Number: 1\n${text}`)).warnings.map(({ message }) => message);

  for (const total of ['(100)', '1e9', 'NaN', '9'.repeat(30), '-5.00', 'five'])
    assert.deepEqual(read(`Total: ${total}`), [`total "${total}" cannot be read`], total);
  assert.deepEqual(read('Total: -$5.00\nGrand total: $5.00'), []);
  assert.deepEqual(read('Tax: ($5.00)\nTotal: $5.00'), ['tax "($5.00)" cannot be read']);
  for (const text of ['Total: TBD', 'Total:', 'Shipping: prepaid\nTax: 8%\nTotal: $5.00'])
    assert.deepEqual(read(text), [], text);
});

test('what is no plain due date is missing or in doubt, never another day', () => {
  const read = (due: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 1\nTotal: $5.00\nDue Date: ${due}`));
    return [fields.due_date, warnings.map(({ code }) => code).join()];
  };

  for (const text of ['ASAP', 'tomorrow', '25 June', '20250625', '45833', '2025-W26', 'Q3 2025'])
    assert.deepEqual(read(text), [null, ''], text);
  for (const text of ['2025-02-30', '31/04/2025', 'June 31, 2025', '00/00/0000', '12/31/9999', '1/1/1800'])
    assert.deepEqual(read(text), [null, 'DATE_IMPOSSIBLE'], text);
  for (const text of ['03/04/2025', '25/06/2025 or 26/06/2025'])
    assert.equal(read(text)[1], 'VALUE_AMBIGUOUS', text);
  // Neither a time zone nor an hour that clocks leave out moves a day.
  assert.deepEqual(read('2025-06-25T23:30:00-05:00'), ['2025-06-25', '']);
  assert.deepEqual(read('2025-03-30 02:30'), ['2025-03-30', '']);
});

test('what is ordered, how much and for when is no order number, in a subject or behind "Order:"', () => {
  const read = (text: string, subject: string | null = null) =>
    extractOrder(mail(`Vendor: Foo\n${text}`, subject)).fields.po_number;
  const none = [
    'A4 paper',
    '500m cable',
    'M8x40 bolts',
    '3x RTX-4090',
    '1200kg coffee',
    '12th June',
    '15/08',
    'KW26',
    'Q3-2025',
  ];

  for (const text of none) {
    assert.equal(read('', `RE: Order ${text}`), null, text);
    assert.equal(read(`Order: ${text}`), null, text);
  }
  for (const text of [
    '88-204',
    '88-204 - rods',
    '88-204 (rush)',
    '88-204 from Acme',
    '88-204 for Acme',
    '88-204, dated 2 June',
  ]) {
    assert.equal(read('', `Order ${text}`), '88-204', text);
    assert.equal(read(`Order: ${text}`), '88-204', text);
  }
  assert.equal(read('', 'Back order B-22 / PO 4711'), '4711');
  assert.equal(read('PO: 25kg'), null);
  assert.equal(read('PO Number: 2025-06-01'), null);
});

test('underscores belong to a name, unless they plainly are marks of emphasis', () => {
  const vendor = (line: string) => extractOrder(mail(`PO Number: 1\n${line}`)).fields.vendor;

  for (const name of ['__proto__', '__Foo', 'Foo__', '_Foo_', 'Foo__Bar', '__defineGetter__', '_ __ Foo'])
    assert.equal(vendor(`Vendor: ${name}`), name);
  for (const line of [
    'Vendor: ____Foo____',
    'Vendor: ___ Foo ___',
    '__Vendor:__ Foo',
    '__Vendor__: Foo',
    '__vendor__: Foo',
    '__Vendor: Foo__',
    '| __Vendor__ | Foo |',
  ])
    assert.equal(vendor(line), 'Foo', line);
});

test('an order number keeps every sign of it; with one that is in no number, it is doubted', () => {
  const read = (number: string) => {
    const { fields, warnings } = extractOrder(mail(`**Vendor:** Foo\n**PO Number:** ${number}`));
    return [fields.po_number, ...warnings.map(({ code }) => code)];
  };

  assert.deepEqual(read('PO_77__A_1'), ['PO_77__A_1']);
  assert.deepEqual(read('**PO-77**'), ['PO-77']);
  assert.deepEqual(read('__PO-77__'), ['PO-77']);
  assert.deepEqual(read('77**12'), ['77', 'VALUE_AMBIGUOUS']);
  assert.deepEqual(read('77~7'), ['77', 'VALUE_AMBIGUOUS']);
  assert.deepEqual(read('7'.repeat(41)), ['7'.repeat(40), 'VALUE_AMBIGUOUS']);
});

test('a due date has many names', () => {
  for (const label of [
    'Required',
    'Needed',
    'Req date',
    'Deliver',
    'Promised',
    'Reqd',
    "Req'd by",
    'Req’d date',
    'Requested receipt date',
    'Delivery time',
    'Deliver by',
    'Need by date',
    'Estimated Delivery Date',
    'Expected receipt',
    'Promise Date',
    'In-hands date',
    'Completion date',
    'Dock date',
    'Required on site',
    'Required arrival date',
    'Requested delivery by',
    'Delivery until',
    'Deliver on or before',
    'Latest delivery',
    'Scheduled Delivery Date',
    'Date of delivery',
    'Req. del. date',
    'PO due date',
    'Arrive by',
    'Expected',
    'Promised on',
    'Date scheduled',
    "Delivery req'd",
    'Ship by',
    'Estimated arrival',
  ])
    for (const behind of [': ', '   '])
      assert.equal(extractOrder(mail(`${label}${behind}2025-07-15`)).fields.due_date, '2025-07-15', label);
});

test('so have the day of an order and its sums', () => {
  const read = (line: string) => extractOrder(mail(`PO Number: A-1\n${line}`)).fields;
  const names = {
    subtotal: [
      'Net order value',
      'Nett',
      'Nett total',
      'Order Subtotal',
      'Items subtotal',
      'Merchandise Subtotal',
      'Basic value',
      'Line items total',
      'Total before discount',
      'Total USD Excl. Tax',
      'Total net item value excl. tax',
      'Net order',
      'Amount excl. tax',
      'Sum excl VAT SEK',
      'Taxable value',
    ],
    tax: [
      'Estimated tax',
      'Order tax',
      'Ohio Sales Tax',
      'Sales & use tax',
      'City tax',
      'Consumption tax 10%',
      'VAT 0% (EU supply)',
      'VAT at 20%',
      'TVA 20 %',
      'IGST18 (18%)',
      'V.A.T. @ 20%',
    ],
    shipping: [
      'Transport',
      'Packaging and freight',
      'Packing & carriage',
      'Estimated shipping',
      'Delivery & installation',
      'Shipping total',
      'Total freight',
      'Ocean freight',
      'S/H',
      'P&P',
    ],
    total: [
      'Release total',
      'Amount payable',
      'Total amount payable',
      'Total not to exceed',
      'PO grand total',
      'Total after discount',
      'Total USD Incl. Tax',
      'Total payment due',
      'Amount incl. tax',
      'Net payable',
      'Total to pay',
      'Totals',
      'Total for this order',
    ],
  } as const;

  for (const behind of [': ', '   ']) {
    for (const label of [
      'Dated',
      'Document Date',
      'Order placed',
      'Placed on',
      'Raised',
      'Created on',
      'Date created',
      'Created date',
      'Date of issue',
      'PO Issue Date',
      'Purchase date',
    ])
      assert.equal(read(`${label}${behind}2025-07-15`).order_date, '2025-07-15', label);
    for (const [field, labels] of Object.entries(names))
      for (const label of labels)
        assert.equal(read(`${label}${behind}$5.00`)[field as keyof typeof names], '5.00', label);
  }
  assert.equal(read('Shipping   .50').shipping, '0.50');
  assert.equal(read('Total: 1..50').total, null);
  assert.equal(read('Estimated delivery: 2025-07-15').due_date, '2025-07-15');
  assert.equal(read('Date required.. 2025-07-15').due_date, '2025-07-15');
  assert.equal(read('Ship by: UPS Ground').due_date, null);
  assert.equal(read('Goods as in your quotation\ndated 2025-07-15').order_date, null);
  assert.equal(read('Quotation dated: 2025-07-15').order_date, null);
});

test('the day of an order may stand behind its number, if it is stated nowhere else', () => {
  const read = (text: string) => extractOrder(mail(text)).fields.order_date;

  for (const line of [
    'PO No. A-1 dt. 15-07-2025',
    'Purchase order A-1 / 15.07.2025',
    'PO Number: A-1 dated July 15, 2025.',
    'PO number/date: A-1 / 15.07.2025',
    'Order number / date   A-1 / 15.07.2025',
  ])
    assert.equal(read(line), '2025-07-15', line);
  assert.equal(read('Blanket PO: A-1 dated 2024-01-05\nDate: 2025-07-15'), '2025-07-15');
  assert.equal(read('PO Number: A-1 of 3'), null);
  assert.equal(read('PO Number: A-1 - 15 July 2025 delivery'), null);
});

test('a plainer name counts before one that may say something else', () => {
  const read = (text: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 1\n${text}\nGrand total: $5.00`));
    return [fields.due_date ?? fields.order_date ?? fields.vendor ?? fields.ship_to, ...warnings];
  };

  for (const label of [
    'Desired delivery',
    'Arrival date',
    'Delivery requested',
    'Date requested',
    'Requested on',
  ])
    assert.deepEqual(read(`${label}: 2025-06-01\nDelivery date: 2025-07-15`), ['2025-07-15'], label);
  for (const label of ['Date created', 'Purchase date'])
    assert.deepEqual(read(`${label}: 2025-06-01\nOrder date: 2025-07-15`), ['2025-07-15'], label);
  assert.deepEqual(read('Vendor info: new\nVendor: Foo'), ['Foo']);
  assert.deepEqual(read('Delivery point: gate 3\nShip to: 1 Road, Leeds'), ['1 Road, Leeds']);
});

test('a date behind several abbreviations is in doubt, as it may be of something else', () => {
  const { fields, warnings } = extractOrder(mail('PO Number: 1\nRcv. insp. date: 2025-07-15'));

  assert.equal(fields.order_date, '2025-07-15');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['VALUE_AMBIGUOUS'],
  );
});

test('a discount has its rate before or behind the word for it', () => {
  for (const label of ['Less 5% volume discount', 'Volume discount (5%)', 'Trade discount', '5% Rebate']) {
    const { warnings } = extractOrder(
      mail(`PO Number: 1\nSubtotal: $100.00\n${label}   -$5.00\nTotal: $95.00`),
    );
    assert.deepEqual(warnings, [], label);
  }
});

test('where a slashed date can only be the day of the mail in one order, all are read in it', () => {
  const text = 'PO Number: 1\nOrder Date: 07/04/2025\nRequired: 09/05/2025';
  const read = (sentOn: string | null, body = text) => {
    const { fields, warnings } = extractOrder(mail(body, null, sentOn));
    return [
      fields.order_date,
      fields.due_date,
      warnings.filter(({ field }) => field?.endsWith('date')).length,
    ];
  };

  assert.deepEqual(read('2025-04-07'), ['2025-04-07', '2025-05-09', 0]);
  assert.deepEqual(read('2025-07-04'), ['2025-07-04', '2025-09-05', 0]);
  for (const sentOn of ['2025-04-08', null]) assert.deepEqual(read(sentOn), ['2025-07-04', '2025-09-05', 2]);
  assert.deepEqual(read('2025-04-07', `${text}\nOur ref: 04/07/2025`), ['2025-07-04', '2025-09-05', 2]);
  assert.deepEqual(read('2025-09-05'), ['2025-07-04', '2025-09-05', 2]);
  assert.deepEqual(read('2025-04-07', `${text}\nQuote of 04/30/2025`), ['2025-07-04', '2025-09-05', 0]);
});

test('a place, terms and a number are known under other names, too', () => {
  const read = (line: string) => extractOrder(mail(`${line}\nTotal: $5.00`)).fields;

  for (const label of [
    'Deliver at',
    'Place of delivery',
    'Deliver goods to',
    'Ship To / Service Location',
    'Ship-to location',
    'Drop ship to',
    'Receiving address',
    'Job site address',
  ])
    assert.equal(read(`${label}: 1 Road, Leeds`).ship_to, '1 Road, Leeds', label);
  for (const label of [
    'Payment conditions',
    'Terms of payt.',
    'Conditions of payment',
    'Pmt. terms',
    'Credit terms',
    'Discount terms',
  ])
    assert.equal(read(`${label}: 30 days net`).payment_terms, '30 days net', label);
  for (const terms of ['Net 30', 'net 45 days', '2/10 Net 30'])
    assert.equal(read(`Payment Terms ${terms}`).payment_terms, terms);
  assert.equal(read('Terms net 30 apply unless agreed otherwise').payment_terms, null);
  for (const label of [
    'Supplier details',
    'Vendor name & address',
    'Buy-from vendor',
    'Supplied by',
    'PO issued to',
    'Name of supplier',
  ])
    assert.equal(read(`${label}: Foo Ltd.`).vendor, 'Foo Ltd.', label);
  assert.equal(read('Supplied by: 15 July 2025').vendor, null);
  for (const line of [
    'Order N°: 25-0417',
    'PO-Number: 25-0417',
    'Ord. No.: 25-0417',
    'Purch. Ord. No.: 25-0417',
    'Purchase number: 25-0417',
    'Order nº 25-0417',
    'P.O. № 25-0417',
    'P.O. No. 25-0417 dt. 18-Nov-2024',
    'P.O. No. 25-0417 / 18.11.2024',
    'Purchase Order 25-0417 - 18 Nov 2024',
    'Purchase Order No. 25-0417 Date: 18-Nov-2024',
  ])
    assert.equal(read(line).po_number, '25-0417', line);
});

test('a label may stand beside its translation, but not beside a label that says something else', () => {
  const read = (line: string) => extractOrder(mail(`${line}\nGrand total: $5.00`)).fields;

  assert.equal(read('Vendor / Proveedor: Foo').vendor, 'Foo');
  assert.equal(read('Fournisseur / Vendor: Foo').vendor, 'Foo');
  assert.equal(read('Fournisseur / Vendor   Foo').vendor, 'Foo');
  assert.equal(read('Tax / Shipping   $7.00').shipping, null);
  assert.equal(read('Delivery Date / Fecha de Entrega: 2025-07-15').due_date, '2025-07-15');
  assert.equal(read('Freight / Flete: $600.00').shipping, '600.00');
  assert.equal(read('Freight / Fracht (EUR): 600.00').shipping, '600.00');
  assert.equal(read('PO Number / Bestell-Nr.: A-1').po_number, 'A-1');
  assert.equal(read('Ship To / Bill To: 1 Road, Leeds').ship_to, '1 Road, Leeds');
  assert.equal(read('Order / Quote No.: Q-1').po_number, null);
  assert.equal(read('Tax / Shipping: $7.00').tax, null);
  assert.equal(read('Shipping / pallet: $7.00').shipping, null);
});

test('what the next column says with a name of its own is no value, if the own value stands below', () => {
  const fields = (...lines: string[]) => extractOrder(mail(['PO Number: 7', ...lines].join('\n'))).fields;
  const terms = (...lines: string[]) => fields(...lines).payment_terms;

  assert.equal(terms('Payment Terms   Routing Status: Sent', 'Net 30'), 'Net 30');
  assert.equal(terms('Payment Terms   Instalments: two', 'Notes           none'), 'Instalments: two');
  assert.equal(terms('Payment Terms   Instalments: two'), 'Instalments: two');
  assert.equal(fields('Vendor   Company: Foo Ltd', 'Leeds office').vendor, 'Company: Foo Ltd');
});

test('taxes on several lines are one if the printed total says so', () => {
  const read = (lines: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 1\nSubtotal: $1,000.00\n${lines}`));
    return [fields.tax, ...warnings.map(({ code }) => code)];
  };

  assert.deepEqual(read('GST 5%: $50.00\nPST 7%: $70.00\nTotal: $1,120.00'), ['120.00']);
  assert.deepEqual(read('CGST 9%   90.00\nSGST 9%   90.00\nFreight   5.00\nTotal   1,185.00'), ['180.00']);
  assert.deepEqual(read('TPS / GST 5 %: $50.00\nTVQ / QST 7 %   $70.00\nTotal: $1,120.00'), ['120.00']);
  assert.deepEqual(read('VAT 20%: $100.00\nVAT 5%: $25.00\nTotal: $1,125.00'), ['125.00']);
  assert.deepEqual(read('Tax: $50.00\nTotal: $1,050.00\nTax: $50.00'), ['50.00']);
  assert.deepEqual(read('GST: $50.00\nPST: $70.00\nTotal: $1,125.00'), [
    '70.00',
    'SEVERAL_VALUES',
    'TOTAL_MISMATCH',
  ]);
});

test('rupees are Indian unless others are named', () => {
  const read = (text: string) => {
    const { total, currency } = extractOrder(mail(`PO Number: 1\n${text}`)).fields;
    return [total, currency];
  };

  for (const total of ['Rs. 1500', 'Rs.1,500.00', 'Rs 1500', 'Rs.1500/-'])
    assert.deepEqual(read(`Total: ${total}`), ['1500.00', 'INR'], total);
  assert.deepEqual(read('All prices in PKR.\nTotal: Rs. 1500'), ['1500.00', 'PKR']);
});

test('a currency may be a code, a sign, or both', () => {
  for (const [sign, code] of [
    ['MXN $', 'MXN'],
    ['CAD$', 'CAD'],
    ['CDN$', 'CAD'],
    ['US $', 'USD'],
    ['EUR €', 'EUR'],
    ['R$ ', 'BRL'],
    ['₩', 'KRW'],
    ['zł ', 'PLN'],
    ['Kč ', 'CZK'],
  ] as const) {
    const row = (gap: string) => ['1', 'Glass jar', '60', `${sign}8.00`, `${sign}480.00`].join(gap);
    for (const gap of ['  ', '\t', ...(sign === 'US $' ? [] : [' '])]) {
      const text = `PO Number: 1\nItem  Description  Qty  Unit Price  Total\n${row(gap)}\nTotal: ${sign}480.00`;

      const { fields, warnings } = extractOrder(mail(text));

      assert.deepEqual(
        [fields.currency, fields.total, fields.line_items[0]?.unit_price],
        [code, '480.00', '8.00'],
        text,
      );
      assert.deepEqual(warnings, [], text);
    }
  }
});

test('three capitals are a currency only if there is one of that code', () => {
  const read = (text: string) =>
    extractOrder(mail(`PO Number: 1\nTotal: 5.00\nCurrency: ${text}`)).fields.currency;

  assert.equal(read('USA'), null);
  assert.equal(read('SEE OUR TERMS, EUR'), 'EUR');
  assert.equal(read('VND'), 'VND');
});

test('a currency may be written in words, or said once of all prices', () => {
  const read = (text: string) => extractOrder(mail(`PO Number: 1\nTotal: 5.00\n${text}`)).fields.currency;

  assert.equal(read('Currency: Euro'), 'EUR');
  assert.equal(read('Currency: US Dollars'), 'USD');
  assert.equal(read('Currency: RMB'), 'CNY');
  assert.equal(read('This is our order. All prices are in EUR, excluding VAT.'), 'EUR');
  assert.equal(read('Prices quoted in CHF.'), 'CHF');
  assert.equal(read('Total EUR incl. VAT   5.00'), 'EUR');
  assert.equal(read('We send it to the EUR 1 office.'), null);
});

test('the rate of a tax may stand within its label', () => {
  const taxes = ['plus 19 % VAT EUR 19,00', 'incl. 19% VAT: EUR 19,00'].map((line) => {
    const total = line.startsWith('plus') ? '119,00' : '100,00';
    const { fields, warnings } = extractOrder(
      mail(`PO Number: 1\nNet total EUR 100,00\n${line}\nGrand total EUR ${total}`),
    );
    return [fields.tax, warnings];
  });

  assert.deepEqual(taxes, [
    ['19.00', []],
    ['19.00', []],
  ]);
});

test('a label may stand beside its translation, also without a colon', () => {
  const { fields, warnings } = extractOrder(
    mail(
      'PO No. / رقم   A-1\nSupplier / Fournisseur   Foo Ltd\nDelivery date / Livraison   2025-07-25\n\nSubtotal / Sous-total   $400.00\nGST / TPS 5 %   $20.00\nQST / TVQ 9.975 %   $39.90\nTotal   $459.90',
    ),
  );

  const { vendor, due_date, subtotal, tax, total } = fields;
  assert.deepEqual(
    [vendor, due_date, subtotal, tax, total],
    ['Foo Ltd', '2025-07-25', '400.00', '59.90', '459.90'],
  );
  assert.deepEqual(warnings, []);
});

test('what sums, discounts and the day of an order are called differs from program to program', () => {
  const read = (text: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 1\n${text}`));
    const { subtotal, shipping, tax, total, order_date } = fields;
    return [subtotal, shipping, tax, total, order_date, warnings.length];
  };

  assert.deepEqual(
    read(
      `Date raised: 3 July 2025\nGoods${' '.repeat(60)}100.00\nLess 2.5% settlement discount   -2.50\nCarriage Net    £  5.00\nVAT   20.50\nValue incl. VAT £123.00`,
    ),
    ['100.00', '5.00', '20.50', '123.00', '2025-07-03', 0],
  );
  assert.deepEqual(
    read('Order submitted on: Thursday 3 Jul 2025 3:14 PM\nMerchandise: US$ 100.00\nTotal: US$ 100.00'),
    ['100.00', null, null, '100.00', '2025-07-03', 0],
  );
});

test('signs of currencies may have full width', () => {
  const { fields, warnings } = extractOrder(mail(clean('PO Number: 1\nTotal: ￥413,600')));

  assert.deepEqual([fields.total, fields.currency, warnings], ['413600.00', 'JPY', []]);
});

test('a value with characters that could not be decoded is in doubt', () => {
  const { fields, warnings } = extractOrder(mail('PO Number: 1\nVendor: M\ufffdller\nTotal: $5.00'));

  assert.equal(fields.vendor, 'M\ufffdller');
  assert.deepEqual(
    warnings.map(({ code, field }) => [code, field]),
    [['VALUE_AMBIGUOUS', 'vendor']],
  );
});
