import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { htmlToText } from '../src/mail/html.ts';
import { extractOrder } from '../src/purchase_order/extract.ts';
import { effortOf } from './support/effort.ts';
import { writeEml } from './support/eml.ts';
import { HTML_LAYOUTS, writeHtml } from './support/html_orders.ts';
import { Mails } from './support/mails.ts';
import { mail } from './support/order_mail.ts';
import { anyOrder, anyStyle, Choices, comparable } from './support/orders.ts';

const mails = await Mails.open();
after(() => mails.remove());

test('the plain part counts, unless the HTML has a table or says much more', async () => {
  const alternative = (plain: string, html: string) =>
    mails.given(
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

  assert.deepEqual(htmlToText(html), { text: 'Item   Qty\nBolt   2\n\ne', isCut: false });
});

test('what is struck out or hidden by its style is not read, and a raised digit is no digit of what it stands behind', () => {
  const html = `PO Number: <s>A-99</s> A-100<sup>1</sup><p style="DISPLAY : None">Total: $1.00</p>
    <p>Vendor: <span style="text-decoration: line-through">Bar</span> Foo Ltd</p><p>Total: $10<sup>00</sup></p>`;

  const { fields } = extractOrder({ ...mail(htmlToText(html).text) });

  assert.deepEqual([fields.po_number, fields.vendor, fields.total], ['A-100', 'Foo Ltd', null]);
});

test('paragraphs of Outlook have no blank line between them, but where one is empty', () => {
  const lines = ['Ship To: Foo Ltd', '9 Quay Road', '&nbsp;', 'Total: $5.00'];

  for (const set of ['class=MsoNormal', 'style="margin-top: 0px; margin-bottom: 0px"']) {
    const { text } = htmlToText(lines.map((line) => `<p ${set}>${line}</p>`).join('\n'));

    assert.equal(text.replace(/\u00a0/g, ''), 'Ship To: Foo Ltd\n9 Quay Road\n\nTotal: $5.00');
  }
  assert.equal(htmlToText('<p>Foo</p><p>Bar</p>').text, 'Foo\n\nBar');
});

test('a place where a long number may be broken is no blank', () => {
  assert.equal(htmlToText('PO 4500&#8203;123456, $1,\u200b250.00').text, 'PO 4500123456, $1,250.00');
});

test('labels and values that only a style keeps apart are apart, and words of several pieces are whole', () => {
  const flex = '<div style="display: flex">';
  const html = `${flex}<span>PO No.</span><span>A-100</span></div>${flex}<b>Vendor</b>Foo Ltd</div>
    <p><label>Due Date</label><em><span style="float:right">2025-06-30</span></em></p>
    <p><span>Ship To</span><span>Bar, 5 Qu</span><span>ay <span>R</span><span>d</span></span></p>
    <p>Payment terms: <b>Net</b>30 <i>pre</i>Pay</p>
    <table><tr><td><bdi><span>kr</span>5,00</bdi></td></tr></table>`;

  const { fields } = extractOrder({ ...mail(htmlToText(html).text) });

  assert.deepEqual(
    [fields.po_number, fields.vendor, fields.due_date, fields.ship_to, fields.payment_terms],
    ['A-100', 'Foo Ltd', '2025-06-30', 'Bar, 5 Quay Rd', 'Net30 prePay'],
  );
  assert.match(htmlToText(html).text, /^kr5,00$/m);
});

test('what is indented is not quoted, but what has a border on one side is', () => {
  const html = `Hi,<blockquote style="margin: 0 0 0 40px; border: none; padding: 0px"><div>PO Number: A-100</div></blockquote>
    <blockquote class="gmail_quote" style="border-left: 1px solid rgb(204,204,204)">PO Number: A-99</blockquote>
    <blockquote style="border:none;border-left:solid #CCCCCC 1.0pt">PO Number: A-98</blockquote>`;

  assert.equal(htmlToText(html).text, 'Hi,\nPO Number: A-100\n\n> PO Number: A-99\n\n> PO Number: A-98');
});

test('deeply nested HTML and endless tables are read in moments', async () => {
  for (const bit of [
    '<div>',
    '<table><tr><td>',
    '<ul><li>',
    '<b',
    '<!--',
    '<td>',
    '<sup ',
    'style="x ',
    "<p style='",
  ]) {
    const nested = `Content-Type: text/html\n\nPO Number: 1\n${bit.repeat(100_000)}x`;

    const took = await effortOf(() => mails.given('nested.eml', nested).catch(() => {}));

    assert.ok(took < 20_000, `${bit} took ${took.toFixed(0)} ms`);
  }
});

test('HTML that is nested too deeply or is too long is read as far as that goes, with a warning', async () => {
  const deep = `<p>PO Number: 1</p>${'<div>'.repeat(250)}Total: 5.00`;
  const long = `<p>PO Number: 1</p>${'<i>words</i> '.repeat(100_000)}Total: 5.00`;
  const mute = `${'<div>'.repeat(250)}PO Number: 1`;

  for (const [html, start] of [
    [deep, 'PO Number: 1'],
    [long, 'PO Number: 1'],
    [mute, ''],
  ] as const) {
    const email = await mails.given('cut.eml', `Content-Type: text/html\n\n${html}`);
    const { warnings } = extractOrder(email);
    assert.ok(email.text.startsWith(start) && !email.text.includes('Total'));
    assert.ok(
      warnings.some(({ code }) => code === 'HTML_CUT'),
      start,
    );
  }
});

test('a row or cell of a table that is struck out or hidden by its style is not there', () => {
  const table = (row: string, cell = '') =>
    htmlToText(
      `<table><tr><td>1</td><td>Rod</td></tr><tr${row}><td${cell}>2</td><td${cell}>Nut</td></tr><tr><td>3</td><td>Cap</td></tr></table>`,
    ).text.replace(/\s+/g, ' ');

  assert.equal(table(''), '1 Rod 2 Nut 3 Cap');
  assert.equal(table(' style="color: gray; text-decoration: line-through"'), '1 Rod 3 Cap');
  assert.equal(table(" style='display: none'"), '1 Rod 3 Cap');
  assert.equal(table('', ' style="TEXT-DECORATION: line-through"'), '1 Rod 3 Cap');
});

test('a class that a style sheet strikes out is not there', () => {
  const text = (html: string) =>
    htmlToText(`<style>td.old { color: gray; text-decoration: line-through }</style>${html}`).text.trim();

  assert.equal(text('<p>5 <span class="price old">6</span> 7</p>').replace(/\s+/g, ' '), '5 7');
  assert.equal(text("<table><tr><td>Rod</td></tr><tr class='old'><td>Nut</td></tr></table>"), 'Rod');
  assert.equal(text('<p class=older>5</p>'), '5');
});

test('pictures within HTML take no room', () => {
  const picture = `<img src="data:image/png;base64,${'A'.repeat(2_000_000)}">`;

  assert.deepEqual(htmlToText(`${picture}<p>PO Number: 1</p>`), { text: 'PO Number: 1', isCut: false });
});

test('HTML is read to its end, whatever stands outside its body or in a second one', () => {
  const html =
    '<html><head><title>t</title></head><body>a</body></html><p>b</p><html><body>c</body></html><div>d</div>';

  assert.equal(htmlToText(html).text.replace(/\s+/g, ' '), 'a b c d');
});

test('an order reads the same in whatever HTML it is written', async () => {
  for (const layout of HTML_LAYOUTS) {
    for (let seed = 1; seed <= 12; seed += 1) {
      const choices = new Choices(seed);
      const order = anyOrder(choices);
      const html = writeHtml(order, anyStyle(choices), layout);
      const email = await mails.given('order.eml', writeEml({}, [{ type: 'text/html', content: html }]));

      const { fields, warnings } = extractOrder(email);

      assert.deepEqual(comparable(fields), comparable(order), `${layout}, seed ${seed}:\n${email.text}`);
      assert.deepEqual(warnings, [], `${layout}, seed ${seed}:\n${email.text}`);
    }
  }
});
