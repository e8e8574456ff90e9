import { shown } from '../mail/message.ts';
import { chooseDocuments, contradict, type Mail, numberOf, pick, type Warn } from './choose.ts';
import { fromUnits, toUnits } from './decimal.ts';
import { type Document, orderCurrencies, type Statement } from './document.ts';
import { isDateField, type LabelField, MONEY_FIELDS } from './labels.ts';
import { postalCodesIn } from './layout.ts';
import { amountsIn, asMoney, currenciesOfAll, currencyOf, THOUSANDTHS } from './money.ts';
import {
  type Extraction,
  type LineItem,
  type OrderFields,
  type OrderWarning,
  type Origin,
  REQUIRED,
} from './order.ts';
import { expectedTotal, findMismatches, type Sums, same, sumOfRows } from './reconcile.ts';
import { isPriced, isProven, type Row } from './rows.ts';
import { findUnwanted } from './unwanted.ts';
import { orderNumberInSubject } from './values.ts';

const TEXT_FIELDS = [
  'po_number',
  'vendor',
  'ship_to',
  'order_date',
  'due_date',
  'payment_terms',
  'currency',
] as const;

/**
 * Reads a purchase order from an email. A value comes from the message itself, else from an attachment, else
 * from a message below it; the order number also from the subject. What is not stated stays null: nothing is
 * guessed, summed up or corrected, but whatever is ambiguous or contradictory is said in the warnings.
 */
export function extractOrder(mail: Mail): Extraction {
  const warnings: OrderWarning[] = [];
  const warn: Warn = (code, field, message) => {
    warnings.push({ code, field, message });
  };
  const documents = chooseDocuments(mail, warn);
  const values = new Map<string, string>();
  const found: Record<string, Origin> = {};

  const state = (field: LabelField, value: string, origin: Origin, doubt?: string) => {
    const known = values.get(field);
    if (known === undefined) {
      values.set(field, value);
      found[field] = origin;
      const message = `${field} ${shown(origin.raw)} was read as ${value}, but ${doubt}`;
      if (doubt) warn('VALUE_AMBIGUOUS', field, message);
    } else if (contradict(field, known, value)) {
      const message = `${field} is ${known} in the ${found[field]?.source}, but ${value} in the ${origin.source}`;
      warn('VALUES_DIFFER', field, message);
    }
  };
  const take = (field: LabelField, expected: string | null = null) => {
    for (const document of documents) {
      const statement =
        field === 'charge'
          ? inSum(field, document, sums())
          : (field === 'tax' && inSum(field, document, sums())) || pick(document, field, expected, warn);
      if (!statement) continue;
      const { value, line, label, raw } = statement;
      const { source } = document;
      const isForeign =
        values.has('po_number') && document !== documents[0] && numberOf(document) === undefined;
      const doubt = isForeign ? `the ${source} names no order` : doubtOf(document, statement);
      state(field, value, { source, line, label, raw }, doubt);
    }
  };

  // A list without prices counts only where nothing else has items.
  const tablesIn =
    documents.find(({ tables }) => tables.rows.some(isPriced)) ??
    documents.find(({ tables }) => tables.rows.length > 0);
  const rows = tablesIn?.tables.rows ?? [];
  if (tablesIn) {
    const line = Math.min(...tablesIn.tables.used);
    found.line_items = { source: tablesIn.source, line, label: null, raw: `${rows.length} rows` };
    for (const { source, tables } of documents) {
      const [sum, other] = [sumOfRows(rows), sumOfRows(tables.rows)];
      if (sum === null || other === null || same(sum, other)) continue;
      const message = `the line items add up to ${sum} in the ${tablesIn.source}, but to ${other} in the ${source}`;
      warn('VALUES_DIFFER', 'line_items', message);
    }
  }
  const value = (field: LabelField) => values.get(field) ?? null;
  const sums = (): Sums => ({
    subtotal: value('subtotal'),
    tax: value('tax'),
    shipping: value('shipping'),
    discount: value('discount'),
    charge: value('charge'),
    total: value('total'),
    rows,
    taxIncluded: /^incl/i.test(found.tax?.label ?? ''),
  });
  for (const field of TEXT_FIELDS) take(field);
  for (const field of MONEY_FIELDS) {
    if (field === 'subtotal') take(field, sumOfRows(sums().rows));
    else take(field, field === 'total' ? expectedTotal(sums()) : null);
  }

  const inSubject = mail.subject === null ? null : orderNumberInSubject(mail.subject);
  if (inSubject) {
    const origin = { source: 'subject', line: null, label: null, raw: mail.subject ?? '' };
    state('po_number', inSubject.value, origin, inSubject.doubt);
  }
  const currency = values.has('currency') ? null : findCurrency(documents, value('total'));
  if (currency) state('currency', currency.value, currency.origin);
  for (const carried of documents.flatMap(carriedCurrencies)) {
    const known = values.get('currency');
    if (known === undefined || carried.includes(known)) continue;
    warn('VALUES_DIFFER', 'currency', `currency is ${known}, but there are amounts in ${carried.join(', ')}`);
  }

  if (tablesIn && areAmbiguous(tablesIn, values)) {
    warn(
      'VALUE_AMBIGUOUS',
      'line_items',
      'separators in the line items could be decimal marks, or of thousands',
    );
  }

  const fields: OrderFields = {
    po_number: value('po_number'),
    vendor: value('vendor'),
    ship_to: value('ship_to'),
    order_date: value('order_date'),
    due_date: value('due_date'),
    payment_terms: value('payment_terms'),
    currency: value('currency'),
    subtotal: value('subtotal'),
    tax: value('tax'),
    shipping: value('shipping'),
    total: value('total'),
    line_items: rows.map(lineItem),
  };
  return {
    fields,
    found,
    warnings: [
      ...leftOut(mail, fields),
      ...warnings,
      ...findUnwanted(mail, documents, fields),
      ...findGaps(documents, fields),
      ...findMismatches(sums()),
    ],
  };
}

/** Whether prices would be as plausible by the other decimal mark, and no total is stated that tells. */
function areAmbiguous({ tables, otherwise, mark }: Document, values: ReadonlyMap<string, string>): boolean {
  const { rows } = tables;
  const isAnglo = mark === '.' && ANGLO.test(values.get('currency') ?? '');
  const others = (!isAnglo && otherwise?.()) || [];
  const proven = (all: readonly Row[]) => all.filter(isProven).length;
  const [sum, other] = [sumOfRows(rows), sumOfRows(others)];
  const isTold =
    others.length !== rows.length || proven(others) < proven(rows) || (values.has('total') && sum !== other);
  return !isTold && sum !== null && JSON.stringify(others) !== JSON.stringify(rows);
}

/** Of countries where a comma is no decimal mark. */
const ANGLO = /(?<!R)\$|[£¥₹]|^(?:USD|CAD|AUD|GBP|JPY|CNY|INR)$/;

/** The currencies of the items and of the totals of a document, as far as they carry any. */
function carriedCurrencies({ tables, statements, text }: Document): readonly string[][] {
  const ofTotals = statements.flatMap(({ field, currency }) => (field === 'total' && currency) || []);
  const named = [tables.currencies, ofTotals].map((signs) => [
    ...new Set(signs.flatMap((sign) => currencyOf([sign], text) ?? [])),
  ]);
  return named.filter(({ length }) => length > 0);
}

/**
 * Taxes on several lines, as "GST" and "PST", are one if with all of them, the total is one that is printed; what else is
 * charged is so only then.
 */
function inSum(of: 'tax' | 'charge', { statements }: Document, others: Sums): Statement | undefined {
  const stated = statements.filter(({ strong, revision }) => strong && revision !== 'old');
  const parts = stated.filter(({ field }) => field === of);
  const [first] = parts;
  if (!first || (of === 'tax' && parts.length < 2)) return undefined;
  const sum = fromUnits(parts.reduce((all, { value }) => all + toUnits(value), 0n));
  const whole = expectedTotal({ ...others, [of]: sum });
  const isPrinted = ({ field, value }: Statement) =>
    field === 'total' && whole !== null && same(value, whole);
  if (!stated.some(isPrinted)) return undefined;
  const all = (part: 'label' | 'raw') => parts.map((statement) => statement[part]).join(' + ');
  return { ...first, value: sum, label: all('label'), raw: all('raw') };
}

/**
 * The currency that the amounts of the order carry, else that of the total where it stands in the text once more, else what
 * is said of all amounts.
 */
function findCurrency(
  documents: readonly Document[],
  total: string | null,
): { readonly value: string; readonly origin: Origin } | null {
  const text = documents.map((document) => document.text).join('\n');
  const ofTotal = ({ text, mark }: Document) =>
    amountsIn(text, mark).flatMap(({ value, currency }) =>
      currency !== null && total !== null && same(value, total) ? currency : [],
    );
  const ofAll = ({ text }: Document) => currenciesOfAll(text);
  for (const currenciesIn of [orderCurrencies, ofTotal, ofAll]) {
    for (const document of documents) {
      const [raw = '', ...others] = currenciesIn(document);
      const value = raw === '' ? null : currencyOf([raw, ...others], text);
      if (value !== null) return { value, origin: { source: document.source, line: null, label: null, raw } };
    }
  }
  return null;
}

function lineItem({ item, description, quantity, unit_price, total }: Row): LineItem {
  return {
    item,
    description,
    quantity: quantity === null ? null : Number(quantity),
    unit_price: unit_price === null ? null : asMoney(unit_price),
    total: total === null ? null : asMoney(total),
  };
}

/** Why a value could also mean something else. */
function doubtOf(
  { otherwise, text }: Document,
  { raw, doubt, currency, value, qualified, field }: Statement,
): string | undefined {
  if (doubt) return doubt;
  if (qualified) return 'its label is a part of a longer one';
  if (raw.includes('\ufffd')) return 'some of its characters could not be decoded';
  if (field === 'payment_terms' && postalCodesIn(raw).length > 0) return 'a place stands in it';
  if (currency === undefined) return undefined; // no amount
  const inCents = THOUSANDTHS.test(`${currency ?? text} ${value}`) ? value.slice(0, -1) : value;
  if (/[1-9]\d*\.\d{3}$/.test(inCents)) return 'its decimals could be thousands';
  if (/\.\d{2,}[1-9]/.test(inCents)) return 'it has parts of a cent';
  if (!otherwise) return undefined;
  const separator = /(?<![\d.,])\d{1,3}([.,])\d{3}(?![\d.,]*\d)/.exec(raw)?.[1];
  const isAnglo = separator === ',' && ANGLO.test(currency ?? '');
  return separator && !isAnglo ? 'its separator could be a decimal mark' : undefined;
}

/** What was left out when the mail was read; whole attachments only matter if something is missing, or all items are. */
function leftOut(mail: Mail, fields: OrderFields): OrderWarning[] {
  const isIncomplete = fields.line_items.length === 0 || REQUIRED.some((field) => fields[field] === null);
  return mail.warnings
    .filter(({ code }) => /_CUT$/.test(code) || (isIncomplete && code === 'ATTACHMENT_NOT_READ'))
    .map(({ code, message }) => ({ code, field: null, message }));
}

/** What is there but could not be read, and a mail that is no order. */
function findGaps(documents: readonly Document[], fields: OrderFields): OrderWarning[] {
  const hasItems = fields.line_items.length > 0;
  const { po_number, vendor, due_date, total } = fields;
  const gaps = documents.flatMap(({ source, unreadable, tables, daysDue }) => [
    ...unreadable
      .filter(({ field }) => field !== 'discount' && field !== 'charge' && fields[field] === null)
      .map(({ field, raw }) => ({
        code: isDateField(field) ? 'DATE_IMPOSSIBLE' : 'AMOUNT_UNREADABLE',
        field,
        message: `${field} ${shown(raw)} ${isDateField(field) ? 'is no day of the calendar' : 'cannot be read'}`,
      })),
    ...[...daysDue]
      .filter((day) => due_date !== null && day !== due_date)
      .slice(0, 1)
      .map((day) => ({
        code: 'VALUES_DIFFER',
        field: 'due_date',
        message: `due_date is ${due_date}, but a line item in the ${source} is due on ${day}`,
      })),
    ...tables.unknown.map(({ number }) => ({
      code: 'COLUMN_UNKNOWN',
      field: 'line_items',
      message: `line ${number} of the ${source} heads a table of items, and what one of its numbers is cannot be told by its name`,
    })),
    ...tables.unread.map(({ number }) => ({
      code: 'ROW_UNREAD',
      field: 'line_items',
      message: `line ${number} of the ${source} stands among the line items, but could not be read as one`,
    })),
  ]);
  if (hasItems && total !== null && !fields.line_items.some(isPriced))
    gaps.push({
      code: 'ROWS_WITHOUT_PRICES',
      field: 'line_items',
      message: 'the line items have no prices, though a total is stated',
    });
  if (po_number !== null || vendor !== null || total !== null || hasItems) return gaps;
  return [
    ...gaps,
    { code: 'NOT_A_PURCHASE_ORDER', field: null, message: 'this does not look like a purchase order' },
  ];
}
