import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openEngine } from '../src/engine.ts';
import type { RunStatus } from '../src/inspect.ts';
import { startCommand } from './support/command.ts';
import { finish } from './support/finish.ts';
import { draw, fileDatabase, registerRunner, running } from './support/scene.ts';
import { until } from './support/until.ts';

const { url, pool } = await fileDatabase();
const engine = openEngine({ connectionString: url, connectors: {} });
after(() => engine[Symbol.asyncDispose]());

const DIAMOND = { a: [], left: ['a'], right: ['a'], both: ['left', 'right'], end: ['both'] };

async function codeOf(run: string, task: string): Promise<string | undefined> {
  return (await engine.explain(run)).find((one) => one.task === task)?.code;
}

async function reasonOf(run: string, task: string): Promise<string | undefined> {
  return (await engine.explain(run)).find((one) => one.task === task)?.reason;
}

test('a PENDING task says which of its parents are missing, and what they wait for in the end', async () => {
  await using scene = await running(DIAMOND);
  await scene.succeed('a');
  await scene.succeed('left');
  await scene.take('right');

  assert.equal(await reasonOf(scene.run, 'both'), 'it waits for right (RUNNING)');
  assert.equal(await reasonOf(scene.run, 'end'), 'it waits for both (PENDING)');
  const blockers = await engine.listBlockers(scene.run, 'end');
  assert.deepEqual(
    blockers.map(({ task, code }) => [task, code]),
    [['right', 'RUNNING']],
  );
});

test('a task that waits for five others names them all, and of more the first five', async () => {
  await using scene = await running({
    ...{ a: [], b: [], c: [], d: [], e: [], f: [] },
    five: ['a', 'b', 'c', 'd', 'e'],
    six: ['a', 'b', 'c', 'd', 'e', 'f'],
  });
  for (const name of ['e', 'c', 'a']) await scene.take(name);

  const five = 'it waits for a (RUNNING), b (READY), c (RUNNING), d (READY), e (RUNNING)';
  assert.equal(await reasonOf(scene.run, 'five'), five);
  assert.equal(await reasonOf(scene.run, 'six'), `${five} and 1 more`);
});

test('why many tasks wait is looked up by their parents, however few tasks most runs have', async () => {
  const few = await draw({ a: [] });
  const layers = Array.from({ length: 10 }, (_, layer) =>
    Array.from({ length: 20 }, (_, n) => [
      `t${layer}_${n}`,
      layer === 0 ? [] : Array.from({ length: 20 }, (_, m) => `t${layer - 1}_${m}`),
    ]),
  );
  await draw(Object.fromEntries(layers.flat()));
  const children = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`child_${n}`, ['parent']]));
  await using scene = await running({ parent: [], ...children });
  await using session = await scene.transaction();
  await session.sql(`select sluice.start_runs($1, array_fill('{}'::jsonb, array[500]))`, [few]);
  await session.sql('analyze sluice.tasks, sluice.runs, sluice.workflow_edges, sluice.workflow_tasks');
  const reads = async () => {
    const [row] = await session.sql(`
      select sum(pg_stat_get_xact_tuples_fetched(oid) + pg_stat_get_xact_tuples_returned(oid))::integer as reads
        from (values ('sluice.tasks'::regclass), ('sluice.tasks_pkey')) as read(oid)`);
    return row.reads;
  };

  const before = await reads();
  await session.sql('select * from sluice.why($run)');
  const read = (await reads()) - before;

  assert.ok(read < 300 * 20, `it read ${read}`);
});

test('what a task waits for in the end is known by the edges of its own workflow', async () => {
  await draw({ a: [], b: [], c: ['a', 'b'] });
  await using scene = await running({ a: [], b: [], c: ['b'] });

  const blockers = await engine.listBlockers(scene.run, 'c');

  assert.deepEqual(
    blockers.map(({ task }) => task),
    ['b'],
  );
});

test('what a task waits for in the end is found however many ways lead there', async () => {
  const layers = Array.from({ length: 20 }, (_, layer) => ['a', 'b', 'c'].map((name) => `${name}${layer}`));
  const graph = layers.flatMap((tasks, layer) =>
    tasks.map((task) => [task, layers[layer - 1] ?? []] as const),
  );
  await using scene = await running(Object.fromEntries(graph));
  await using session = await scene.transaction();
  await session.sql(`set local statement_timeout = '10 s'`);

  const blockers = await session.sql('select task from sluice.blockers($run, $1)', [scene.number('a19')]);

  assert.deepEqual(
    blockers.map(({ task }) => task),
    ['a0', 'b0', 'c0'],
  );
});

test('a task that waits for nobody is not what it waits for itself', async () => {
  await using scene = await running({ a: [] });

  assert.deepEqual(await engine.listBlockers(scene.run, 'a'), []);
});

test('why tasks have not run is said in the order of the run', async () => {
  await using scene = await running({ a: [], b: [], c: ['b'], d: ['a', 'c'] });
  for (const name of ['b', 'a']) await scene.take(name);

  const tasks = (await engine.explain(scene.run)).map(({ task }) => task);
  const blockers = (await engine.listBlockers(scene.run, 'd')).map(({ task }) => task);

  assert.deepEqual(
    [tasks, blockers],
    [
      ['a', 'b', 'c', 'd'],
      ['a', 'b'],
    ],
  );
});

test('a task that was given back could run', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);

  assert.equal(await codeOf(scene.run, 'a'), 'NO_RUNNER');
});

test('a task that failed says in which attempt of how many, and why', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 2 } });
  for (const _ of [1, 2, 3]) {
    await scene.claim(1);
    await scene.fail('a');
  }

  assert.equal(await reasonOf(scene.run, 'a'), 'it failed in attempt 3 of 3: a broke');
});

test('a task whose output was taken over says from which run', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');
  const again = await engine.rerun(scene.run, 'me', true);

  assert.equal(await reasonOf(again, 'a'), `it did not have to run: it had succeeded in run ${scene.run}`);
  await engine.cancelRun(again, 'me');
});

test('a READY task says that no runner is alive', async () => {
  await using scene = await running({ a: [] });
  await scene.sql(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);

  assert.equal(await codeOf(scene.run, 'a'), 'NO_RUNNER');
});

test('a READY task says that all slots are taken, or that it is about to be claimed', async () => {
  await using scene = await running({ a: [], b: [] }, { slots: 1 });
  await using control = await scene.transaction();
  await control.sql('select pg_advisory_xact_lock(sluice.runner_lock(), $runner)');
  assert.equal(await codeOf(scene.run, 'b'), 'TO_BE_CLAIMED');

  await scene.take('a');

  assert.equal(
    await reasonOf(scene.run, 'b'),
    'it could run, but all slots are taken (runners: 1, slots: 1)',
  );
});

test('a runner that runs more than it has slots for takes none from another', async () => {
  await using scene = await running({ a: [], b: [], c: [] }, { slots: 1 });
  const other = await registerRunner(1);
  await using control = await scene.transaction();
  await control.sql(
    `select pg_advisory_xact_lock(sluice.runner_lock(), id) from unnest(array[$runner, ${other}]) as id`,
  );
  await scene.take('a', 'b');

  assert.equal(await codeOf(scene.run, 'c'), 'TO_BE_CLAIMED');
});

test('where no runner is alive, there are no slots, and none is free', async () => {
  await pool.query(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);

  const { rows } = await pool.query('select * from sluice.capacity');

  assert.deepEqual(rows, [{ runners: 0, slots: 0, free: 0 }]);
});

test('slots are added up as far as a number goes', async () => {
  await using scene = await running({ a: [] }, { slots: 2_000_000_000 });
  const other = await registerRunner(2_000_000_000);
  await using control = await scene.transaction();
  await control.sql(
    `select pg_advisory_xact_lock(sluice.runner_lock(), id) from unnest(array[$runner, ${other}]) as id`,
  );

  assert.equal(await codeOf(scene.run, 'a'), 'TO_BE_CLAIMED');
});

test('a task of a run that has stopped says which failure stopped it, or who', async () => {
  await using failed = await running({ a: [], b: ['a'] });
  await failed.fail('a');
  await using cancelled = await running({ a: [], b: ['a'] });
  await engine.cancelRun(cancelled.run, 'ann@desk');

  assert.equal(await reasonOf(failed.run, 'b'), 'the run stopped when a failed: a broke');
  assert.equal(await reasonOf(cancelled.run, 'a'), 'the run was cancelled by ann@desk');
});

test('why the tasks of a run that failed have not run is said once of each', async () => {
  await draw({ other: [] });
  await using scene = await running({ a: [], b: ['a'] });
  await scene.fail('a');

  const reasons = await engine.explain(scene.run);

  assert.deepEqual(
    reasons.map(({ task, code }) => [task, code]),
    [
      ['a', 'FAILED'],
      ['b', 'RUN_FAILED'],
    ],
  );
});

test('a task whose condition did not hold says so', async () => {
  const tasks = [
    { name: 'a', connector: 'none', operation: 'none' },
    {
      name: 'b',
      connector: 'none',
      operation: 'none',
      after: ['a'],
      when: { value: { $output: ['a'] }, is: true },
    },
  ];
  await pool.query('select from sluice.register_workflow($1, $2)', ['conditional', JSON.stringify(tasks)]);
  const runner = await registerRunner();
  const run = await engine.startRun('conditional');
  await finish(pool, run, runner, [false, { skipped: 'output a is false' }]);

  assert.equal(await reasonOf(run, 'b'), 'it was skipped: output a is false');
});

test('runs are found by workflow, by status, by time, and page by page', async () => {
  const workflow = await draw({ a: [] });
  const ids = await engine.startRuns(workflow, [{}, {}, {}, {}]);
  for (const id of ids.slice(0, 3)) await engine.cancelRun(id, 'me');

  const idsOf = async (...given: Parameters<typeof engine.listRuns>) =>
    (await engine.listRuns(...given)).map(({ id }) => id);
  const [first, second, third, fourth] = ids;
  assert.deepEqual(await idsOf('active', 10, { workflow }), [fourth]);
  assert.deepEqual(await idsOf('ended', 2, { workflow }), [third, second]);
  assert.deepEqual(await idsOf('ended', 2, { workflow, before: second ?? '' }), [first]);
  assert.deepEqual(await idsOf('ended', 1, { statuses: ['CANCELLED'] }), [third]);
  assert.deepEqual(await idsOf('ended', 9, { workflow, statuses: ['FAILED'] }), []);
  assert.deepEqual(await idsOf('ended', 9, { workflow, since: new Date(Date.now() + 60_000) }), []);
  await engine.cancelRun(fourth ?? '', 'me');
});

test('runs of a status that a list cannot hold are not looked for, and those under way are counted as they are listed', async () => {
  const workflow = await draw({ a: [] });
  const ids = await engine.startRuns(workflow, [{}, {}, {}]);
  const list = async (which: 'active' | 'ended', statuses: readonly RunStatus[]) =>
    (await engine.listRuns(which, 9, { workflow, statuses })).map(({ id }) => id);

  await engine.cancelRun(ids[0] ?? '', 'me');

  assert.deepEqual(await list('active', ['CANCELLED', 'FAILED', 'COMPLETED']), []);
  assert.deepEqual(await list('active', ['CANCELLED', 'RUNNING']), [ids[2], ids[1]]);
  assert.deepEqual(await list('ended', ['RUNNING']), []);
  assert.deepEqual(await list('ended', ['RUNNING', 'CANCELLED']), [ids[0]]);
  assert.equal(await engine.countActiveRuns({ workflow }), 2);
  assert.equal(await engine.countActiveRuns({ workflow, before: ids[2] ?? '' }), 1);
  assert.equal(await engine.countActiveRuns({ workflow, statuses: ['CANCELLED'] }), 0);
  await Promise.all(ids.map((id) => engine.cancelRun(id, 'me')));
});

test('watch tells a pipe of each run that begins and ends, however many there are', async () => {
  const workflow = await draw({ a: [] });
  const [old = ''] = await engine.startRuns(workflow, [{}]);
  const watching = startCommand(['watch', '--json'], { url });
  await until(() => watching.said.includes(`"id":"${old}"`), 'the first run');
  const ended = () =>
    new Set(watching.said.match(/"id":"\d+"[^\n]*"CANCELLED"/g)?.map((line) => line.split(',')[0]));
  const cancel = 'select count(sluice.cancel_run(id)) from sluice.runs where workflow = $1 and id <> $2';

  const ids = await engine.startRuns(workflow, Array(200).fill({}));
  await pool.query(cancel, [workflow, old]);

  await until(() => ids.every((id) => ended().has(`"id":"${id}"`)), '200 runs to be told of');
  watching.interrupt();
  await watching.ended;
  await engine.cancelRun(old, 'me');
});

test('watch tells a pipe how a run ended that began before a thousand others', async () => {
  const workflow = await draw({ a: [] });
  const [old = ''] = await engine.startRuns(workflow, [{}]);
  await engine.startRuns(workflow, Array(1100).fill({}));
  const cancel = 'select count(sluice.cancel_run(id)) from sluice.runs where workflow = $1 and id <> $2';
  await pool.query(cancel, [workflow, old]);
  const watching = startCommand(['watch'], { url });
  await until(() => watching.said.includes(`${old}\t`), 'the run');

  await engine.cancelRun(old, 'me');

  await until(() => new RegExp(`^${old}\t\\S+\tCANCELLED`, 'm').test(watching.said), 'its end');
  watching.interrupt();
  await watching.ended;
});

test('whoever follows a run sees how it ends, though no bell rings for that', async () => {
  await using scene = await running({ a: [] });
  const stop = new AbortController();
  const seen: (string | undefined)[] = [];

  for await (const status of engine.follow(() => engine.readStatus(scene.run), stop.signal)) {
    seen.push(status);
    if (status !== 'RUNNING') break;
    if (seen.length === 1) await scene.succeed('a');
  }

  assert.deepEqual([seen[0], seen.at(-1)], ['RUNNING', 'COMPLETED']);
});

test('whoever follows a run waits out an outage, and is told of it once', async () => {
  await using scene = await running({ a: [] });
  const stop = new AbortController();
  const told: (string | undefined)[] = [];
  let looks = 0;
  const look = async () => {
    looks += 1;
    if (looks === 2 || looks === 3) await pool.query(`select pg_terminate_backend(pg_backend_pid())`);
    return engine.readStatus(scene.run);
  };

  for await (const _ of engine.follow(look, stop.signal, (line) => told.push(line))) if (looks >= 4) break;

  assert.equal(told.length, 2);
  assert.match(told[0] ?? '', /^127\.0\.0\.1:\d+: /);
  assert.equal(told[1], undefined);
});

test('whoever waits for a run looks again when somebody cancels a look', async () => {
  await using scene = await running({ a: [] });
  await using holder = await scene.transaction();
  await holder.sql('lock table sluice.runs in access exclusive mode');
  const [{ pid }] = await holder.sql('select pg_backend_pid() as pid');

  const ended = engine.waitForRun(scene.run);
  const cancel = async () => {
    const cancelled = await pool.query(
      'select pg_cancel_backend(pid) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))',
      [pid],
    );
    return cancelled.rows.length > 0;
  };
  await until(cancel, 'a look');
  await holder.commit();
  await scene.succeed('a');

  assert.equal((await ended).status, 'COMPLETED');
});

test('whoever follows may stop, also where a look is not answered', async () => {
  const stop = new AbortController();
  const look = () => {
    stop.abort();
    return new Promise<never>(() => {});
  };

  for await (const _ of engine.follow(look, stop.signal)) assert.fail('nothing is to be seen');
});

test('any number may wait by one signal, without a warning, and each is told why it ended', async () => {
  await using scene = await running({ a: [] });
  const stop = new AbortController();
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);

  const waits = Array.from({ length: 30 }, () => engine.waitForRun(scene.run, stop.signal));
  const settled = Promise.allSettled(waits);
  await scene.sql('select');
  stop.abort(new Error('no more patience'));
  const reasons = (await settled).map((one) => one.status === 'rejected' && one.reason.message);
  process.off('warning', listen);

  assert.deepEqual([...new Set(reasons)], ['no more patience']);
  assert.deepEqual(warnings, []);
});
