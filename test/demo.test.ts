import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { type CommandOptions, command, type Spoken, startCommand, workFolder } from './support/command.ts';
import { createDatabase } from './support/database.ts';
import { until } from './support/until.ts';

const folder = workFolder();
const db = await createDatabase();
// As new as a database can be: the demo has to bring its own tables.
const superuser = await openClient(db.superuserUrl);
await superuser.query(
  'drop schema sluice, graphile_migrate, public cascade; create schema public authorization sluice',
);
await superuser.end();
after(async () => {
  folder[Symbol.dispose]();
  await db[Symbol.asyncDispose]();
});

function run(...args: readonly string[]): Promise<Spoken> {
  const options: CommandOptions = { url: db.url, folder: folder.path };
  return command(args, options);
}

// biome-ignore lint/suspicious/noExplicitAny: rows are what the statement asks for, as in pg itself.
async function query(text: string): Promise<any[]> {
  return (await db.pool.query(text)).rows;
}

function alertAt(path: string) {
  return JSON.parse(readFileSync(join(folder.path, path), 'utf8'));
}

function save(name: string, ...lines: readonly string[]): string {
  writeFileSync(join(folder.path, name), `${lines.join('\n')}\n`);
  return name;
}

const sample = readFileSync(join(folder.path, 'samples', 'sample_po_email.txt'), 'utf8');
const demo = await run('demo');

test('the demo ends with exit code 0 and shows its run, its alert and what to try next', () => {
  assert.equal(demo.code, 0, demo.stderr);
  assert.match(demo.stdout, /run 1 of po_demo COMPLETED in/);
  assert.match(demo.stdout, /"po_number": "PO-2025-0472"/);
  assert.match(demo.stdout, /npm run start-run -- po_demo/);
});

test('the console tells every task’s start, every move and the end of the run, in order', () => {
  for (const task of ['read_email', 'extract_fields', 'upsert_order', 'check_attention', 'write_alert']) {
    const lines = demo.stdout.split('\n').filter((line) => line.includes(` ${task} `) && line.includes('→'));
    assert.equal(lines.length, 3, `${task}:\n${lines.join('\n')}`);
    assert.match(lines[0] ?? '', /PENDING → READY/);
    assert.match(lines[1] ?? '', /READY → RUNNING \(attempt 1 of \d\)/);
    assert.match(lines[2] ?? '', /RUNNING → SUCCESS in \d/);
  }
});

test('a demo with a wrong input is exit code 2, and nothing that waits has been begun', async () => {
  await run('start-run', 'po_demo');

  const unknown = await run('demo', '--input', 'nope=1');
  const invalid = await run('demo', '--input', 'amount_over=abc');

  assert.deepEqual([unknown.code, invalid.code], [2, 2]);
  assert.match(unknown.stderr, /^BAD_INPUT there is no input "nope"/);
  assert.match(invalid.stderr, /"amount_over": .* Nothing was started/);
  const cancelled = await query(
    `select sluice.cancel_run(waiting.id), waiting.attempt
       from (select active.id, max(tasks.attempt) as attempt
               from sluice.active_runs as active join sluice.tasks on tasks.run_id = active.id group by active.id) as waiting`,
  );
  assert.deepEqual(cancelled, [{ cancel_run: true, attempt: 0 }]);
});

test('the alert has exactly its four keys, in their order', () => {
  assert.deepEqual(Object.keys(alertAt('po_alert.json')), ['po_number', 'reasons', 'fields', 'timestamp']);
});

test('the alert names the order and its three reasons, with the figures in them', () => {
  const { po_number, reasons } = alertAt('po_alert.json');

  assert.equal(po_number, 'PO-2025-0472');
  assert.deepEqual(reasons, [
    'the subject says "urgent"',
    'the total 19350.25 USD is over 10000.00',
    'the due date 2025-06-25 is 7 days after 2025-06-18 (limit: 7 days)',
  ]);
});

test('the alert holds the fields as they were read, and when its run was started', async () => {
  const { fields, timestamp } = alertAt('po_alert.json');
  const [{ created_at }] = await query('select created_at from sluice.runs where id = 1');

  assert.equal(fields.total, '19350.25');
  assert.equal(fields.vendor, 'Precision Label Co.');
  assert.deepEqual([fields.order_date, fields.due_date], ['2025-06-18', '2025-06-25']);
  assert.equal(fields.line_items.length, 3);
  assert.equal(timestamp, created_at.toISOString());
});

test('the order is a row with exact money and real dates', async () => {
  const rows = await query(
    `select po_number, buyer, vendor, ship_to, order_date, payment_terms, total, subtotal, tax, shipping, due_date,
            currency, is_complete, source, subject,
            pg_typeof(total)::text as money, pg_typeof(due_date)::text as day, jsonb_array_length(line_items) as items
       from purchase_orders`,
  );

  assert.deepEqual(rows, [
    {
      po_number: 'PO-2025-0472',
      buyer: 'acmeprocurement.com',
      vendor: 'Precision Label Co.',
      ship_to: 'Acme Procurement Inc. 4200 Industrial Blvd, Suite 110 Chattanooga, TN 37410',
      order_date: '2025-06-18',
      payment_terms: 'Net 30',
      total: '19350.25',
      subtotal: '17300.00',
      tax: '1600.25',
      shipping: '450.00',
      due_date: '2025-06-25',
      currency: 'USD',
      is_complete: true,
      source: 'samples/sample_po_email.txt',
      subject: 'URGENT: Purchase Order #PO-2025-0472 — Glass Bottle Labels (Expedited)',
      money: 'numeric',
      day: 'date',
      items: 3,
    },
  ]);
});

test('v_run_history shows the run', async () => {
  const [row] = await query(
    'select run, workflow, status, tasks, failed_task, error from v_run_history order by run limit 1',
  );

  assert.deepEqual(row, {
    run: '1',
    workflow: 'po_demo',
    status: 'COMPLETED',
    tasks: '5/5',
    failed_task: null,
    error: null,
  });
});

test('the same mail read again gives the same alert, and one row', async () => {
  const before = alertAt('po_alert.json');

  const again = await run('demo');

  assert.equal(again.code, 0, again.stderr);
  const { timestamp, ...alert } = alertAt('po_alert.json');
  assert.deepEqual({ ...alert, timestamp: before.timestamp }, before);
  assert.notEqual(timestamp, before.timestamp);
  assert.deepEqual(await query('select count(*)::integer from purchase_orders'), [{ count: 1 }]);
});

test('a mail without an order number is stored and flagged, and overwrites nobody', async () => {
  const first = save(
    'first.txt',
    'Subject: Order',
    'From: a@buyer.example',
    'Date: Wed, 18 Jun 2025 09:00:00 +0000',
    '',
    'Vendor: One Co.',
    'Due Date: 2025-12-01',
    'Total: $10.00',
  );
  const second = save(
    'second.txt',
    'Subject: Order',
    'From: a@buyer.example',
    'Date: Wed, 18 Jun 2025 09:00:00 +0000',
    '',
    'Vendor: Two Co.',
    'Due Date: 2025-12-01',
    'Total: $20.00',
  );

  const results = [
    await run('demo', '--input', `email=${first}`, '--input', 'alert_path=first.json'),
    await run('demo', '--input', `email=${second}`, '--input', 'alert_path=second.json'),
  ];

  assert.deepEqual(
    results.map(({ code }) => code),
    [0, 0],
    results.map(({ stderr }) => stderr).join(),
  );
  assert.deepEqual(
    await query(
      `select po_number, vendor, total, is_complete from purchase_orders where source in ('first.txt', 'second.txt') order by source`,
    ),
    [
      { po_number: null, vendor: 'One Co.', total: '10.00', is_complete: false },
      { po_number: null, vendor: 'Two Co.', total: '20.00', is_complete: false },
    ],
  );
  assert.equal(alertAt('first.json').po_number, null);
  assert.equal(alertAt('first.json').reasons[0], 'required fields are missing: po_number');
});

test('a row has the amounts of its alert, parts of a cent included', async () => {
  const mail = save(
    'cents.txt',
    'Subject: Order',
    '',
    'PO Number: CENTS-1',
    'Tax: $0.3715',
    'Total: $4.8715',
  );

  await run('demo', '--input', `email=${mail}`, '--input', 'alert_path=cents.json');

  const [row] = await query(`select total, tax from purchase_orders where po_number = 'CENTS-1'`);
  assert.deepEqual(row, { total: '4.8715', tax: '0.3715' });
  assert.equal(alertAt('cents.json').fields.total, '4.8715');
});

for (const amount of ['NaN', 'Infinity', '-Infinity'])
  test(`no amount of an order is ${amount}`, async () => {
    const insert = `insert into purchase_orders (order_key, source, tax) values ('x', 'x', '${amount}')`;
    await assert.rejects(query(insert), { constraint: 'amounts_are_numbers' });
  });

test('the same order number from another buyer is another order', async () => {
  const mail = save(
    'other.txt',
    'Subject: Order',
    'From: b@somebody-else.example',
    'Date: Wed, 18 Jun 2025 09:00:00 +0000',
    '',
    'PO Number: PO-2025-0472',
    'Vendor: Three Co.',
    'Due Date: 2025-12-01',
    'Total: $30.00',
  );

  const { code } = await run('demo', '--input', `email=${mail}`, '--input', 'alert_path=other.json');

  assert.equal(code, 0);
  assert.deepEqual(
    await query(`select vendor, total from purchase_orders where po_number = 'PO-2025-0472' order by total`),
    [
      { vendor: 'Three Co.', total: '30.00' },
      { vendor: 'Precision Label Co.', total: '19350.25' },
    ],
  );
});

test('an order that needs nobody’s attention writes no alert, and its task says why', async () => {
  const { code, stdout } = await run(
    'demo',
    ...['--input', 'as_of=2025-01-01', '--input', 'amount_over=20000', '--input', 'alert_path=calm.json'],
    ...['--input', `email=${save('calm.txt', ...sample.replace('URGENT', 'Hello').split('\n'))}`],
  );

  assert.equal(code, 0);
  assert.match(stdout, /write_alert .*skipped: output check_attention\.needs_attention is false/);
  assert.match(stdout, /Nothing needs attention/);
  assert.equal(existsSync(join(folder.path, 'calm.json')), false);
});

test('how many days before it is due an order needs attention, is said by whoever starts the run', async () => {
  const calm = save('days.txt', ...sample.replace('URGENT', 'Hello').split('\n'));
  const reasonsWithin = async (days: number) => {
    const given = ['as_of=2025-06-15', 'amount_over=20000', `due_within_days=${days}`, `email=${calm}`];
    const path = `within_${days}.json`;
    await run('demo', ...[...given, `alert_path=${path}`].flatMap((one) => ['--input', one]));
    return existsSync(join(folder.path, path)) ? alertAt(path).reasons.length : 0;
  };

  assert.deepEqual([await reasonsWithin(9), await reasonsWithin(10)], [0, 1]);
});

test('what is doubted calls for attention by itself', async () => {
  const odd = save(
    'odd.txt',
    ...sample.replace('URGENT', 'Hello').replace('$19,350.25', '$19,351.25').split('\n'),
  );
  const given = ['as_of=2025-01-01', 'amount_over=20000', 'alert_path=odd.json', `email=${odd}`];

  await run('demo', ...given.flatMap((one) => ['--input', one]));

  assert.match(alertAt('odd.json').reasons.join('\n'), /^the total is 19351\.25, but .*19350\.25$/);
});

test('starting a run twice with the same key starts it once, and another input with it is refused', async () => {
  const first = await run('start-run', 'po_demo', '--idempotency-key', 'k1');
  const second = await run('start-run', 'po_demo', '--idempotency-key', 'k1');
  const third = await run('start-run', 'po_demo', '--idempotency-key', 'k1', '--input', 'due_within_days=3');

  assert.deepEqual([first.code, second.code, third.code], [0, 0, 2]);
  assert.match(first.stdout, /^\d+\n$/);
  assert.equal(second.stdout, first.stdout);
  assert.match(third.stderr, /has the key "k1" already, with another input/);
  assert.deepEqual(await query(`select count(*)::integer from sluice.runs where key = 'k1'`), [{ count: 1 }]);
  await query(`select sluice.cancel_run(id) from sluice.runs where status = 'RUNNING'`);
});

test('a mail that is not there fails the run after its retries, with exit code 1 and the reason', async () => {
  const { code, stdout } = await run('demo', '--input', 'email=missing.txt');

  assert.equal(code, 1);
  assert.match(stdout, /attempt 1 of 3 failed, trying again: .*missing\.txt/);
  assert.match(stdout, /attempt 2 of 3 failed/);
  assert.match(stdout, /RUNNING → FAILED: .*missing\.txt/);
  assert.match(stdout, /The run did not come to that: no alert was written/);
  const [row] = await query('select status, failed_task, tasks from v_run_history limit 1');
  assert.deepEqual(row, { status: 'FAILED', failed_task: 'read_email', tasks: '0/5' });
});

test('Ctrl-C ends the demo in an orderly way, and says that the run can go on', async () => {
  const holder = await db.pool.connect();
  await holder.query('begin; lock table purchase_orders');
  const going = startCommand(['demo'], { url: db.url, folder: folder.path });
  await until(() => /upsert_order +READY → RUNNING/.test(going.said), 'the task that waits');

  going.interrupt();
  await until(() => /stopping: waiting/.test(going.said), 'the stop');
  await holder.query('rollback');
  holder.release();

  assert.equal(await going.ended, 130);
  assert.match(going.said, /Stopped\. Run \d+ goes on when somebody runs it: npm run runner/);
  assert.doesNotMatch(going.said, /\n\s+at /);
});

test('the demo tells what it did itself, and says what another runner of the database has done', async () => {
  const other = startCommand(['runner'], { url: db.url, folder: folder.path });
  await until(() => /runner \d+ is ready/.test(other.said), 'the other runner');

  const { code, stdout } = await run('demo');
  other.interrupt();
  await other.ended;

  assert.equal(code, 0);
  const [, runner, tasks = ''] = stdout.match(/^Told elsewhere, by runner (\d+): (.*)\.$/m) ?? [];
  if (runner !== undefined) assert.match(other.said, new RegExp(`runner ${runner} is ready`));
  for (const task of ['read_email', 'extract_fields', 'upsert_order', 'check_attention', 'write_alert']) {
    const isTold = new RegExp(` ${task} +RUNNING → SUCCESS`).test(stdout);
    assert.notEqual(isTold, tasks.split(', ').includes(task), task);
  }
});
