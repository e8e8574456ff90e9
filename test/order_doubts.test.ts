import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractOrder } from '../src/purchase_order/extract.ts';
import type { OrderFields } from '../src/purchase_order/order.ts';
import { mail } from './support/order_mail.ts';

/*
 * What could be read wrongly: it is read rightly, or not at all, or with a doubt that calls a person.
 */

const HEAD = 'PO Number: A-100\nVendor: Foo Ltd\nDue Date: 2025-07-15';
const OLDER = 'Total: $99.00\nPayment Terms: Net 90';

interface Case {
  readonly text: string;
  readonly subject?: string;
  readonly fields: Partial<OrderFields>;
  /** Which fields are in doubt, and how. */
  readonly warnings?: readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  'labels in a row name the columns below, also beside one that we do not know': {
    text: 'PO Number    Vendor     Plant    Due Date\nA-100        Foo Ltd    Leeds    2025-07-15',
    fields: { po_number: 'A-100', vendor: 'Foo Ltd', due_date: '2025-07-15' },
  },
  'so does one label alone, if there are digits below them only': {
    text: 'PO Number: A-1\n\nBudget   Terms    Memo\n5/2024   Net 30   Pilot build',
    fields: { payment_terms: 'Net 30' },
  },
  'what stands below labels may be a word that is one': {
    text: 'PO Number: A-1\n\nTerms     Account    Ship Via\nNet 30    4711       Freight',
    fields: { payment_terms: 'Net 30', shipping: null },
  },
  'and what stands beside it there is not its value': {
    text: 'PO Number: A-1\n\nShip Via   F.O.B.        Terms    Requisitioner\nUPS        Destination   Net 30   R. Roe',
    fields: { payment_terms: 'Net 30', ship_to: null },
  },
  'behind several labels in a row, another name is no value': {
    text: 'PO Number: A-1\n\nShip Via   F.O.B.   Terms     Confirm To\n           Leeds    Net 30    R. Roe',
    fields: { payment_terms: 'Net 30' },
  },
  'nor is one with a colon in the next column': {
    text: `${HEAD}\nShip To:                Supplier's Inv No:\nAcme                    Promised:  soon\n1 Road, Leeds\n\nPayment Terms:   Reference:   44`,
    fields: { ship_to: 'Acme, 1 Road, Leeds', payment_terms: null },
  },
  'but one of the parts of an address is, with what stands behind it': {
    text: 'PO Number: A-1\nVendor:    Name:     Foo Ltd\n\nShip to:   Attn:     Jo\n           Street:   1 Road',
    fields: { vendor: 'Foo Ltd', ship_to: 'Attn: Jo, Street: 1 Road' },
  },
  'terms may have a code, a vendor has a number, and where to look for an address is none': {
    text: 'PO Number: A-1\nBuy-from Vendor No. 61000\nOrder Date 2025-06-10\nPayment Terms Code: 30 DAYS\nShip To: Use the ship-to address at the top of page 1',
    fields: { vendor: null, payment_terms: '30 DAYS', ship_to: null },
  },
  'the name of a vendor is another one than its number, in whatever order they stand': {
    text: 'PO Number: A-1\nVendor: 0000100482\nVendor name: Foo Ltd',
    fields: { vendor: 'Foo Ltd' },
  },
  'nor is a vendor called as the person who is to read it': {
    text: 'PO Number: A-1\nVendor:\nAttn: Mary Poole\nFoo Ltd\n1 Road, Leeds',
    fields: { vendor: 'Foo Ltd' },
  },
  'also in columns': {
    text: 'PO Number: A-1\n\nVENDOR              SHIP TO\nAttn: Mary Poole    Acme\nFoo Ltd             2 Lane\n1 Road              Leeds LS1 4AB',
    fields: { vendor: 'Foo Ltd' },
  },
  'and without another name, there is none': {
    text: 'PO Number: A-1\nVendor: Attn: Mary Poole',
    fields: { vendor: null },
  },
  'it is no address that it is the same as another': {
    text: `${HEAD}\nBill To: Acme, 1 Road, Leeds\nShip To: Same as bill-to`,
    fields: { ship_to: null },
  },
  'the name of a field is no value of another': {
    text: 'PO No. A-1 Date 3 Feb 2026\nSupplier Deliver to\nFoo Ltd Acme\n1 Road 2 Lane',
    fields: { po_number: 'A-1', vendor: null },
  },
  'a text below two labels may be that of either': {
    text: 'PO Number: A-1\n\nVendor: Ship To:\nFoo Ltd Acme\n1 Road 2 Lane\n\nTotal: $5.00',
    fields: { vendor: 'Foo Ltd Acme', ship_to: 'Foo Ltd Acme, 1 Road 2 Lane' },
    warnings: ['VALUE_AMBIGUOUS vendor', 'VALUE_AMBIGUOUS ship_to'],
  },
  'where all items go counts as much as where to deliver them, and comes first': {
    text: `${HEAD}\nShip All Items To   Bill To    Deliver To\nAcme                Acme AP    R. Roe\n2 Lane              PO Box 9   Lab 4`,
    fields: { ship_to: 'Acme, 2 Lane' },
  },
  'a day that is estimated or promised counts only if no other is named': {
    text: 'PO Number: A-1\nEst. delivery date: 2025-07-12\nDelivery date: 2025-07-15',
    fields: { due_date: '2025-07-15' },
  },
  'what is needed on one day and due on another is perhaps paid then': {
    text: 'PO Number: A-1\nTerms    Due Date     Receive By\nNet 30   2025-07-31   2025-07-15',
    fields: { due_date: '2025-07-31' },
    warnings: ['SEVERAL_VALUES due_date'],
  },
  'also where that is called the day of delivery': {
    text: 'PO Number: A-1\nDue Date: 2025-07-31\nDelivery Date: 2025-07-15',
    fields: { due_date: '2025-07-31' },
    warnings: ['SEVERAL_VALUES due_date'],
  },
  'what stands beside a date’s label and is none is the next column, if a day stands below': {
    text: 'PURCHASE ORDER   Purchase Order Date     Acme Ltd\n                 3 Jul 2025              PO Box 1190\nFoo Ltd          Delivery Date           Leeds\n                 17 Jul 2025\n\nTotal: $5.00',
    fields: { order_date: '2025-07-03', due_date: '2025-07-17' },
  },
  'when an order was written down counts no more than its date': {
    text: `${HEAD}\nDate: 2025-06-10\nCreated: 2025-05-02`,
    fields: { order_date: '2025-06-10' },
    warnings: ['SEVERAL_VALUES order_date'],
  },
  'when work is complete counts no more than a delivery': {
    text: `PO Number: 1\nDelivery Date: 2025-06-30\nCompletion Date: 2025-12-31`,
    fields: { due_date: '2025-06-30' },
    warnings: ['SEVERAL_VALUES due_date'],
  },
  'a day that is another one of the week than is said could be either': {
    text: 'PO Number: A-1\nOrder Date: Monday, 2 June 2025\nDue Date: Friday 12 June 2025',
    fields: { order_date: '2025-06-02', due_date: '2025-06-12' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'also where that stands behind it': {
    text: 'PO Number: A-1\nOrder Date: 2 June 2025, Mon\nDue Date: 12.06.2025 (Friday)',
    fields: { order_date: '2025-06-02', due_date: '2025-06-12' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'of two columns of days, neither is the due date': {
    text: 'PO Number: 1\nItem  Description  Required    Delivery    Qty  Price  Total\n1     Bracket      2025-06-30  2025-07-15  10   5.00   50.00',
    fields: { due_date: null },
  },
  'what stands in several columns below names that are not kept apart may be that of either': {
    text: `PO Number: 1\nShip To: Bill To:\nFig Co.    Fig Holdings\n1 Road     PO Box 7`,
    fields: { ship_to: 'Fig Co. Fig Holdings, 1 Road PO Box 7' },
    warnings: ['VALUE_AMBIGUOUS ship_to'],
  },
  'of two prices, either may be meant where no total tells': {
    text: `${HEAD}\nItem  Description  Qty  List Price  Net Price\n1     Rod          60   5.00        4.50`,
    fields: { total: null },
    warnings: ['COLUMN_UNKNOWN line_items'],
  },
  'a row that says it is an option may not be ordered': {
    text: `${HEAD}\nItem  Description       Qty  Price  Total\n1     Rod               10   5.00   50.00\n2     Stand (optional)  1    80.00  80.00`,
    fields: { total: null },
    warnings: ['ROW_NOT_ORDERED line_items'],
  },
  'a number behind the price is no price, and told': {
    text: 'PO Number: A-1\nDescription Qty Price\nRod 10 5.00 14',
    fields: { line_items: [] },
    warnings: ['ROW_UNREAD line_items'],
  },
  'nor is an amount a quantity, even if the product is right': {
    text: 'PO Number: A-1\nDescription Qty Price Total\nRod $5.00 $1.00 $5.00',
    fields: { line_items: [] },
    warnings: ['ROW_UNREAD line_items'],
  },
  'a quantity that has to be calculated is not read': {
    text: `${HEAD}\nItem  Description  Qty     Unit Price\n1     Rod          50 + 5  5.00\n2     Nut          2 x 20  5.00\n3     Cap          2k      5.00`,
    fields: { line_items: [] },
    warnings: ['ROW_UNREAD line_items', 'ROW_UNREAD line_items', 'ROW_UNREAD line_items'],
  },
  'items without prices are doubted where a total is stated': {
    text: 'PO Number: 1\nTotal: $500.00\n\nDocuments required:\nNo  Description         Qty\n1   Commercial invoice  3\n2   Packing list        2',
    fields: { total: '500.00' },
    warnings: ['ROWS_WITHOUT_PRICES line_items'],
  },
  'a row without a total counts as quantity × price, as one piece if it says no quantity, and as nothing without a price':
    {
      text: `${HEAD}\nDescription  Qty  Price\nRod  10  $5.00\nNut  3  free\nSetup  –  $4.00\nTotal: $54.00`,
      fields: { total: '54.00' },
    },
  'so a row that is lost is noticed, also where the rows have no totals': {
    text: `${HEAD}\nDescription  Qty  Price\nRod  10  $5.00\n\nand the usual caps\nTotal: $65.00`,
    fields: { total: '65.00' },
    warnings: ['TOTAL_MISMATCH total'],
  },
  'a row without its number is told, and no more of the description above': {
    text: 'PO Number: 1\nItem  Description  Qty\n1     Bracket      10\n2     Bolt\n3     Nut          30',
    fields: { total: null },
    warnings: ['ROW_UNREAD line_items'],
  },
  'an instalment is no item, and told': {
    text: `${HEAD}\nPayable in instalments: 4 x $125.00 = $500.00`,
    fields: { line_items: [] },
    warnings: ['ROW_UNREAD line_items'],
  },
  'amounts in another currency than the order’s are told': {
    text: `${HEAD}\nCurrency: CAD\nItem  Description  Qty  Price  Total\n1  Rod  10  $5.00  $50.00\nTotal: €50.00`,
    fields: { currency: 'CAD' },
    warnings: ['VALUES_DIFFER currency'],
  },
  'so are items in another one than the total': {
    text: `${HEAD}\nItem  Description  Qty  Price USD  Total USD\n1  Rod  10  5.00  50.00\nTotal: EUR 50.00`,
    fields: { currency: 'EUR' },
    warnings: ['VALUES_DIFFER currency'],
  },
  'a ¥ is a yen, unless another is named': {
    text: `${HEAD}\nCurrency: CNY\nTotal: ¥50.00`,
    fields: { currency: 'CNY' },
  },
  'what insurance has to cover is in no currency of the order': {
    text: 'PO Number: 1\nTotal: 500.00\nSupplier shall carry insurance in minimum amounts in USD 1,000,000.',
    fields: { currency: null },
  },
  'an abbreviation does not end an address': {
    text: 'PO Number: 1\nShip To: Acme Ltd, Plot 5, Opp. Hi Tech City, Hyderabad 500081',
    fields: { ship_to: 'Acme Ltd, Plot 5, Opp. Hi Tech City, Hyderabad 500081' },
  },
  'several days below it are those of a table': {
    text: 'PO Number: A-1\n\nDate         Hours   Work\n2025-07-01   10      Drawing\n2025-07-02   5       Drawing',
    fields: { order_date: null },
  },
  'several below a name of columns of items are those of the items': {
    text: 'PO Number: A-1\n\nDelivery Date   Description   Qty\n2025-07-01      Rod           10\n2025-07-02      Bar           10',
    fields: { due_date: null },
  },
  'with a colon, it is no column': {
    text: 'PO Number: A-1\nDue Date:   as soon as you can\n17 Jul 2025',
    fields: { due_date: null },
  },
  'an empty cell between pipes moves nothing': {
    text: '| PO Number | Due Date | Order Date |\n|---|---|---|\n| A-100 |  | 2025-06-02 |',
    fields: { po_number: 'A-100', due_date: null, order_date: '2025-06-02' },
  },
  'a label with nothing beside it is not filled with a greeting': {
    text: 'PO Number: A-1\nVendor:\n\nThank you and best regards\nJo',
    fields: { vendor: null },
  },
  'what remains to be paid is not the total': {
    text: `${HEAD}\nTotal: $12,500.00\nDeposit paid: $2,500.00\nBalance due: $10,000.00`,
    fields: { total: '12500.00' },
  },
  'what follows an amount under a name of its own is another matter': {
    text: `${HEAD}\nSubtotal: 100.00    Handling: 20.00\nShipping: 20.00   Weight: 512.50 kg\nTotal: 120.00, deposit 50.00 due`,
    fields: { subtotal: '100.00', shipping: '20.00', total: '120.00' },
  },
  'also where the amount has no decimals': {
    text: `${HEAD}\nTotal: 500, deposit 80.50`,
    fields: { total: '500.00' },
    warnings: ['VALUE_AMBIGUOUS total'],
  },
  'before an amount may stand how many pieces there are, and behind it how much they weigh': {
    text: `${HEAD}\nSubtotal: 1,080 pcs   15,834.00\nTotal   15,834.00 / 512.50 kg`,
    fields: { subtotal: '15834.00', total: '15834.00' },
  },
  'of two amounts side by side, either could be meant': {
    text: `${HEAD}\nTax 10 %   200.00   20.00\nShipping: 20.00 / 30.00\nTotal   1,080   15,834.00   39.99`,
    fields: { tax: '20.00', shipping: '30.00', total: '39.99' },
    warnings: ['VALUE_AMBIGUOUS shipping', 'VALUE_AMBIGUOUS total'],
  },
  'what else is charged counts if the total is right with it': {
    text: 'PO Number: A-1\nSubtotal: $100.00\nFuel surcharge: $6.00\nPallet charges: $4.00\nFreight: $20.00\nTax: $5.00\nTotal: $135.00',
    fields: { subtotal: '100.00', shipping: '20.00', tax: '5.00', total: '135.00' },
  },
  'and not if it is right without it': {
    text: 'PO Number: A-1\nSubtotal: $100.00\nTotal: $100.00\nService charge: $6.00',
    fields: { subtotal: '100.00', shipping: null, total: '100.00' },
  },
  'nor if it is wrong with it, too': {
    text: 'PO Number: A-1\nSubtotal: $100.00\nHandling: $6.00\nTotal: $107.00',
    fields: { subtotal: '100.00', shipping: null, total: '107.00' },
    warnings: ['TOTAL_MISMATCH total'],
  },
  'a total before tax is a subtotal': {
    text: `${HEAD}\nGrand total (net): EUR 9.000,00\nVAT: EUR 1.710,00\nTotal: EUR 10.710,00`,
    fields: { subtotal: '9000.00', total: '10710.00' },
  },
  'the value of an order and a total that differ are told': {
    text: `${HEAD}\nOrder value: $450.00\nTax: $50.00\nTotal: $500.00`,
    fields: { total: '500.00' },
    warnings: ['SEVERAL_VALUES total'],
  },
  'what is called off from a blanket order is another order': {
    text: 'Blanket PO Number: 9000\nRelease PO Number: A-100',
    fields: { po_number: '9000' },
    warnings: ['SEVERAL_VALUES po_number'],
  },
  'a label that is a part of a longer one is doubted': {
    text: 'PO Number: A-1\nOriginal due date: 2025-07-01\nDear supplier: please deliver.',
    fields: { due_date: '2025-07-01' },
    warnings: ['VALUE_AMBIGUOUS vendor', 'VALUE_AMBIGUOUS due_date'],
  },
  'what held before the order was changed counts only if nothing else is said': {
    text: 'PO Number: A-1\nPrevious Due Date: 2025-07-01\nNew Due Date: 2025-07-15\nOrder date (original): 2025-05-01\nOrder date (revised): 2025-06-01',
    fields: { due_date: '2025-07-15', order_date: '2025-06-01' },
  },
  'what holds since then counts before what names no change, and both are told if they differ': {
    text: 'PO Number: A-1\nDue Date: 2025-07-01\nRevised Due Date: 2025-07-15\nSubtotal: $942.00\nTotal: $942.00\nNew Total: $632.00',
    fields: { due_date: '2025-07-15', total: '632.00' },
    warnings: ['SEVERAL_VALUES due_date', 'SEVERAL_VALUES total', 'TOTAL_MISMATCH total'],
  },
  'what held before it is doubted if nothing else is said': {
    text: 'PO Number: A-1\nOrder date (original): 2025-05-01',
    fields: { order_date: '2025-05-01' },
    warnings: ['VALUE_AMBIGUOUS order_date'],
  },
  'what is cancelled is told, in whatever words': {
    text: `${HEAD}\nItem  Description  Qty  Price  Total  Status\n1  Rod  10  $5.00  $50.00  CANCELLED`,
    subject: 'Cancellation of order A-100',
    fields: { po_number: 'A-100' },
    warnings: ['CANCELLED null', 'CANCELLED null'],
  },
  'what a sentence changes is told': {
    text: `${HEAD}\nTotal: $5.00\n\nNote: please increase item 1 to 60 pieces.`,
    fields: { total: '5.00' },
    warnings: ['CHANGED null'],
  },
  'also a day that it names instead of another': {
    text: `${HEAD}\nTotal: $5.00\n\nWe need them by 23 June rather than the 30th.`,
    fields: { total: '5.00' },
    warnings: ['CHANGED null'],
  },
  'but not that something else is to be done, as terms say': {
    text: `${HEAD}\nTotal: $5.00\n\nQuote our number 4711 on invoices instead of the number of the quotation.`,
    fields: { total: '5.00' },
  },
  'and what is now, or moved': {
    text: `The delivery date has moved to 4 July.\n\n${HEAD}\nTotal: $5.00\n\nWe have moved to 12 Lane, Leeds.`,
    fields: { total: '5.00' },
    warnings: ['CHANGED null'],
  },
  'but not that something may be changed': {
    text: `${HEAD}\nTotal: $5.00\n\nQuantities are subject to change. Prices may not be changed without notice. Ship boxes instead of pallets.`,
    fields: { total: '5.00' },
  },
  'a limit is perhaps no amount of the order': {
    text: `${HEAD}\nFreight: prepaid, max. 75.00\nTotal: $500.00`,
    fields: { shipping: '75.00' },
    warnings: ['VALUE_AMBIGUOUS shipping'],
  },
  'so is what it has to be above, and an estimate': {
    text: `${HEAD}\nFreight: free over $200.00\nTotal: approx. $500.00`,
    fields: { shipping: '200.00', total: '500.00' },
    warnings: ['VALUE_AMBIGUOUS shipping', 'VALUE_AMBIGUOUS total'],
  },
  'an amount of each month is none of the whole': {
    text: `${HEAD}\nTotal: USD 250.00 per month`,
    fields: { total: '250.00' },
    warnings: ['VALUE_AMBIGUOUS total'],
  },
  'the day of a part is perhaps none of the others': {
    text: 'PO Number: A-1\nDue Date: 2025-06-30 (line 1)\n          2025-07-15 (line 2)',
    fields: { due_date: '2025-06-30' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'what stands above a table may say that its items are not ordered': {
    text: `${HEAD}\nItem  Description  Qty  Price  Total\n1     Rod          10   5.00   50.00\n\nItems of our last order:\n\nItem  Description  Qty  Price  Total\n1     Nut          10   8.00   80.00`,
    fields: { total: null },
    warnings: ['ROW_NOT_ORDERED null'],
  },
  'but not what is said for information, and above no table': {
    text: `${HEAD}\nFor information, this repeats our last order.\nThank you`,
    fields: { po_number: 'A-100' },
  },
  'so is a document of another kind that names the order': {
    text: `Sales Order Confirmation\n\n${HEAD}`,
    subject: 'RE: Invoice 771 for order A-100',
    fields: { po_number: 'A-100' },
    warnings: ['NOT_A_PURCHASE_ORDER null', 'NOT_A_PURCHASE_ORDER null'],
  },
  'but not what only speaks of one': {
    text: `${HEAD}\nInvoice to: Acme, York\nOrder confirmation by fax please.`,
    subject: 'Order A-100, invoice in two copies',
    fields: { po_number: 'A-100' },
  },
  'a request to cancel, too': {
    text: `${HEAD}\nPlease cancel the second line.`,
    fields: {},
    warnings: ['CANCELLED null'],
  },
  'but not what may be': {
    text: `${HEAD}\nOrders that are late may be cancelled.\nWe may cancel at any time; a cancelled order is not paid for.`,
    fields: {},
  },
  'labels within a sentence, and those that follow on its line, are not': {
    text: 'Hi, PO Number: A-1 Vendor: Foo Ltd Due Date: 2025-07-01 and the total: $5.00',
    fields: { po_number: 'A-1', due_date: '2025-07-01', total: '5.00' },
  },
  'labels that were run together count like the first on their line': {
    text: 'PO Number: A-1 Due Date: 2025-07-01\nIf you cannot meet the due date: 2025-07-09 at the latest.',
    fields: { due_date: '2025-07-01' },
  },
  'what stands below a label within a sentence is not its value': {
    text: 'PO Number: A-1\nWe will tell you the vendor:\nFoo Ltd is our usual one',
    fields: { vendor: null },
  },
  'nor are several cells that of a label alone above them': {
    text: 'PO Number: A-1\nVendor:\nFoo Ltd      Bar Inc',
    fields: { vendor: null },
  },
  'a quantity is no order number': {
    text: 'Order: 500 pcs Rod',
    subject: 'PO 4500123456',
    fields: { po_number: '4500123456' },
  },
  'a number behind "purchase order" is one, whatever follows': {
    text: 'Purchase Order: 4711 dated 2 June 2025',
    fields: { po_number: '4711' },
  },
  'a year behind it is doubted': {
    text: 'PURCHASE ORDER 2025\nVendor: Foo',
    fields: { po_number: '2025' },
    warnings: ['VALUE_AMBIGUOUS po_number'],
  },
  'nor how much is ordered in the subject': {
    text: 'Vendor: Foo',
    subject: 'Order 1200 units',
    fields: { po_number: null },
  },
  'an order number with blanks is doubted': {
    text: 'PO Number: 4500 123 456',
    fields: { po_number: '4500' },
    warnings: ['VALUE_AMBIGUOUS po_number'],
  },
  'so is one that is followed by another': {
    text: 'PO Numbers: 77120, 77121',
    fields: { po_number: '77120' },
    warnings: ['VALUE_AMBIGUOUS po_number'],
  },
  'and another number below, whatever it is called': {
    text: 'PO Number: 77120\nTotal: $5.00\n\nPurchase Order: 77121\nTotal: $5.00',
    fields: { po_number: '77120' },
    warnings: ['SEVERAL_VALUES po_number'],
  },
  'but not the same with PO in front': {
    text: 'PO Number: 77120\nPurchase Order: PO-77120',
    fields: { po_number: '77120' },
  },
  'also in the subject': {
    text: 'Vendor: Foo',
    subject: 'Re: PO 4711 and PO 4712',
    fields: { po_number: '4711' },
    warnings: ['VALUE_AMBIGUOUS po_number'],
  },
  'another order number in the subject is told': {
    text: HEAD,
    subject: 'Purchase Order B-200',
    fields: { po_number: 'A-100' },
    warnings: ['VALUES_DIFFER po_number'],
  },
  'what the subject is called off from is not the number of the order': {
    text: 'Vendor: Foo Ltd',
    subject: 'Release 12 against blanket order 4600001220',
    fields: { po_number: null },
  },
  'the same with PO in front is not another': { text: HEAD, subject: 'New order PO-a-100', fields: {} },
  'times and weights do not decide what a point in an amount means': {
    text: `${HEAD}\nHours: 07.30 - 16.00\nTotal: EUR 12.500`,
    fields: { total: '12500.00' },
    warnings: ['VALUE_AMBIGUOUS total'],
  },
  'amounts with a currency do': {
    text: `${HEAD}\nWeight: 12.50 kg\nTotal: EUR 1.234,50`,
    fields: { total: '1234.50' },
  },
  'an amount with three decimals is doubted': {
    text: `${HEAD}\nShipping: $0.50\nTotal: $12.500`,
    fields: { total: '12.500' },
    warnings: ['VALUE_AMBIGUOUS total'],
  },
  'but not in a currency of a thousand parts': {
    text: `${HEAD}\nItem  Description  Qty  Price  Total\n1  Rod  1  100.125  100.125\nSubtotal: 100.125\nTotal: KWD 100.125`,
    fields: { subtotal: '100.125', total: '100.125', currency: 'KWD' },
  },
  'in another, they are thousands all the same': {
    text: `${HEAD}\nTotal: EUR 2.500\n(about KWD 833.250)`,
    fields: { total: '2.500' },
    warnings: ['VALUE_AMBIGUOUS total'],
  },
  'nor is every company "Bhd" one': {
    text: 'PO Number: A-1\nVendor: FOO SDN BHD 1.250 Ltd\nTotal: 1.250',
    fields: { currency: null, total: '1250.00' },
    warnings: ['VALUE_AMBIGUOUS total'],
  },
  'a date that is replaced by another is doubted': {
    text: 'PO Number: A-1\nDue Date: 2025-07-01 -> 2025-07-15',
    fields: { due_date: '2025-07-01' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'so is one for a part of the order': {
    text: 'PO Number: A-1\nDue Date: 16 July 2025 for 50 pcs, 20 August 2025 for the rest',
    fields: { due_date: '2025-07-16' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'and one that may begin with its year': {
    text: 'PO Number: A-1\nDue Date: 25-06-30',
    fields: { due_date: '2030-06-25' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'a month in letters tells which number is the year': {
    text: 'PO Number: A-1\nDue Date: 15-JUL-25',
    fields: { due_date: '2025-07-15' },
  },
  'the number of an account is no amount': {
    text: `${HEAD}\nVAT: 123456789\nShipping: 123456\nTotal: $5.00`,
    fields: { tax: null, shipping: null, total: '5.00' },
  },
  'a currency may stand with the label, or be written out': {
    text: `${HEAD}\nSubtotal: 1.234,50 Euro\nTotal (EUR): 1.234,50`,
    fields: { total: '1234.50', currency: 'EUR' },
  },
  'else it is that of the total, where this stands once more': {
    text: `${HEAD}\nOrdered   1,234.50 USD\nTotal: 1,234.50`,
    fields: { total: '1234.50', currency: 'USD' },
  },
  'and not that of another amount': {
    text: `${HEAD}\nWe paid EUR 4.00.\nTotal: 1,234.50`,
    fields: { currency: null },
  },
  'what tax is called and how high it is, a rate of discount and a minus of any kind are no other matter': {
    text: `${HEAD}\nUntaxed Amount   $100.00\nLess 5% discount   −$5.00\nIGST @ 18%   $18.00\nTotal (inc GST) AUD   $113.00`,
    fields: { subtotal: '100.00', tax: '18.00', total: '113.00', currency: 'AUD' },
  },
  'a discount may bear its rate behind its name': {
    text: `${HEAD}\nSubtotal   $100.00\nWholesale discount (5%)   -$5.00\nTotal   $95.00`,
    fields: { subtotal: '100.00', total: '95.00' },
  },
  'two taxes are told, and not added, if the total does not prove them': {
    text: `${HEAD}\nSubtotal   $100.00\nGST 5%   $5.00\nPST 7%   $7.00\nTotal   $113.00`,
    fields: { tax: '7.00', total: '113.00' },
    warnings: ['SEVERAL_VALUES tax', 'TOTAL_MISMATCH total'],
  },
  'a rate behind "terms" belongs to them': {
    text: `${HEAD}\nTERMS  2% 10 NET 30`,
    fields: { payment_terms: '2% 10 NET 30' },
  },
  'sums may be larger than what is read': {
    text: `${HEAD}\nSubtotal: $900,000,000,000.00\nTax: $200,000,000,000.00\nTotal: $5.00`,
    fields: { total: '5.00' },
    warnings: ['TOTAL_MISMATCH total'],
  },
  'what a German Outlook quotes is not the order': {
    text: `${HEAD}\n\nVon: Jo\nGesendet: Montag\nAn: x\nCc: y\nWichtigkeit: Hoch\nKategorien: -\nBetreff: Bestellung\n\n${OLDER}`,
    fields: { total: null, payment_terms: null },
  },
  'nor what a Dutch or French one does': {
    text: `${HEAD}\n\nOp ma 2 jun 2025 schreef Jo <jo@x.example>:\n\n${OLDER}\n\nDe : Jo\nEnvoyé : lundi\nÀ : x\nObjet : commande\n\n${OLDER}`,
    fields: { total: null, payment_terms: null },
  },
  'nor what an English program introduces over three lines': {
    text: `${HEAD}\n\nOn Mon, 2 June 2025 at 10:00,\nJo Somebody\n<jo@a.example> wrote:\n\n${OLDER}`,
    fields: { total: null, payment_terms: null },
  },
  'nor what a Spanish, Italian or Portuguese one does': {
    text: `${HEAD}\n\nDe: Ana\nEnviado el: lunes\nPara: x\nAsunto: pedido\n\n${OLDER}\n\nIl giorno lun 2 giu 2025 Ana <a@x.example> ha scritto:\n\n${OLDER}\n\n-----Mensagem original-----\n${OLDER}`,
    fields: { total: null, payment_terms: null },
  },
  'what stands in the columns of a table that we do not know is nobody’s value, and told': {
    text: `${HEAD}\n\nRoom    Nights   Due      Total\nDouble  3        5 May    900.00\nSingle  2        6 May    800.00`,
    fields: { total: null, due_date: '2025-07-15', line_items: [] },
    warnings: ['ROW_UNREAD line_items', 'ROW_UNREAD line_items'],
  },
  'a number may follow the point of its label': {
    text: 'PO No.4711 dated 2025-06-01\nVendor: Foo',
    fields: { po_number: '4711' },
  },
  'what kind of order it is, or whose, says nothing against its number': {
    text: 'Blanket Purchase Order: 9000456\nCust. PO #: 9000456\nRef. PO: 9000456',
    fields: { po_number: '9000456' },
  },
  'a number that goes on behind a stroke is doubted': {
    text: 'PO Number: PO 2025 - 118',
    fields: { po_number: '2025' },
    warnings: ['VALUE_AMBIGUOUS po_number'],
  },
  'the date behind it is none of it': {
    text: 'PO number/date\n4500017066 / 12.06.2025',
    fields: { po_number: '4500017066', order_date: '2025-06-12' },
  },
  'a number with a blank behind its letters is doubted': {
    text: 'LPO No.: AL 2291\nVendor: Foo\nPO BOX 118',
    fields: { po_number: 'AL 2291' },
    warnings: ['VALUE_AMBIGUOUS po_number'],
  },
  'a total may say who pays for the way': {
    text: `${HEAD}\nTotal CIF Yokohama    US$30,960.00`,
    fields: { total: '30960.00', currency: 'USD' },
  },
  'a net value, and the total of a tax, are what they say': {
    text: `${HEAD}\nTotal net value excl. tax  GBP   2.650,00\nTax Total   0,00`,
    fields: { subtotal: '2650.00', tax: '0.00' },
  },
  'net and gross are sums where an amount stands behind them, and nothing where days or a weight do': {
    text: `${HEAD}\nPayment Terms    Net 30\nNet weight: 12.50\nMerchandise: £50.00\nDescription  Qty  Price  Total\nRod  10  £5.00  £50.00\nNet  £50.00\nVAT  £10.00\nGross  £60.00`,
    fields: { payment_terms: 'Net 30', subtotal: '50.00', tax: '10.00', total: '60.00' },
  },
  'a total says whether it contains what may be added': {
    text: `${HEAD}\nTotal price excl. VAT: £100.00\nplus VAT   £20.00\nplus freight   £5.00\nTotal incl. freight: £125.00`,
    fields: { subtotal: '100.00', tax: '20.00', shipping: '5.00', total: '125.00' },
  },
  'so it does where the tax bears its rate': {
    text: `${HEAD}\nTotal before 7% sales tax: $100.00\nSales tax: $7.00\nTotal incl. 7% tax: $107.00`,
    fields: { subtotal: '100.00', tax: '7.00', total: '107.00' },
  },
  'a rate of a tax that is included is no tax': {
    text: `${HEAD}\nGrand total inclusive of 20% VAT: £220.00`,
    fields: { tax: null, total: '220.00' },
  },
  'nor is that of one to be added': {
    text: `${HEAD}\nNet total: £100.00 plus 20% VAT\nTotal plus 20% VAT: £120.00`,
    fields: { subtotal: '100.00', tax: null, total: null },
  },
  'what is added to a total is not what stands beside it': {
    text: `${HEAD}\nTotal plus VAT: £110.00\nTotal not incl. freight: £105.00\nUnit cost excl. tax: £1.00`,
    fields: { tax: null, shipping: null, total: null },
  },
  'a label for something is doubted': {
    text: 'PO Number: A-1\nFor the supplier: deliver early\nMethod of payment: Visa',
    fields: { vendor: 'deliver early', payment_terms: 'Visa' },
    warnings: ['VALUE_AMBIGUOUS vendor', 'VALUE_AMBIGUOUS payment_terms'],
  },
  'a day alone is no terms of payment': {
    text: `${HEAD}\nDue date for payment: 20 September 2025`,
    fields: { due_date: '2025-07-15', payment_terms: null },
  },
  'a number may stand above the name of a supplier': {
    text: 'PO Number: A-1\nVendor:\n100482\nFoo Ltd\n1 Road',
    fields: { vendor: 'Foo Ltd' },
  },
  'it may also stand beside the label': {
    text: 'PO Number: A-1\nVendor: 100482\n        Foo Ltd\n        1 Road\nDue Date: 2025-10-31',
    fields: { vendor: 'Foo Ltd' },
  },
  'a number is all that is known of a supplier without a name': {
    text: 'PO Number: A-1\nVendor: 100482\nDue Date: 2025-10-31',
    fields: { vendor: '100482' },
  },
  'a total after a discount may still lack the tax': {
    text: 'PO Number: A-1\nTotal after discount: $90.00\nTax: $9.00\nAmount due: $99.00',
    fields: { total: '99.00' },
    warnings: ['SEVERAL_VALUES total'],
  },
  'the date of something else is not that of the order': {
    text: 'PO Number: A-1\nEvent date: 2025-07-19\nCancel by date: 2025-07-01',
    fields: { order_date: null, due_date: null },
  },
  'nor is that of a signature, below it or beside it': {
    text: 'PO Number: A-1\nDate: 2025-06-02\n\nApproved by: R. Roe\nTitle: Partner\nDate: 2025-06-03\n\nAuthorized Signature   R. Roe   Date: 2025-06-04',
    fields: { order_date: '2025-06-02' },
  },
  'also where no other is named': {
    text: 'PO Number: A-1\n\nSigned: ______\n\nDate: 2025-06-03\n\n\nDate / Signature: 2025-06-03',
    fields: { order_date: null },
  },
  'a day beside it that has a name is what it is called': {
    text: 'PO Number: A-1\nApproved by: J. Doe   Delivery Date: 2025-07-15\nVendor: Foo Ltd',
    fields: { due_date: '2025-07-15', vendor: 'Foo Ltd' },
  },
  'but below a word that only sounds like one it is': {
    text: 'PO Number: A-1\nSignature Homes Ltd\nAccepted cards: Visa\nDate: 2025-06-02',
    fields: { order_date: '2025-06-02' },
  },
  'nor is a day on which something came the one on which it is due': {
    text: 'PO Number: A-1\nDelivered on: 10/01/2025\nSample   Delivered on: 2025-10-02\nDelivered by: 2025-10-31',
    fields: { due_date: '2025-10-31' },
  },
  'a "need by date" is a due date': {
    text: 'PO Number: A-1\nNeed By Date: 2025-06-20',
    fields: { due_date: '2025-06-20' },
  },
  'between a currency and its amount there may be a gap': {
    text: `${HEAD}\nTax   USD   8.00\nTotal: USD  748.00`,
    fields: { tax: '8.00', total: '748.00', currency: 'USD' },
  },
  'a dollar sign with another code is no US one': {
    text: `${HEAD}\nTotal: $748.00COP`,
    fields: { total: '748.00', currency: 'COP' },
  },
  'what is said of the tax behind an amount counts as before it': {
    text: `${HEAD}\nTotal: £1,500.00 + VAT\nVAT: £300.00\nTotal inc. VAT: £1,800.00`,
    fields: { subtotal: '1500.00', total: '1800.00' },
  },
  'a rate may stand before its tax': {
    text: `${HEAD}\nSubtotal   $100.00\n10% GST   $10.00\nTotal   $110.00`,
    fields: { tax: '10.00', total: '110.00' },
  },
  'an address stands in its column, whatever the others are called': {
    text: 'VENDOR      SHIP TO      PLANT\nFoo         Acme         0010\n1 Road      2 Lane       x\nLeeds       York         y',
    fields: { vendor: 'Foo', ship_to: 'Acme, 2 Lane, York' },
  },
  'cells between tabs stand below each other, also where one is empty': {
    text: 'PO Number: A-1\nPO Date\tDue Date\tPrint Date\n\t10/31/2025\t10/15/2025',
    fields: { order_date: null, due_date: '2025-10-31' },
  },
  'so do those between pipes': {
    text: 'PO Number: A-1\n| Bill To | Ship To |\n| Bar | Foo Inc |\n| | 1 Road |\n| Leeds | York |',
    fields: { ship_to: 'Foo Inc, 1 Road, York' },
  },
  'a name in capitals beside a label is no value, if the next line has one for each': {
    text: 'PO Number: A-1\n\nVENDOR      PURCHASER\nFoo Ltd     Acme Inc\n1 Road      2 Lane\n\nPAYMENT TERMS   SALES REP\nNet 30          Ann Lee',
    fields: { vendor: 'Foo Ltd', payment_terms: 'Net 30' },
  },
  'a value in capitals is one, if nothing stands below': {
    text: 'PO Number: A-1\nVENDOR      FOO LTD\nTERMS       NET 30\nPlease deliver in the morning.',
    fields: { vendor: 'FOO LTD', payment_terms: 'NET 30' },
  },
  'the label of a name is no part of it': {
    text: 'PO Number: A-1\nVendor: Name: Foo Ltd\nShip To:\nCompany Name: Acme Inc\n1 Road\nYork',
    fields: { vendor: 'Foo Ltd', ship_to: 'Acme Inc, 1 Road, York' },
  },
  'several tabs draw columns themselves': {
    text: 'PO Number:\tA-1\nVendor:\t\tFoo\nShip To:\tAcme\n\t\t1 Road\n\t\tYork YO1 1AA',
    fields: { vendor: 'Foo', ship_to: 'Acme, 1 Road, York YO1 1AA' },
  },
  'a tax that is included adds nothing': {
    text: `${HEAD}\nSubtotal: $119.00\nIncl. VAT: $19.00\nTotal: $119.00`,
    fields: { tax: '19.00', total: '119.00' },
  },
  'a row costs as much less than quantity × price as its discount says': {
    text: `${HEAD}\nItem  Description  Qty  Price  Disc.  Total\n1  Rod  10  $5.00  10%  $45.00\n2  Nut  10  $5.00  -$3.00  $47.00\n3  Cap  1  $5.00  –  $5.00\nTotal: $97.00`,
    fields: { total: '97.00' },
  },
  'else it is told': {
    text: `${HEAD}\nItem  Description  Qty  Price  Disc.  Total\n1  Rod  10  $5.00  20%  $45.00\nTotal: $45.00`,
    fields: { total: '45.00' },
    warnings: ['ROW_MISMATCH line_items'],
  },
  'a row without a quantity is one piece': {
    text: `${HEAD}\nItem  Description  Price  Total\n1  Rod  $5.00  $45.00\n2  Setup  $5.00  $5.00\nTotal: $50.00`,
    fields: { total: '50.00' },
    warnings: ['ROW_MISMATCH line_items'],
  },
  'a row may take something off': {
    text: `${HEAD}\nDescription   Qty   Price    Total\nRod            3     $5.00    $15.00\nScratches      1     -$5.00   -$5.00\n\nSubtotal: $10.00`,
    fields: { subtotal: '10.00' },
  },
  'a total that is a cent off is told': {
    text: `${HEAD}\nSubtotal: $100.00\nTotal: $100.01`,
    fields: { total: '100.01' },
    warnings: ['TOTAL_MISMATCH total'],
  },
  'dates that contradict each other say nothing of a third': {
    text: 'PO Number: A-1\nOrder Date: 13/01/2025\nDelivered before: 01/13/2025\nDue Date: 03/04/2025',
    fields: { due_date: '2025-03-04' },
    warnings: ['VALUE_AMBIGUOUS due_date'],
  },
  'a dotted date that can only be American says how the others are meant': {
    text: 'PO Number: A-1\nOrder Date: 10.14.2025\nDue Date: 11.04.2025',
    fields: { order_date: '2025-10-14', due_date: '2025-11-04' },
  },
  'a version or the number of a part does not': {
    text: 'PO Number: A-1\nFirmware 1.14.2025\nPart 10.14.2025.1 at 10.99.2025\nDue Date: 11.04.2025',
    fields: { due_date: '2025-04-11' },
  },
  'and where one has its day first, so have all': {
    text: 'PO Number: A-1\nOrder Date: 28.03.2025\nDue Date: 11.04.2025\nVisit: 10.14.2025',
    fields: { order_date: '2025-03-28', due_date: '2025-04-11' },
  },
  'the same number as day and month has one reading': {
    text: 'PO Number: A-1\nDue Date: 05/05/2025',
    fields: { due_date: '2025-05-05' },
  },
  'what a reply quotes below its header is quoted': {
    text: 'Thanks!\n\nFrom: Jo\nSent: Monday\nTo: Al\nSubject: order\n\nPO Number: A-1',
    subject: 'Re: order',
    fields: { po_number: 'A-1' },
    warnings: ['ORDER_IS_QUOTED null'],
  },
  'what is forwarded below its header is not': {
    text: 'See below\n\nFrom: Jo\nSent: Monday\nTo: Al\nSubject: order\n\nPO Number: A-1',
    subject: 'Fwd: order',
    fields: { po_number: 'A-1' },
  },
  'nor is what stands behind marks of quoting, below or above what is new': {
    text: `> PO Number: A-98\n> Total: $98.00\n\n${HEAD}\n\n> PO Number: A-99\n> Total: $99.00`,
    fields: { po_number: 'A-100', total: null },
  },
  'two lines like those of a header are none without a subject': {
    text: 'From: Foo Ltd\nDate: 2025-06-01\n\nPO Number: A-1',
    fields: { po_number: 'A-1', order_date: '2025-06-01' },
  },
  'what somebody wrote on a day is not the order': {
    text: `${HEAD}\n\nJo wrote on 1 May 2025:\n${OLDER}`,
    fields: { total: null, payment_terms: null },
  },
  'nor is a signature': {
    text: `${HEAD}\n-- \nTotal: $1.00`,
    fields: { total: null },
  },
  'an estimate is a total like any other': {
    text: `${HEAD}\nSub-total: $5.00\nEst. Grand Total: $5.00`,
    fields: { subtotal: '5.00', total: '5.00' },
  },
  'a company may be called like what a sum is for': {
    text: 'PO Number: A-1\nVendor: Courier',
    fields: { vendor: 'Courier' },
  },
  'terms are in doubt if a place stands in them, as where the blanks between columns are lost': {
    text: 'PO Number: A-1 Deliver To:\nVendor: Foo Ltd Acme\nTerms: Net 30 Ames, IA 50010',
    fields: { payment_terms: 'Net 30 Ames, IA 50010' },
    warnings: ['VALUE_AMBIGUOUS payment_terms'],
  },
  'terms go on below a colon': {
    text: `${HEAD}\nPayment terms: 50% with the order, balance:\non delivery`,
    fields: { payment_terms: '50% with the order, balance: on delivery' },
  },
  'what is said of payment may have a colon': {
    text: `${HEAD}\nPayment terms:\nNet 30: due in July`,
    fields: { payment_terms: 'Net 30: due in July' },
  },
  'two places with other postal codes are told': {
    text: `${HEAD}\nShip To: Acme, Leeds LS10 1AB\n\nShip To: Acme, York YO1 7HH\n\nShip To: Acme, Leeds, LS10 1AB`,
    fields: { ship_to: 'Acme, Leeds LS10 1AB' },
    warnings: ['SEVERAL_VALUES ship_to'],
  },
  'so are terms with other numbers, and vendors that share no word': {
    text: 'PO Number: A-1\nVendor: Foo Ltd\nVendor: Bar Inc\nPayment Terms: Net 30\nPayment Terms: 60 days net',
    fields: { vendor: 'Foo Ltd', payment_terms: 'Net 30' },
    warnings: ['SEVERAL_VALUES vendor', 'SEVERAL_VALUES payment_terms'],
  },
  'but not the same in other words': {
    text: 'PO Number: A-1\nVendor: Foo Ltd\nVendor: FOO LIMITED\nPayment Terms: Net 30\nPayment Terms: 30 days net\nShip To: Acme, Leeds\n\nShip To: Acme, Hall 4, Leeds LS10 1AB',
    fields: { vendor: 'Foo Ltd', payment_terms: 'Net 30', ship_to: 'Acme, Leeds' },
  },
  'an address ends where something else is named': {
    text: `${HEAD}\nShip to: Acme\nAttn: Jo\n1 Road, Leeds\nPriority: high`,
    fields: { ship_to: 'Acme, Attn: Jo, 1 Road, Leeds' },
  },
  'terms end where the next clause begins': {
    text: `${HEAD}\n3. Payment terms: 60 days from receipt of the invoice. 4. Total`,
    fields: { payment_terms: '60 days from receipt of the invoice' },
  },
  'what is said of a field in conditions is no value of it': {
    text: 'PO Number: A-1\n1. Supplier: means the party named overleaf. 2. Ship to: the address stated on the order.',
    fields: { vendor: null, ship_to: null },
  },
  'or by when it has to be there, and how': {
    text: `${HEAD}\nShip To: Acme, 3 Forge Ln, Sheffield S9 2TY by 24 Oct 2025 via UPS Ground.`,
    fields: { ship_to: 'Acme, 3 Forge Ln, Sheffield S9 2TY' },
  },
  'or a greeting follows': {
    text: `${HEAD}\nShip To: Acme, 1 Road, Leeds\nBest regards\nJo`,
    fields: { ship_to: 'Acme, 1 Road, Leeds' },
  },
  'or what is ordered': {
    text: `${HEAD}\nShip To: Acme\n1 Road, Leeds\n10 x bolts M8\n5 x nuts M8`,
    fields: { ship_to: 'Acme, 1 Road, Leeds' },
  },
  'but not at a street that sounds alike': {
    text: `${HEAD}\nShip To: Stratford by Avon House, 2 Before Lane, Via Air 12, Roma`,
    fields: { ship_to: 'Stratford by Avon House, 2 Before Lane, Via Air 12, Roma' },
  },
  'a country or a name may follow the postal code': {
    text: `${HEAD}\nShip To:\nAcme\nPO Box 10001\nChicago, IL 60601\nUnited States\nAttn: Jo\nSam Smith`,
    fields: { ship_to: 'Acme, PO Box 10001, Chicago, IL 60601, United States, Attn: Jo' },
  },
  'a subject that asks for a confirmation is about an order': {
    subject: 'Order confirmation requested: PO A-100',
    text: HEAD,
    fields: { po_number: 'A-100' },
  },
  'an address ends at a line that is drawn': {
    text: `${HEAD}\nShip To: Acme\n1 Road\n-----\nHandle with care`,
    fields: { ship_to: 'Acme, 1 Road' },
  },
  'it may stand left of a label that is alone on its line': {
    text: `${HEAD}\n\n          Ship To:\nAcme\n1 Road`,
    fields: { ship_to: 'Acme, 1 Road' },
  },
  'and so is one that is called a request for it': {
    subject: 'Order confirmation request PO A-100',
    text: HEAD,
    fields: { po_number: 'A-100' },
  },
  'an address may be indented less than the label above it': {
    text: `${HEAD}\nPlease deliver to:\n    Acme\n    1 Road\n\nSoon`,
    fields: { ship_to: 'Acme, 1 Road' },
  },
  'also in a list of names and values': {
    text: `${HEAD}\nShip To       Acme\n              1 Road\nPlant         0010`,
    fields: { ship_to: 'Acme, 1 Road' },
  },
};

for (const [what, { text, subject = null, fields, warnings = [] }] of Object.entries(CASES)) {
  test(what, () => {
    const read = extractOrder(mail(text, subject));

    const seen = Object.keys(fields).map((field) => [field, read.fields[field as keyof OrderFields]]);
    assert.deepEqual(Object.fromEntries(seen), fields);
    assert.deepEqual(
      read.warnings.map(({ code, field }) => `${code} ${field}`),
      warnings,
    );
  });
}
