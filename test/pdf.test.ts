import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PDF_LIMITS, readPdf } from '../src/mail/pdf.ts';
import { layoutPage } from '../src/mail/pdf_layout.ts';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { anyOrder, anyStyle, Choices, writeOrder } from './support/orders.ts';
import { type Placed, placeLines, writePdf } from './support/pdf.ts';

const signal = new AbortController().signal;
const LINES = [
  'PO Number: A-7      Due Date: 2025-06-30',
  'Item   Description   Qty   Unit Price   Total',
  '1      Lamp, (large)   2     $3.00        $6.00',
];

test('a page is read line by line, columns apart, in whatever order it was drawn', async () => {
  const placed = placeLines(LINES);
  const expected = (await textOf(placed)).split('\n').map(words);

  assert.deepEqual(expected, LINES.map(words));
  assert.deepEqual((await textOf(placed.toReversed())).split('\n').map(words), expected);
  assert.deepEqual((await textOf(lettersOf(placed))).split('\n').map(words), expected);
});

test('columns stand where they stand on the page', async () => {
  const lines = await textOf(
    placeLines([
      'Vendor               Ship To',
      'Foo Inc              Bar LLC',
      '                     5 Road',
    ]),
  );

  const [first = '', second = '', third = ''] = lines.split('\n');
  assert.equal(second.indexOf('Bar'), first.indexOf('Ship'));
  assert.equal(third.indexOf('5'), first.indexOf('Ship'));
});

test('a wider space between lines is a blank line', () => {
  const texts = [10, 11, 12, 14, 15].map((y) => ({ x: 1, y, w: 10, text: 'line' }));

  assert.equal(
    layoutPage({ width: 38, height: 49, texts }),
    ['line', 'line', 'line', '', 'line', 'line'].map((text) => (text ? `   ${text}` : '')).join('\n'),
  );
});

test('uneven baselines stay one line, bold by double printing is one text, and nothing outside the page is read', () => {
  const at = (x: number, y: number, text: string) => ({ x, y, w: 16 * text.length * 0.3, text });
  const texts = [
    at(1, 10, 'Total'),
    at(1.02, 10, 'Total'),
    at(10, 10.2, '$5.00'),
    at(1, 60, 'hidden'),
    at(-5, 10, 'hidden'),
    at(2, 10, ' '),
  ];

  assert.deepEqual(words(layoutPage({ width: 38, height: 49, texts })), ['Total', '$5.00']);
});

test('rows begin with their numbers, wherever these stand beside a long description', async () => {
  const row = (top: number, item: string, words: readonly string[], beside: number): Placed[] => [
    ...words.map((text, line) => ({ x: 80, y: top + 11 * line, text })),
    ...[item, '2', '$3.00', '$6.00'].map((text, cell) => ({
      x: [40, 300, 350, 420][cell] ?? 0,
      y: top + 11 * beside,
      text,
    })),
  ];
  const table = (rows: readonly (readonly string[])[], beside: (lines: number) => number) =>
    rows.flatMap((words, index) => row(100 + 60 * index, String(index + 1), words, beside(words.length)));
  const descriptions = [['Lamp, brass', 'with shade'], ['Bulb'], ['Cable, black', 'of 2 m', 'with switch']];
  const expected = descriptions.flatMap(([first = '', ...others], index) => [
    `${index + 1} ${first} 2 $3.00 $6.00`,
    ...others,
  ]);
  const solid = (lines: readonly string[]) => lines.map((line) => line.replace(/\s/g, ''));

  for (const beside of [() => 0, (count: number) => (count - 1) / 2, (count: number) => count - 1]) {
    const placed = table(descriptions, beside);
    for (const texts of [placed, lettersOf(placed)])
      assert.deepEqual(solid((await textOf(texts)).split(/\n+/)), solid(expected), String(beside));
  }
});

test('a title above a row is no part of it', async () => {
  const numbered = ['Hardware', '1   Rod   2   $3.00   $6.00'];
  const bare = ['Software', 'Disk   2   $3.00   $6.00'];

  const lines = await textOf([...placeLines(numbered, { top: 100 }), ...placeLines(bare, { top: 160 })]);

  assert.deepEqual(lines.split(/\n+/).map(words), [...numbered, ...bare].map(words));
});

test('orders in PDFs read back as they were written', async () => {
  for (let seed = 1; seed <= 6; seed += 1) {
    const choices = new Choices(seed);
    const order = { ...anyOrder(choices), vendor: 'Foo & Sons (Ltd)', payment_terms: 'Net 30' };
    const style = {
      ...anyStyle(choices),
      layout: choices.among(['aligned', 'two columns', 'lines'] as const),
    };
    const { text } = await readPdf(writePdf([placeLines(writeOrder(order, style).split('\n'))]), signal);

    const attachments = [{ index: 0, name: 'a.pdf', type: 'application/pdf', size: 1, text, error: null }];
    const { fields, warnings } = extractOrder({
      subject: null,
      sent_on: null,
      text: 'attached',
      html_used: false,
      attachments,
      warnings: [],
    });

    assert.deepEqual(
      { ...fields, ship_to: words(fields.ship_to) },
      { ...order, ship_to: words(order.ship_to) },
      text ?? '',
    );
    assert.deepEqual(warnings, []);
  }
});

test('bytes are read wherever they lie in memory', async () => {
  const pdf = writePdf([placeLines(LINES)]);
  const shifted = Buffer.concat([Buffer.from('junk'), pdf]).subarray(4);

  assert.equal((await readPdf(shifted, signal)).error, null);
});

test('what is no PDF is told by its bytes', async () => {
  assert.equal(await codeOf(Buffer.alloc(0)), 'PDF_EMPTY');
  assert.equal(await codeOf(Buffer.from('<!DOCTYPE html><title>404')), 'PDF_NOT_A_PDF');
  assert.equal(await codeOf(writePdf([[]]), { bytes: 100 }), 'PDF_TOO_LARGE');
});

test('a PDF without text says that it is a picture', async () => {
  assert.equal(await codeOf(writePdf([[]])), 'PDF_NO_TEXT');
});

test('reading a PDF leaves neither a thread nor a timer behind', async () => {
  const before = process.getActiveResourcesInfo().toSorted();

  await readPdf(writePdf([placeLines(LINES)]), signal);

  assert.deepEqual(process.getActiveResourcesInfo().toSorted(), before);
});

test('a PDF with as many pages as are read has been read whole', async () => {
  const pages = [1, 2].map((page) => placeLines([`page ${page}`]));

  const { note } = await readPdf(writePdf(pages), signal, { ...PDF_LIMITS, pages: 2 });

  assert.equal(note, null);
});

test('only so many pages and so much text are read', async () => {
  const pages = [1, 2, 3].map((page) => placeLines([`page ${page}`]));

  const { text, note } = await readPdf(writePdf(pages), signal, { ...PDF_LIMITS, pages: 2 });

  assert.match(text ?? '', /page 2/);
  assert.doesNotMatch(text ?? '', /page 3/);
  assert.equal(note, 'only the first 2 pages were read');
  assert.equal(await codeOf(writePdf(pages), { texts: 2 }), 'PDF_TOO_LARGE');
});

async function textOf(placed: readonly Placed[]): Promise<string> {
  return (await readPdf(writePdf([placed]), signal)).text ?? '';
}

async function codeOf(bytes: Buffer, limits: Partial<typeof PDF_LIMITS> = {}): Promise<string | undefined> {
  return (await readPdf(bytes, signal, { ...PDF_LIMITS, ...limits })).error?.code;
}

/** Every letter placed on its own, spaces left out, as browsers and word processors print. */
function lettersOf(placed: readonly Placed[]): Placed[] {
  return placed.flatMap(({ x, y, text }) =>
    Array.from(text, (letter, index) => ({ x: x + index * 5.4, y, text: letter })).filter(
      (each) => each.text !== ' ',
    ),
  );
}

function words(text: string | null): string[] {
  return (text ?? '').split(/[\s,]+/).filter((word) => word !== '');
}
