import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { writeEml } from './support/eml.ts';
import { Mails } from './support/mails.ts';

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

test('Windows-1252 is decoded in messages too', async () => {
  const message = Buffer.from(
    'Content-Type: text/plain; charset=windows-1252\n\n\x80 5,00 M\xfcller',
    'latin1',
  );

  assert.equal((await mails.given('windows.eml', message)).text, '€ 5,00 Müller');
});

test('half characters from an encoded subject and an unknown character set do no harm', async () => {
  const { subject, text } = await mails.given(
    'evil.eml',
    'Subject: =?utf-16?B?2AA=?= x\nContent-Type: text/plain; charset=x-evil\n\nbody \0 text',
  );

  assert.doesNotMatch(subject ?? '', /\p{Surrogate}/u);
  assert.equal(text, 'body  text');
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
