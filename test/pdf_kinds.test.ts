import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { readPdf } from '../src/mail/pdf.ts';
import { CATALOG, FONT, PAGE, PAGES, PdfFile, pageOf, shows, stream } from './support/pdf_file.ts';
import { active, hybrid, linearised, ownerProtected, packed, savedAgain } from './support/pdf_kinds.ts';

const TEXT = 'PO Number: A-7';

for (const [kind, pdf] of Object.entries({
  'with a plain table': PdfFile.of(pageOf(TEXT)),
  'whose objects are packed': packed(TEXT),
  'of version 2.0': packed(TEXT, '%PDF-2.0\n'),
  'with a plain and a packed table': hybrid(TEXT),
  'that is linearised': linearised(TEXT),
  'that only its owner may change': ownerProtected(TEXT),
})) {
  test(`a PDF ${kind} is read`, async () => {
    assert.equal(await read(pdf), TEXT);
  });
}

test('of a PDF that was saved again the newest state counts', async () => {
  assert.equal(await read(savedAgain('PO Number: 1', 'PO Number: 2', TEXT)), TEXT);
});

test('what stands before the mark of a PDF or behind its end does no harm', async () => {
  const pdf = PdfFile.of(pageOf(TEXT));
  const junk = 'x\n'.repeat(500);

  assert.equal(await read(Buffer.concat([Buffer.from(junk), pdf])), TEXT);
  assert.equal(await read(PdfFile.of(pageOf(TEXT), '', `${junk}%PDF-1.4\n`)), TEXT);
  assert.equal(await read(Buffer.concat([pdf, Buffer.from(junk)])), TEXT);
});

test('a page that is turned is read if its text is upright then', async () => {
  const turned = (angle: number, matrix: string) =>
    PdfFile.of([
      CATALOG,
      PAGES,
      FONT,
      stream(`BT /F1 9 Tf ${matrix} 300 400 Tm (${TEXT}) Tj ET`),
      PAGE.replace('/Contents', `/Rotate ${angle} /Contents`),
    ]);

  for (const [angle, matrix] of [
    [90, '0 1 -1 0'],
    [180, '-1 0 0 -1'],
    [270, '0 -1 1 0'],
  ] as const)
    assert.equal(await read(turned(angle, matrix)), TEXT, String(angle));

  const sideways = await readPdf(turned(0, '0 1 -1 0'), new AbortController().signal);
  assert.equal(sideways.error?.code, 'PDF_NO_TEXT');
});

test('ligatures are spelled out, and letters that have no name stay what they are in the file', async () => {
  const page = (encoding: string, text: string) =>
    PdfFile.of([CATALOG, PAGES, FONT.replace('/WinAnsiEncoding', `<< ${encoding} >>`), shows(text), PAGE]);
  const ligatures = '/BaseEncoding /WinAnsiEncoding /Differences [1 /fi /fl]';
  const hebrew = '/Differences [65 /afii57664 /afii57665]';

  assert.equal(await read(page(ligatures, 'Of\\001ce \\002oor')), 'Office floor');
  assert.equal(await read(page(hebrew, 'AB')), 'אב');
  assert.equal(await read(page('/Differences [65 /g1 /g2]', 'AB')), 'AB');
});

test('scripts, programs, embedded files and XFA forms in a PDF are nothing but passed over', async () => {
  let visits = 0;
  const server = createServer(() => (visits += 1)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  assert.equal(await read(active(TEXT, `http://127.0.0.1:${port}/`)), `${TEXT}\n\nnote: filled in`);

  server.close();
  assert.equal(visits, 0);
});

async function read(pdf: Buffer): Promise<string | undefined> {
  const { text, error } = await readPdf(pdf, new AbortController().signal);
  assert.equal(error, null);
  return text?.trim();
}
