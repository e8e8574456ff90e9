import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EmailConnector } from '../src/connectors/email.ts';
import { sentOn } from '../src/mail/dates.ts';
import { htmlToText } from '../src/mail/html.ts';
import { type EmailMessage, shown } from '../src/mail/message.ts';
import { clean, readHeaders } from '../src/mail/text.ts';
import { writeEml } from './support/eml.ts';
import { placeLines, writePdf } from './support/pdf.ts';
import { taskContext } from './support/task_context.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-mail-'));
const inbox = join(folder, 'inbox');
await mkdir(inbox);
after(() => rm(folder, { recursive: true }));

const ORDER = 'Subject: order\nFrom: a@b.example\n\nPO Number: 1\n';
const PDF = writePdf([placeLines(['PO Number: 7', 'Total: $5.00'])]);

test('a file outside the root is refused, by whatever way it is reached', async () => {
  await writeFile(join(folder, 'secret.txt'), ORDER);
  await symlink(join(folder, 'secret.txt'), join(inbox, 'link.txt'));
  await symlink(folder, join(inbox, 'up'));

  for (const path of [
    '../secret.txt',
    join(folder, 'secret.txt'),
    'link.txt',
    'up/secret.txt',
    '/etc/passwd',
    '..',
  ]) {
    await assert.rejects(read(path), { code: 'PATH_OUTSIDE_ROOT' }, path);
  }
});

test('a file inside the root is read by a relative or absolute path, and through links that stay inside', async () => {
  await writeFile(join(inbox, 'inside.txt'), ORDER);
  await symlink('inside.txt', join(inbox, 'near.txt'));
  await link(join(inbox, 'inside.txt'), join(inbox, 'hard.txt'));

  for (const path of ['inside.txt', './x/../inside.txt', join(inbox, 'inside.txt'), 'near.txt', 'hard.txt']) {
    assert.equal((await read(path)).subject, 'order', path);
  }
});

test('several roots may be allowed', async () => {
  const other = join(folder, 'other');
  await mkdir(other);
  await writeFile(join(other, 'x.txt'), ORDER);

  const email = await read(join(other, 'x.txt'), [inbox, other]);

  assert.equal(email.subject, 'order');
});

test('what is no regular file is refused at once', async () => {
  execFileSync('mkfifo', [join(inbox, 'pipe')]);
  await symlink('loop.txt', join(inbox, 'loop.txt'));

  await assert.rejects(read('pipe'), { code: 'EMAIL_NOT_A_FILE' });
  await assert.rejects(read('loop.txt'), { code: 'EMAIL_NOT_A_FILE' });
  await assert.rejects(read('.'), { code: 'EMAIL_NOT_A_FILE', message: /is a directory/ });
  await assert.rejects(read('null', '/dev'), { code: 'EMAIL_NOT_A_FILE' });
});

test('a file that is not there is named, escaped and short', async () => {
  await assert.rejects(read('no\u001b[31m\n.txt'), {
    code: 'EMAIL_NOT_FOUND',
    message: 'there is no file "no\\u001b[31m\\n.txt". Check the path.',
  });
  await assert.rejects(read(`${'x'.repeat(300)}.txt`), ({ message }: Error) => message.length < 120);
  await assert.rejects(read('a\0b'), { code: 'EMAIL_NOT_FOUND' });
});

test('a file without permission says so', {
  skip: process.getuid?.() === 0 && 'root may read everything',
}, async () => {
  await writeFile(join(inbox, 'locked.txt'), ORDER, { mode: 0 });

  await assert.rejects(read('locked.txt'), { code: 'EMAIL_UNREADABLE', message: /permission denied/ });
});

test('an email has to say something', async () => {
  const files = {
    'empty.txt': '',
    'blank.txt': ' \n\t\n',
    'blank.eml': '\r\n',
    'header.txt': 'Subject: order\n',
    'header.eml': 'Subject: order\n\n',
  };
  const codes = {
    'empty.txt': 'EMAIL_EMPTY',
    'blank.txt': 'EMAIL_EMPTY',
    'blank.eml': 'EMAIL_EMPTY',
    'header.txt': 'EMAIL_NO_BODY',
    'header.eml': 'EMAIL_NO_BODY',
  };

  for (const [name, content] of Object.entries(files)) {
    await assert.rejects(given(name, content), { code: codes[name as keyof typeof codes] }, name);
  }
});

test('a file that is too large is refused without reading it', async () => {
  await writeFile(join(inbox, 'huge.txt'), '');
  await truncate(join(inbox, 'huge.txt'), 2 ** 31);

  await assert.rejects(read('huge.txt'), {
    code: 'EMAIL_TOO_LARGE',
    message: /2147483648 bytes; the limit is 10485760/,
  });
});

test('a file that changes while it is read is told, whether it grows, shrinks or is replaced', async (t) => {
  const path = join(inbox, 'moving.txt');
  const changes = {
    grows: () => appendFile(path, 'more'),
    shrinks: () => truncate(path, 5),
    'is replaced': async () => {
      await writeFile(`${path}.new`, ORDER);
      await rename(`${path}.new`, path);
    },
    'is removed': () => rm(path),
  };
  await writeFile(path, ORDER);
  await using handle = await open(path);
  const prototype = Object.getPrototypeOf(handle);

  for (const [name, change] of Object.entries(changes)) {
    await writeFile(path, ORDER);
    const original = prototype.read;
    // Between the look at its size and the first byte.
    const reading = t.mock.method(prototype, 'read', async function (this: unknown, ...args: unknown[]) {
      reading.mock.restore();
      await change();
      return Reflect.apply(original, this, args);
    });

    await assert.rejects(read('moving.txt'), { code: 'EMAIL_CHANGED' }, name);
  }
});

test('what is no text is refused', async () => {
  const noise = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) % 256));

  await assert.rejects(given('noise.txt', noise), { code: 'EMAIL_NOT_TEXT' });
  await assert.rejects(given('order.pdf', PDF), { code: 'EMAIL_NOT_TEXT', message: /is a PDF/ });
});

test('a text is decoded by its mark, as UTF-8, or as Windows-1252', async () => {
  const text = 'Subject: Müller €\n\nPO Number: 1\n';
  const variants: Record<string, Buffer> = {
    plain: Buffer.from(text),
    mark: Buffer.from(`\ufeff${text}`),
    'utf-16 le': Buffer.from(`\ufeff${text}`, 'utf16le'),
    'utf-16 be': Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
    'windows-1252': Buffer.from(text.replace('€', '\u0080'), 'latin1'),
    'carriage returns': Buffer.from(text.replaceAll('\n', '\r')),
  };

  for (const [name, bytes] of Object.entries(variants)) {
    const { subject, text: body } = await given('variant.txt', bytes);
    assert.deepEqual([subject, body], ['Müller €', 'PO Number: 1'], name);
  }
});

test('the header of a text ends where it looks like none, and a line may hold several', () => {
  const { headers, body } = readHeaders(
    'Subject: a\nFrom: b@c.example To: d Date: e\n  f\nHi,\nSubject: no header',
  );

  assert.deepEqual(
    [...headers],
    [
      ['subject', 'a'],
      ['from', 'b@c.example'],
      ['to', 'd'],
      ['date', 'e f'],
    ],
  );
  assert.equal(body, 'Hi,\nSubject: no header');
});

test('a subject is split only where an address shows that a sender follows', () => {
  const subjectOf = (text: string) => readHeaders(text).headers.get('subject');

  assert.equal(subjectOf('Subject: order From: a@b.example'), 'order');
  assert.equal(
    subjectOf('Subject: shipping dates From: Monday To: Friday'),
    'shipping dates From: Monday To: Friday',
  );
});

test('an email without any header is all body', async () => {
  const { subject, date, text } = await given('bare.txt', 'PO Number: 1\nVendor: Foo\n');

  assert.deepEqual({ subject, date, text }, { subject: null, date: null, text: 'PO Number: 1\nVendor: Foo' });
});

test('control characters, escape sequences and half characters do not survive', () => {
  const text = clean('a\u001b[31mb\u001b]0;title\u0007c\0d\u202ee\u00a0f\ud800g\u009bh\rA\u200bB');

  assert.equal(text, 'abcde f\ufffdg›h\nAB');
});

test('a value in a message is escaped and short', () => {
  assert.equal(shown('a"\n\u202e\ud800'), '"a\\"\\n\\u202e\\ud800"');
  assert.ok(shown('x'.repeat(1000)).length < 70);
});

test('the day an email was sent is that of its sender; what is no day is none', () => {
  assert.equal(sentOn('Wed, 18 Jun 2025 23:59:33 -0500'), '2025-06-18');
  assert.equal(sentOn('18 Jun 2025 00:00 +1400'), '2025-06-18');
  assert.equal(sentOn('Monday, June 2, 2025 4:11 PM'), '2025-06-02');
  assert.equal(sentOn('2025-06-18T01:00:00Z'), '2025-06-18');
  for (const header of ['31 Feb 2025', '18 Jun 25', 'Wed, 18 Jun 10000', '06/18/2025', 'yesterday', '']) {
    assert.equal(sentOn(header), null, header);
  }
});

test('an unreadable date is a warning, and never the current time', async () => {
  for (const [name, content] of [
    ['date.txt', 'Subject: x\nDate: 31 Feb 2025\n\nHi'],
    ['date.eml', writeEml({ Subject: 'x', Date: '31 Feb 2025' }, [{ type: 'text/plain', content: 'Hi' }])],
  ] as const) {
    const { date, sent_on, warnings } = await given(name, content);
    assert.deepEqual(
      [date, sent_on, warnings.map(({ code }) => code)],
      ['31 Feb 2025', null, ['DATE_UNREADABLE']],
    );
  }
});

test('a message is decoded, whatever its file is called', async () => {
  const headers = {
    From: '=?utf-8?Q?Se=C3=B1ora_L?= <a@b.example>',
    To: 'c@d.example, e@f.example',
    Subject: '=?utf-8?B?w5xi?=\r\n =?utf-8?B?ZXI=?=',
    'Message-ID': '<1@b>',
  };

  for (const name of ['message.eml', 'message.txt']) {
    const email = await given(name, writeEml(headers, [{ type: 'text/plain', content: 'Größe\n' }]));
    assert.equal(email.from, 'Señora L <a@b.example>');
    assert.equal(email.to, 'c@d.example, e@f.example');
    assert.equal(email.subject, 'Über');
    assert.equal(email.message_id, '<1@b>');
    assert.equal(email.text, 'Größe');
  }
});

test('Windows-1252 is decoded in messages too', async () => {
  const message = Buffer.from(
    'Content-Type: text/plain; charset=windows-1252\n\n\x80 5,00 M\xfcller',
    'latin1',
  );

  assert.equal((await given('windows.eml', message)).text, '€ 5,00 Müller');
});

test('half characters from an encoded subject and an unknown character set do no harm', async () => {
  const { subject, text } = await given(
    'evil.eml',
    'Subject: =?utf-16?B?2AA=?= x\nContent-Type: text/plain; charset=x-evil\n\nbody \0 text',
  );

  assert.doesNotMatch(subject ?? '', /\p{Surrogate}/u);
  assert.equal(text, 'body  text');
});

test('the plain part counts, unless the HTML has a table or says much more', async () => {
  const alternative = (plain: string, html: string) =>
    given(
      'both.eml',
      writeEml(
        {},
        [
          { type: 'text/plain', content: plain },
          { type: 'text/html', content: html },
        ],
        'alternative',
      ),
    );

  const same = await alternative('PO Number: 1', '<p>PO Number: 1</p>');
  const table = await alternative('PO 1 a 2', '<table><tr><td>PO</td><td>1</td><td>a 2</td></tr></table>');
  const poor = await alternative('Use HTML.', `<p>${'PO Number: 1 '.repeat(5)}</p>`);

  assert.deepEqual([same.html_used, table.html_used, poor.html_used], [false, true, true]);
  assert.equal(table.text, 'PO   1   a 2');
});

test('HTML keeps the columns of its tables, and drops what nobody sees', () => {
  const html =
    '<style>p{}</style><p hidden>a</p><p style="display: none">b</p><!-- c --><script>d</script><table><tr><th>Item</th><th>Qty</th></tr><tr><td>Bolt</td><td>2</td></tr></table><a href="http://x">e</a>';

  assert.equal(htmlToText(html), 'Item   Qty\nBolt   2\n\ne');
});

test('deeply nested HTML and endless tables are read in moments', async () => {
  for (const bit of ['<div>', '<table><tr><td>', '<ul><li>', '<b', '<!--', '<td>']) {
    const started = performance.now();

    await given('nested.eml', `Content-Type: text/html\n\nPO Number: 1\n${bit.repeat(100_000)}x`).catch(
      () => {},
    );

    assert.ok(performance.now() - started < 20_000, bit);
  }
});

test('floods of parts, lines and nesting are refused before they stop the runner', async () => {
  const multipart = 'Content-Type: multipart/mixed; boundary=b\n\n';
  const nested = Array.from(
    { length: 50 },
    (_, index) => `Content-Type: multipart/mixed; boundary=b${index}\n\n--b${index}\n`,
  );

  await assert.rejects(given('parts.eml', multipart + '--b\n\nx\n'.repeat(100_000)), {
    code: 'EMAIL_TOO_MANY_PARTS',
  });
  await assert.rejects(given('lines.eml', `Subject: x\n\n${'some words\n'.repeat(500_000)}`), {
    code: 'EMAIL_TOO_LARGE',
  });
  await assert.rejects(given('deep.eml', nested.join('')), { code: 'EMAIL_DAMAGED' });
  await assert.rejects(given('header.eml', `Subject: ${'x'.repeat(5e6)}\n\nbody`), { code: 'EMAIL_DAMAGED' });
});

test('a long text is cut, with a warning', async () => {
  const { text, warnings } = await given('long.txt', `Subject: x\n\n${'word '.repeat(100_000)}`);

  assert.equal(text.length <= 200_000, true);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['TEXT_CUT'],
  );
});

test('attachments keep their number; their names are only shown', async () => {
  const email = await given(
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

  const { attachments } = await given(
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

  const { attachments } = await given(
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

test('text that looks like code stays what it is', async () => {
  const hostile = `PO Number: 1\n$\{tasks.x} {{y}} '; drop table z;-- __proto__ %s <b>`;

  assert.equal((await given('code.txt', `Subject: x\n\n${hostile}`)).text, hostile);
});

test('parameters of the wrong shape are refused', async () => {
  const connector = new EmailConnector({ root: inbox });

  for (const parameters of [{}, { path: '' }, { path: 1 }, { path: 'a', extra: 1 }]) {
    await assert.rejects(connector.execute('read', parameters, taskContext()), { code: 'BAD_PARAMETERS' });
  }
});

async function read(path: string, root: string | readonly string[] = inbox): Promise<EmailMessage> {
  return (await new EmailConnector({ root }).execute('read', { path }, taskContext())) as EmailMessage;
}

async function given(name: string, content: string | Buffer): Promise<EmailMessage> {
  await writeFile(join(inbox, name), content);
  return read(name);
}
