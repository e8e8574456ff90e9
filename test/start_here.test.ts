import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import type { Log } from '../src/log.ts';
import { Session } from '../src/runner/session.ts';
import { type Act, event } from './support/acting.ts';
import { stage } from './support/engine.ts';
import { listening } from './support/listening.ts';
import { fileDatabase, lockTable, query, running, someoneWaitsForALock } from './support/scene.ts';
import { until } from './support/until.ts';

const START = 'select answer, run_id, task_no from sluice.start_and_claim($runner, $1, $2, $3, $4)';

const fine: Act = () => 'fine';

async function beganAtOnce(runId: string): Promise<boolean> {
  const [first] = await query(
    `select tasks.started_at = runs.created_at as at_once
       from sluice.tasks join sluice.runs on runs.id = run_id where run_id = $1 and task_no = 1`,
    [runId],
  );
  return first.at_once;
}

test('a start can claim what it makes READY in the same commit, and rings for nobody', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.take('a');
  await using listener = await listening(scene.db.url);

  const [started, ...claimed] = await scene.sql(START, [5, scene.workflow, {}, null]);

  assert.deepEqual([started.answer, started.task_no], ['STARTED', null]);
  assert.deepEqual(
    claimed.map(({ answer, run_id, task_no }) => [answer, run_id, task_no]),
    [['CLAIMED', started.run_id, 1]],
  );
  const states = await query('select state from sluice.tasks where run_id = $1 order by task_no', [
    started.run_id,
  ]);
  assert.deepEqual(
    states.map(({ state }) => state),
    ['RUNNING', 'PENDING'],
  );
  assert.deepEqual(await listener.heard(), []);
});

test('a task that is claimed by the start of its run leaves the marks of every move', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  const [{ run_id: run }] = await scene.sql(START, [5, scene.workflow, {}, null]);

  const moves = await query(
    'select task, what, attempt, runner from v_events where run = $1 and no = 1 order by at, attempt',
    [run],
  );

  assert.deepEqual(moves, [
    { task: 'a', what: 'PENDING → READY', attempt: 0, runner: null },
    { task: 'a', what: 'READY → RUNNING', attempt: 1, runner: scene.runner },
  ]);
});

test('a start claims nothing of other runs, and announces what it has no room for', async () => {
  await using scene = await running({ a: [], b: [] });
  await using listener = await listening(scene.db.url);

  const [started, ...claimed] = await scene.sql(START, [1, scene.workflow, {}, null]);

  assert.deepEqual(
    claimed.map(({ run_id, task_no }) => [run_id, task_no]),
    [[started.run_id, 1]],
  );
  const states = await query(
    'select state from sluice.tasks where run_id = any ($1) order by run_id, task_no',
    [[scene.run, started.run_id]],
  );
  assert.deepEqual(
    states.map(({ state }) => state),
    ['READY', 'READY', 'RUNNING', 'READY'],
  );
  assert.deepEqual(await listener.heard(), ['task_ready:']);
});

test('a start that is refused claims nothing', async () => {
  await using scene = await running({ a: [] });

  await assert.rejects(scene.sql(START, [5, scene.workflow, '[]', null]), { code: 'WF004' });
  await assert.rejects(scene.sql(START, [5, 'nowhere', {}, null]), { code: 'WF003' });
  await assert.rejects(scene.sql(START, [5, scene.workflow, {}, 0]), { code: 'WF010' });

  assert.equal(await scene.state('a'), 'READY');
});

test('nobody starts runs for a runner that is none', async () => {
  await using scene = await running({ a: [] });
  const start = `select from sluice.start_runs($1, array['{}']::jsonb[], null, null, 987654, 5)`;

  await assert.rejects(scene.sql(start, [scene.workflow]), { code: 'WF006' });
});

test('a runner that was given up starts nothing', async () => {
  await using scene = await running({ a: [] });
  await scene.sql(`select sluice.end_runner($runner, 'lost')`);

  await assert.rejects(scene.sql(START, [5, scene.workflow, {}, null]), { code: 'WF006' });

  assert.deepEqual(await query('select id from sluice.runs where workflow = $1', [scene.workflow]), [
    { id: scene.run },
  ]);
});

// At times the runner looks for work just now: then a start is like any other. But not every time.
test('a run that is started where a runner runs begins in the commit of its start', async () => {
  await using play = await stage({ fine }, { a: { act: 'fine' }, b: { act: 'fine', after: ['a'] } });

  await until(async () => {
    const { id, status } = await play.play();
    assert.equal(status, 'COMPLETED');
    return beganAtOnce(id);
  }, 'a run to begin at once');
});

test('a run that is started the moment another has ended begins in the commit of its start as well', async () => {
  const ends = new EventEmitter();
  const silent = () => {};
  const info: Log['info'] = ({ run, status }) => status && ends.emit(String(run));
  const log = { debug: silent, info, warn: silent, error: silent };
  await using play = await stage({ fine }, { fine: {} }, { log });

  await until(async () => {
    await once(ends, await play.start());
    const id = await play.start();
    await once(ends, id);
    return beganAtOnce(id);
  }, 'a run to begin at once');
});

test('a start is not kept waiting by a runner that has no room', async () => {
  const gate = event();
  await using play = await stage({ held: () => gate.happened.then(() => null) }, { held: {} }, { slots: 1 });
  const first = await play.start();

  const second = await play.start();

  assert.equal(await play.engine.readStatus(first), 'RUNNING');
  gate.happens();
  assert.equal((await play.engine.waitForRun(second, AbortSignal.timeout(20_000))).status, 'COMPLETED');
});

test('a start whose key somebody else holds waits over a connection of its own, not over one of the runner', async () => {
  await using play = await stage({ fine }, { fine: {} });
  const other = await openClient((await fileDatabase()).url);
  await other.query('begin');
  await other.query('select sluice.start_run($1, $2, $3)', [play.workflow, {}, 'the key']);

  const waiting = play.engine.startRun(play.workflow, { key: 'the key' });
  await someoneWaitsForALock();
  const sessions = await query(
    `select application_name as name from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  const { status } = await play.play();
  await other.query('rollback');
  await other.end();

  assert.deepEqual(sessions, [{ name: 'sluice engine' }]);
  assert.equal(status, 'COMPLETED');
  assert.equal(
    (await play.engine.waitForRun(await waiting, AbortSignal.timeout(20_000))).status,
    'COMPLETED',
  );
});

test('a start that finds the table of runs locked waits for it, and the runner does not', async () => {
  await using play = await stage({ fine }, { fine: {} });
  const lock = await lockTable('sluice.runs');

  const starting = play.start();
  await until(async () => {
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and application_name = 'sluice engine'`;
    return (await query(waiting)).length > 0;
  }, 'the start to wait over a connection of its own');
  await lock[Symbol.asyncDispose]();

  assert.equal((await play.engine.waitForRun(await starting)).status, 'COMPLETED');
});

// As above: at times both go over connections of the engine.
test('one start at a time goes over a connection of the runner, so that there is one left for results', async () => {
  await using play = await stage({ fine }, { fine: {} });
  const overRunner = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and application_name like 'sluice runner %'`;

  await until(async () => {
    const lock = await lockTable('sluice.runs');
    const starting = [play.start(), play.start()];
    await someoneWaitsForALock(2);
    const { length } = await query(overRunner);
    await lock[Symbol.asyncDispose]();
    for (const id of await Promise.all(starting)) await play.engine.waitForRun(id);
    assert.ok(length <= 1);
    return length === 1;
  }, 'a start over a connection of the runner');
});

test('a start that is refused is its caller’s business, and not the runner’s', async () => {
  await using play = await stage({ fine }, { fine: {} });

  await assert.rejects(play.engine.startRun('nowhere'), /there is no workflow "nowhere"/);

  assert.equal((await play.play()).status, 'COMPLETED');
});

test('a start through a runner that was thought dead is made without it', async () => {
  await using play = await stage({ fine }, { fine: {} });
  await query(`select sluice.end_runner(id, 'lost') from sluice.runners where ended_at is null`);

  const { id, status } = await play.play();

  assert.equal(status, 'COMPLETED');
  assert.deepEqual(await query('select id from sluice.runs where workflow = $1', [play.workflow]), [{ id }]);
});

test('what is under way when a runner hears that it was thought dead is answered, such as a start', async () => {
  const { url, pool } = await fileDatabase();
  const session = await Session.open(url, 1);
  await using holder = await openClient(url);
  await holder.query('select pg_advisory_lock(77)');
  let answer: unknown;

  const start = session.onLane(async (lane) => {
    answer = (await lane.query('select pg_advisory_lock(77), true as answered')).rows[0].answered;
  });
  await someoneWaitsForALock();
  session.giveUp();
  await holder.query('select pg_advisory_unlock(77)');
  await start;

  assert.equal(answer, true);
  const connections = 'select from pg_stat_activity where application_name = $1';
  const name = `sluice runner ${session.runnerId}`;
  await until(async () => (await pool.query(connections, [name])).rowCount === 0, 'the session to end');
});

test('a run can be started where the last runner has stopped', async () => {
  await using play = await stage({ fine }, { fine: {} });
  await play.stop();

  const id = await play.start();

  assert.equal(await play.engine.readStatus(id), 'RUNNING');
});

test('a start leaves room to the tasks of older runs that wait', async () => {
  const gate = event();
  const starts: Promise<string>[] = [];
  let later = 0;
  // Whichever turn of the loop comes between the end of a task and the next claim, one of the starts is made in it.
  const startLater = async () => {
    for (let turns = later++; turns > 0; turns--) await null;
    starts.push(play.start({ role: 'end' }));
  };
  const act: Act = async (_, { input }) => {
    if (input.role === 'wait') await gate.happened;
    if (input.role === 'start') void startLater();
    return null;
  };
  await using play = await stage({ act }, { act: {} }, { slots: 2 });
  await play.start({ role: 'wait' });

  const older = await play.engine.startRuns(play.workflow, Array(60).fill({ input: { role: 'start' } }));
  await until(() => starts.length === older.length, 'all starts to be made');
  gate.happens();
  for (const id of await Promise.all(starts)) await play.engine.waitForRun(id, AbortSignal.timeout(20_000));

  const claimed = await query(
    `select run_id from sluice.tasks join sluice.runs on runs.id = run_id
      where workflow = $1 and run_id >= $2 order by started_at limit $3`,
    [play.workflow, older[0], older.length],
  );
  assert.deepEqual(
    claimed.map(({ run_id }) => run_id),
    older,
  );
});
