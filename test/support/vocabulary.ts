/* What orders are about, and the words that they are written in. */

export const LABELS: Readonly<Record<string, readonly string[]>> = {
  po_number: [
    'PO Number',
    'PO No.',
    'P.O. No.',
    'PO #',
    'Purchase Order',
    'Purchase Order Number',
    'Order No.',
    'P/O No.',
  ],
  vendor: ['Vendor', 'Supplier', 'Seller', 'Vendor Name'],
  ship_to: ['Ship To', 'Deliver To', 'Delivery Address', 'Shipping Address', 'SHIP-TO'],
  order_date: ['Order Date', 'Ordered on', 'PO Date', 'Date of Order'],
  due_date: ['Due Date', 'Delivery Date', 'Required By', 'Needed by', 'Due', 'Deliver By'],
  payment_terms: ['Payment Terms', 'Terms of payment', 'Terms'],
  subtotal: ['Subtotal', 'Sub-total', 'Sub Total'],
  tax: ['Tax', 'Sales Tax', 'VAT', 'Tax (7%)', 'VAT 19%'],
  shipping: ['Shipping', 'Freight', 'Shipping & Handling'],
  total: ['TOTAL', 'Total', 'Grand Total', 'Order Total', 'Total Due'],
  headings: [
    'Item|Description|Qty|Unit Price|Total',
    'No.|Article|Quantity|Price|Amount',
    'Pos|Description|Qty|Unit Price|Line Total',
    'Line|Product|Quantity|Unit Cost|Ext. Price',
  ],
};
export const NAMES = [
  'Precision Label Co.',
  'Harvest Moon Seed Co.',
  'Halden Optik GmbH',
  'Ink & Iron Press',
  'O’Neill Bros., Inc.',
  'Señor Adobe Tiles',
  '3 Rivers Supply',
];
export const PLACES = [
  ['Greenway Farms', '410 County Road 9', 'Ames, IA 50010'],
  ['Acme Procurement Inc.', '4200 Industrial Blvd, Suite 110', 'Chattanooga, TN 37410'],
  ['Harlow Theatre', '2 Curtain Rd', 'Dover, DE 19901'],
];
export const GOODS = [
  'Washer 6 x 18 DIN 9021',
  'Shrink Sleeve Labels (12oz)',
  'Paddle, ash, 54in',
  'Grout 5kg',
  'Cable 3 x 1.5 mm',
  'Certificate Paper, ream',
  'Iris diaphragm',
  'Hex key set',
];
export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
