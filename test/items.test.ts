import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { mail } from './support/order_mail.ts';

test('words under a row belong to its description, words behind a blank line to nobody', () => {
  const rows = 'Item  Description  Qty  Price  Total\n1  Rod  2  $3.00  $6.00\n   polished';

  const { fields } = extractOrder(mail(`PO Number: 7\n${rows}\n\nIn the morning please\nTotal: $6.00`));

  assert.deepEqual(
    fields.line_items.map(({ description }) => description),
    ['Rod polished'],
  );
});

const HEADING = 'Item  Description  Qty  Price  Total\n';

for (const [what, table, read] of [
  [
    'more of a description may begin with a number',
    `${HEADING}1  Ribbon  5  $2.00  $10.00\n   12 pack\n2  Nut  5  $1.00  $5.00`,
    ['1 Ribbon 12 pack 5', '2 Nut 5'],
  ],
  [
    'names of columns may be wrapped, or stand below one that spans several',
    'Item  Description  Qty      Unit   Line\n                   Ordered  Price  Total\n1     Ribbon       5        $2.00  $10.00\n\nItem  Description  Order        Price\n                   Qty    Unit  Unit Price  Total\n2     Nut          5      pcs   $1.00       $5.00',
    ['1 Ribbon 5', '2 Nut 5'],
  ],
  [
    'the day in a column before the numbers is no part of the description',
    'Line Description Due Date Qty Unit Price Total\n1 Rod 07/18/2025 10 5.00 50.00\n2 Nut 18 Jul 2025 15 1.00 15.00',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'there may be no name above the totals',
    'Description   Qty   Price\nHex bolt M8   10    5.00   50.00\nNut           15    1.00   15.00',
    ['null Hex bolt M8 10', 'null Nut 15'],
  ],
  [
    'cases and their price may be what is ordered',
    'Product   Pack size  Cases  Case price  Total\nRod, tea  12 x 250g  10     $5.00       $50.00\nNut, tea  10 x 100g  15     $1.00       $15.00',
    ['null Rod, tea 10', 'null Nut, tea 15'],
  ],
  [
    'units may be what is ordered though they are told in cases, too',
    'Product   Cases   Units   Price   Total\nRod       2       10      $5.00   $50.00\nNut       5       15      $1.00   $15.00',
    ['null Rod 10', 'null Nut 15'],
  ],
  [
    'a cell of a row may be empty where the others begin below their names, and the product is right',
    'Item   Description   Due          Qty   Price   Disc. %   Total\n1      Rod           2025-08-21   10    5.00    0         50.00\n2      Nut, long     2025-08-21   15    1.00              15.00',
    ['1 Rod 10', '2 Nut, long 15'],
  ],
  [
    'the numbers of a row may stand below what they are of, as their names do',
    'Item   Material   Description\n       Order qty.   Unit   Price per unit   Net value\n----\n0010   R-1        Rod, polished\n              10     pc             5.00       50.00\n       Delivery date: 2025-07-18\n       of steel\n0020   Nut\n              15     pc             1.00       15.00',
    ['0010 Rod, polished 10', '0020 Nut 15'],
  ],
  [
    'where there is no heading, the amounts may stand far from their currencies',
    '10 pcs  Rod, polished   CHF 5.00   CHF 50.00\n15 pcs  Nut, brass      CHF  1.00   CHF   15.00',
    ['null Rod, polished 10', 'null Nut, brass 15'],
  ],
  [
    'but not those behind which they stand',
    'Rod, polished  10  5.00 €   50.00 €\nNut, brass     15  1.00 €   15.00 €',
    ['null Rod, polished 10', 'null Nut, brass 15'],
  ],
  [
    'what a row is reduced by may be an amount',
    'Item  Description  Qty  Price  Disc Amount  Net Amount\n1     Rod          10   6.00   10.00        50.00\n2     Nut          15   1.00   0.00         15.00',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'a description may be wrapped behind a hyphen',
    `${HEADING}1  Rod, non-  10  $5.00  $50.00\n   magnetic\n2  Nut  15  $1.00  $15.00`,
    ['1 Rod, non-magnetic 10', '2 Nut 15'],
  ],
  [
    'a quantity alone in its column may have a blank between its thousands, also if other cells are empty',
    'Item  Description   Qty    Unit  Price  Disc. %  Total\n1     Rod 12x8      1 000  pcs   5.00   10       4 500.00\n2     Nut 12x8      2 000  pcs   1.00            2 000.00',
    ['1 Rod 12x8 1000', '2 Nut 12x8 2000'],
  ],
  [
    'rows without totals may stand behind one another on a line',
    'Description  Qty  Price\nRibbon 5 $2.00 Nut 15 $1.00',
    ['null Ribbon 5', 'null Nut 15'],
  ],
  [
    'names of groups may stand between the rows, if one stands before the first',
    'Description  Qty  Price  Total\nHardware\nRibbon  5  $2.00  $10.00\nServices\nAssembly  5  $1.00  $5.00',
    ['null Ribbon 5', 'null Assembly 5'],
  ],
  [
    'the name of a group may stand before any row that begins with a number',
    `${HEADING}Hardware\n1  Ribbon  5  $2.00  $10.00\nServices\n2  Assembly  5  $1.00  $5.00`,
    ['1 Ribbon 5', '2 Assembly 5'],
  ],
  [
    'what is noted under an item, with or without a label, does not end the table',
    `${HEADING}1  Rod  5  $2.00  $10.00\n   Delivery date: 2025-07-18\n   keep dry\nTax: exempt\n2  Nut  5  $1.00  $5.00\n\n   Remarks: none\n\n3  Cap  5  $3.00  $15.00`,
    ['1 Rod 5', '2 Nut 5', '3 Cap 5'],
  ],
  [
    'nor does a sentence between its rows',
    `${HEADING}1  Rod  5  $2.00  $10.00\n\nKeep the above dry please.\n\n2  Nut  5  $1.00  $5.00`,
    ['1 Rod 5', '2 Nut 5'],
  ],
  [
    'an empty cell between pipes is nothing',
    '| Item | Description | Qty | Price | Total |\n|--|--|--|--|--|\n| 1 | Setup 10 | | $50.00 | $50.00 |\n| 2 | Bolt | 5 | $1.00 | $5.00 |\n| | M8 | | | |',
    ['1 Setup 10 null', '2 Bolt M8 5'],
  ],
  [
    'the description is what says so, and a name beside it is a code',
    'Line  Product  Description  Qty  Price  Total\n1  P-100  Rod  10  $5.00  $50.00\nItem  Details  Qty  Price  Total\nN-7  Nut  15  $1.00  $15.00',
    ['1 Rod 10', 'N-7 Nut 15'],
  ],
  [
    'what ends in "description" or "name" is the description',
    'Item  Part Number / Description  Qty  Price  Total\n1  P-100 / Rod  10  $5.00  $50.00\nItem number  Product name  Qty  Price  Total\nN-7  Nut  15  $1.00  $15.00',
    ['1 P-100 / Rod 10', 'N-7 Nut 15'],
  ],
  [
    'words in a column that we do not know are a better description than a code',
    'SKU  Merchandise  Qty  Price  Total\n---\nP-100  Rod of steel  10  $5.00  $50.00\nP-200  Nut  15  $1.00  $15.00',
    ['P-100 Rod of steel 10', 'P-200 Nut 15'],
  ],
  [
    'words in the column of the items are one, beside a code',
    'Item  SKU  Qty  Price  Total\nRod of steel  P-100  10  $5.00  $50.00\nItem  Part No.  Qty  Price  Total\nNut  N-7  15  $1.00  $15.00',
    ['P-100 Rod of steel 10', 'N-7 Nut 15'],
  ],
  [
    'a word in capitals may be a code',
    'SKU  Product  Qty  Price  Total\nROD  LONG  10  $5.00  $50.00\nNUT  M8  15  $1.00  $15.00',
    ['ROD LONG 10', 'NUT M8 15'],
  ],
  [
    'words in the column of the items of the first row only are none',
    'Item  Description  Qty  Price  Total\nLABOR  2h  10  $5.00  $50.00\nN-7  Nut  15  $1.00  $15.00',
    ['LABOR 2h 10', 'N-7 Nut 15'],
  ],
  [
    'words behind the numbers are none',
    'SKU  Qty  Price  Total  Packing\nP-100  10  $5.00  $50.00  ten in a box\nP-200  15  $1.00  $15.00  loose',
    ['null P-100 10', 'null P-200 15'],
  ],
  [
    'words behind its heading name a column that we do not know',
    'Item Description Qty Unit Price Total Notes\n1 Rod 10 $5.00 $50.00 zinc\n2 Nut 15 $1.00 $15.00 brass',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'a quantity may stand between the number and the description, and a code before that',
    'Line Qty UOM Part # Description Unit Cost Ext. Cost Deliver By\n1 10 kit P-5 Steel rod 5.00 50.00 07/23/2025\n2 15 ea N-7 Nut 1.00 15.00 07/23/2025',
    ['1 Steel rod 10', '2 Nut 15'],
  ],
  [
    'numbers have many names',
    'S.No  P/N  Description  Qty Ord  U/Price(USD)  Net\n1  P-5  Rod  10  $5.00  $50.00\nArt.nr  Description  Units  Price  VAT %  Sum\nN-7  Nut  15  $1.00  20  $15.00',
    ['1 Rod 10', 'N-7 Nut 15'],
  ],
  [
    'a name that may be a number is none beside a plain one',
    'Description  Units  Ordered  Qty  Price  Net  Total\nRod  ea  8  10  $5.00  $5.00  $50.00\nNut  ea  8  15  $1.00  $1.00  $15.00',
    ['null Rod 10', 'null Nut 15'],
  ],
  [
    'what is carried over to the next page is no row',
    `${HEADING}1  Rod  10  $5.00  $50.00\nPage total   $50.00\nBrought forward   $50.00\n2  Nut  15  $1.00  $15.00`,
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'however far from its name its amount stands',
    `${HEADING}1  Rod  10  $5.00  $50.00\n${'Carried forward'.padEnd(90)}$50.00\n2  Nut  15  $1.00  $15.00`,
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'nor is the sum of a group',
    `${HEADING}Metal\n1  Rod  10  $5.00  $50.00\nSubtotal metal   $50.00\nPlastic\n2  Nut  15  $1.00  $15.00\nPlastic subtotal:   $15.00`,
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'more of a description may end with a number',
    `${HEADING}1  Rod  10  $5.00  $50.00\n   Zinc plated, grade 8.8\n2  Nut  15  $1.00  $15.00`,
    ['1 Rod Zinc plated, grade 8.8 10', '2 Nut 15'],
  ],
  [
    'columns may be drawn with the lines of a box',
    '┌────┬───────┬────┬──────┬───────┐\n│ No │ Name  │Qty │ Price│ Total │\n├────┼───────┼────┼──────┼───────┤\n│  1 │ Rod   │ 10 │ 5.00 │ 50.00 │\n│  2 │ Nut   │ 15 │ 1.00 │ 15.00 │\n└────┴───────┴────┴──────┴───────┘',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'columns may be kept apart by commas, which quotes protect',
    'SKU,Description,Qty,Unit Price,Amount\nR-1,"Rod 3/8"", zinc",10,5.00,50.00\nN-7,Nut,"15",1.00,"15.00"',
    ['R-1 Rod 3/8", zinc 10', 'N-7 Nut 15'],
  ],
  [
    'or by semicolons',
    'SKU; Description; Qty; Unit Price; Amount\nR-1; Rod 3/8", zinc; 10; $5.00; $50.00\nN-7; Nut; 15; $1.00; $15.00\n',
    ['R-1 Rod 3/8", zinc 10', 'N-7 Nut 15'],
  ],
  [
    'any word is a unit in a column for units, and an amount may stand behind the total',
    'Description     Qty  Unit  Price   Net     VAT\nRod, mixed      10   sqm   £5.00   £50.00 £10.00\nNut             15   no.   £1.00   £15.00  £3.00',
    ['null Rod, mixed 10', 'null Nut 15'],
  ],
  [
    'a price may be that of one of them, and its discount a percentage that says so',
    'Products  Qty  Unit Price  Discount percent  Discount  Net Amt\nRod  10 EA  5.00 USD/1 PC  0.00  0.00  50.00\nNut  15 EA  1.00 /1  0.00  0.00  15.00\n\nProducts  Qty  Unit Price  Discount percent  Discount  Net Amt\nCap  10 EA  2.00 / 1 EA  10.00  0.00  18.00',
    ['null Rod 10', 'null Nut 15', 'null Cap 10'],
  ],
  [
    'a unit may stand in brackets, and a subtotal be that of the row',
    'Line #  Part # / Description  Qty (Unit)  Unit Price  Subtotal\n1  Rod  10 (EA)  $5.00 USD  $50.00 USD\n2  Nut  15 (EA)  $1.00 USD  $15.00 USD',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'the number of a row may be called Sr or Sl',
    'Sr  Description  Qty  Price  Total\n1  Rod  10  $5.00  $50.00\nSl.  Description  Qty  Price  Total\n2  Nut  15  $1.00  $15.00',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'sizes may have columns of their own before the sum of them, and codes many names',
    'Style  Colour  S  M  Total qty  Price ex VAT  Amount excl. VAT\nRod crew  Navy  4  6  10  £5.00  £50.00\nISBN  Title  Qty  Price  Total\n9780000000012  Nut  15  £1.00  £15.00',
    ['null Rod crew 10', '9780000000012 Nut 15'],
  ],
  [
    'a first column that is not known says what is ordered, beside all three numbers',
    'Task  Hours  Rate  Amount\nDrawing  10  $5.00  $50.00\nReview, senior  15  $1.00  $15.00',
    ['null Drawing 10', 'null Review, senior 15'],
  ],
  [
    'sizes under a row are no row, if they end left of its numbers',
    'LN  DESCRIPTION                 QTY   UNIT COST   EXTENSION\n 1  ROD                          10       5.000       50.00\n    SIZE  50 X 110 X 27 MM\n 2  NUT                          15       1.000       15.00',
    ['1 ROD SIZE 50 X 110 X 27 MM 10', '2 NUT 15'],
  ],
  [
    'a unit under a quantity is no part of the description',
    '#   Description         Qty   Rate    Amount\n1   Rod                 10    $5.00   $50.00\n    Compact, 1.89 kg    kg\n2   Nut                 15    $1.00   $15.00\n                        ea',
    ['1 Rod Compact, 1.89 kg 10', '2 Nut 15'],
  ],
  [
    'nor is what stands there in any other column, be it below its name or below the row',
    '#   Description      Needed by     Qty   Rate     Amount\n1   Rod, polished    Week:         10    $5.00    $50.00\n    on both ends     2025-W30            / 1 pc\n2   Nut              Week:         15      $1.00   $15.00\n    brass            2025-W31              (net)',
    ['1 Rod, polished on both ends 10', '2 Nut brass 15'],
  ],
  [
    'words that stand in no column are more of a description',
    'Item   Description   Qty   Price    Total\n1      Rod           10    $5.00    $50.00\n       polished, long     zinc\n2      Nut           15    $1.00    $15.00',
    ['1 Rod polished, long zinc 10', '2 Nut 15'],
  ],
  [
    'the last row has a second line, if each one before has',
    'ACTIVITY   QTY  RATE    AMOUNT\nRods       10   $5.00   $50.00\nSteel, 3 m\nNuts       15   $1.00   $15.00\nBrass\nJo Smith\n',
    ['null Rods Steel, 3 m 10', 'null Nuts Brass 15'],
  ],
  [
    'the discount stands between the price and the total, also where blanks do not keep columns apart',
    'Pos. Description Qty Price Disc. % Total\n1 Rod 0-16 bar 10 6.50 10 58.50\n2 Nut 2 3.25 6.50',
    ['1 Rod 0-16 bar 10', '2 Nut 2'],
  ],
  [
    'a unit with a currency or a tax beside it is a price',
    'Part Description Qty Unit (USD) Ext (USD)\nP-5 Rod 10 5.00 50.00\nItem Qty Unit ex GST Total ex GST\nNut 15 $1.00 $15.00',
    ['null P-5 Rod 10', 'null Nut 15'],
  ],
  [
    'goods without a description are known by their code',
    'LN  SKU  REV  QTY  RATE  EXTENDED\n01  P-100  A  10  $5.00  $50.00\nActivity  Qty  Rate  Amount\nAssembly  3  $5.00  $15.00',
    ['01 P-100 10', 'null Assembly 3'],
  ],
  [
    'the numbers of a row may stand on its second line',
    `${HEADING}1  Rod, polished\n   and long  10  $5.00  $50.00\n2  Nut  15  $1.00  $15.00`,
    ['1 Rod, polished and long 10', '2 Nut 15'],
  ],
  [
    'the quantity may stand behind the price, also where blanks do not keep columns apart',
    'Description Price Qty\nRod $5.00 10\nNut $1.00 15',
    ['null Rod 10', 'null Nut 15'],
  ],
  [
    'a word for a unit may begin the name of goods',
    'Qty Description Unit Price Total\n10 Pallet jack $5.00 $50.00\n15 pcs Nut $1.00 $15.00',
    ['null Pallet jack 10', 'null Nut 15'],
  ],
  [
    'a quantity and its unit may stand in one column',
    'LN  ITEM NUMBER   DESCRIPTION   QTY ORD UM   UNIT COST   EXTENDED\n001 P-100         ROD BLACK          10 EA        5.00      50.00\n002 P-200         NUT                15 EA        1.00      15.00',
    ['001 ROD BLACK 10', '002 NUT 15'],
  ],
  [
    'no more than a blank may stand between the names of two codes',
    'Line Item#    Description   Qty   Price   Total\n1    338-110  Rod           10    5.00    50.00\n2    338-12   Nut           15    1.00    15.00',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'one of which may be a part',
    'Line Part       Description   Qty   Price   Total\n1    338-110-XL Rod           10    5.00    50.00\n2    338-12     Nut           15    1.00    15.00',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'and two may be called like one',
    'Line Item       Description   Qty   Price   Total\n1    338-110-XL Rod           10    5.00    50.00\n2    338-12     Nut           15    1.00    15.00',
    ['1 Rod 10', '2 Nut 15'],
  ],
  [
    'two codes with a blank between them are two also where the next row has a gap there',
    'Item  Material     Description   Qty   Price   Total\n00010 100004711    Rod           10    5.00    50.00\n00020 100004893    Nut           15    1.00    15.00',
    ['00010 Rod 10', '00020 Nut 15'],
  ],
  [
    'sizes, discounts and net prices may have columns of their own',
    'Description  S  M  L  XL  XXL  Qty  Price  Disc %  Net Price  Net Value\nShirt  1  2  3  4  0  10  $6.50  0  $6.50  $65.00',
    ['null Shirt 10'],
  ],
] as const) {
  test(`in a table of items ${what}`, () => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${table}\n| Total | | | | 65.00 |`));

    assert.deepEqual(
      fields.line_items.map(({ item, description, quantity }) => `${item} ${description} ${quantity}`),
      read,
    );
    assert.equal(fields.total, '65.00');
    assert.ok(warnings.every(({ code }) => code === 'TOTAL_MISMATCH'));
  });
}

test('blanks may group the digits of an amount, also in a table without totals', () => {
  const table = (text: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${text}\nTotal: 1 250,00 EUR`));
    const rows = fields.line_items.map(({ description, quantity, total }) => [description, quantity, total]);
    return [rows, fields.total, warnings.map(({ code }) => code).join()];
  };
  const [rod, nut] = ['Rod 10 5,00', 'Nut 240 5,00'];

  assert.deepEqual(table(`Description Qty Price Amount\n${rod} 50,00\n${nut} 1 200,00`), [
    [
      ['Rod', 10, '50.00'],
      ['Nut', 240, '1200.00'],
    ],
    '1250.00',
    '',
  ]);
  assert.deepEqual(table('Description  Qty  Price\nRod  250  5,00\nSubtotal: 1 250,00 EUR'), [
    [['Rod', 250, null]],
    '1250.00',
    '',
  ]);
  assert.deepEqual(table('Description  Qty  Price\nRod  250  5,00\nSumma  1 250,00'), [
    [['Rod', 250, null]],
    '1250.00',
    'ROW_UNREAD',
  ]);
});

test('where all rows are due on one day, so is the order, and another day that it names is told', () => {
  const due = (...days: readonly string[]) => {
    const rows = days.map(
      (day, index) => `${index + 1}   Shackle ${index}     ${day}    2     $2.50   $5.00`,
    );
    const text = `PO Number: 1\n#   Description   Need By       Qty   Price   Total\n${rows.join('\n')}`;
    const { due_date, line_items } = extractOrder(mail(text)).fields;
    return [due_date, line_items.length];
  };

  assert.deepEqual(due('2025-08-21'), ['2025-08-21', 1]);
  assert.deepEqual(due('08/21/2025', '08/21/2025'), ['2025-08-21', 2]);
  assert.deepEqual(due('08/21/2025 17:00:00'), ['2025-08-21', 1]);
  assert.deepEqual(due('2025-08-21', '2025-08-22'), [null, 2]);
  assert.deepEqual(due('2025-08-21', 'TBD       '), [null, 2]);
  for (const name of ['Date req.', 'Deliv. date', 'Expected receipt date']) {
    const text = `PO Number: 1\nItem   ${name.padEnd(22)}  Qty   Price   Total\nRod    2025-08-21              2     $2.50   $5.00`;
    assert.equal(extractOrder(mail(text)).fields.due_date, '2025-08-21', name);
  }
  const text = `PO Number: 1\nDue Date: 2025-08-01\nItem   Due          Qty   Price   Total\nRod    2025-08-21   2     $2.50   $5.00`;
  const { fields, warnings } = extractOrder(mail(text));
  assert.equal(fields.due_date, '2025-08-01');
  assert.deepEqual(
    warnings.map(({ message }) => message),
    ['due_date is 2025-08-01, but a line item in the body is due on 2025-08-21'],
  );
  const several = extractOrder(mail(`${text}\nNut    2025-08-22   2     $2.50   $5.00`)).warnings;
  assert.equal(several.length, 1);
});

test('the day on which a row is due may stand below it, or beside an empty cell', () => {
  const due = (rows: string) => {
    const heading = '#   Description   Delivery Date/Time   Qty   Price   Disc.   Total';
    return extractOrder(mail(`PO Number: 1\n${heading}\n${rows}`)).fields.due_date;
  };
  const empty = '1   Shackle       2025-08-21           2     $2.50           $5.00';
  const below = `2   Bolt          Needed:              2     $2.50   0       $5.00\n                  `;

  assert.equal(due(empty), '2025-08-21');
  assert.equal(due(`${empty}\n${below}2025-08-21`), '2025-08-21');
  assert.equal(due(`${empty}\n${below}2025-08-22`), null);
  assert.equal(due(`${empty}\n                  2025-08-21`), null);
  assert.equal(due(`${empty}\n2   Assembly      2025-08-21                           $9.00`), '2025-08-21');
});

test('a code is known by whose it is, too', () => {
  for (const name of [
    'Cat. No.',
    'Art.no',
    'Supplier SKU',
    'Mfr Part #',
    "Supplier's Ref",
    'Your Item',
    'MPN',
    'NSN',
  ]) {
    const heading = `${name.padEnd(16)}Description    Qty   Price   Total`;
    const text = `PO Number: 1\n${heading}\nBF-1            Chair          2     $2.50   $5.00`;

    assert.deepEqual(extractOrder(mail(text)).fields.line_items[0]?.item, 'BF-1', name);
  }
});

test('what is free has no price, and is a row if it costs nothing', () => {
  const read = (cells: string) => {
    const { fields, warnings } = extractOrder(
      mail(`PO Number: 7\n${HEADING}1  Rod  5  $2.00  $10.00\n${cells}`),
    );
    const rows = fields.line_items.slice(1).map((row) => `${row.quantity} ${row.unit_price} ${row.total}`);
    return [...rows, ...warnings.map(({ code }) => code)].join();
  };

  for (const free of ['FOC', 'F.O.C.', 'N/C', 'free', 'Free of charge', 'no charge', 'included', 'incl.'])
    assert.equal(read(`2  Case  3  ${free}  0.00`), '3 null 0.00', free);
  assert.equal(read('2  Case  3  FOC  FOC'), '3 null null');
  assert.equal(read('2  Case  3  no charge  -'), '3 null null');
  assert.equal(read('2  Case  3  $2.00  FOC'), '3 2.00 null');
  assert.equal(read('2  Case  3  FOC  $6.00'), 'ROW_UNREAD');
  assert.equal(read('2  Case  free  $2.00  $6.00'), 'ROW_UNREAD');
  assert.equal(read('2  Case  3  tbc  $6.00'), 'ROW_UNREAD');
});

test('a number under a name that is not known is told, if a table lacks one', () => {
  const codes = (table: string) =>
    extractOrder(mail(`PO Number: 7\n${table}`)).warnings.map(({ code }) => code);

  assert.deepEqual(codes('Description  Qty  Price/100  Total\nRod  10  500.00  50.00'), ['COLUMN_UNKNOWN']);
  assert.deepEqual(codes('Description  Qty  Price/100  Total\nRod  10  $500.00  $50.00'), ['COLUMN_UNKNOWN']);
  assert.deepEqual(codes('Description  Qty  Unit  Total\nRod  10  4.50  50.00'), ['COLUMN_UNKNOWN']);
  assert.deepEqual(codes('Description  Weight  Qty  Price  Total\nRod  12  10  5.00  50.00'), []);
  assert.deepEqual(codes('Description  Qty  Price  VAT %\nRod  10  5.00  20'), []);
});

test('where a table lacks a number, a row with an amount too many is none, and told', () => {
  const read = (row: string, heading = 'Pos.  Material  Qty  Price per  1 PC  Value') => {
    const text = `PO Number: 7\n${heading}\n${row}`;
    const { fields, warnings } = extractOrder(mail(text));
    return [fields.line_items.length, ...warnings.map(({ code }) => code)];
  };

  assert.deepEqual(read('10 Opal sphere 300 400 PC 11.80 4,720.00'), [0, 'ROW_UNREAD']);
  assert.deepEqual(read('10 Opal sphere 300 400 PC 4,720.00'), [1]);
  const inUnits = 'Material Qty Unit Disc % Net';
  assert.deepEqual(read('Opal sphere 400 $11.80 10% $4,248.00', inUnits), [0, 'ROW_UNREAD']);
  assert.deepEqual(read('Opal sphere 400 pcs 10% $4,248.00', inUnits), [1]);
});

test('it is that number, if only with it quantity × price = total in every row', () => {
  const read = (table: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${table}`));
    const rows = fields.line_items.map((row) => `${row.quantity} ${row.unit_price} ${row.total}`);
    return [...rows, ...warnings.map(({ code }) => code)];
  };

  assert.deepEqual(
    read('Description  Qty  U/P  Amount\nRod  10pcs  $5.00/pc  $50.00\nNut  3  $1.00  $3.00'),
    ['10 5.00 50.00', '3 1.00 3.00'],
  );
  assert.deepEqual(read('Description  Qty  Unit  Total\nRod  10  5.00  50.00'), ['10 5.00 50.00']);
  assert.deepEqual(read('Item  Price  Quantity  UOM  Ordered\nRod  5.00  10  EA  50.00'), ['10 5.00 50.00']);
  assert.deepEqual(read('Description  Qty  U/P  Amount\nRod  10  5.00  50.00\nNut  3  1.00  4.00'), [
    '10 null 50.00',
    '3 null 4.00',
    'COLUMN_UNKNOWN',
  ]);
  assert.deepEqual(read('Description  Qty  Net A  Net B  Total\nRod  10  5.00  5.00  50.00'), [
    '10 null 50.00',
    'COLUMN_UNKNOWN',
  ]);
  // By chance, or not.
  assert.deepEqual(read('Description  Qty  Price  Weight kg\nRod  2  4  8'), [
    '2 4.00 null',
    'COLUMN_UNKNOWN',
  ]);
  // What has so many columns is no table of items.
  const wide = `Description  Qty  Unit${'  UM'.repeat(20)}  Total\nRod  10  $5.00${'  1'.repeat(20)}  $50.00`;
  assert.deepEqual(read(wide), ['10 null 50.00', 'COLUMN_UNKNOWN']);
});

test('a cell between tabs may be empty, unless tabs draw the columns', () => {
  const read = (rows: string) =>
    extractOrder(mail(`PO Number: 7\nDescription\tQty\tPrice\tTotal\n${rows}`)).fields.line_items.map(
      ({ description, quantity, unit_price, total }) => [description, quantity, unit_price, total].join(' '),
    );

  assert.deepEqual(read('Rod\t2\t4.00\t8.00\nSetup\t\t\t5.00'), ['Rod 2 4.00 8.00', 'Setup   5.00']);
  assert.deepEqual(read('Rod\t\t2\t4.00\t8.00\nLong name\t3\t1.00\t3.00'), [
    'Rod 2 4.00 8.00',
    'Long name 3 1.00 3.00',
  ]);
});

test('a name that spans several columns says in which currency they are', () => {
  const heading = 'Description  Order      Price (CAD)\n             Qty  Unit  Unit Price  Total';

  const { fields } = extractOrder(mail(`PO Number: 7\n${heading}\nRod          2    pc    3.00        6.00`));

  assert.equal(fields.currency, 'CAD');
  assert.deepEqual(
    fields.line_items.map(({ quantity, unit_price, total }) => [quantity, unit_price, total]),
    [[2, '3.00', '6.00']],
  );
});

test('the currency is that of the total, whatever other columns carry', () => {
  const table =
    'Description  Qty  Price USD  Price EUR  Total\nRod  2  $40.00  €36.00  €72.00\nTotal: €72.00';

  const { fields } = extractOrder(mail(`PO Number: 7\n${table}`));

  assert.deepEqual([fields.currency, fields.line_items[0]?.unit_price], ['EUR', '36.00']);
});

test('rows separated by commas may have others between them, and end at a label', () => {
  const rows = '1,Rod,2,4.00,8.00\n\nFasteners\n2,Nut,3,1.00,3.00\n3,Cap,1,000,4.00,4,000.00';
  const text = `PO Number: 7\nItem,Description,Qty,Price,Total\n${rows}\nShip to: Acme, 1 Road, York, A, B`;

  const { fields, warnings } = extractOrder(mail(text));

  assert.equal(fields.ship_to, 'Acme, 1 Road, York, A, B');
  assert.deepEqual(
    fields.line_items.slice(0, 2).map(({ description, total }) => `${description} ${total}`),
    ['Rod 8.00', 'Nut 3.00'],
  );
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['ROW_MISMATCH'],
  );
});

test('of two prices the one counts that is in the total of every row, else the first', () => {
  const prices = (rows: string) =>
    extractOrder(
      mail(`PO Number: 7\nDescription  Qty  List Price  Net Price  Total\n${rows}`),
    ).fields.line_items.map(({ unit_price }) => unit_price);

  assert.deepEqual(prices('Rod  10  $9.00  $8.10  $81.00\nNut  5  $1.00  $1.00  $5.00'), ['8.10', '1.00']);
  assert.deepEqual(prices('Rod  10  $9.00  $8.10  $81.00\nNut  5  $1.00  $0.90  $5.00'), ['9.00', '1.00']);
});

test('what could not be read in one table ends no other', () => {
  const odd = (count: number) =>
    Array.from({ length: count }, (_, index) => `odd ${index}.50 line\n`).join('');
  const { fields } = extractOrder(
    mail(
      `PO Number: 7\n${HEADING}1  Rod  5  $2.00  $10.00\n${odd(19)}\n\n${HEADING}${odd(1)}2  Nut  5  $1.00  $5.00`,
    ),
  );

  assert.deepEqual(
    fields.line_items.map(({ description }) => description),
    ['Rod', 'Nut'],
  );
});

test('behind so many lines that are no rows there is no table, and nothing more is told', () => {
  const odd = Array.from({ length: 30 }, (_, index) => `odd ${index}.50 line\n`).join('');
  const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${HEADING}1  Rod  5  $2.00  $10.00\n${odd}`));

  assert.deepEqual([fields.line_items.length, warnings.length], [1, 20]);
});

test('a number under those of a row is told', () => {
  const codes = (under: string) => {
    const row = '1     Rod           50    $2.00   $100.00';
    const text = `PO Number: 7\nItem  Description   Qty   Price   Total\n${row}\n${under}`;
    return extractOrder(mail(text)).warnings.map(({ code }) => code);
  };

  assert.deepEqual(codes('      in halves     25    now'), ['ROW_UNREAD']);
  assert.deepEqual(codes('                    25    2025-08-01'), ['ROW_UNREAD']);
  assert.deepEqual(codes('      25            pcs'), []);
});

test('what looks like a row behind a note, but cannot be read as one, is told', () => {
  const note = '   Delivery date: 2025-07-18';
  for (const row of [
    '2 Nut of brass 5 $1.00 $6.00',
    'N-7 Nut of brass 5 $1.00 $6.00',
    '2 Nut of brass 5 1 6',
    '2   Nut          tbd  $1.00  $6.00',
  ]) {
    const rows = `${HEADING}1  Rod  5  $2.00  $10.00\n${note}\n${row}\n${note}\n3  Cap  5  $1.00  $5.00`;
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${rows}`));

    assert.deepEqual(
      fields.line_items.map(({ description }) => description),
      ['Rod', 'Cap'],
    );
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['ROW_UNREAD'],
    );
  }
});

test('a row behind a sentence whose product is wrong is told', () => {
  const { warnings } = extractOrder(
    mail(`PO Number: 7\n${HEADING}1  Rod  5  $2.00  $10.00\n\nDry please.\n\n2  Nut  5  $1.00  $6.00`),
  );

  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['ROW_UNREAD'],
  );
});

test('a table may have no prices, if all names of its columns are known', () => {
  const read = (table: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${table}\n\nShip to: Acme, 1 Road, York`));
    const rows = fields.line_items.map((row) =>
      [row.item, row.description, row.quantity, row.unit_price, row.total].map(String).join(' | '),
    );
    assert.deepEqual([fields.ship_to, fields.total], ['Acme, 1 Road, York', null], table);
    return [...rows, ...warnings.map(({ code }) => code)];
  };
  const [rod, nut] = ['1 | Rod, 3 m | 3200 | null | null', '2 | Nut, 25 kg | 40 | null | null'];
  const both =
    'Item   Description   Qty    Unit\n1      Rod, 3 m      3,200  pc\n2      Nut, 25 kg       40  bag';

  assert.deepEqual(read(both), [rod, nut]);
  assert.deepEqual(read(`${both}\nTotal                3,240`), [rod, nut]);
  assert.deepEqual(read('Item; Description; Qty; UOM\n1; Rod, 3 m; 3200; pc\n2; Nut, 25 kg; 40; bag'), [
    rod,
    nut,
  ]);
  assert.deepEqual(read(`${both.replace('\n2', '\n       in zinc\n2')}`), [
    rod.replace(' m', ' m in zinc'),
    nut,
  ]);
  assert.deepEqual(
    read(
      '| Line | Part No | Description | Qty | Required Date |\n|--|--|--|--|--|\n| 1 | | Rod | 5 | 2025-07-01 |',
    ),
    ['1 | Rod | 5 | null | null'],
  );
  assert.deepEqual(read('Item      Qty   Required by\nRod, 3 m  10    2025-07-01'), [
    'null | Rod, 3 m | 10 | null | null',
  ]);
});

test('what does not fit into a table without prices is told', () => {
  const codes = (row: string) => {
    const table = `Item   Description   Qty   Unit\n1      Rod           10    pc\n${row}`;
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${table}`));
    assert.deepEqual(
      fields.line_items.map(({ description }) => description),
      ['Rod'],
    );
    return warnings.map(({ code }) => code).join();
  };

  assert.equal(codes('2      Nut           40'), 'ROW_UNREAD');
  assert.equal(codes('       Nut           40'), 'ROW_UNREAD');
  assert.equal(codes('2      Nut           tbd   pc'), 'ROW_UNREAD');
  assert.equal(codes('2      15            40    pc'), 'ROW_UNREAD');
  assert.equal(codes('\nFor the second site:\n2      Nut           40    pc'), 'ROW_UNREAD');
  assert.equal(codes('\n- 5 pcs Nut $3.00'), 'ROW_UNREAD');
});

test('a table without prices has no items where others have prices', () => {
  const schedule = 'Item   Description   Qty   Required by\n1      Rod           10    2025-07-01';

  for (const priced of [
    `${HEADING}1  Rod  10  $5.00  $50.00`,
    '- 10 x Rod @ $5.00 = $50.00',
    'Item: Rod\nQty: 10\nUnit price: $5.00\nLine total: $50.00',
  ]) {
    const { fields } = extractOrder(mail(`PO Number: 7\n${schedule}\n\n${priced}\n\n${schedule}`));
    assert.deepEqual(
      fields.line_items.map(({ total }) => total),
      ['50.00'],
      priced,
    );
  }
});

test('items may be lines of a list, if their products are right', () => {
  const read = (list: string) =>
    extractOrder(mail(`PO Number: 7\n${list}`)).fields.line_items.map(
      ({ description, quantity }) => `${description} ${quantity}`,
    );

  assert.deepEqual(read('- 10 x Rod @ $5.00 = $50.00'), ['Rod 10']);
  assert.deepEqual(read('• 4 ea - seal, 1-3/4" - $212.50 each - $850.00\n2 pcs - Nut - M8 - $1.00 - $2.00'), [
    'seal, 1-3/4" 4',
    'Nut - M8 2',
  ]);
  assert.deepEqual(read('• 4 ea - seal - $212.50 each - $840.00'), []);
  assert.deepEqual(read('Deliveries:\n5 - Aug - 3 - 15\nPayment:\n1 - on order - $30.00 - $30.00'), []);
});

for (const [line, read] of [
  ['- 24 Kraft coffee bags @ $0.50 each = $12.00', 'null | Kraft coffee bags | 24 | 0.50 | 12.00'],
  ['- 10 rolls Tin tie @ $24.00 ea = $240.00', 'null | Tin tie | 10 | 24.00 | 240.00'],
  ['- 24 x Gloves - £6.45 each = £154.80', 'null | Gloves | 24 | 6.45 | 154.80'],
  ['24 Bags - $2.00 each = $48.00', 'null | Bags | 24 | 2.00 | 48.00'],
  ['1) 5,000 Kraft bags, 12oz - $0.31 ea - $1,550.00', '1 | Kraft bags, 12oz | 5000 | 0.31 | 1550.00'],
  ['100 pcs CTRL, 4 layer: USD 3.92/pc = USD 392.00', 'null | CTRL, 4 layer | 100 | 3.92 | 392.00'],
  ['• 12 - Assembly X - $10.00 each - $120.00', 'null | Assembly X | 12 | 10.00 | 120.00'],
  ['2 sets of Allen keys, 3.00 EUR per set, 6.00 EUR.', 'null | Allen keys | 2 | 3.00 | 6.00'],
  ['5 box spanners @ $10.00 each = $50.00', 'null | box spanners | 5 | 10.00 | 50.00'],
  ['1. Rod, 10 pcs x 2.00 USD = 20.00 USD', '1 | Rod | 10 | 2.00 | 20.00'],
  ['Tin tie - 10 pcs @ $24.00', 'null | Tin tie | 10 | 24.00 | null'],
  ['Rod x 10 @ $5.00 = $50.00', 'null | Rod | 10 | 5.00 | 50.00'],
  ['10 hours Welding @ $24.00/hour', 'null | Welding | 10 | 24.00 | null'],
  ['1) Bit set, 29 pc - qty 10 @ $64.95 = $649.50', '1 | Bit set, 29 pc | 10 | 64.95 | 649.50'],
  ['Blank 70mm, Qty: 4 @ $1.15 = $4.60', 'null | Blank 70mm | 4 | 1.15 | 4.60'],
  ['10 Stk Seil @ $24.00', 'null | Seil | 10 | 24.00 | null'],
  ['10 kg Salt @ $24.00/kg', 'null | Salt | 10 | 24.00 | null'],
  ['Salt — Qty: 10 — Unit Price: $24.00 — Total: $240.00', 'null | Salt | 10 | 24.00 | 240.00'],
  ['1 - Salt, fine - 10 @ $24.00 - $240.00', '1 | Salt, fine | 10 | 24.00 | 240.00'],
  ['1. Salt, fine, 10 ea @ 24.00      240.00', '1 | Salt, fine | 10 | 24.00 | 240.00'],
  ['Line 1: Salt, fine, 10 ea, $24.00 each, $240.00', '1 | Salt, fine | 10 | 24.00 | 240.00'],
  ['1. Salt, fine\n   Qty 10 x $24.00 = $240.00', '1 | Salt, fine | 10 | 24.00 | 240.00'],
  ['Salt, fine\n  10 pcs @ $24.00 = $240.00', 'null | Salt, fine | 10 | 24.00 | 240.00'],
  ['- Salt, Qty: 10, Price: $24.00, Amount: $240.00', 'null | Salt | 10 | 24.00 | 240.00'],
] as const) {
  test(`"${line}" is a row`, () => {
    const { fields, warnings } = extractOrder(
      mail(`PO Number: 7\n\n${line}\n- 4 ea Cap @ $2.00 each = $8.00`),
    );

    const rows = fields.line_items.map((row) =>
      [row.item, row.description, row.quantity, row.unit_price, row.total].map(String).join(' | '),
    );
    assert.deepEqual(rows, [read, 'null | Cap | 4 | 2.00 | 8.00']);
    assert.deepEqual(warnings, []);
  });
}

for (const line of [
  '- 24 Kraft coffee bags @ $0.50 each = $13.00',
  '- 24 Kraft coffee bags @ $0.50 each',
  '- 24 x Gloves £6.45 each (black)',
  '24 pcs @ £6.00 = £144.00',
  '- Nut, 5 pcs = 5.00 USD',
  '- 2.5 m cable @ 4,00 EUR = 10,00 EUR',
  '2 x 4 lumber @ $5.00 each',
  '5 mm drill - 10 pcs @ $2.00',
  '5000 pcs Screw @ $31.00/M',
  '10 bags Salt @ $24.00/kg',
  'As agreed - 10 pcs @ $24.00',
  'Qty - 10 pcs @ $24.00',
  '10 x Rod @ $5.00 = $50.00 and 5 x Nut @ $1.00 = $5.00',
]) {
  test(`"${line}" is no row, but told`, () => {
    for (const others of ['', '\n- 4 ea Cap @ $2.00 each = $8.00']) {
      const { fields, warnings } = extractOrder(mail(`PO Number: 7\n\n${line}${others}`));

      assert.equal(fields.line_items.length, others === '' ? 0 : 1);
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['ROW_UNREAD'],
      );
    }
  });
}

test('a table needs no heading that we know where quantity × price = total in its rows', () => {
  const read = (table: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n\n${table}`));
    const rows = fields.line_items.map((row) => Object.values(row).map(String).join(' | '));
    return [...rows, ...warnings.map(({ code }) => code)];
  };

  assert.deepEqual(read('1   Rod, blue   10   $5.00   $50.00\n2   Nut, red    1    $5.00   $5.00'), [
    '1 | Rod, blue | 10 | 5.00 | 50.00',
    '2 | Nut, red | 1 | 5.00 | 5.00',
  ]);
  assert.deepEqual(read('Blank 70mm | qty 400 | $1.15 | $460.00'), [
    'null | Blank 70mm | 400 | 1.15 | 460.00',
  ]);
  assert.deepEqual(read('Pos.  Bezeichnung  Menge  Preis  Summe\n10  Rohr 10 mm  10 Stk  0,50  5,00'), [
    '10 | Rohr 10 mm | 10 | 0.50 | 5.00',
  ]);
  assert.deepEqual(
    read('50 off   Flap wheel   @ 1.85 each   92.50\n5 ltr    Honing oil   @ 11.20 / ltr  56.00'),
    ['null | Flap wheel | 50 | 1.85 | 92.50', 'null | Honing oil | 5 | 11.20 | 56.00'],
  );
  assert.deepEqual(read('Rod, blue   10 x $5.00   $50.00\nNut, red    2 x $5.00   $10.00'), [
    'null | Rod, blue | 10 | 5.00 | 50.00',
    'null | Nut, red | 2 | 5.00 | 10.00',
  ]);
  assert.deepEqual(read('Rod, blue   10   pcs   $5.00   $50.00'), ['null | Rod, blue | 10 | 5.00 | 50.00']);
  assert.deepEqual(
    read('Qty   Description   Price   Total\nRod, blue   10   $5.00   $50.00\nNut, red   2   $5.00   $10.00'),
    ['null | Rod, blue | 10 | 5.00 | 50.00', 'null | Nut, red | 2 | 5.00 | 10.00'],
  );
  assert.deepEqual(
    read('10 x Rod, blue   $5.00   $50.00\n2 boxes Nut      $5.00   $10.00\n3 box spanners   $5.00   $15.00'),
    [
      'null | Rod, blue | 10 | 5.00 | 50.00',
      'null | Nut | 2 | 5.00 | 10.00',
      'null | box spanners | 3 | 5.00 | 15.00',
    ],
  );
  assert.deepEqual(
    read('1   10 ea   Rod, blue   $5.00   $50.00\n2   2 ea    Nut, red    $1,005.00 $2,010.00'),
    ['1 | Rod, blue | 10 | 5.00 | 50.00', '2 | Nut, red | 2 | 1005.00 | 2010.00'],
  );
  assert.deepEqual(read('1   Rod, blue   10   $5.00   $50.00\nNut, red   3   $5.00   $16.00'), [
    '1 | Rod, blue | 10 | 5.00 | 50.00',
    'ROW_UNREAD',
  ]);
  assert.deepEqual(read('Rod, blue   10   $5.00   $50.00\nNut, red    5    $1.00   $5.00   new'), [
    'null | Rod, blue | 10 | 5.00 | 50.00',
    'ROW_UNREAD',
  ]);
  assert.deepEqual(read('Rod   P-1   10   $5.00   $50.00\nNut   200   50   10   $1.00   $10.00'), [
    'P-1 | Rod | 10 | 5.00 | 50.00',
    'null | Nut | 10 | 1.00 | 10.00',
  ]);
  assert.deepEqual(read('10   Rod   5   $5.00   $50.00\n20   Nut   5   $1.00   $20.00'), []);
  assert.deepEqual(read('1   On order      $30.00   $30.00\n1   On delivery   $30.00   $30.00'), []);
  assert.deepEqual(read('Rod   Blue   10   $5.00   $50.00\nNut   Red    2   $5.00   $10.00'), []);
});

test('a table may have each of its cells on a line of its own, unless one is missing', () => {
  const read = (cells: readonly string[], between = '\n', indent = '') => {
    const table = ['Item', 'Description', 'Qty', 'Rate', 'Amount', ...cells].join(between);
    const text = `PO Number: 7\n${table}\nTotal\n$56.00`;
    const { fields, warnings } = extractOrder(mail(text.replace(/^/gm, indent)));
    const rows = fields.line_items.map(({ item, description, quantity }) => [item, description, quantity]);
    return [...rows, fields.total, ...warnings.map(({ code }) => code)];
  };
  const [rod, nut] = [
    ['1', 'Rod, blue', '10 pcs', '$5.00', '$50.00'],
    ['2', 'Nut', '6', '$1.00', '$6.00'],
  ];

  for (const [between, indent] of [
    ['\n', ''],
    ['\n\n', ''],
    ['\n', '   '],
  ])
    assert.deepEqual(read([...rod, ...nut], between, indent), [
      ['1', 'Rod, blue', 10],
      ['2', 'Nut', 6],
      '56.00',
    ]);
  assert.deepEqual(read([...rod, ...nut.slice(0, -1), '$7.00']), [
    ['1', 'Rod, blue', 10],
    ['2', 'Nut', 6],
    '56.00',
    'ROW_MISMATCH',
    'TOTAL_MISMATCH',
  ]);
  assert.deepEqual(read([...rod.slice(1), ...nut]), ['56.00']);
  assert.deepEqual(read([...rod, ...nut.slice(1), ...rod]), ['56.00']);
});

test('the same at several prices is an offer, and told', () => {
  const { fields, warnings } = extractOrder(
    mail('PO Number: 7\n\nCap - 10 pcs @ $0.50\nCap - 50 pcs @ $0.40\nNut - 5 pcs @ $1.00'),
  );

  assert.deepEqual(
    fields.line_items.map(({ description }) => description),
    ['Nut'],
  );
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['ROW_UNREAD', 'ROW_UNREAD'],
  );
});

test('sentences, sums and dates are no rows of a list, and not told', () => {
  const lines = [
    'We ordered 10 pcs @ $24.00',
    'Order for 10 pcs bags @ $24.00, as last year.',
    '1. Payment within 30 days, $50 fee if late',
    '- Valid until 5 July, max. $500',
    '- Delivery of 5 boxes on 5.10.2025',
    '- Total: $50.00',
  ];

  for (const line of lines) {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n\n${line}`));
    assert.deepEqual([fields.line_items, warnings], [[], []], line);
  }
});

test('items may be given as lines of label and value, with or without blank lines, numbers and totals', () => {
  const bare = 'Item: Rod, 3 m\nQty: 10 pcs\nUnit price: $2.00\nItem: Nut\nQty: 5\nUnit price: $1.00';
  const numbered = `Item 1\n  Description: Rod, 3 m\n  Qty: 10\n  Price: $2.00\n  Line Total: $20.00
Item 2\n  Description: Nut\n  Qty: 5\n  Price: $1.00\n  Line Total: $5.00`;
  const beside = 'Item: Rod, 3 m, Qty: 10, Price: $2.00\nItem: Nut; Qty: 5; Price: $1.00';
  const apart = 'Item: Rod, 3 m  Qty: 10  Price: $2.00\nItem: Nut  Qty: 5  Price: $1.00';
  const paired =
    'Item: Rod, 3 m  Qty: 10\nPrice: $2.00  Total: $20.00\nItem: Nut  Qty: 5\nPrice: $1.00  Total: $5.00';

  for (const items of [
    bare,
    numbered,
    beside,
    apart,
    paired,
    bare.replace('\nItem: N', '\n\nItem: N'),
    bare.replaceAll(':', '  '),
  ]) {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n\n${items}\nTotal: $25.00`));
    assert.deepEqual(
      fields.line_items.map(({ description, quantity, unit_price }) => [description, quantity, unit_price]),
      [
        ['Rod, 3 m', 10, '2.00'],
        ['Nut', 5, '1.00'],
      ],
      items,
    );
    assert.equal(fields.total, '25.00', items);
    assert.deepEqual(warnings, [], items);
  }
});

test('a label that is not beside the others of an item is none of it', () => {
  const { line_items } = extractOrder(
    mail('PO Number: 7\nDescription: Spare parts\nVendor: Foo\n\nItem: Rod\nQty: 10\nPrice: $2.00'),
  ).fields;

  assert.deepEqual(
    line_items.map(({ item, description }) => [item, description]),
    [[null, 'Rod']],
  );
});

test('lines of label and value may be numbered with what they are, and say when it is due', () => {
  const read = (items: string) => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n${items}\nGrand total: $25.00`));
    const rows = fields.line_items.map((row) => Object.values(row).map(String).join(' | '));
    return [...rows, fields.due_date, ...warnings.map(({ code }) => code)];
  };
  const rows = ['1 | Rod, 3 m | 10 | 2.00 | 20.00', '2 | Nut | 5 | 1.00 | 5.00'];
  const beside = `Line 1: Rod, 3 m
Qty: 10 Case | Price: $2.00 | Amount: $20.00 | Need By: 2025-06-16
Line 2: Nut
Qty: 5 Case | Price: $1.00 | Amount: $5.00 | Need By: 2025-06-16`;
  const below = beside.replaceAll(' | ', '\n');

  assert.deepEqual(read(beside), [...rows, '2025-06-16']);
  assert.deepEqual(read(below), [...rows, '2025-06-16']);
  assert.deepEqual(read(beside.replace('16\n', '17\n')), [...rows, '2025-06-17', 'SEVERAL_VALUES']);
  const { tax, total } = extractOrder(
    mail('PO Number: 7\nItem: Rod, Qty: 10, Price: $5.00, Tax: $4.00, Total: $54.00'),
  ).fields;
  assert.deepEqual([tax, total], ['4.00', '54.00']);
});

test('a title above each item is its description, if that is only known by a code', () => {
  const read = (text: string) => {
    const { fields, warnings } = extractOrder(
      mail(`PO Number: 7\nShip to: Acme, 2 Lane, York\n${text}\nTotal: $23.00`),
    );
    return [
      ...fields.line_items.map(({ item, description }) => `${item} ${description}`),
      fields.ship_to === 'Acme, 2 Lane, York' && warnings.length === 0,
    ];
  };
  const cells = 'SKU: R-10\nQuantity: 10\nUnit price: $2.00\nLine total: $20.00';
  const nut = 'SKU: N-7\nQuantity: 3\nUnit price: $1.00\nLine total: $3.00';

  assert.deepEqual(read(`Rod, matte white\n${cells}\nNut 3 x 12\n${nut}`), [
    'R-10 Rod, matte white',
    'N-7 Nut 3 x 12',
    true,
  ]);
  assert.deepEqual(read(`1. Rod, 3 m\n${cells}\n\n2. Nut\n${nut}`), ['R-10 Rod, 3 m', 'N-7 Nut', true]);
  assert.deepEqual(read(`\nGoods as agreed\n${cells}\n\n${nut}`), ['null R-10', 'null N-7', true]);
  assert.deepEqual(
    read(`\nPlease send these\n${cells.replace('10', '7').replace('20.00', '23.00')}`)[0],
    'null R-7',
  );
  assert.deepEqual(read(`\n1. Rod\n${cells.replace('10', '7').replace('20.00', '23.00')}`)[0], 'R-7 Rod');
  assert.deepEqual(read(`1 Lane\n${cells.replace('10', '7').replace('20.00', '23.00')}`)[0], 'null R-7');
  assert.deepEqual(read(`\nLine 1\n${cells}\nLine 2\n${nut}`), ['null R-10', 'null N-7', true]);
});

test('what is ordered, and its numbers, may stand behind one another by name', () => {
  const { fields, warnings } = extractOrder(
    mail(
      'PO Number: 7\n\nItem 1: Rod, 3 m   Qty: 10   Price: $2.00   Ext: $20.00\nItem 2: Nut, Qty: 3, Price: $1.00\n\nTotal: $23.00',
    ),
  );

  assert.deepEqual(
    fields.line_items.map(({ item, description, quantity }) => [item, description, quantity]),
    [
      ['1', 'Rod, 3 m', 10],
      ['2', 'Nut', 3],
    ],
  );
  assert.deepEqual(warnings, []);
});

test('a numbered line is what is ordered where only numbers stand below it', () => {
  const { fields, warnings } = extractOrder(
    mail(
      'PO Number: 7\n\n1. Rod, 3 m\n   Qty: 10   Unit price: $2.00   Total: $20.00\n2. Nut\n   Qty: 3   Unit price: $1.00   Total: $3.00\n\nOrder total: $23.00',
    ),
  );

  assert.deepEqual(
    fields.line_items.map(({ description, quantity, total }) => [description, quantity, total]),
    [
      ['Rod, 3 m', 10, '20.00'],
      ['Nut', 3, '3.00'],
    ],
  );
  assert.deepEqual(warnings, []);
});

test('what stands beside "Item" in words is what is ordered, whatever its number is called', () => {
  const block = 'Qty: 10\nItem: Rod, 3 m\nItem Number: 889120\nUnit price: $2.00\nLine total: $20.00';

  const { fields, warnings } = extractOrder(mail(`PO Number: 7\n\n${block}\n\nTotal: $20.00`));

  assert.deepEqual(
    fields.line_items.map(({ item, description, quantity }) => [item, description, quantity]),
    [['889120', 'Rod, 3 m', 10]],
  );
  assert.deepEqual(warnings, []);
});

test('a total below the only item is its own if the product says so, and the order’s if there is no other', () => {
  const totals = (below: string) => {
    const { fields, warnings } = extractOrder(
      mail(`PO Number: 7\nItem: Rod\nQty: 10\nUnit price: $2.00\n${below}`),
    );
    return [fields.line_items[0]?.total ?? null, fields.total, warnings.length];
  };

  assert.deepEqual(totals('Total: $20.00'), ['20.00', '20.00', 0]);
  assert.deepEqual(totals('Total: $20.00\n\nTax: $1.00\nTotal: $21.00'), ['20.00', '21.00', 0]);
  assert.deepEqual(totals('Tax: $1.00\nTotal: $21.00'), [null, '21.00', 0]);
  assert.deepEqual(totals('Net: $21.00\nTax: $1.00\nGross: $22.00'), [null, '22.00', 1]);
});

test('prices that could be thousands or have three decimals are in doubt if neither a product nor a sum tells', () => {
  const read = (row: string, below = '') => {
    const { fields, warnings } = extractOrder(mail(`PO Number: 7\n\n${HEADING}${row}\n${below}`));
    const doubts = warnings.map(({ code, field }) => `${code} ${field}`);
    return [fields.line_items[0]?.unit_price, ...doubts].join(', ');
  };

  assert.equal(read('1  Rod  1  1.125  1.125'), '1125.00, VALUE_AMBIGUOUS line_items');
  assert.equal(read('1  Rod  1  1,125  1,125'), '1125.00, VALUE_AMBIGUOUS line_items');
  assert.equal(read('1  Rod  1  $1,125  $1,125'), '1125.00');
  assert.equal(read('1  Rod  1.000  3  3.000'), '3.00, VALUE_AMBIGUOUS line_items');
  assert.equal(read('1  Rod  1.000  3  3000'), '3.00');
  assert.equal(read('1  Rod  1  1.125  1.125', '\nTotal: 1125'), '1125.00');
  assert.equal(read('1  Rod  1  1.125  1.125', '\nTotal: 5.00'), '1.125, TOTAL_MISMATCH total');
  assert.equal(read('1  Rod  4  0,125  0,500'), '0.125');
});
