import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { EmailMessage } from '../src/mail/message.ts';
import { effortOf } from './support/effort.ts';
import { writeEml } from './support/eml.ts';
import { Mails, PDF } from './support/mails.ts';

const mails = await Mails.open();
after(() => mails.remove());

test('a message is decoded, whatever its file is called', async () => {
  const headers = {
    From: '=?utf-8?Q?Se=C3=B1ora_L?= <a@b.example>',
    To: 'c@d.example, e@f.example',
    Subject: '=?utf-8?B?w5xi?=\r\n =?utf-8?B?ZXI=?=',
    'Message-ID': '<1@b>',
  };

  for (const name of ['message.eml', 'message.txt']) {
    const email = await mails.given(name, writeEml(headers, [{ type: 'text/plain', content: 'Größe\n' }]));
    assert.equal(email.from, 'Señora L <a@b.example>');
    assert.equal(email.to, 'c@d.example, e@f.example');
    assert.equal(email.subject, 'Über');
    assert.equal(email.message_id, '<1@b>');
    assert.equal(email.text, 'Größe');
  }
});

test('a text is read as one, though somebody called it .eml', async () => {
  const text = 'Subject: URGENT From: a@b.example To: c@d.example\nHello,\nPO Number: 7\n\nTotal: $5.00';

  const named = await mails.given('text.eml', text);
  const bare = await mails.given('bare.eml', 'Vendor: Foo\nTotal: $5.00\n\nThanks');

  assert.deepEqual([named.subject, named.from], ['URGENT', 'a@b.example']);
  assert.equal(named.text, 'Hello,\nPO Number: 7\n\nTotal: $5.00');
  assert.match(bare.text, /^Vendor: Foo/);
});

test('blank lines before the headers, and the line of a mailbox, hide nothing', async () => {
  for (const before of ['\n\r\n', 'From a@b.example Mon Jun  2 10:00:00 2025\n']) {
    const { subject, text } = await mails.given(
      'late.eml',
      `${before}Subject: urgent\nFrom: a@b.example\n\nbody`,
    );

    assert.deepEqual([subject, text], ['urgent', 'body']);
  }
});

test('Windows-1252 is decoded in messages too', async () => {
  const message = Buffer.from(
    'Content-Type: text/plain; charset=windows-1252\n\n\x80 5,00 M\xfcller',
    'latin1',
  );

  assert.equal((await mails.given('windows.eml', message)).text, '€ 5,00 Müller');
});

test('a message that was saved as UTF-16 is read', async () => {
  const message = '\ufeff\nSubject: Größe\nContent-Type: text/plain\n\nPO Number: 7';

  for (const bytes of [Buffer.from(message, 'utf16le'), Buffer.from(message, 'utf16le').swap16()]) {
    const { subject, text } = await mails.given('utf16.eml', bytes);

    assert.deepEqual([subject, text], ['Größe', 'PO Number: 7']);
  }
});

test('an address is named once, and a group without any by its name', async () => {
  const { from, to } = await mails.given(
    'names.eml',
    'From: =?utf-8?Q?a=40b.example?= <a@b.example>\nTo: Undisclosed recipients:;\nSubject: x\n\nPO Number: 7',
  );

  assert.deepEqual([from, to], ['a@b.example', 'Undisclosed recipients']);
});

test('half characters from an encoded subject and an unknown character set do no harm', async () => {
  const { subject, text } = await mails.given(
    'evil.eml',
    'Subject: =?utf-16?B?2AA=?= x\nContent-Type: text/plain; charset=x-evil\n\nbody \0 text',
  );

  assert.doesNotMatch(subject ?? '', /\p{Surrogate}/u);
  assert.equal(text, 'body  text');
});

test('a character set that nobody knows is guessed, with a warning if that matters', async () => {
  const read = async (charset: string, content: string, subject = 'Order') => {
    const message = writeEml({ Subject: subject }, [
      { type: `text/plain; charset=${charset}`, content: Buffer.from(content, 'latin1') },
    ]);
    const { text, warnings } = await mails.given('charset.eml', message);
    return [text, ...warnings.map(({ message }) => message)];
  };
  const warning = 'some characters of the mail may be others: the character set "x-evil" is not known';

  assert.deepEqual(await read('x-evil', 'M\xfcller'), ['Müller', warning]);
  assert.deepEqual(await read('x-evil', 'Muller'), ['Muller']);
  assert.deepEqual(await read('utf-8', 'Muller', '=?x-evil?Q?M=FCller?='), ['Muller', warning]);
  assert.deepEqual(await read('ISO-8859-1', 'M\xfcller'), ['Müller']);
  assert.deepEqual(await read('x-eucjp', '\xa4\xa2'), ['あ']);
});

test('floods of parts, lines and nesting are refused before they stop the runner', async () => {
  const multipart = 'Content-Type: multipart/mixed; boundary=b\n\n';
  const nested = Array.from(
    { length: 50 },
    (_, index) => `Content-Type: multipart/mixed; boundary=b${index}\n\n--b${index}\n`,
  );

  await assert.rejects(mails.given('parts.eml', multipart + '--b\n\nx\n'.repeat(100_000)), {
    code: 'EMAIL_TOO_MANY_PARTS',
  });
  await assert.rejects(mails.given('lines.eml', `Subject: x\n\n${'some words\n'.repeat(500_000)}`), {
    code: 'EMAIL_TOO_LARGE',
  });
  await assert.rejects(mails.given('deep.eml', nested.join('')), { code: 'EMAIL_DAMAGED' });
  await assert.rejects(mails.given('header.eml', `Subject: ${'x'.repeat(5e6)}\n\nbody`), {
    code: 'EMAIL_DAMAGED',
  });
});

test('declared character sets are decoded', async () => {
  const sets: Record<string, Buffer> = {
    'iso-8859-1': Buffer.from('Größe', 'latin1'),
    'iso-2022-jp': Buffer.from('\u001b$BCmJ8=q\u001b(B'),
    gb18030: Buffer.from('b6a9b5a5', 'hex'),
    'utf-16le': Buffer.from('Größe', 'utf16le'),
  };
  const texts: string[] = [];

  for (const [charset, content] of Object.entries(sets)) {
    const part = { type: `text/plain; charset=${charset}`, content };
    texts.push((await mails.given('charset.eml', writeEml({}, [part]))).text);
  }

  assert.deepEqual(texts, ['Größe', '注文書', '订单', 'Größe']);
});

test('UTF-8 is read as such, whatever character set it is said to be', async () => {
  const read = async (charset: string, content: Buffer) =>
    (await mails.given('charset.eml', writeEml({}, [{ type: `text/plain; charset=${charset}`, content }])))
      .text;
  const price = Buffer.from('Größe “M”: 5,00 €');

  assert.equal(await read('us-ascii', price), 'Größe “M”: 5,00 €');
  assert.equal(await read('iso-8859-1', price), 'Größe “M”: 5,00 €');
  assert.equal(await read('x-unknown', price), 'Größe “M”: 5,00 €');
  assert.equal(await read('iso-8859-1', Buffer.from('Größe', 'latin1')), 'Größe');
  assert.equal(await read('utf-8', Buffer.from('Ä €')), 'Ä €');
});

test('broken quoted-printable stays as it stands', async () => {
  const { text } = await mails.given(
    'quoted.eml',
    'Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nPO Number: =41=ZZ1 =4 =\n2 = 3\n',
  );

  assert.equal(text, 'PO Number: A=ZZ1 =4 2 = 3');
});

test('characters that cannot be decoded are said to be lost, also in a text that is mostly UTF-8', async () => {
  const broken = Buffer.concat([Buffer.from('Subject: Müller\n\nGröße 5'), Buffer.from([0xff])]);
  const eml = writeEml({ Subject: '=?utf-8?B?/w==?=' }, [
    { type: 'text/plain; charset=utf-8', content: Buffer.from([0x35, 0xff]) },
  ]);

  const text = await mails.given('broken.txt', broken);
  const message = await mails.given('broken.eml', eml);

  assert.deepEqual([text.subject, text.text, codes(text)], ['Müller', 'Größe 5\ufffd', ['CHARACTERS_LOST']]);
  assert.deepEqual(
    [message.subject, message.text, codes(message)],
    ['\ufffd', '5\ufffd', ['CHARACTERS_LOST', 'CHARACTERS_LOST']],
  );
});

test('a message without its end is read as far as it goes, with a warning', async () => {
  const whole = writeEml({ Subject: 'x' }, [
    { type: 'text/plain', content: 'PO Number: 1' },
    { type: 'application/pdf', content: PDF, name: 'a.pdf' },
  ]);

  const half = await mails.given('half.eml', whole.slice(0, -200));

  assert.deepEqual(codes(await mails.given('whole.eml', whole)), []);
  assert.deepEqual([half.text, codes(half)], ['PO Number: 1', ['MESSAGE_CUT']]);
  assert.equal(half.attachments[0]?.error?.code, 'PDF_DAMAGED');
});

test('a boundary is never a pattern, and a message whose boundary does not fit says nothing', async () => {
  const multipart = (declared: string, used: string) =>
    `Content-Type: multipart/mixed; boundary="${declared}"\n\n--${used}\n\nPO Number: 1\n--${used}--\n`;

  for (const boundary of ['a.*(b+)[c]?^$|', '(a+)+$', '--'])
    assert.equal((await mails.given('boundary.eml', multipart(boundary, boundary))).text, 'PO Number: 1');

  await assert.rejects(mails.given('none.eml', multipart('a', 'b').replaceAll('--b--', '--a--')), {
    code: 'EMAIL_NO_BODY',
  });
  await assert.rejects(mails.given('long.eml', multipart('x'.repeat(1e6), 'x')), { code: 'EMAIL_DAMAGED' });
});

test('of headers that occur twice the first counts', async () => {
  const twice = (name: string, first: string, second: string) => `${name}: ${first}\n${name}: ${second}\n`;
  const head = [
    twice('From', 'a@b.example', 'evil@c.example'),
    twice('Subject', 'one', 'two'),
    twice('Date', '18 Jun 2025', '19 Jun 2025'),
    twice('Message-ID', '<1@b>', '<2@b>'),
  ].join('');

  for (const name of ['twice.txt', 'twice.eml']) {
    const { from, subject, sent_on, message_id } = await mails.given(name, `${head}\nPO Number: 1\n`);
    assert.deepEqual(
      [from, subject, sent_on, message_id],
      ['a@b.example', 'one', '2025-06-18', '<1@b>'],
      name,
    );
  }
});

test('headers without end are refused, and odd ones are read in moments', async () => {
  const took = await effortOf(async () => {
    await assert.rejects(mails.given('many.eml', `${'X-A: b\n'.repeat(100_000)}\nPO Number: 1\n`), {
      code: 'EMAIL_TOO_LARGE',
    });
    await assert.rejects(mails.given('groups.eml', `To: ${'a:'.repeat(200_000)}\n\nPO Number: 1\n`), {
      code: 'EMAIL_DAMAGED',
    });
    for (const bit of ['a:', '(', 'a@b,', '"', '<', ';', '\\', '=?utf-8?Q?a?= ', '=?utf-8?B?', 'x\n ']) {
      for (const name of ['To', 'Subject', 'Content-Type: text/plain; x']) {
        const odd = `${name}: ${bit.repeat(100_000 / bit.length)}\n\nPO Number: 1\n`;
        assert.equal((await mails.given('odd.eml', odd)).text, 'PO Number: 1', `${name} ${bit}`);
      }
    }
  });

  assert.ok(took < 30_000, `it took ${took.toFixed(0)} ms`);
});

function codes({ warnings }: EmailMessage): string[] {
  return warnings.map(({ code }) => code);
}
