import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeEml } from './support/eml.ts';
import { Mails, PDF } from './support/mails.ts';

const mails = await Mails.open();
const { folder, inbox } = mails;
after(() => mails.remove());

test('attachments keep their number; their names are only shown', async () => {
  const email = await mails.given(
    'attached.eml',
    writeEml({ Subject: 'x' }, [
      { type: 'text/plain', content: 'see attached' },
      { type: 'image/png', content: Buffer.from('png'), name: 'logo.png' },
      { type: 'application/octet-stream', content: PDF, name: '../../a\u202e.pdf' },
      { type: 'application/pdf', content: PDF, name: 'a.pdf' },
      { type: 'text/plain', content: PDF, name: 'order' },
      { type: 'application/pdf', content: Buffer.from('<!DOCTYPE html>'), name: 'a.pdf' },
    ]),
  );

  assert.deepEqual(
    email.attachments.map(({ index, name, text, error }) => [
      index,
      name,
      text?.trim().split('\n').length ?? null,
      error?.code ?? null,
    ]),
    [
      [0, 'logo.png', null, null],
      [1, '../../a.pdf', 2, null],
      [2, 'a.pdf', 2, null],
      [3, 'order', 2, null],
      [4, 'a.pdf', null, 'PDF_NOT_A_PDF'],
    ],
  );
});

test('an attached message is read, and so are the PDFs in it', async () => {
  const inner = writeEml({ Subject: 'inner' }, [
    { type: 'text/plain', content: 'PO Number: 7' },
    { type: 'application/pdf', content: PDF, name: 'a.pdf' },
  ]);

  const { attachments } = await mails.given(
    'outer.eml',
    writeEml({}, [
      { type: 'text/plain', content: 'see' },
      { type: 'message/rfc822', content: inner, name: 'inner.eml' },
    ]),
  );

  assert.deepEqual(
    attachments.map(({ name, text }) => [name, text?.includes('PO Number: 7')]),
    [
      ['inner.eml', true],
      ['a.pdf', true],
    ],
  );
});

test('a text names its PDFs, which are looked for beside it only', async () => {
  await writeFile(join(inbox, 'beside.pdf'), PDF);
  await writeFile(join(folder, 'above.pdf'), PDF);

  const { attachments } = await mails.given(
    'names.txt',
    'Subject: x\nAttachments: beside.pdf, ../above.pdf; logo.png\n\nsee attached',
  );

  assert.deepEqual(
    attachments.map(({ name, error }) => [name, error?.code]),
    [
      ['beside.pdf', undefined],
      ['above.pdf', 'ATTACHMENT_NOT_FOUND'],
    ],
  );
});
