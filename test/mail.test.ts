import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { sentOn } from '../src/mail/dates.ts';
import { shown } from '../src/mail/message.ts';
import { clean, cleanLine, readHeaders } from '../src/mail/text.ts';
import { writeEml } from './support/eml.ts';
import { Mails, ORDER, PDF } from './support/mails.ts';

const mails = await Mails.open();
after(() => mails.remove());

test('a header that is cut in the middle of a character can be stored', () => {
  assert.equal(cleanLine(`${'x'.repeat(999)}😀`), `${'x'.repeat(999)}\ufffd`);
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
    await assert.rejects(mails.given(name, content), { code: codes[name as keyof typeof codes] }, name);
  }
});

test('what is no text is refused', async () => {
  const noise = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) % 256));

  await assert.rejects(mails.given('noise.txt', noise), { code: 'EMAIL_NOT_TEXT' });
  await assert.rejects(mails.given('markless.txt', Buffer.from(ORDER, 'utf16le')), {
    code: 'EMAIL_NOT_TEXT',
  });
  await assert.rejects(mails.given('order.pdf', PDF), { code: 'EMAIL_NOT_TEXT', message: /is a PDF/ });
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
    const { subject, text: body } = await mails.given('variant.txt', bytes);
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
  const { subject, date, text } = await mails.given('bare.txt', 'PO Number: 1\nVendor: Foo\n');

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
    const { date, sent_on, warnings } = await mails.given(name, content);
    assert.deepEqual(
      [date, sent_on, warnings.map(({ code }) => code)],
      ['31 Feb 2025', null, ['DATE_UNREADABLE']],
    );
  }
});

test('a long text is cut, with a warning', async () => {
  const { text, warnings } = await mails.given('long.txt', `Subject: x\n\n${'word '.repeat(100_000)}`);

  assert.equal(text.length <= 200_000, true);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['TEXT_CUT'],
  );
});

test('text that looks like code stays what it is', async () => {
  const hostile = `PO Number: 1\n$\{tasks.x} {{y}} '; drop table z;-- __proto__ %s <b>`;

  assert.equal((await mails.given('code.txt', `Subject: x\n\n${hostile}`)).text, hostile);
});
