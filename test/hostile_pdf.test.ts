import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PDF_LIMITS, readPdf } from '../src/mail/pdf.ts';
import { encryptedPdf, packedPdf } from './support/hostile_pdf.ts';
import { placeLines, writeObjects, writePdf } from './support/pdf.ts';
import { CATALOG, FONT, PAGE, PAGES, PdfFile, pageOf, shows, stream } from './support/pdf_file.ts';

const signal = new AbortController().signal;

test('a damaged PDF is a result, not a failure', async () => {
  const pdf = writePdf([placeLines(['PO Number: A-7'])]);

  for (const length of [8, pdf.length * 0.5, pdf.length * 0.9, pdf.length - 8])
    assert.equal(await codeOf(pdf.subarray(0, length)), 'PDF_DAMAGED', `${length} of ${pdf.length} bytes`);
});

test('a PDF without pages ends without an event, and is damaged too', async () => {
  const catalog = '<< /Type /Catalog /Pages 2 0 R >>';

  assert.equal(await codeOf(writeObjects([catalog, '<< /Type /Pages /Count 0 /Kids [] >>'])), 'PDF_DAMAGED');
  assert.equal(
    await codeOf(writeObjects([catalog, '<< /Type /Pages /Count 9 /Kids [3 0 R] >>', PAGE])),
    'PDF_DAMAGED',
  );
});

test('an encrypted PDF is told from a damaged one', async () => {
  for (const method of ['RC4', 'AESV2', 'AESV3'] as const)
    assert.equal(await codeOf(encryptedPdf(method)), 'PDF_ENCRYPTED', method);
});

test('a small PDF that unpacks to a large one ends when it needs too much memory', async () => {
  const bomb = packedPdf(Buffer.alloc(600e6, ' '));
  assert.ok(bomb.length < 600_000);
  const peak = await peakOf(async () => {
    const limits = { memoryMegabytes: 150, milliseconds: 30_000 };
    assert.match((await codeOf(bomb, limits)) ?? '', /^PDF_TOO_LARGE$/);
  });

  assert.ok(peak < 400e6, String(peak));
});

test('a flood of drawing or text ends within its limits of time, memory and text', async () => {
  const texts = packedPdf(Buffer.from('BT /F1 9 Tf 1 0 0 1 40 40 Tm (x) Tj ET\n'.repeat(300_000)));
  const states = packedPdf(Buffer.from('q '.repeat(2_000_000)));

  const peak = await peakOf(async () => {
    assert.equal(await codeOf(texts, { heapMegabytes: 64, milliseconds: 60_000 }), 'PDF_TOO_LARGE');
    assert.equal(await codeOf(states, { milliseconds: 500 }), 'PDF_TIMEOUT');
  });

  assert.ok(peak < 300e6, String(peak));
});

test('a PDF that never ends is killed, and the thread that waits for it stays awake', async () => {
  const loop = writeObjects([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Count 1 /Kids [2 0 R] >>',
  ]);
  let beats = 0;
  const heart = setInterval(() => (beats += 1), 20);

  const code = await codeOf(loop, { milliseconds: 400 });

  clearInterval(heart);
  assert.equal(code, 'PDF_TIMEOUT');
  assert.ok(beats > 5, `${beats} beats`);
});

test('a task that is aborted does not wait for its PDF', async () => {
  const loop = writeObjects([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Count 1 /Kids [2 0 R] >>',
  ]);
  const stopped = new AbortController();
  const reading = readPdf(loop, stopped.signal);

  stopped.abort(new Error('stopped'));

  await assert.rejects(reading, { message: 'stopped' });
});

test('a PDF whose tables of contents point at each other is given up', async () => {
  const file = new PdfFile();
  for (const [index, object] of pageOf('x').entries()) file.add(index + 1, object);
  file.end(file.table([0, 1, 2, 3, 4, 5], `/Prev ${file.length}`));

  assert.equal(await codeOf(file.bytes(), { milliseconds: 400 }), 'PDF_TIMEOUT');
});

test('a PDF that claims a hundred million pages is given up', async () => {
  const [catalog = '', pages = '', ...rest] = pageOf('x');
  const pdf = PdfFile.of([catalog, pages.replace('/Count 1', '/Count 100000000'), ...rest]);

  assert.equal(await codeOf(pdf, { milliseconds: 400 }), 'PDF_TIMEOUT');
});

test('what contains itself, or is nested without end, is damaged', async () => {
  const drawn = '/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>';
  const page = PAGE.replace('/Resources <<', '/Resources << /XObject << /X 6 0 R >>');
  const nested = '['.repeat(100_000);
  const pdfs = {
    'a drawing': [CATALOG, PAGES, FONT, stream('/X Do'), page, stream('/X Do', drawn)],
    'a length': [CATALOG, PAGES, FONT, '<< /Length 4 0 R >>\nstream\nBT ET\nendstream', PAGE],
    'a list among objects': [CATALOG.replace('>>', '/Names 6 0 R >>'), PAGES, FONT, shows('x'), PAGE, nested],
    'a list in a page': [CATALOG, PAGES, FONT, stream(nested), PAGE],
  };

  for (const [what, objects] of Object.entries(pdfs))
    assert.equal(await codeOf(PdfFile.of(objects)), 'PDF_DAMAGED', what);
});

test('a picture of a million by a million takes no memory', async () => {
  const picture =
    '/Type /XObject /Subtype /Image /Width 1000000 /Height 1000000 /BitsPerComponent 8 /ColorSpace /DeviceRGB';
  const page = PAGE.replace('/Resources <<', '/Resources << /XObject << /X 6 0 R >>');
  const pdf = PdfFile.of([CATALOG, PAGES, FONT, stream('/X Do'), page, stream('abc', picture)]);

  const peak = await peakOf(async () => assert.match((await codeOf(pdf)) ?? '', /^PDF_/));

  assert.ok(peak < 400e6, String(peak));
});

/** By how much the process grew meanwhile, at most. */
async function peakOf(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const scales = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10);
  try {
    await work();
  } finally {
    clearInterval(scales);
  }
  return peak - before;
}

async function codeOf(bytes: Buffer, limits: Partial<typeof PDF_LIMITS> = {}): Promise<string | undefined> {
  return (await readPdf(bytes, signal, { ...PDF_LIMITS, ...limits })).error?.code;
}
