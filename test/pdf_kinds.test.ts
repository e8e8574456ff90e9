import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { readPdf } from '../src/mail/pdf.ts';
import { PdfFile, pageOf } from './support/pdf_file.ts';
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
