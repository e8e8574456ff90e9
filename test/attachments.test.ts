import assert from 'node:assert/strict';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PDF_LIMITS } from '../src/mail/pdf.ts';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { identifyOrder } from '../src/purchase_order/identity.ts';
import { writeEml } from './support/eml.ts';
import { Mails, PDF } from './support/mails.ts';
import { placeLines, writePdf } from './support/pdf.ts';

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
    'Subject: x\nAttachments: C:\\orders\\beside.pdf, ../above.pdf; logo.png\n\nsee attached',
  );

  assert.deepEqual(
    attachments.map(({ name, error }) => [name, error?.code]),
    [
      ['beside.pdf', undefined],
      ['above.pdf', 'ATTACHMENT_NOT_FOUND'],
    ],
  );
});

test('a mail is the same order wherever it lies, also when its PDF is not there', async () => {
  const text = 'Subject: x\nFrom: a@b.example\nAttachment: missing.pdf\n\nVendor: Foo\nTotal: $5.00';
  await Promise.all(['one', 'two'].map((name) => mkdir(join(inbox, name))));

  const keys = new Set<string>();
  for (const name of ['one/a.txt', 'two/b.txt'])
    keys.add(identifyOrder(await mails.given(name, text), { po_number: null, vendor: null }).order_key);
  const other = identifyOrder(await mails.given('c.txt', text.replace('$5', '$6')), {
    po_number: null,
    vendor: null,
  });

  assert.equal(keys.size, 1);
  assert.ok(!keys.has(other.order_key));
});

test('who orders is a company’s domain or, at a public service, one address, however it is written', async () => {
  const keyOf = async (from: string) =>
    identifyOrder(await mails.given('from.txt', `From: ${from}\n\nPO Number: 1`), {
      po_number: '1',
      vendor: null,
    }).order_key;

  assert.equal(await keyOf('Jo@Buyer.Example'), await keyOf('al@buyer.example'));
  assert.equal(await keyOf('Jo@GMail.com'), await keyOf('jo@gmail.com'));
  for (const domain of ['gmail.com', 'yahoo.co.uk', 'live.com.au', 'live.de', 'web.de', 'me.com'])
    assert.notEqual(await keyOf(`jo@${domain}`), await keyOf(`al@${domain}`), domain);
  for (const domain of ['web.acme.com', 'live.acme.co.uk', 'me.acme.de'])
    assert.equal(await keyOf(`jo@${domain}`), await keyOf(`al@${domain}`), domain);
  assert.notEqual(await keyOf('jo@buyer.example'), await keyOf('jo@other.example'));
});

test('without a sender, two orders with one number are two unless their vendor is the same', async () => {
  const keyOf = async (vendor: string | null, text = 'PO Number: 1') =>
    identifyOrder(await mails.given('nobody.txt', text), { po_number: '1', vendor }).order_key;

  assert.equal(await keyOf('First Ltd'), await keyOf('First Ltd', 'PO Number: 1, changed'));
  assert.notEqual(await keyOf('First Ltd'), await keyOf('Second Ltd'));
  assert.notEqual(await keyOf(null), await keyOf(null, 'PO Number: 1, of somebody else'));
});

test('a mail is the same one whatever of it could be read this time', async () => {
  const email = await mails.given('same.txt', 'From: a@b.example\n\nVendor: Foo');
  const warnings = [{ code: 'PART_UNREADABLE', message: 'a part' }];

  const [one, other] = [email, { ...email, warnings }].map((mail) =>
    identifyOrder(mail, { po_number: null, vendor: null }),
  );

  assert.deepEqual(one, other);
});

test('whatever an attachment is called, its name and type are one harmless line', async () => {
  const named = (disposition: string) =>
    `--b\nContent-Type: application/x\0\u001b[31m; x=y\nContent-Disposition: attachment; ${disposition}\n\nx\n`;
  const names = [
    'filename="C:\\\\x.bin"',
    'filename="a\0\u001b[31m.bin"',
    "filename*=utf-8''a%0a%00%1b[31m%e2%80%aeb.bin",
    `filename="${'n'.repeat(10_000)}"`,
    'filename=""',
    'filename="same"',
    'filename="same"',
  ];
  const head = 'Content-Type: multipart/mixed; boundary=b\n\n--b\n\nsee attached\n';

  const { attachments } = await mails.given('names.eml', `${head}${names.map(named).join('')}--b--\n`);

  assert.deepEqual(
    attachments.map(({ name }) => name),
    ['C:\\x.bin', 'a.bin', 'a b.bin', 'n'.repeat(200), null, 'same', 'same'],
  );
  assert.deepEqual(new Set(attachments.map(({ type }) => type)), new Set(['application/x']));
});

test('base64 is read whatever stands between its characters; an unknown encoding shows in the error', async () => {
  const base64 = PDF.toString('base64').replace(/.{76}/g, '$&\n');
  const encoded = (encoding: string, content: string) =>
    mails.given(
      'encoded.eml',
      `Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: ${encoding}\n\n${content}\n`,
    );
  const variants = {
    garbage: base64.replace('JVBER', 'J$V&B*E!R \t{}'),
    'no padding': base64.replace(/=+$/, ''),
    'more padding': `${base64}====`,
    'padding inside': base64.replace('\n', '==\n'),
  };

  for (const [name, content] of Object.entries(variants)) {
    const { attachments } = await encoded('base64', content);
    assert.match(attachments[0]?.text ?? '', /PO Number: 7/, name);
  }

  const { attachments } = await encoded('x-uuencode', 'begin 644 a.pdf\n#0V%T\n`\nend');
  assert.deepEqual(attachments[0]?.error, {
    code: 'PDF_NOT_A_PDF',
    message: 'it is no PDF: it starts with "begin 644 a.pdf\\n#0V%"',
  });
});

test('a PDF that was sent as the text itself is told, and nothing is read from its code', async () => {
  const { text, warnings } = await mails.given(
    'inline.eml',
    writeEml({}, [{ type: 'text/plain', content: Buffer.concat([Buffer.from('Hello\n'), PDF]) }]),
  );

  assert.equal(text, 'Hello');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['PDF_CUT'],
  );
});

test('a PDF beside a text is refused by its size, without reading it', async () => {
  await writeFile(join(inbox, 'huge.pdf'), '');
  await truncate(join(inbox, 'huge.pdf'), 2 ** 31);

  const { attachments } = await mails.given('huge.txt', 'Subject: x\nAttachment: huge.pdf\n\nsee attached');

  assert.equal(attachments[0]?.error?.code, 'ATTACHMENT_TOO_LARGE');
});

test('an attachment that is not read is said to be, and is a reason for attention if the order is incomplete', async () => {
  const given = (text: string) =>
    mails.given(
      'office.eml',
      writeEml({}, [
        { type: 'text/plain', content: text },
        { type: 'application/ms-tnef', content: Buffer.from('x'), name: 'winmail.dat' },
        { type: 'application/octet-stream', content: Buffer.from('PK'), name: 'order.xlsx' },
        { type: 'image/png', content: Buffer.from('png'), name: 'logo.png' },
      ]),
    );
  const messages = [
    'attachment "winmail.dat" is not read: Outlook has packed the real attachments into it; ask for the mail as HTML or plain text',
    'attachment "order.xlsx" is not read: only PDFs, plain text, HTML and messages are; ask for a PDF',
  ];

  const order = 'PO Number: 1\nVendor: Foo\nDue Date: 2025-06-30\nTotal: $5.00';
  const complete = await given(`${order}\n\nDescription  Qty  Price  Total\nRod  1  $5.00  $5.00`);
  const withoutItems = await given(order);
  const incomplete = await given('PO Number: 1\nVendor: Foo\nplease see the attached table');

  assert.deepEqual(
    complete.warnings.map(({ message }) => message),
    messages,
  );
  assert.deepEqual(extractOrder(complete).warnings, []);
  for (const email of [withoutItems, incomplete])
    assert.deepEqual(
      extractOrder(email).warnings.map(({ message }) => message),
      messages,
    );
});

test('an attached text is read like a PDF, in whatever encoding; one that is no text is told', async () => {
  const order = ['PO Number: 4711', 'Date: 2025-03-04', 'Supplier: Käse AG', 'Total: EUR 12.00'].join('\n');
  const email = await mails.given(
    'texts.eml',
    writeEml({ Subject: 'x' }, [
      { type: 'text/plain', content: 'see attached' },
      { type: 'text/plain', content: Buffer.from(order, 'latin1'), name: 'order.txt' },
      { type: 'application/octet-stream', content: Buffer.from(order), name: 'ORDER.TXT' },
      { type: 'text/plain', content: Buffer.from([...Array(100).keys()].map((n) => n % 7)), name: 'x.txt' },
    ]),
  );

  assert.deepEqual(
    email.attachments.map(({ text, error }) => text?.trim() ?? error?.code),
    [order, order, 'ATTACHMENT_NOT_TEXT'],
  );
  const { fields } = extractOrder(email);
  assert.deepEqual([fields.po_number, fields.total], ['4711', '12.00']);
});

test('attached HTML is read like a PDF, and keeps none from being read', async () => {
  const html = '<table><tr><td>PO Number</td><td>4711</td><td>Total</td><td>$12.00</td></tr></table>';
  const deep = `${'<div>'.repeat(300)}deep`;
  const { attachments, warnings } = await mails.given(
    'html.eml',
    writeEml({}, [
      { type: 'text/plain', content: 'see attached' },
      { type: 'text/html', content: html, name: 'order.html' },
      { type: 'application/octet-stream', content: Buffer.from(html), name: 'ORDER.HTM' },
      { type: 'text/html', content: deep, name: 'deep.html' },
      ...[4, 5, 6].map((n) => ({ type: 'text/html', content: '<br>', name: `ATT0000${n}.htm` })),
      { type: 'application/pdf', content: PDF, name: 'order.pdf' },
    ]),
  );

  const order = 'PO Number   4711   Total   $12.00';
  assert.deepEqual(
    attachments.map(({ text, error }) => error?.code ?? text?.trim().split('\n')[0]),
    [order, order, '', '', '', undefined, 'PO Number: 7'],
  );
  assert.deepEqual(
    warnings.map(({ message }) => message.split(': ')[1]),
    ['it is too long or too deep', 'only 5 HTML files of an email are'],
  );
});

test('what is a PDF is read as one whatever it is called, and no more than five of them', async () => {
  const { attachments, warnings } = await mails.given(
    'pdfs.eml',
    writeEml({}, [
      { type: 'text/plain', content: 'see attached' },
      { type: 'text/plain', content: PDF, name: 'order.txt' },
      { type: 'text/html', content: PDF, name: 'order.html' },
      { type: 'image/png', content: PDF, name: 'order.png' },
      ...[4, 5, 6].map((n) => ({ type: 'application/pdf', content: PDF, name: `${n}.pdf` })),
      { type: 'text/html', content: 'PO Number: 8', name: 'note.html' },
    ]),
  );

  const order = 'PO Number: 7';
  assert.deepEqual(
    attachments.map(({ text, error }) => error?.code ?? text?.trim().split('\n')[0]),
    [order, order, order, order, order, 'PDF_TOO_MANY', 'PO Number: 8'],
  );
  assert.deepEqual(warnings, []);
});

test('what was left out because an attachment has too many pages, or a mail too many attachments, is told', async () => {
  const pages = Array.from({ length: PDF_LIMITS.pages + 1 }, () => placeLines(['PO Number: 7']));
  const empty = Array.from({ length: 100 }, () => ({ type: 'image/png', content: '', name: 'logo.png' }));

  const { attachments, warnings } = await mails.given(
    'many.eml',
    writeEml({}, [{ type: 'application/pdf', content: writePdf(pages), name: 'order.pdf' }, ...empty]),
  );

  assert.equal(attachments.length, 100);
  assert.deepEqual(
    warnings.map(({ message }) => message),
    [
      'only the first 100 of 101 attachments were looked at',
      'only the first 50 pages were read of attachment "order.pdf"',
    ],
  );
});

test('a message that is attached as a mere file is read as one', async () => {
  const inner = writeEml({}, [{ type: 'text/plain', content: 'PO Number: 7' }]);

  const { attachments } = await mails.given(
    'file.eml',
    writeEml({}, [
      { type: 'application/octet-stream', content: Buffer.from(inner), name: 'Order.EML' },
      { type: 'application/octet-stream', content: Buffer.from('MZ'), name: 'no.eml' },
    ]),
  );

  assert.deepEqual(
    attachments.map(({ type, text }) => [type, text]),
    [
      ['message/rfc822', 'PO Number: 7'],
      ['application/octet-stream', null],
    ],
  );
});

test('a message within an attached message is said not to be read', async () => {
  const innermost = { type: 'message/rfc822', content: 'Subject: x\n\nPO Number: 7', name: 'innermost.eml' };
  const inner = { type: 'message/rfc822', content: writeEml({}, [innermost]), name: 'inner.eml' };

  const { warnings } = await mails.given('nested.eml', writeEml({}, [inner]));

  assert.deepEqual(
    warnings.map(({ message }) => message),
    ['attachment "innermost.eml" is not read: it is attached to an attached message; forward it alone'],
  );
});
