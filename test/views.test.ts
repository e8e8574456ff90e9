import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { readOverview } from '../src/inspect.ts';
import {
  draw,
  fileDatabase,
  type Graph,
  registerRunner,
  running,
  type Scene,
  serverIsUpForAWhile,
} from './support/scene.ts';

const { pool } = await fileDatabase();

/** psql's own frame: a blank on each side of a value, a bar between two. */
function widthInPsql(fields: readonly { name: string }[], rows: readonly Record<string, unknown>[]): number {
  const widths = fields.map(({ name }) =>
    Math.max(name.length, ...rows.map((row) => shown(row[name]).length)),
  );
  return widths.reduce((sum, width) => sum + width + 2, 0) + widths.length - 1;
}

function shown(value: unknown): string {
  if (value === null) return '';
  return value instanceof Date ? value.toISOString().slice(0, 19) : String(value);
}

/** The row of this run. */
async function rowOf(view: string, scene: Scene) {
  const [row] = await scene.sql(`select * from ${view} where run = $run`);
  return row;
}

async function columnsOf(view: string): Promise<string[]> {
  return (await pool.query(`select * from ${view} limit 0`)).fields.map(({ name }) => name);
}

/** The largest of these figures in a query's plan, once it was executed. */
async function largest(query: string, figure: RegExp): Promise<number> {
  const { rows } = await pool.query(`explain (analyze, format json) ${query}`);
  const found: number[] = [];
  JSON.stringify(rows[0], (key, value) => {
    if (figure.test(key)) found.push(value);
    return value;
  });
  return Math.max(...found);
}

test('v_active_runs says what runs, how far it is, what it waits for and since when', async () => {
  assert.deepEqual(await columnsOf('v_active_runs'), [
    'run',
    'workflow',
    'version',
    'status',
    'progress',
    'running',
    'waiting_for',
    'started',
    'age',
  ]);
});

test('v_run_history says how runs ended, when, how long they took, and why', async () => {
  assert.deepEqual(await columnsOf('v_run_history'), [
    'run',
    'workflow',
    'status',
    'started',
    'finished',
    'duration',
    'tasks',
    'failed_task',
    'error',
  ]);
});

test('a run under way shows its progress and what is running', async () => {
  await using scene = await running({ a: [], b: [], c: ['a'] });
  await scene.succeed('a');
  await scene.take('b');

  const { run, workflow, version, status, progress, running: now } = await rowOf('v_active_runs', scene);

  assert.deepEqual(
    { run, workflow, version, status, progress, now },
    { run: scene.run, workflow: scene.workflow, version: 1, status: 'RUNNING', progress: '1/3', now: 'b' },
  );
});

test('a run whose tasks could run waits for a slot, or for a runner when there is none', async () => {
  await using scene = await running({ a: [] });

  await serverIsUpForAWhile();
  const withRunner = await rowOf('v_active_runs', scene);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where ended_at is null`);
  const withDeadOne = await rowOf('v_active_runs', scene);
  await scene.sql(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);
  const without = await rowOf('v_active_runs', scene);

  const all = [withRunner, withDeadOne, without].map(({ waiting_for }) => waiting_for);
  assert.deepEqual(all, ['a slot', 'a runner', 'a runner']);
  assert.equal((await readOverview(pool, scene.run))?.waiting_for, 'a runner');
});

test('what runs is named in the order of the run, and what was given back waits and does not run', async () => {
  await using scene = await running({ a: [], b: [], c: [] });
  for (const name of ['c', 'b', 'a']) await scene.take(name);

  const during = await rowOf('v_active_runs', scene);
  await scene.sql(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);
  const afterwards = await rowOf('v_active_runs', scene);

  assert.deepEqual([during.running, during.waiting_for], ['a, b, c', null]);
  assert.deepEqual([afterwards.running, afterwards.waiting_for], [null, 'a runner']);
  await scene.sql('select sluice.cancel_run($1)', [scene.run]);
  assert.equal((await readOverview(pool, scene.run))?.waiting_for, null);
});

test('a run that has all that it can have running waits for nothing', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.take('a');

  assert.equal((await rowOf('v_active_runs', scene)).waiting_for, null);
});

test('a run is in one of the two views, never in both', async () => {
  await using scene = await running({ a: [] });

  assert.equal(await rowOf('v_run_history', scene), undefined);
  await scene.succeed('a');

  assert.equal(await rowOf('v_active_runs', scene), undefined);
  assert.equal((await rowOf('v_run_history', scene)).run, scene.run);
});

test('a run that has stopped is history, though something of it still runs', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await scene.sql('select sluice.cancel_run($run)');

  assert.equal(await rowOf('v_active_runs', scene), undefined);
  assert.equal((await rowOf('v_run_history', scene)).status, 'CANCELLED');
});

test('a completed run shows how many of its tasks succeeded, and no error', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.succeed('b');

  const { status, tasks, failed_task, error, duration } = await rowOf('v_run_history', scene);

  assert.deepEqual(
    { status, tasks, failed_task, error },
    { status: 'COMPLETED', tasks: '2/2', failed_task: null, error: null },
  );
  assert.match(duration, /^\d+ ms$|^\d+\.\d s$/);
});

test('a failed run shows the task at which it stopped, and why', async () => {
  await using scene = await running({ a: [], b: ['a'], c: ['b'] });
  await scene.succeed('a');
  await scene.fail('b');

  const { status, tasks, failed_task, error } = await rowOf('v_run_history', scene);

  assert.deepEqual(
    { status, tasks, failed_task, error },
    { status: 'FAILED', tasks: '1/3', failed_task: 'b', error: 'b broke' },
  );
});

test('a cancelled run shows by whom', async () => {
  await using scene = await running({ a: [] });
  await scene.sql(`select sluice.cancel_run($run, 'Ada')`);

  const { status, failed_task, error } = await rowOf('v_run_history', scene);

  assert.deepEqual(
    { status, failed_task, error },
    { status: 'CANCELLED', failed_task: null, error: 'cancelled by Ada' },
  );
});

test('a workflow’s figures count all its runs, and judge by the last 1,000 of all versions', async () => {
  await using scene = await running({ a: [] });
  await scene.succeed('a');
  await scene.sql('select from sluice.register_workflow($1, $2)', [
    scene.workflow,
    JSON.stringify([{ name: 'b', connector: 'none', operation: 'none' }]),
  ]);
  const start = (count: number) =>
    scene.sql(`select from sluice.start_runs($1, array_fill('{}'::jsonb, array[$2::integer]))`, [
      scene.workflow,
      count,
    ]);
  const figures = async () =>
    (
      await scene.sql(
        'select version, runs, active, ended, completed, last_status from sluice.workflow_statistics where workflow = $1',
        [scene.workflow],
      )
    )[0];

  await start(999);
  const full = await figures();
  await start(1);
  const over = await figures();
  await scene.sql('select sluice.cancel_run(min(id)) from sluice.runs where workflow = $1 and id > $run', [
    scene.workflow,
  ]);
  await start(1);
  const overOfOneVersion = await figures();

  assert.deepEqual(full, {
    version: 2,
    runs: '1000',
    active: 999,
    ended: 1,
    completed: 1,
    last_status: 'RUNNING',
  });
  assert.deepEqual(over, {
    version: 2,
    runs: '1001',
    active: 1000,
    ended: 0,
    completed: 0,
    last_status: 'RUNNING',
  });
  assert.deepEqual(overOfOneVersion, { ...over, runs: '1002' });
});

test('what just fits is not cut', async () => {
  const { rows } = await pool.query(`select sluice.cut('four', 4) as whole, sluice.cut('fives', 4) as cut`);

  assert.deepEqual(rows, [{ whole: 'four', cut: 'fiv…' }]);
});

test('what is cut shows that it was', async () => {
  const name = 'a'.repeat(63);
  await using scene = await running({ [name]: [] });
  await scene.take(name);
  const { running: shown } = await rowOf('v_active_runs', scene);
  await scene.report([{ ...(await scene.claimOf(name)), error: { code: 'X', message: 'it broke because' } }]);

  const { failed_task, error } = await rowOf('v_run_history', scene);

  assert.deepEqual(
    [shown, failed_task, error],
    [`${'a'.repeat(17)}…`, `${'a'.repeat(14)}…`, 'it broke because'],
  );
});

test('an error stays on one line, whatever it holds', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await scene.report([{ ...(await scene.claimOf('a')), error: { code: 'X', message: 'one\ntwo\r\tthree' } }]);

  assert.equal((await rowOf('v_run_history', scene)).error, 'one two  three');
});

test('both views show the newest run first', async () => {
  await using older = await running({ a: [] });
  await using newer = await running({ a: [] });

  const active = await newer.sql('select run from v_active_runs');
  await older.succeed('a');
  await newer.succeed('a');
  const history = await newer.sql('select run from v_run_history limit 2');

  assert.deepEqual(
    active.map(({ run }) => run),
    [newer.run, older.run],
  );
  assert.deepEqual(
    history.map(({ run }) => run),
    [newer.run, older.run],
  );
});

test('both views fit into a psql of 120 columns, whatever names and errors are like', async () => {
  const long = 'a_task_with_quite_a_long_name';
  const graph: Graph = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${long}_${n}`, []]));
  await using active = await running(graph);
  await using failed = await running(graph);
  await active.claim(8);
  await failed.take(`${long}_11`);
  await failed.report([
    { ...(await failed.claimOf(`${long}_11`)), error: { code: 'X', message: 'it broke '.repeat(50) } },
  ]);

  for (const view of ['v_active_runs', 'v_run_history']) {
    const { fields, rows } = await pool.query(`select * from ${view}`);
    assert.ok(rows.length > 0);
    const width = widthInPsql(fields, rows);
    assert.ok(width <= 120, `${view} is ${width} wide`);
  }
});

for (const [seconds, words] of [
  ['0.0842', '84 ms'],
  ['0.9996', '1.0 s'],
  ['1.25', '1.3 s'],
  ['59.96', '1 min 0 s'],
  ['200.9', '3 min 20 s'],
  ['7500', '2 h 5 min'],
]) {
  test(`${seconds} seconds are ${words}`, async () => {
    const { rows } = await pool.query('select sluice.duration($1) as words', [seconds]);

    assert.equal(rows[0].words, words);
  });
}

test('the views stay quick when there are many runs: twenty are read, not all', async () => {
  const workflow = await draw({ a: [], b: [] });
  const runner = await registerRunner();
  await pool.query(`select sluice.start_runs($1, array_fill('{}'::jsonb, array[2000]))`, [workflow]);
  await pool.query(`select from sluice.report_and_claim($1, '[]', 10000)`, [runner]);
  await pool.query(`select sluice.cancel_run(id) from sluice.runs where workflow = $1`, [workflow]);

  const looked = await largest('select * from v_run_history limit 20', /^Actual Loops/);

  assert.ok(looked <= 40, `it looked ${looked} times`);
  for (const view of ['v_attempts', 'v_events']) {
    const read = await largest(`select * from ${view} limit 20`, /^Actual Rows|^Actual Loops/);
    assert.ok(read <= 200, `${view} read ${read} rows`);
  }
});

test('the newest files of an inbox are found by an index', async () => {
  const client = await pool.connect();
  await client.query('begin; set local enable_seqscan = off');
  const { rows } = await client.query('explain select * from v_inbox limit 20');
  await client.query('rollback');
  client.release();

  assert.match(JSON.stringify(rows), /Index Scan Backward using inbox_files_by_time/);
});

test('who may read the views needs no right to anything else', async () => {
  await using scene = await running({ a: [] });
  await scene.sql(
    `select from sluice.take_files($1, '{a.eml}', array[repeat('a', 64)], '{stamp}', array['{}'::jsonb])`,
    [scene.workflow],
  );
  const { superuserUrl } = await fileDatabase();
  const reader = await openClient(superuserUrl);
  await reader.query(
    'begin; create role reader; grant select on all tables in schema public to reader; set role reader',
  );

  const { rows: views } = await reader.query(
    `select viewname as name from pg_views where schemaname = 'public' and viewname like 'v\\_%'`,
  );
  for (const { name } of views) await reader.query(`select * from ${name}`);

  await reader.query('rollback');
  await reader.end();
  assert.ok(views.length >= 10, `only ${views.length} views`);
});

test('what is active is found without a look at what has ended since the last vacuum', async () => {
  const workflow = await draw({ a: [] });
  const start = (runs: number) =>
    pool.query(`select sluice.start_runs($1, array_fill('{}'::jsonb, array[$2::integer]))`, [workflow, runs]);
  const cancelAll = () =>
    pool.query(`select sluice.cancel_run(id) from sluice.runs where workflow = $1 and status = 'RUNNING'`, [
      workflow,
    ]);
  // No other vacuum, and no statistics of another moment, than those of this test.
  for (const table of ['runs', 'tasks'])
    await pool.query(`alter table sluice.${table} set (autovacuum_enabled = off)`);
  await start(3000);
  await cancelAll();
  await pool.query('vacuum (analyze) sluice.runs, sluice.tasks');
  await start(3000);
  await cancelAll();
  await start(1);

  const read = await largest('select * from v_active_runs', /^Actual Rows|^Rows Removed/);

  assert.ok(read <= 100, `it read ${read} rows`);
});
