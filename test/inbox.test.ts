import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import { FileConnector } from '../src/connectors/file.ts';
import { fileName } from '../src/connectors/file_name.ts';
import { openClient } from '../src/database/connect.ts';
import { writeWhole } from '../src/files.ts';
import { openEngine } from '../src/index.ts';
import { command, startCommand, workFolder } from './support/command.ts';
import { createDatabase } from './support/database.ts';
import { isRoot } from './support/embedded.ts';
import { Desk } from './support/inbox.ts';
import { TcpProxy } from './support/proxy.ts';
import { draw, fileDatabase, registerRunner, someoneWaitsForALock } from './support/scene.ts';
import { taskContext } from './support/task_context.ts';
import { until } from './support/until.ts';

const order = (number: number) => `Subject: order ${number}\n\nPO Number: ${number}\n`;

test('every mail that lies in the folder starts one run, whatever else lies there', async () => {
  await using desk = await Desk.open();
  for (const name of ['a.txt', 'b.EML', 'c d ✉ {x}.eml']) await desk.drop(name, `mail ${name}`);
  await desk.drop('order.pdf', 'no mail');
  await mkdir(desk.path('folder.eml'));

  const tally = await desk.once();

  assert.deepEqual(tally, { started: 3, known: 0, refused: 0, completed: 0, failed: 0 });
  assert.deepEqual(
    (await desk.runs()).toSorted(),
    ['a.txt', 'b.EML', 'c d ✉ {x}.eml'].map((name) => desk.path(name)),
  );
  assert.deepEqual(desk.said, ['info passed over: "order.pdf" starts no run: only .txt and .eml do.']);
});

test('mails that arrive start their runs as they come', async () => {
  await using desk = await Desk.open();
  await desk.watch();

  for (const number of [1, 2, 3]) {
    await desk.drop(`${number}.txt`, order(number));
    await desk.untilRuns(number);
  }

  assert.deepEqual(
    await desk.runs(),
    [1, 2, 3].map((number) => desk.path(`${number}.txt`)),
  );
  assert.match(desk.said[0] ?? '', /^info .*\/in\/1\.txt started run \d+ of desk_/);
});

test('the same content is one run under any name, and another content under an old name is another', async () => {
  await using desk = await Desk.open();
  await desk.drop('a.txt', order(1));
  await desk.drop('b.txt', order(1));
  await desk.once();

  await desk.drop('a.txt', order(2));
  const tally = await desk.once();

  assert.deepEqual([tally.started, tally.known], [1, 1]);
  const files = await desk.files();
  const [first, second] = [...new Set(files.map(([, run]) => run))];
  assert.deepEqual(files, [
    ['a.txt', first],
    ['b.txt', first],
    ['a.txt', second],
  ]);
});

test('after a restart nothing starts again, and what has not changed is not read again', async () => {
  await using desk = await Desk.open();
  await desk.drop('a.txt', order(1));
  await utimes(desk.path('a.txt'), 1_700_000_000, 1_700_000_000);
  await desk.once();
  await writeFile(desk.path('a.txt'), order(2));
  await utimes(desk.path('a.txt'), 1_700_000_000, 1_700_000_000);

  const tally = await desk.once();

  assert.deepEqual([tally.started, tally.known], [0, 1]);
});

test('a mail whose run was pruned does not start again', async () => {
  const { pool } = await fileDatabase();
  await using desk = await Desk.open();
  await desk.drop('a.txt', order(1));
  await desk.once();
  const [[, run] = ['', '']] = await desk.files();
  await pool.query('select sluice.cancel_run($1)', [run]);
  await pool.query(`select sluice.prune('0 s')`);
  assert.deepEqual(await desk.runs(), []);

  await desk.drop('again.txt', order(1));
  const tally = await desk.once();

  assert.deepEqual([tally.started, tally.known], [0, 2]);
});

test('a file that is still being written is waited for', async () => {
  await using desk = await Desk.open();
  await writeFile(desk.path('slow.eml'), 'Subject: slow\n\n');
  await desk.watch({ settleMs: 300 });
  const bell = setInterval(() => void appendFile(desk.path('slow.eml'), 'one more line\n'), 20);
  await until(async () => (await readFile(desk.path('slow.eml'), 'utf8')).length > 500, 'some lines');

  assert.deepEqual(await desk.runs(), []);
  clearInterval(bell);
  await desk.untilRuns(1);
  await desk.stop();

  const whole = await readFile(desk.path('slow.eml'));
  const { pool } = await fileDatabase();
  const { rows } = await pool.query('select key from sluice.runs where workflow = $1', [desk.workflow]);
  assert.deepEqual(rows, [{ key: `sha256 ${createHash('sha256').update(whole).digest('hex')}` }]);
});

test('names of unfinished files are passed over until they are renamed', async () => {
  await using desk = await Desk.open();
  const names = ['.a.eml', 'b.eml.part', 'c.tmp', '~d.txt', 'e.eml.crdownload', 'f.txt~'];
  for (const name of names) await writeFile(desk.path(name), `mail ${name}`);
  await desk.drop('real.txt', order(1));
  await desk.watch();
  await desk.untilRuns(1);

  await rename(desk.path('b.eml.part'), desk.path('b.eml'));
  await desk.untilRuns(2);

  assert.deepEqual(await desk.runs(), [desk.path('real.txt'), desk.path('b.eml')]);
  assert.equal(
    desk.said.some((line) => line.includes('left alone')),
    false,
  );
});

test('an empty file is told about, and taken when it has content', async () => {
  await using desk = await Desk.open();
  await writeFile(desk.path('a.txt'), '');
  await desk.watch();
  await desk.untilSaid(/"a\.txt" is empty/);

  await writeFile(desk.path('a.txt'), order(1));

  await desk.untilRuns(1);
});

test('a file that was only just created is not said to be empty', async () => {
  await using desk = await Desk.open();
  await desk.watch({ settleMs: 600_000 });
  await writeFile(desk.path('a.txt'), '');

  // Whoever tells of the second link has looked at everything since the first.
  for (const name of ['link1.txt', 'link2.txt']) {
    await symlink('a.txt', desk.path(name));
    await desk.untilSaid(new RegExp(name));
  }

  assert.equal(
    desk.said.some((line) => line.includes('is empty')),
    false,
  );
});

test('what cannot be taken gets one line each, and does not hold up the rest', async () => {
  await using desk = await Desk.open();
  await writeFile(join(desk.root, 'secret.txt'), 'secret');
  await symlink(join(desk.root, 'secret.txt'), desk.path('link.txt'));
  execFileSync('mkfifo', [desk.path('pipe.eml')]);
  await writeFile(desk.path('huge.txt'), '');
  await truncate(desk.path('huge.txt'), 2 ** 31);
  await writeFile(desk.path('esc\u001b[31m.eml'), '');
  if (!isRoot) {
    await writeFile(desk.path('locked.txt'), 'locked');
    await chmod(desk.path('locked.txt'), 0);
  }
  await desk.drop('z.txt', order(1));
  const before = process.memoryUsage.rss();
  await desk.watch();
  await desk.untilRuns(1);
  await desk.untilSaid(/huge/);

  await desk.drop('later.txt', order(2));
  await desk.untilRuns(2);

  assert.deepEqual(desk.said.filter((line) => line.startsWith('warn')).toSorted(), [
    'warn left alone: "esc\\u001b[31m.eml" is empty; waiting for its content.',
    'warn left alone: "huge.txt" has 2147483648 bytes; the limit is 10485760. Save it without its large attachments.',
    'warn left alone: "link.txt" is a link; put the file itself here.',
    ...(isRoot ? [] : ['warn left alone: "locked.txt" cannot be read: permission denied.']),
    'warn left alone: "pipe.eml" is not a regular file.',
  ]);
  assert.ok(process.memoryUsage.rss() - before < 100e6);
});

test('the folder may go away and come back', async () => {
  await using desk = await Desk.open();
  await desk.drop('a.txt', order(1));
  await desk.watch();
  await desk.untilRuns(1);

  await rm(desk.folder, { recursive: true });
  await desk.untilSaid(/cannot be read: .* Waiting for it\./);
  await mkdir(desk.folder);
  await desk.drop('a.txt', order(1));
  await desk.drop('b.txt', order(2));
  await desk.untilRuns(2);
  await desk.untilSaid(/is back/);
  await desk.drop('c.txt', order(3));
  await desk.untilRuns(3);

  assert.equal((await desk.runs()).length, 3);
});

test('once, a folder that cannot be read is refused in a line', async () => {
  await using desk = await Desk.open();
  await rm(desk.folder, { recursive: true });

  await assert.rejects(desk.once(), {
    name: 'UsageError',
    message: /^INBOX_NOT_READ .* cannot be read: ENOENT/,
  });
});

test('a mail that is moved lies in the other folder by the time its run looks for it, and no other is replaced', async () => {
  await using desk = await Desk.open();
  const moveTo = join(desk.root, 'done');
  await mkdir(moveTo);
  await writeFile(join(moveTo, 'a.txt'), 'an older mail of that name');
  await writeFile(join(moveTo, 'b.txt'), order(2));
  for (const [index, name] of ['a.txt', 'b.txt', 'c.txt'].entries()) await desk.drop(name, order(index + 1));

  const { started } = await desk.once({ moveTo });

  assert.equal(started, 3);
  assert.deepEqual(await readdir(desk.folder), []);
  const runs = (await desk.runs()).toSorted();
  assert.match(runs[0] ?? '', /done\/a-[0-9a-f]{8}\.txt$/);
  assert.deepEqual(await Promise.all(runs.map((path) => readFile(path, 'utf8'))), [
    order(1),
    order(2),
    order(3),
  ]);
  assert.equal(await readFile(join(moveTo, 'a.txt'), 'utf8'), 'an older mail of that name');
  assert.equal((await readdir(moveTo)).length, 4);
});

test('a mail is moved beside one of its name and size that cannot be read', {
  skip: isRoot && 'root can read everything',
}, async () => {
  await using desk = await Desk.open();
  const moveTo = join(desk.root, 'done');
  await mkdir(moveTo);
  await writeFile(join(moveTo, 'a.txt'), order(1), { mode: 0 });
  await desk.drop('a.txt', order(2));
  await desk.drop('b.txt', order(3));

  const { started } = await desk.once({ moveTo });

  assert.equal(started, 2);
  assert.match((await readdir(moveTo)).toSorted().join(' '), /^a-[0-9a-f]{8}\.txt a\.txt b\.txt$/);
});

test('of a mail that cannot be removed after its move, it is said whether its run needs it', {
  skip: isRoot && 'root can remove everything',
}, async () => {
  await using desk = await Desk.open();
  const moveTo = join(desk.root, 'done');
  await mkdir(moveTo);
  await desk.drop('a.txt', order(1));
  await chmod(desk.folder, 0o500);

  const { started } = await desk.once({ moveTo });

  await chmod(desk.folder, 0o700);
  assert.equal(started, 1);
  const [[, run] = []] = await desk.files();
  assert.deepEqual(desk.said, [
    `warn left alone: "a.txt" cannot be removed from here: permission denied. Run ${run} does not read it here, so remove it yourself.`,
  ]);
});

test('what was started before it could leave the inbox leaves it the next time, without another run', async () => {
  await using desk = await Desk.open();
  const moveTo = join(desk.root, 'done');
  await mkdir(moveTo);
  await desk.drop('a.txt', order(1));
  await desk.once({ moveTo });
  await desk.drop('a.txt', order(1));

  const { started, known } = await desk.once({ moveTo });

  assert.deepEqual([started, known], [0, 1]);
  assert.deepEqual(await readdir(desk.folder), []);
  assert.deepEqual(await readdir(moveTo), ['a.txt']);
});

test('a mail that its run reads where it lies is not taken away from it', async () => {
  await using desk = await Desk.open();
  const moveTo = join(desk.root, 'done');
  await mkdir(moveTo);
  await desk.drop('a.txt', order(1));
  await desk.once();
  const [[, run] = []] = await desk.files();

  const tally = await desk.once({ moveTo });

  assert.deepEqual([tally.started, tally.known, tally.refused], [0, 1, 0]);
  assert.deepEqual(await readdir(desk.folder), ['a.txt']);
  assert.deepEqual(desk.said, [`info passed over: "a.txt" stays here, where run ${run} reads it`]);
});

const memory = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync(tmpdir()).dev;
test('a mail can be moved to another disk, where it is whole or not there', { skip: !memory }, async () => {
  await using desk = await Desk.open();
  const moveTo = await mkdtemp('/dev/shm/sluice-inbox-');
  await writeFile(join(moveTo, 'b.txt'), 'an older mail of that name');
  await desk.drop('a.txt', order(1));
  await desk.drop('b.txt', order(2));

  await desk.once({ moveTo });
  const moved = (await readdir(moveTo)).toSorted();
  const contents = await Promise.all(moved.map((name) => readFile(join(moveTo, name), 'utf8')));
  await rm(moveTo, { recursive: true });

  assert.deepEqual(await readdir(desk.folder), []);
  assert.match(moved.join(' '), /^a\.txt b-[0-9a-f]{8}\.txt b\.txt$/);
  assert.deepEqual(contents, [order(1), order(2), 'an older mail of that name']);
});

test('a file that cannot be written whole leaves the former one, and nothing half beside it', async () => {
  await using desk = await Desk.open();
  await desk.drop('a.txt', 'former');

  await assert.rejects(writeWhole(desk.path('a.txt'), 'x'.repeat(10_000), AbortSignal.abort()));

  assert.deepEqual(await readdir(desk.folder), ['a.txt']);
  assert.equal(await readFile(desk.path('a.txt'), 'utf8'), 'former');
});

test('a mail that names PDFs beside it stays beside them', async () => {
  await using desk = await Desk.open();
  const moveTo = join(desk.root, 'done');
  await mkdir(moveTo);
  await desk.drop('a.txt', `Subject: x\nAttachment: order.pdf\n\nsee attached`);

  await desk.once({ moveTo });

  assert.deepEqual(await desk.runs(), [desk.path('a.txt')]);
  assert.deepEqual(await readdir(desk.folder), ['a.txt']);
});

test('a flood of mails is started bit by bit, so that never too many runs are under way', async () => {
  const { pool } = await fileDatabase();
  await using desk = await Desk.open();
  for (let number = 0; number < 500; number++)
    await writeFile(desk.path(`${String(number).padStart(3, '0')}.txt`), order(number));
  const cancel = 'select count(sluice.cancel_run(id)) from sluice.runs where workflow = $1 and status = $2';
  let ended = false;
  let most = 0;

  const taking = desk.once({ mostOpen: 150 }).finally(() => {
    ended = true;
  });
  while (!ended) {
    const { rows } = await pool.query(cancel, [desk.workflow, 'RUNNING']);
    most = Math.max(most, Number(rows[0].count));
  }

  assert.deepEqual(await taking, { started: 500, known: 0, refused: 0, completed: 0, failed: 500 });
  assert.ok(most > 0 && most <= 150, String(most));
});

test('several inboxes on one folder start each mail once', async () => {
  await using desk = await Desk.open();
  for (let number = 0; number < 50; number++) await writeFile(desk.path(`${number}.txt`), order(number % 25));

  const tallies = await Promise.all([desk.once(), desk.once(), desk.once()]);

  assert.equal((await desk.runs()).length, 25);
  assert.equal(
    tallies.reduce((sum, { started }) => sum + started, 0),
    25,
  );
});

test('while the database is away files wait, and a lost answer starts nothing twice', async () => {
  const { url } = await fileDatabase();
  await using proxy = await TcpProxy.open(url);
  await using desk = await Desk.open();
  const lost = proxy.cutOn('take_files', 'after');
  await desk.drop('a.txt', order(1));
  await desk.watch({ url: proxy.url });
  await lost;
  await desk.untilSaid(/^info the database is back/);
  assert.equal((await desk.runs()).length, 1);

  proxy.refusing = true;
  proxy.cut();
  await desk.drop('b.txt', order(2));
  await until(
    () => desk.said.filter((line) => /Waiting for the database/.test(line)).length === 2,
    'trouble',
  );
  proxy.refusing = false;

  await desk.untilRuns(2);
});

test('how a run ended is known also when the answer to its start got lost', async () => {
  const { pool, url } = await fileDatabase();
  await using proxy = await TcpProxy.open(url);
  await using desk = await Desk.open();
  const lost = proxy.cutOn('take_files', 'after');
  await desk.drop('a.txt', order(1));

  const taking = desk.once({ url: proxy.url, mostOpen: 10 });
  await lost;
  await desk.untilRuns(1);
  await pool.query('select sluice.cancel_run(id) from sluice.runs where workflow = $1', [desk.workflow]);
  const { completed, failed } = await taking;

  assert.deepEqual([completed, failed], [0, 1]);
});

test('a mail is told as one that began a run only if it did: not where another session has just started that', async () => {
  const { pool, url } = await fileDatabase();
  const workflow = await draw({ a: [] });
  const [known, fresh] = ['1'.repeat(64), '2'.repeat(64)];
  const other = await openClient(url);
  await other.query('begin');
  await other.query('select sluice.start_run($1, $2, $3)', [workflow, {}, `sha256 ${known}`]);

  const taking = pool.query(
    `select is_new from sluice.take_files($1, '{a.eml,b.eml}', $2, '{a,b}', array['{}', '{}']::jsonb[])`,
    [workflow, [known, fresh]],
  );
  await someoneWaitsForALock(1, pool);
  await other.query('commit');
  await other.end();

  assert.deepEqual((await taking).rows, [{ is_new: false }, { is_new: true }]);
});

/** Has files taken as an inbox does: `b.eml 1 new` is content 1 under the name b.eml with the stamp "new". */
async function take(db: Pick<pg.Pool, 'query'>, workflow: string, ...files: readonly string[]) {
  const parts = files.map((file) => file.split(' '));
  const { rows } = await db.query(
    'select run_id, is_new from sluice.take_files($1, $2, $3, $4, $5::jsonb[])',
    [
      workflow,
      parts.map(([path]) => path),
      parts.map(([, content = '']) => content.repeat(64)),
      parts.map(([, , stamp = 'stamp']) => stamp),
      parts.map(([email]) => ({ email })),
    ],
  );
  return rows as { run_id: string; is_new: boolean }[];
}

test('of one content that is there twice the first is what its run reads; each answer stands at the place of its file', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [] });

  const taken = await take(pool, workflow, 'b.eml 2', 'a.eml 1', 'c.eml 2');

  const { rows } = await pool.query(
    `select id, input ->> 'email' as email from sluice.runs where workflow = $1`,
    [workflow],
  );
  const emails = new Map(rows.map(({ id, email }) => [id, email]));
  assert.deepEqual(
    taken.map(({ run_id, is_new }) => [emails.get(run_id), is_new]),
    [
      ['b.eml', true],
      ['a.eml', true],
      ['b.eml', false],
    ],
  );
});

test('two that take one content under two names at the same moment start one run', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [] });
  const other = await pool.connect();
  await other.query('begin');
  const [first] = await take(other, workflow, 'a.eml 1');

  const second = take(pool, workflow, 'b.eml 1');
  await someoneWaitsForALock(1, pool);
  await other.query('commit');
  other.release();

  assert.deepEqual(await second, [{ run_id: first?.run_id, is_new: false }]);
});

test('a mail whose run was started elsewhere gives that run, whatever its input', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [] });
  const { rows } = await pool.query('select sluice.start_run($1, $2, $3) as run_id', [
    workflow,
    { by: 'hand' },
    `sha256 ${'1'.repeat(64)}`,
  ]);

  assert.deepEqual(await take(pool, workflow, 'a.eml 1'), [{ ...rows[0], is_new: false }]);
});

test('a content is known to each workflow by itself, also when its run was pruned', async () => {
  const { pool } = await fileDatabase();
  const [workflow, other] = [await draw({ a: [] }), await draw({ a: [] })];
  const [first] = await take(pool, workflow, 'a.eml 1');
  const [second] = await take(pool, other, 'a.eml 1');

  const known = await take(pool, workflow, 'b.eml 1');
  await pool.query('select sluice.cancel_run($1)', [first?.run_id]);
  await pool.query(`select sluice.prune('0 s')`);
  const pruned = await take(pool, workflow, 'c.eml 1');

  assert.equal(second?.is_new, true);
  assert.deepEqual([...known, ...pruned], Array(2).fill({ ...first, is_new: false }));
});

test('when a file was last taken, and with which stamp, is what is known of it', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [] });

  for (const file of ['a.eml 1 first', 'a.eml 2 second', 'a.eml 1 third']) await take(pool, workflow, file);

  const { rows } = await pool.query(
    'select stamp from sluice.inbox_files where workflow = $1 order by seen_at desc',
    [workflow],
  );
  assert.deepEqual(rows, [{ stamp: 'third' }, { stamp: 'second' }]);
});

test('v_inbox goes on to list a mail whose run was pruned, without a status', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [] });
  const [taken] = await take(pool, workflow, 'a.eml 1');
  await pool.query('select sluice.cancel_run($1)', [taken?.run_id]);
  const listed = async () =>
    (await pool.query('select path, status from v_inbox where run = $1', [taken?.run_id])).rows;

  const before = await listed();
  await pool.query(`select sluice.prune('0 s')`);

  assert.deepEqual(before, [{ path: 'a.eml', status: 'CANCELLED' }]);
  assert.deepEqual(await listed(), [{ path: 'a.eml', status: null }]);
});

test('it stops also while it waits for the database', async () => {
  await using desk = await Desk.open();
  await desk.drop('a.txt', order(1));
  await desk.watch({ url: 'postgres://nobody@127.0.0.1:9/x' });
  await desk.untilSaid(/Waiting for the database/);

  await desk.stop();

  assert.deepEqual(await desk.runs(), []);
});

test('runs say which mail and which order they are about', async () => {
  const { pool, url } = await fileDatabase();
  await using engine = openEngine({ connectionString: url, connectors: {} });
  const tasks = [{ name: 'extract', connector: 'none', operation: 'none' }];
  await pool.query('select from sluice.register_workflow($1, $2, $3, $4)', [
    'about',
    JSON.stringify(tasks),
    JSON.stringify({ type: 'object' }),
    JSON.stringify([
      { $input: ['email'] },
      { $input: ['blank'] },
      { $output: ['extract', 'fields', 'po_number'] },
      { $input: ['none'] },
    ]),
  ]);
  const id = await engine.startRun('about', { input: { email: 'in/a.eml', blank: '' } });
  const subject = async () => (await engine.listRuns('active', 1))[0]?.subject;

  assert.equal(await subject(), 'in/a.eml');
  await pool.query(
    `update sluice.tasks set state = 'RUNNING', runner_id = sluice.register_runner('test', 1, 1), token = 1, attempt = 1, started_at = now()
      where run_id = $1`,
    [id],
  );
  await pool.query('select from sluice.report_and_claim(null, $1, 0)', [
    JSON.stringify([{ run_id: id, task_no: 1, token: 1, output: { fields: { po_number: 'PO 7' } } }]),
  ]);

  assert.equal((await engine.listRuns('ended', 1))[0]?.subject, 'in/a.eml, PO 7');
  await pool.query(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);
});

test('what a run is about is told by its own tasks, whatever tasks of that name others have', async () => {
  const { pool } = await fileDatabase();
  const tasks = JSON.stringify([{ name: 'extract', connector: 'none', operation: 'none' }]);
  const subject = JSON.stringify([{ $output: ['extract'] }]);
  for (const name of ['about_this', 'about_that'])
    await pool.query('select from sluice.register_workflow($1, $2, p_subject => $3)', [name, tasks, subject]);
  const runner = await registerRunner();
  const { rows } = await pool.query(
    `select run_id from sluice.start_and_claim($1, 1, 'about_this', '{}') where answer = 'CLAIMED'`,
    [runner],
  );
  await pool.query('select from sluice.report_and_claim(null, $1, 0)', [
    JSON.stringify([{ ...rows[0], task_no: 1, token: 1, output: 'PO 7' }]),
  ]);
  await pool.query(`select sluice.end_runner($1, 'stopped')`, [runner]);

  const about = await pool.query('select sluice.run_subject($1) as subject', [rows[0].run_id]);

  assert.deepEqual(about.rows, [{ subject: 'PO 7' }]);
});

test('of each thing that a run is about the first 500 characters are told', async () => {
  const { pool } = await fileDatabase();
  await using desk = await Desk.open();
  const email = 'x'.repeat(600);

  const { rows } = await pool.query('select sluice.start_run($1, $2) as run', [desk.workflow, { email }]);
  const about = await pool.query('select sluice.run_subject($1) as subject', [rows[0].run]);

  assert.equal(about.rows[0].subject, email.slice(0, 500));
});

test('any order number becomes a harmless part of a file name', () => {
  const names = {
    'PO-2025-0472': 'PO-2025-0472',
    'BRK/2024/031': 'BRK-2024-031',
    '../../x': 'x',
    '..': 'unknown',
    '': 'unknown',
    'a\0b\nc\u202e': 'a-b-c',
    'C:\\x': 'C-x',
    Größe: 'Größe',
    [`${'é'.repeat(1000)}`]: 'é'.repeat(40),
    '😀 7': '7',
  };

  for (const [text, name] of Object.entries(names)) assert.equal(fileName(text), name);
});

test('alerts of several orders lie beside each other, in the folder that was named', async () => {
  using work = workFolder();
  const connector = new FileConnector({ root: work.path });
  const write = (po_number: string | null, run: string) =>
    connector.execute(
      'writeJson',
      { path: 'alerts/{po_number}-{run}.json', names: { po_number, run }, content: {} },
      taskContext(),
    );

  for (const [number, run] of [
    ['7', '1'],
    ['7', '2'],
    ['../../x', '3'],
    [null, '4'],
  ] as const)
    await write(number, run);

  assert.deepEqual((await readdir(join(work.path, 'alerts'))).toSorted(), [
    '7-1.json',
    '7-2.json',
    'unknown-4.json',
    'x-3.json',
  ]);
  await assert.rejects(
    connector.execute('writeJson', { path: '{po}.json', names: { run: '1' }, content: {} }, taskContext()),
    { code: 'FILE_BAD_PATH', message: '{po} is not known; there are: {run}' },
  );
});

test('npm run inbox does it all, once', async () => {
  await using db = await createDatabase();
  using work = workFolder();

  const first = await command(['inbox', 'samples', '--once'], { url: db.url, folder: work.path });
  const second = await command(['inbox', 'samples', '--once'], { url: db.url, folder: work.path });

  assert.match(
    first.stdout,
    /2 files: 2 started a run, 0 known before, 0 left alone. 2 COMPLETED, 0 FAILED/,
    first.stderr,
  );
  assert.equal(first.code, 0);
  assert.match(second.stdout, /2 files: 0 started a run, 2 known before/);
  const alerts = await readdir(join(work.path, 'alerts'));
  assert.match(alerts.join(), /^PO-2025-0472-\d+\.json$/);
  const alert = JSON.parse(await readFile(join(work.path, 'alerts', alerts[0] ?? ''), 'utf8'));
  assert.deepEqual(Object.keys(alert), ['po_number', 'reasons', 'fields', 'timestamp']);
  const { stdout } = await command(['runs'], { url: db.url, folder: work.path });
  assert.match(stdout, /samples\/sample_po_email\.txt, PO-2025-0472/);
});

test('npm run inbox waits for mails until Ctrl-C', async () => {
  await using db = await createDatabase();
  using work = workFolder();
  const going = startCommand(['inbox', 'samples'], { url: db.url, folder: work.path });
  await until(() => (going.said.match(/COMPLETED/g) ?? []).length === 2, 'two runs');

  going.interrupt();

  assert.equal(await going.ended, 0);
  assert.match(going.said, /samples\/sample_po_email\.txt started run \d+ of po_demo/);
});

test('Ctrl-C ends an inbox that takes what is there, with what it has started and that the rest can go on', async () => {
  await using db = await createDatabase();
  using work = workFolder();
  const holder = await db.pool.connect();
  await holder.query('begin; lock table purchase_orders');
  const going = startCommand(['inbox', 'samples', '--once'], { url: db.url, folder: work.path });
  const waiting = `select from sluice.run_tasks where name = 'upsert_order' and state = 'RUNNING'`;
  await until(async () => (await db.pool.query(waiting)).rowCount === 2, 'two tasks that wait');

  going.interrupt();

  assert.equal(await going.ended, 130);
  await holder.query('rollback');
  holder.release();
  assert.match(going.said, /^Stopped; the same command goes on\. 2 files: 2 started a run, /m);
});

test('Ctrl-C while the database is away is exit code 130 as well', async () => {
  await using db = await createDatabase();
  await using proxy = await TcpProxy.open(db.url);
  using work = workFolder();
  const holder = await db.pool.connect();
  await holder.query('begin; lock table purchase_orders');
  const going = startCommand(['inbox', 'samples', '--once'], { url: proxy.url, folder: work.path });
  const waiting = `select from sluice.run_tasks where name = 'upsert_order' and state = 'RUNNING'`;
  await until(async () => (await db.pool.query(waiting)).rowCount === 2, 'two tasks that wait');
  proxy.refusing = true;
  proxy.cut();
  await until(() => /Waiting for the database/.test(going.said), 'the inbox to miss the database');

  going.interrupt();

  assert.equal(await going.ended, 130, going.said);
  holder.release(true);
  assert.match(going.said, /^Stopped; /m);
});

test('once, a database that is away is told at once, with exit code 3', async () => {
  using work = workFolder();

  const { code, stderr } = await command(['inbox', 'samples', '--once'], {
    url: 'postgres://me@127.0.0.1:1/nowhere',
    folder: work.path,
  });

  assert.equal(code, 3, stderr);
  assert.match(stderr, /^127\.0\.0\.1:1: .*ECONNREFUSED/);
});

test('a folder, a workflow or an input that will not do is refused before anything starts', async () => {
  await using db = await createDatabase();
  using work = workFolder();
  const say = async (...args: string[]) =>
    (await command(['inbox', ...args], { url: db.url, folder: work.path })).stderr;
  const refused = async (...args: string[]) => (await say(...args)).split(' ')[0];

  assert.equal(await refused('nowhere'), 'INBOX_NOT_FOUND');
  assert.equal(await refused('samples/sample_po_email.txt'), 'INBOX_NOT_A_FOLDER');
  assert.equal(await refused('samples', '--move-to', './samples/'), 'BAD_MOVE_TO');
  await symlink(join(work.path, 'samples'), join(work.path, 'link'));
  assert.equal(await refused('link', '--move-to', 'samples'), 'BAD_MOVE_TO');
  if (process.platform === 'linux')
    assert.equal(await refused('samples', '--move-to', '/proc/nowhere'), 'BAD_MOVE_TO');
  assert.ok(existsSync(join(work.path, 'samples', 'sample_po_email.txt')));
  assert.equal(await refused('samples', '--alerts', '../x'), 'BAD_ALERTS');
  assert.match(await say('samples', '--alerts', 'a{b}'), /^BAD_ALERTS a\{b\} has a brace in it/);
  assert.match(
    await say('samples', '--alerts', 'samples/sample_po_email.txt/new'),
    /^BAD_ALERTS samples\/sample_po_email\.txt is a file\. Name another folder\.\n$/,
  );
  assert.match(await say('samples', '--input', 'email=zzz'), /^BAD_INPUT email is the mail itself/);
  assert.match(await say('samples', '--workflow', 'po_dmeo'), /^WORKFLOW_NOT_FOUND .* mean "po_demo"\?/);
});
