import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listening } from './support/listening.ts';
import { type Graph, running } from './support/scene.ts';

test('two parents that succeed at the same moment still release their child', async () => {
  await using scene = await running({ a: [], b: [], both: ['a', 'b'] });
  await using first = await scene.transaction();

  await first.succeed('a'); // not committed yet, so b cannot see it
  const second = scene.succeed('b'); // has to wait for the child that the first has locked
  await scene.someoneWaitsForALock();
  await first.commit();
  await second;

  assert.equal(await scene.state('both'), 'READY');
});

test('a parent whose success is rolled back has not counted', async () => {
  await using scene = await running({ a: [], b: [], both: ['a', 'b'] });
  await using first = await scene.transaction();

  await first.succeed('a');
  const second = scene.succeed('b');
  await scene.someoneWaitsForALock();
  await first.rollback();
  await second;

  assert.equal(await scene.states(), 'a READY, b SUCCESS, both PENDING');
  await scene.succeed('a');
  assert.equal(await scene.state('both'), 'READY');
});

test('several parents that succeed in one statement all count', async () => {
  await using scene = await running({ a: [], b: [], c: [], all: ['a', 'b', 'c'] });

  await scene.succeed('a', 'b', 'c');

  assert.equal(await scene.state('all'), 'READY');
});

test('parents that succeed by a plain update release their children as well', async () => {
  await using scene = await running({ a: [], b: [], both: ['a', 'b'], one: ['a'] });
  await scene.take('a', 'b');

  await scene.sql(
    `update sluice.tasks set state = 'SUCCESS', output = '1', finished_at = now() where run_id = $run and state = 'RUNNING'`,
  );

  assert.equal(await scene.states(), 'a SUCCESS, b SUCCESS, both READY, one READY');
});

test('a task is READY when all its parents have succeeded, and not before', async () => {
  await using scene = await running({ a: [], b: [], c: [], all: ['a', 'b', 'c'] });

  const waited = [];
  for (const parent of ['a', 'b', 'c']) {
    const { state, waiting_for } = await scene.task('all');
    waited.push(`${state} for ${waiting_for}`);
    await scene.succeed(parent);
  }

  assert.deepEqual(waited, ['PENDING for 3', 'PENDING for 2', 'PENDING for 1']);
  assert.equal(await scene.state('all'), 'READY');
});

test('a parent that only runs releases nobody', async () => {
  await using scene = await running({ a: [], b: ['a'] });

  await scene.take('a');

  assert.equal(await scene.states(), 'a RUNNING, b PENDING');
});

test('the last task of a diamond runs once, after both of its sides', async () => {
  await using scene = await running({ top: [], left: ['top'], right: ['top'], bottom: ['left', 'right'] });

  const claimed = [];
  for (let names = await scene.claim(9); names.length > 0; names = await scene.claim(9)) {
    claimed.push(names);
    for (const name of names) await scene.succeed(name);
  }

  assert.deepEqual(claimed, [['top'], ['left', 'right'], ['bottom']]);
  assert.equal(await scene.status(), 'COMPLETED');
});

test('a success releases nobody in other runs of the same workflow', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  const [{ other }] = await scene.sql('select sluice.start_run($1) as other', [scene.workflow]);

  await scene.succeed('a');

  const rows = await scene.sql('select state from sluice.tasks where run_id = $1 order by task_no', [other]);
  assert.deepEqual(
    rows.map(({ state }) => state),
    ['READY', 'PENDING'],
  );
});

test('what a transaction has released can be claimed once it has committed, and not before', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await using open = await scene.transaction();
  await open.succeed('a');

  assert.deepEqual(await scene.claim(9), []);
  await open.commit();
  assert.deepEqual(await scene.claim(9), ['b']);
});

test('a run is COMPLETED when its last sink has succeeded', async () => {
  await using scene = await running({ a: [], sink: ['a'], other_sink: ['a'], lonely: [] });

  await scene.succeed('a', 'lonely');
  await scene.succeed('sink');
  assert.equal(await scene.status(), 'RUNNING');
  await scene.succeed('other_sink');

  assert.equal(await scene.status(), 'COMPLETED');
});

test('two sinks that succeed at the same moment still complete their run', async () => {
  await using scene = await running({ a: [], b: [] });
  await using first = await scene.transaction();

  await first.succeed('a');
  const second = scene.succeed('b');
  await scene.someoneWaitsForALock();
  await first.commit();
  await second;

  assert.equal(await scene.status(), 'COMPLETED');
});

test('one task fans out to 2,000 and in again, reported a thousand to a statement', async () => {
  const middle = Array.from({ length: 2000 }, (_, index) => `m${index}`);
  const graph: Graph = {
    start: [],
    ...Object.fromEntries(middle.map((name) => [name, ['start']])),
    end: middle,
  };
  await using scene = await running(graph);

  await scene.succeed('start');
  const [{ ready }] = await scene.sql(
    `select count(*)::integer as ready from sluice.tasks where run_id = $run and state = 'READY'`,
  );
  await scene.succeed(...middle.slice(0, 1000));
  const halfway = await scene.task('end');
  await scene.succeed(...middle.slice(1000));
  await scene.succeed('end');

  assert.equal(ready, 2000);
  assert.deepEqual([halfway.state, halfway.waiting_for], ['PENDING', 1000]);
  assert.equal(await scene.status(), 'COMPLETED');
  assert.equal((await scene.transitions()).length, 3 * 2002);
});

test('sessions that complete parents of the same children lock them in one order and do not deadlock', async () => {
  const children = Array.from({ length: 10 }, (_, index) => [`c${index}`, ['a', 'b', 'x', 'y']]);
  await using scene = await running({ a: [], b: [], x: [], y: [], ...Object.fromEntries(children) });
  await using gate = await scene.transaction();
  await scene.take('a', 'b', 'x', 'y');

  // Both stop in the middle of the children: whoever went another way would now hold what the other needs.
  await gate.sql(
    `select from sluice.tasks where run_id = $run and task_no = ${scene.number('c5')} for no key update`,
  );
  const first = scene.succeed('a', 'b');
  await scene.someoneWaitsForALock(1);
  const second = scene.succeed('y', 'x');
  await scene.someoneWaitsForALock(2);
  await gate.commit();

  assert.deepEqual(await Promise.all([first, second]), [
    ['SUCCESS', 'SUCCESS'],
    ['SUCCESS', 'SUCCESS'],
  ]);
  assert.equal(await scene.state('c9'), 'READY');
});

test('sessions that complete sinks of the same runs lock the runs in one order and do not deadlock', async () => {
  await using scene = await running({ a: [], b: [] });
  const [{ id: other }] = await scene.sql('select sluice.start_run($1) as id', [scene.workflow]);
  await scene.claim(9);
  await using gate = await scene.transaction();
  const done = (run_id: string, task_no: number) => ({ run_id, task_no, token: 1, output: null });

  await gate.sql('select from sluice.runs where id = $1 for no key update', [other]);
  const first = scene.report([done(other, 1), done(scene.run, 2)]);
  await scene.someoneWaitsForALock(1);
  const second = scene.report([done(scene.run, 1), done(other, 2)]);
  await scene.someoneWaitsForALock(2);
  await gate.commit();
  await Promise.all([first, second]);

  const runs = await scene.sql('select status from sluice.runs where workflow = $1', [scene.workflow]);
  assert.deepEqual(
    runs.map(({ status }) => status),
    ['COMPLETED', 'COMPLETED'],
  );
});

test('layers in which everybody waits for everybody complete, whatever the sessions that race through them', async () => {
  const layer = (level: number) => Array.from({ length: 12 }, (_, index) => `l${level}_${index}`);
  const graph: Graph = Object.fromEntries(
    [0, 1, 2, 3, 4].flatMap((level) =>
      layer(level).map((name) => [name, level === 0 ? [] : layer(level - 1)]),
    ),
  );
  await using scene = await running(graph);

  async function race(): Promise<void> {
    while ((await scene.status()) === 'RUNNING') await scene.succeed(...(await scene.claim(5)));
  }
  await Promise.all([race(), race(), race(), race()]);

  assert.equal(await scene.status(), 'COMPLETED');
  const counts = await scene.sql(
    'select from_state, to_state, count(*)::integer from sluice.transitions where run_id = $run group by 1, 2 order by 2',
  );
  assert.deepEqual(
    counts.map(({ from_state, to_state, count }) => `${from_state} → ${to_state}: ${count}`),
    ['PENDING → READY: 60', 'READY → RUNNING: 60', 'RUNNING → SUCCESS: 60'],
  );
});

test('the doorbell rings once for each statement that makes tasks READY, and carries nothing', async () => {
  await using scene = await running({ a: [], b: ['a'], c: ['a'], d: ['a'], e: ['b', 'c'] });
  await using listener = await listening(scene.db.url);

  await scene.succeed('a'); // b, c and d
  await scene.succeed('d'); // nobody
  await scene.succeed('b'); // e waits for c
  await scene.succeed('c'); // e

  assert.deepEqual(await listener.heard(), ['task_ready:', 'task_ready:']);
});

test('the doorbell rings when a run is started', async () => {
  await using scene = await running({ a: [] });
  await using listener = await listening(scene.db.url);

  await scene.sql('select sluice.start_run($1)', [scene.workflow]);

  assert.deepEqual(await listener.heard(), ['task_ready:']);
});

test('a runner that claims what it has released itself rings for nobody', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.take('a');
  const done = { ...(await scene.claimOf('a')), output: null };
  await using listener = await listening(scene.db.url);

  await scene.sql('select from sluice.report_and_claim($runner, $1, 5)', [JSON.stringify([done])]);

  assert.equal(await scene.state('b'), 'RUNNING');
  assert.deepEqual(await listener.heard(), []);
});

test('what follows from a success is dated after it, though its own hop began earlier and had to wait', async () => {
  await using scene = await running({ a: [], b: [], next: ['a', 'b'], c: [], d: [] });
  await scene.claim(4);
  const lateness = async (early: string, late: string, effect: string) => {
    await using other = await scene.transaction();
    await other.sql('select from sluice.tasks where run_id = $run and task_no = $1 for no key update', [
      scene.number(late),
    ]);
    const result = { ...(await scene.claimOf(late)), output: 1 };
    const hop = scene.sql('select from sluice.report_and_claim($runner, $1, 5)', [JSON.stringify([result])]);
    await scene.someoneWaitsForALock();
    await scene.succeed(early);
    await other.commit();
    await hop;
    const [{ later }] = await scene.sql(
      `select ${effect} >= (select finished_at from sluice.tasks where run_id = $run and task_no = $1) as later`,
      [scene.number(early)],
    );
    return later;
  };
  const next = `(select least(ready_at, started_at) from sluice.tasks where run_id = $run and task_no = ${scene.number('next')})`;

  assert.equal(await lateness('a', 'b', next), true);
  await scene.succeed('next');
  assert.equal(await lateness('c', 'd', '(select finished_at from sluice.runs where id = $run)'), true);
});
