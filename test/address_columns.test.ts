import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { mail } from './support/order_mail.ts';

test('an address goes on beside labels whose column ends, rather than begins, below each other', () => {
  const { fields } = read(`
VENDOR                      SHIP TO                     P.O. # 1067
Tamarind Spice              Fig Co.                     DATE 05/27/2025
PO Box 3311                 230 Larch Ave           DUE DATE 06/22/2025
Seattle, WA 98114           Boise, ID  83702`);

  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
  assert.equal(fields.vendor, 'Tamarind Spice');
  assert.deepEqual([fields.order_date, fields.due_date], ['2025-05-27', '2025-06-22']);
});

test('an address that stands below its label does not begin beside it, in the next column', () => {
  const { fields } = read(`
PO # 12

Shipping address:        Tamarind Spice BV
Fig Co.                  Kade 4
Larch Ave 230            9000 Gent
1000 Brussel             Belgium
Belgium`);

  assert.equal(fields.ship_to, 'Fig Co., Larch Ave 230, 1000 Brussel, Belgium');
});

test('an address may go on at the edge of the page, below its label', () => {
  const { fields } = read('PO # 12\nShip to: Fig Co.\nHall 4\n230 Larch Ave\nBoise, ID 83702');

  assert.equal(fields.ship_to, 'Fig Co., Hall 4, 230 Larch Ave, Boise, ID 83702');
});

test('a blank line may stand between labels and the columns below them', () => {
  const { fields } = read(`
PO # 12

Supplier             Ship to

Tamarind Spice       Fig Co.
PO Box 3311          230 Larch Ave
Seattle, WA 98114    Boise, ID 83702`);

  assert.equal(fields.vendor, 'Tamarind Spice');
  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
});

test('and so may one below a name, which its street follows', () => {
  const { fields } = read(`
PO # 12

Supplier             Ship to

Tamarind Spice       Fig Co.

PO Box 3311          230 Larch Ave
Seattle, WA 98114    Boise, ID 83702

12 pcs Nut           @ $1.00`);

  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
});

test('an address goes on beside a column whose name we do not know, though it ends like one', () => {
  const { fields } = read(`
PO # 12
Ship to: Fig Co.       Confirm to: Ed
230 Larch Ave          FOB: Dest
Boise, ID 83702        Terms: Net 30`);

  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
});

test('the lines of an address may stand behind one another, up to its postal code', () => {
  const address = (line: string) => read(`PO # 12\n${line}\nVENDOR: TAMARIND`).fields.ship_to;

  assert.equal(
    address('SHIP TO: FIG DC 4   230 LARCH AVE   BOISE, ID 83702'),
    'FIG DC 4, 230 LARCH AVE, BOISE, ID 83702',
  );
  assert.equal(address('SHIP TO: FIG DC 4   BUYER ED   CODE 83702'), 'FIG DC 4');
});

test('an address goes on below a label that stands beside its translation', () => {
  const { fields } = read(`
PO # 12
Lieferanschrift / Delivery address: Fig Co., Larch Ave 230,
1000 Brussel`);

  assert.equal(fields.ship_to, 'Fig Co., Larch Ave 230, 1000 Brussel');
});

test('the number of a place or of a supplier may stand between the label and the name', () => {
  const { fields } = read(`
PO # 12
Supplier      40012          Tamarind Spice
Ship To       1001           Fig Co.
                             230 Larch Ave
                             Boise, ID 83702`);

  assert.equal(fields.vendor, 'Tamarind Spice');
  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
});

test('what reaches below the next column is no part of an address, be its label unknown', () => {
  const { fields } = read(`
SHIP TO             P.O. # 1067
Fig Co.        BUYER Jane Birch
230 Larch Ave  REVISION NO 2
Boise, ID  83702`);

  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
});

test('labels beside an address that stands below its own do not end it', () => {
  const { fields } = read(`
PO # 12

SHIP TO
Fig Co.            DATE 05/27/2025
230 Larch Ave  DUE DATE 06/22/2025
Boise, ID  83702`);

  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
});

test('a label at the edge of an address ends it, and so does a line of other columns', () => {
  const atEdge = read('PO # 12\nShip To: Fig Co.\n         230 Larch Ave\n         Date: 05/27/2025');
  const another = read('PO # 12\nShip To: Fig Co., 230 Larch Ave\nBuyer Jane       Date: 05/27/2025');

  assert.equal(atEdge.fields.ship_to, 'Fig Co., 230 Larch Ave');
  assert.equal(another.fields.ship_to, 'Fig Co., 230 Larch Ave');
});

test('an address goes on below a line that only the next column has', () => {
  const { fields } = read(`
Deliver to:              Delivery date:  12.12.2025
Norrland Kraft AB        Terms: Net 30
Terminalvägen 3
                         Currency: EUR
SE-861 36 Timrå

Thanks`);

  assert.equal(fields.ship_to, 'Norrland Kraft AB, Terminalvägen 3, SE-861 36 Timrå');
});

test('below such a line, nothing follows an address that is complete, or that stands elsewhere', () => {
  const complete = read(`
  Deliver to:              Delivery date: 12.12.2025
  Fig Co.                  Terms: Net 30
  Boise, ID 83702
                           Currency: USD
  Buyer Jane`);
  const elsewhere = read(`
  Deliver to:              Delivery date: 12.12.2025
  Norrland Kraft AB        Terms: Net 30
  SE-861 36 Timrå
                           Currency: EUR
    Buyer Jane`);

  assert.equal(complete.fields.ship_to, 'Fig Co., Boise, ID 83702');
  assert.equal(elsewhere.fields.ship_to, 'Norrland Kraft AB, SE-861 36 Timrå');
});

test('what follows an address that is complete is that of the label beside it', () => {
  const { fields } = read(`
Vendor:             Ship to:
Tamarind Spice      Fig Co.
Seattle, WA 98114   Boise, ID 83702
Terms               Net 30`);

  assert.equal(fields.ship_to, 'Fig Co., Boise, ID 83702');
  assert.equal(fields.payment_terms, 'Net 30');
});

test('a column begins with the words before its label', () => {
  const { fields } = read(`
Please deliver to:       Currency: EUR
Norrland Kraft AB        Payment terms: Net 30
Terminalvägen 3
SE-861 36 Timrå`);

  assert.equal(fields.ship_to, 'Norrland Kraft AB, Terminalvägen 3, SE-861 36 Timrå');
  assert.deepEqual([fields.currency, fields.payment_terms], ['EUR', 'Net 30']);
});

test('a sentence that names an address is no column', () => {
  const { fields } = read('PO # 12\nPlease ship to: Fig Co., 230 Larch Ave, Boise, ID\nWe need it soon');

  assert.equal(fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID');
});

test('behind a full stop, a greeting or a label with its value ends an address and terms', () => {
  const inline = read(
    'PO # 12\nShip to: Keel Boatworks, 3 Slipway, Rockport, TX 78382. Needed by June 6, 2025. Terms net 30.',
  );
  const greeting = read('PO # 12\nPayment terms: net 30. Thanks, Dan');

  assert.equal(inline.fields.ship_to, 'Keel Boatworks, 3 Slipway, Rockport, TX 78382');
  assert.equal(greeting.fields.payment_terms, 'net 30');
});

test('behind a full stop, other words go on with an address and terms, be they those of a label', () => {
  const { fields } = read(`
PO # 12
Ship to: Mill Co. Ltd., Shipping Dept. Order Desk, 12 Main St. Suite 4, St. Louis, MO 63101
Payment terms: 2% 10, net 30. Discount is lost later.`);

  assert.equal(
    fields.ship_to,
    'Mill Co. Ltd., Shipping Dept. Order Desk, 12 Main St. Suite 4, St. Louis, MO 63101',
  );
  assert.equal(fields.payment_terms, '2% 10, net 30. Discount is lost later.');
});

test('a line of an address may end with an abbreviation, but not be a sentence', () => {
  const abbreviated = read(
    'PO # 12\nShip To:\nMill Whse.\nFig Co.\nReceiving Dept.\n230 Larch Blvd.\nBoise, ID 83702',
  );
  const sentences = [
    'Use the back door.',
    'Rgds.\nJane',
    'Rgds,\nJane',
    'Ship ASAP.\nJane Birch',
    'Call Bob.',
    'All goods of this order have to be labelled with its number and\npacked well.',
  ];

  assert.equal(
    abbreviated.fields.ship_to,
    'Mill Whse., Fig Co., Receiving Dept., 230 Larch Blvd., Boise, ID 83702',
  );
  for (const sentence of sentences)
    assert.equal(
      read(`PO # 12\nShip To: Fig Co., 230 Larch Ave\n${sentence}`).fields.ship_to,
      'Fig Co., 230 Larch Ave',
      sentence,
    );
});

test('an address goes on below how to reach somebody, if its postal code is still to come', () => {
  const within = read(
    'PO # 12\nShip To:\nFig Co.\nContact: Jane Birch\nTel.: 555-0100\n230 Larch Ave\nBoise, ID 83702\nFax: 5',
  );
  const behind = read(
    'PO # 12\nShip To:\nFig Co.\nBoise, Idaho\nPhone: 555-0100\nJane Birch\nBill To: Boise, ID 83702',
  );

  assert.equal(within.fields.ship_to, 'Fig Co., 230 Larch Ave, Boise, ID 83702');
  assert.equal(behind.fields.ship_to, 'Fig Co., Boise, Idaho');
});

test('terms go on in small letters below a long line, or indented, and with more shares of the payment', () => {
  const terms = (text: string) => read(`PO # 12\n${text}`).fields.payment_terms;
  const long = 'Payment terms: Net 45 days from receipt of the goods and a correct invoice, 2%';

  assert.equal(
    terms('Terms: Net 60 with 1.5%\n  monthly interest\nVendor: Foo'),
    'Net 60 with 1.5% monthly interest',
  );
  assert.equal(
    terms(`${long}\nif paid within 10 days\n\nthanks`),
    'Net 45 days from receipt of the goods and a correct invoice, 2% if paid within 10 days',
  );
  assert.equal(terms('Terms:\n30% deposit\n70% on delivery\n5 pallets'), '30% deposit, 70% on delivery');
  assert.equal(terms('Terms: 30% deposit,\n       70% on delivery'), '30% deposit, 70% on delivery');
  assert.equal(terms('Terms:\n50% now\n50% on delivery\n5% of them may be blue'), '50% now, 50% on delivery');
  assert.equal(terms('Terms: 2% 10, Net 60\n100% of the goods are checked'), '2% 10, Net 60');
  assert.equal(terms('Terms: Net 60\n5% discount on all items'), 'Net 60');
  assert.equal(terms(`${long.slice(0, -4)}.\nlet us know`)?.slice(-8), 'invoice.');
  assert.equal(terms('Terms: Net 60\nship ups ground'), 'Net 60');
  assert.equal(terms('Terms: Net 60\n  please ship ups ground'), 'Net 60');
  assert.equal(terms(`${long}\nInvoices to our office`)?.slice(-2), '2%');
});

function read(text: string) {
  return extractOrder(mail(text));
}
