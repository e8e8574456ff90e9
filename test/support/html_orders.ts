import type { OrderFields } from '../../src/purchase_order/order.ts';
import { orderParts, type Style, writeOrder } from './orders.ts';

type Pairs = readonly (readonly [string, string])[];
type Parts = { labelled: Pairs; items: string[][]; amounts: Pairs };

/** The ways in which mail programs and shops write an order as HTML. */
const LAYOUTS = {
  tables: ({ labelled, items, amounts }: Parts) =>
    `${table(labelled)}<br>${table(items)}<br>${table(amounts)}`,

  'headings and totals in the table': ({ labelled, items: [headings = [], ...rows], amounts }: Parts) => {
    const head = `<thead>${row(headings, 'th')}</thead>`;
    const span = `td colspan="${headings.length - 1}" align="right"`;
    const foot = amounts
      .map(([label, value]) => `<tr><${span}>${label}:</td><td>${value}</td></tr>`)
      .join('');
    const body = rows.map((cells) => row(cells)).join('');
    return `<h2>Order</h2>${table(labelled)}<h3>Items</h3><table>${head}<tbody>${body}</tbody><tfoot>${foot}</tfoot></table>`;
  },

  'empty cells before the totals': ({ labelled, items, amounts }: Parts) => {
    const empty = items[0]?.slice(2).map(() => '&nbsp;') ?? [];
    return `${table(labelled)}${table([...items, ...amounts.map((pair) => [...empty, ...pair])])}`;
  },

  'tables in tables': ({ labelled, items, amounts }: Parts) =>
    `<table><tr><td>${lines(labelled.slice(0, 3))}</td><td>${lines(labelled.slice(3))}</td></tr>
     <tr><td colspan="2">${table(items)}</td></tr><tr><td></td><td>${table(amounts)}</td></tr></table>`,

  'four columns': ({ labelled, items, amounts }: Parts) => {
    const [left, right] = [labelled.slice(0, 3), labelled.slice(3)];
    return `${table(left.map((pair, index) => [...pair, ...(right[index] ?? [])]))}<hr>${table(items)}${table(amounts)}`;
  },

  'values below their labels': ({ labelled, items, amounts }: Parts) => {
    const short = labelled.slice(0, -1);
    const labels = table([short.map(([label]) => label), short.map(([, value]) => value)]);
    return `${labels}${lines(labelled.slice(-1))}${table(items)}${table(amounts)}`;
  },

  lines: ({ labelled, items, amounts }: Parts) =>
    `<div>${lines(labelled)}<br><br>${table(items)}<br>${lines(amounts)}</div>`,

  paragraphs: ({ labelled, items, amounts }: Parts) =>
    `${each(labelled, (label, value) => `<p>${label}: ${value}</p>`)}${table(items)}${each(amounts, (label, value) => `<p>${label}: ${value}</p>`)}`,

  'bold labels': ({ labelled, items, amounts }: Parts) => {
    const bold = (label: string, value: string) => `<div><b>${label}:</b>&nbsp;<span>${value}</span></div>`;
    return `${each(labelled, bold)}<div><br></div>${table(items)}<div><br></div>${each(amounts, bold)}`;
  },

  lists: ({ labelled, items, amounts }: Parts) => {
    const list = (pairs: Pairs) => `<ul>${each(pairs, (label, value) => `<li>${label}: ${value}</li>`)}</ul>`;
    return `${list(labelled)}${table(items)}${list(amounts)}`;
  },

  definitions: ({ labelled, items, amounts }: Parts) => {
    const list = (pairs: Pairs) =>
      `<dl>${each(pairs, (label, value) => `<dt>${label}</dt><dd>${value}</dd>`)}</dl>`;
    return `${list(labelled)}${table(items)}${list(amounts)}`;
  },

  cards: ({ labelled, items, amounts }: Parts) => {
    const card = (label: string, value: string) => `<div><div>${label}</div><div>${value}</div></div>`;
    return `${each(labelled, card)}${table(items)}${each(amounts, card)}`;
  },

  'a table for every row': ({ labelled, items, amounts }: Parts) =>
    [...labelled, ...items, ...amounts].map((cells) => table([cells])).join('\n'),

  'spans in lines': ({ labelled, items, amounts }: Parts) => {
    const line = (cells: readonly string[]) =>
      `<div>${cells.map((cell) => `<span>${cell}</span>`).join(' ')}</div>`;
    const label = ([name = '', value = '']: readonly string[]) => line([`${name}:`, value]);
    return `${labelled.map(label).join('')}<br>${items.map(line).join('')}<br>${amounts.map(label).join('')}`;
  },

  'word processor': ({ labelled, items, amounts }: Parts) => {
    const normal = (text: string) => `<p class="MsoNormal"><span lang="EN-US">${text}<o:p></o:p></span></p>`;
    const cells = (rows: readonly (readonly string[])[]) => table(rows.map((cells) => cells.map(normal)));
    const gap = normal('&nbsp;');
    return `<div class="WordSection1">${cells(labelled)}${gap}${cells(items)}${gap}${cells(amounts)}</div>`;
  },
};

type HtmlLayout = keyof typeof LAYOUTS | 'lines of text' | 'typewriter';
export const HTML_LAYOUTS = [...Object.keys(LAYOUTS), 'lines of text', 'typewriter'] as HtmlLayout[];

/** An order as the HTML of an email. */
export function writeHtml(order: OrderFields, style: Style, layout: HtmlLayout): string {
  return `<html><head><title>Order</title><style>td { color: red }</style></head>
    <body><p>Hello,</p>\n${written(order, style, layout)}\n<p>Regards<br>Jo</p></body></html>`;
}

function written(order: OrderFields, style: Style, layout: HtmlLayout): string {
  const text = escaped(writeOrder(order, style));
  if (layout === 'typewriter') return `<pre>${text}</pre>`;
  if (layout === 'lines of text')
    return text
      .split('\n')
      .map((line) => `<div>${line.replaceAll('\t', '    ').replace(/^ | (?= )/g, '&nbsp;') || '<br>'}</div>`)
      .join('');
  const { pairs, shipTo, address, headings, rows, amounts } = orderParts(order, style);
  const safe = (all: readonly (readonly string[])[]) => all.map((cells) => cells.map(escaped));
  return LAYOUTS[layout]({
    labelled: [...(safe(pairs) as [string, string][]), [shipTo, address.map(escaped).join('<br>')]],
    items: safe([headings, ...rows]),
    amounts: safe(amounts) as [string, string][],
  });
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function table(rows: readonly (readonly string[])[]): string {
  return `<table border="0" cellpadding="4">${rows.map((cells) => row(cells)).join('\n')}</table>`;
}

function row(cells: readonly string[], cell = 'td'): string {
  return `<tr>${cells.map((text) => `<${cell}>${text}</${cell}>`).join('')}</tr>`;
}

function lines(pairs: Pairs): string {
  return pairs.map((pair) => pair.join(': ')).join('<br>\n');
}

function each(pairs: Pairs, write: (label: string, value: string) => string): string {
  return pairs.map(([label, value]) => write(label, value)).join('');
}
