import type { LineItem, OrderFields } from '../../src/purchase_order/order.ts';
import { GOODS, LABELS, MONTHS, NAMES, PLACES } from './vocabulary.ts';

/** A sequence of choices that is the same every time, for the same seed. */
export class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, not including, the limit (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  among<T>(options: readonly T[]): T {
    const chosen = options[this.below(options.length)];
    if (chosen === undefined) throw new RangeError('nothing to choose from');
    return chosen;
  }
}

/** How an order is written down. */
export interface Style {
  readonly layout: 'lines' | 'aligned' | 'run together' | 'pipes' | 'tabs' | 'two columns' | 'blocks';
  readonly labels: Readonly<Record<string, string>>;
  readonly date: 'iso' | 'long' | 'dotted' | 'us' | 'day month';
  readonly comma: boolean;
  readonly money: (amount: string) => string;
}

/** Any order whose figures add up. */
export function anyOrder(choices: Choices): OrderFields {
  const line_items: LineItem[] = [];
  let cents = 0;
  for (let count = 1 + choices.below(4), item = 1; item <= count; item += 1) {
    const quantity = 1 + choices.below(choices.among([10, 300, 12_000]));
    const price = 1 + choices.below(choices.among([99, 5_000, 400_000]));
    cents += quantity * price;
    line_items.push({
      item: String(item),
      description: choices.among(GOODS),
      quantity,
      unit_price: inCents(price),
      total: inCents(quantity * price),
    });
  }
  const tax = choices.below(90_000);
  const shipping = choices.below(50_000);
  const prefix = choices.among(['PO-2025-', 'A-', 'BRK/2025/', '45000', 'WX_7.']);
  return {
    po_number: `${prefix}${1000 + choices.below(9000)}`,
    vendor: choices.among(NAMES),
    ship_to: choices.among(PLACES).join(', '),
    order_date: `2025-0${1 + choices.below(6)}-1${3 + choices.below(7)}`,
    due_date: `2025-1${choices.below(3)}-2${choices.below(9)}`,
    payment_terms: choices.among(['Net 30', '14 days net', '2% 10, Net 30', 'Due on receipt']),
    currency: 'USD',
    subtotal: inCents(cents),
    tax: inCents(tax),
    shipping: inCents(shipping),
    total: inCents(cents + tax + shipping),
    line_items,
  };
}

export function anyStyle(choices: Choices): Style {
  const comma = choices.below(4) === 0;
  const number = (amount: string) => grouped(amount, comma);
  const money = choices.among([
    (amount: string) => `$${number(amount)}`,
    (amount: string) => `USD ${number(amount)}`,
    (amount: string) => `${number(amount)} USD`,
    (amount: string) => `$ ${number(amount)}`,
  ]);
  const labels = Object.fromEntries(
    Object.entries(LABELS).map(([field, words]) => [field, choices.among(words)]),
  );
  return {
    layout: choices.among(['lines', 'aligned', 'run together', 'pipes', 'tabs', 'two columns', 'blocks']),
    labels,
    date: choices.among(['iso', 'long', 'dotted', 'us', 'day month']),
    comma,
    money,
  };
}

/** An order in pieces, written in a style. */
export function orderParts(order: OrderFields, style: Style) {
  const labels = ['po_number', 'vendor', 'order_date', 'due_date', 'payment_terms'] as const;
  const value = (field: (typeof labels)[number]) =>
    field.endsWith('date') ? date(order[field] ?? '', style.date) : (order[field] ?? '');
  const pairs = labels.map((field) => [style.labels[field] ?? '', value(field)] as const);
  const address = (order.ship_to ?? '').split(/, (?=\d)|, (?=[A-Z]\w+, [A-Z]{2} )/);
  const shipTo = style.labels.ship_to ?? '';
  const amounts = (['subtotal', 'tax', 'shipping', 'total'] as const).map(
    (field) => [style.labels[field] ?? '', style.money(order[field] ?? '')] as const,
  );
  const headings = (style.labels.headings ?? '').split('|');
  const rows = order.line_items.map((row) => [
    row.item ?? '',
    row.description,
    grouped(String(row.quantity), style.comma),
    style.money(row.unit_price ?? ''),
    style.money(row.total ?? ''),
  ]);
  return { pairs, shipTo, address, headings, rows, amounts };
}

/** The order as the body of an email. */
export function writeOrder(order: OrderFields, style: Style): string {
  const { pairs, shipTo, address, headings, rows, amounts } = orderParts(order, style);
  switch (style.layout) {
    case 'run together':
      return [
        [...pairs.slice(0, 2), [shipTo, address.join(' ')]].map((pair) => pair.join(': ')).join(' '),
        pairs
          .slice(2)
          .map((pair) => pair.join(': '))
          .join(' '),
        '',
        [...headings, ...rows.flat()].join(' '),
        '',
        ...amounts.map((pair) => pair.join(': ')),
      ].join('\n');
    case 'pipes': {
      const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
      return [
        ...[...pairs, [shipTo, address.join(', ')]].map(line),
        '',
        line(headings),
        line(headings.map(() => '---')),
        ...rows.map(line),
        '',
        ...amounts.map(line),
      ].join('\n');
    }
    case 'tabs':
      return [
        ...[...pairs, [shipTo, address.join(', ')]].map((pair) => pair.join('\t')),
        '',
        ...[headings, ...rows].map((cells) => cells.join('\t')),
        '',
        ...amounts.map((pair) => pair.join('\t')),
      ].join('\n');
    case 'two columns': {
      const left = [...pairs.slice(0, 1), ...pairs.slice(2)].map((pair) => pair.join(': '));
      const right = [`${shipTo}:`, ...address];
      const lines = left.map((text, index) => `${text.padEnd(50)}${right[index] ?? ''}`.trimEnd());
      return [
        pairs[1]?.join(': '),
        '',
        ...lines,
        '',
        ...aligned([headings, ...rows]),
        '',
        ...aligned(amounts),
      ].join('\n');
    }
    case 'blocks':
      return [
        ...[...pairs, [shipTo, address.join(', ')]].map((pair) => pair.join(': ')),
        ...rows.flatMap((row) => ['', ...row.map((cell, index) => `${headings[index]}: ${cell}`)]),
        '',
        ...amounts.map((pair) => pair.join(': ')),
      ].join('\n');
    case 'aligned':
      return [
        ...aligned([
          ...pairs.map(([label, text]) => [`${label}:`, text]),
          ...address.map((text, index) => [index === 0 ? `${shipTo}:` : '', text]),
        ]),
        '',
        ...aligned([headings, ...rows], true),
        '',
        ...amounts.map(([label, text]) => `${`${label}:`.padStart(60)}${text.padStart(18)}`),
      ].join('\n');
    default:
      return [
        ...pairs.map((pair) => pair.join(': ')),
        `${shipTo}: ${address.join(', ')}`,
        '',
        ...aligned([headings, ...rows]),
        '',
        ...amounts.map((pair) => pair.join(': ')),
      ].join('\n');
  }
}

/** The fields without what does not matter: white space, and the commas of an address. */
export function comparable(order: OrderFields): OrderFields {
  const squashed = (text: string | null, ignored = /\s+/g) => text?.replace(ignored, '') ?? null;
  const { po_number, order_date, due_date, currency, subtotal, tax, shipping, total } = order;
  return {
    ...{ po_number, order_date, due_date, currency, subtotal, tax, shipping, total },
    vendor: squashed(order.vendor),
    ship_to: squashed(order.ship_to, /[\s,]+/g),
    payment_terms: squashed(order.payment_terms),
    line_items: order.line_items.map((row) => ({ ...row, description: row.description.replace(/\s+/g, '') })),
  };
}

function aligned(table: readonly (readonly string[])[], right = false): string[] {
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (cell: string, column: number) =>
    right && column > 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return table.map((row) => row.map(pad).join('   ').trimEnd());
}

function inCents(cents: number): string {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}

function grouped(decimal: string, comma: boolean): string {
  const [whole = '', fraction] = decimal.split('.');
  const groups = whole.replace(/\B(?=(?:\d{3})+$)/g, comma ? '.' : ',');
  return fraction === undefined ? groups : `${groups}${comma ? ',' : '.'}${fraction}`;
}

function date(day: string, form: Style['date']): string {
  const [year = '', month = '', dayOfMonth = ''] = day.split('-');
  const name = MONTHS[Number(month) - 1] ?? '';
  const forms = {
    iso: day,
    long: `${name} ${Number(dayOfMonth)}, ${year}`,
    dotted: `${dayOfMonth}.${month}.${year}`,
    us: `${month}/${dayOfMonth}/${year}`,
    'day month': `${Number(dayOfMonth)} ${name.slice(0, 3)} ${year}`,
  };
  return forms[form];
}
