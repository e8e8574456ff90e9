import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openEngine } from '../src/engine.ts';
import { finish } from './support/finish.ts';
import { draw, fileDatabase, registerRunner, running } from './support/scene.ts';

const { url, pool } = await fileDatabase();
const engine = openEngine({ connectionString: url, connectors: {} });
after(() => engine[Symbol.asyncDispose]());

const DIAMOND = { a: [], left: ['a'], right: ['a'], both: ['left', 'right'], end: ['both'] };

/** `a SUCCESS, b READY` */
async function statesOf(run: string): Promise<string> {
  const { tasks = [] } = (await engine.readOverview(run)) ?? {};
  return tasks.map(({ name, state }) => `${name} ${state}`).join(', ');
}

test('a rerun repeats a run from its start: same version, same input', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');
  await pool.query('select from sluice.register_workflow($1, $2)', [
    scene.workflow,
    '[{"name": "other", "connector": "none", "operation": "none"}]',
  ]);

  const again = await engine.rerun(scene.run, 'me');

  const [first, second] = [await engine.readOverview(scene.run), await engine.readOverview(again)];
  assert.deepEqual([second?.version, second?.input], [first?.version, first?.input]);
  assert.equal(await statesOf(again), 'a READY, b PENDING');
});

test('a rerun from where it failed takes over what had succeeded and runs the rest', async () => {
  await using scene = await running(DIAMOND);
  await scene.succeed('a');
  await scene.succeed('left');
  await scene.fail('right');

  const again = await engine.rerun(scene.run, 'me', true);

  assert.equal(await statesOf(again), 'a SUCCESS, left SUCCESS, right READY, both PENDING, end PENDING');
  await finish(pool, again, scene.runner);
  const run = await engine.readRun(again);
  assert.equal(run?.status, 'COMPLETED');
  assert.deepEqual(
    run?.tasks.map(({ output }) => output),
    [{ from: 'a' }, { from: 'left' }, 'again', 'again', 'again'],
  );
});

test('a rerun that failed is repeated from there, with what it had taken over itself', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');
  const once = await engine.rerun(scene.run, 'me', true);
  await engine.cancelRun(once, 'me');

  const again = await engine.rerun(once, 'me', true);

  const { tasks } = (await engine.readOverview(again)) ?? {};
  assert.deepEqual(
    tasks?.map(({ name, state, reused_from }) => [name, state, reused_from]),
    [
      ['a', 'SUCCESS', once],
      ['b', 'READY', null],
    ],
  );
  await engine.cancelRun(again, 'me');
});

test('a rerun waits for the parents that its own workflow names, whatever others do', async () => {
  await draw({ a: [], b: ['a'], c: ['a', 'b'] });
  await using scene = await running({ a: [], b: [], c: [] });
  await engine.cancelRun(scene.run, 'me');

  const again = await engine.rerun(scene.run, 'me');

  assert.equal(await statesOf(again), 'a READY, b READY, c READY');
  await engine.cancelRun(again, 'me');
});

test('a sink that is taken over does not count towards the end of the rerun', async () => {
  await using scene = await running({ a: [], done: ['a'], broken: ['a'] });
  await scene.succeed('a');
  await scene.succeed('done');
  await scene.fail('broken');

  const again = await engine.rerun(scene.run, 'me', true);

  const { rows } = await pool.query('select waiting_for from sluice.runs where id = $1', [again]);
  assert.equal(rows[0].waiting_for, 1);
});

test('the audit of a task that was taken over says that it was in no state before', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');

  const again = await engine.rerun(scene.run, 'me', true);

  const events = await engine.listEvents(again);
  assert.deepEqual(
    events.map(({ task, what, note }) => [task, what, note]),
    [
      [null, 'RUNNING', `rerun of run ${scene.run} by me`],
      ['a', 'SUCCESS', `reused from run ${scene.run}`],
      ['b', 'PENDING → READY', null],
    ],
  );
});

test('which run repeats which is known in both directions', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');

  const once = await engine.rerun(scene.run, 'me', true);
  const twice = await engine.rerun(scene.run, 'me');

  assert.deepEqual((await engine.readOverview(scene.run))?.reruns, [once, twice]);
  const { rerun_of, from_failed, tasks } = (await engine.readOverview(once)) ?? {};
  assert.deepEqual([rerun_of, from_failed], [scene.run, true]);
  assert.equal((await engine.readOverview(twice))?.from_failed, false);
  assert.deepEqual(
    tasks?.map(({ reused_from }) => reused_from),
    [scene.run, null],
  );
});

test('no task is born SUCCESS but as a copy of one that succeeded in the run that is repeated', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');
  const again = await engine.rerun(scene.run, 'me');
  const { rows } = await pool.query('select workflow_id from sluice.runs where id = $1', [again]);

  await assert.rejects(
    pool.query(
      `insert into sluice.tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state, token, attempt, runner_id, started_at, finished_at, output)
       values ($1, $2, 3, 0, true, 'SUCCESS', 1, 1, 1, now(), now(), '{"made": "up"}')`,
      [again, rows[0].workflow_id],
    ),
    { code: 'WF001', message: `task 3 of run ${again} cannot begin as SUCCESS` },
  );
});

test('a run that is not there cannot be repeated', async () => {
  await assert.rejects(engine.rerun('987654321', 'me'), {
    code: 'WF008',
    message: 'there is no run 987654321',
  });
});

test('a run that is under way cannot be repeated', async () => {
  await using scene = await running({ a: [] });

  await assert.rejects(engine.rerun(scene.run, 'me'), {
    code: 'WF009',
    message: `run ${scene.run} is still RUNNING`,
  });
});

test('a run of which something still runs cannot be repeated from where it failed', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('b');
  await scene.fail('a');

  await assert.rejects(engine.rerun(scene.run, 'me', true), {
    code: 'WF009',
    message: `run ${scene.run} is FAILED, but b still runs`,
  });
});

test('of what still runs, a rerun that is refused says the names in the order of the run', async () => {
  await using scene = await running({ a: [], d: [], c: [], b: [] });
  for (const name of ['c', 'b', 'd']) await scene.take(name);
  await scene.fail('a');

  await assert.rejects(engine.rerun(scene.run, 'me', true), {
    code: 'WF009',
    message: `run ${scene.run} is FAILED, but d, c, b still runs`,
  });
});

test('what succeeds while a rerun looks for what had succeeded is taken over, too', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await scene.fail('a');
  await using other = await scene.transaction();
  // Holds the rerun up where it looks what still runs.
  await other.sql('lock table sluice.workflow_tasks in access exclusive mode');
  const rerun = engine.rerun(scene.run, 'ann@desk', true);
  await scene.someoneWaitsForALock();

  await other.sql(
    `update sluice.tasks set state = 'SUCCESS', finished_at = statement_timestamp(), output = '1'
      where run_id = $run and task_no = $1`,
    [scene.number('b')],
  );
  await other.commit();

  const { rows } = await pool.query('select state from sluice.tasks where run_id = $1 order by task_no', [
    await rerun,
  ]);
  assert.deepEqual(
    rows.map(({ state }) => state),
    ['READY', 'SUCCESS'],
  );
});

test('a run of which everything succeeded has nothing to repeat from where it failed', async () => {
  await using scene = await running({ a: [] });
  await scene.succeed('a');

  await assert.rejects(engine.rerun(scene.run, 'me', true), /all tasks of run \d+ have succeeded/);
});

test('cancelling says who did it and when, and what has not begun will not', async () => {
  await using scene = await running({ a: [], b: ['a'] });

  assert.equal(await engine.cancelRun(scene.run, 'ann@desk'), true);

  const run = await engine.readOverview(scene.run);
  assert.deepEqual([run?.status, run?.reason], ['CANCELLED', 'cancelled by ann@desk']);
  assert.ok(run?.finished_at);
  assert.deepEqual(await scene.claim(10), []);
});

test('a run that has to be waited for is cancelled after all that has happened in it meanwhile', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.claim(1);
  await using hop = await scene.transaction();
  await hop.sql('select from sluice.runs where id = $run for update');
  const cancelling = engine.cancelRun(scene.run, 'ann@desk');
  await scene.someoneWaitsForALock();

  await hop.succeed('a');
  await hop.commit();
  await cancelling;

  const moves = await scene.sql('select task, what from v_events where run = $run order by at');
  assert.deepEqual(moves.at(-1), { task: null, what: 'CANCELLED' });
});

test('a run is not cancelled by a transaction that may not see all its tasks, and it says so', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await using session = await scene.transaction();
  await session.sql('set transaction isolation level repeatable read');

  await assert.rejects(session.sql('select sluice.cancel_run($run)'), {
    code: 'WF011',
    hint: /read committed/,
  });
  await using lax = await scene.transaction();
  await lax.sql('set transaction isolation level read uncommitted');
  assert.deepEqual(await lax.sql('select sluice.cancel_run($run)'), [{ cancel_run: true }]);
});

test('what ends with a run that had to be waited for is dated after what was waited for', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.runs where id = $run for update');
  const cancelling = engine.cancelRun(scene.run, 'ann@desk');
  await scene.someoneWaitsForALock();

  const [{ at }] = await holder.sql('select clock_timestamp() as at');
  await holder.commit();
  await cancelling;

  const { state, finished_at } = await scene.task('a');
  assert.equal(state, 'FAILED');
  assert.ok(finished_at >= at, `${finished_at.toISOString()} is before ${at.toISOString()}`);
});

test('a clock that goes back while a run is cancelled makes nothing of it illegal', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(1);
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);
  await using session = await scene.transaction();
  await session.sql(`
    create schema late;
    create function late.clock_timestamp() returns timestamptz language sql as $$ select pg_catalog.clock_timestamp() - interval '1 hour' $$;
    alter function sluice.cancel_run set search_path = late, pg_catalog, sluice, pg_temp;
    alter function sluice.end_open_tasks set search_path = late, pg_catalog, sluice, pg_temp`);

  await session.sql('select sluice.cancel_run($run)');

  assert.equal(await session.states(), 'a FAILED, b READY');
  assert.equal(await session.status(), 'CANCELLED');
});

test('a cancelled run can be repeated from where it stopped', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await engine.cancelRun(scene.run, 'me');

  const again = await engine.rerun(scene.run, 'me', true);

  assert.equal(await statesOf(again), 'a SUCCESS, b READY');
});

test('pruning none at a time ends', async () => {
  const workflow = await draw({ a: [] });
  const [run = ''] = await engine.startRuns(workflow, [{}]);
  await finish(pool, run, await registerRunner());

  for await (const _ of engine.prune('0 seconds', 0)) assert.fail();

  assert.equal(await engine.readStatus(run), 'COMPLETED');
});

test('a run to which a table of somebody else refers is not pruned, and it is said what to do', async () => {
  const workflow = await draw({ a: [] });
  const [run = ''] = await engine.startRuns(workflow, [{}]);
  await finish(pool, run, await registerRunner());
  await pool.query('create table orders (run bigint constraint of_orders references sluice.runs)');
  await pool.query('insert into orders values ($1)', [run]);

  await assert.rejects(
    async () => {
      for await (const _ of engine.prune('0 seconds'));
    },
    { name: 'UsageError', message: /^STILL_REFERENCED .*"of_orders".* ON DELETE SET NULL/ },
  );

  await pool.query('drop table orders');
  assert.equal(await engine.readStatus(run), 'COMPLETED');
});

test('pruning deletes what ended long ago, so many at a time, and leaves what still runs', async () => {
  const workflow = await draw({ a: [] });
  const runner = await registerRunner();
  const ids = await engine.startRuns(workflow, [{}, {}, {}, {}, {}]);
  await finish(pool, ids[0] ?? '', runner);
  await finish(pool, ids[4] ?? '', runner);
  const [open] = await engine.startRuns(workflow, [{}]);
  const expected = await engine.countPrunable('0 seconds');

  const batches = [];
  for await (const deleted of engine.prune('0 seconds', 2)) batches.push(deleted);

  assert.ok(expected >= 5);
  assert.equal(
    batches.reduce((sum, one) => sum + one, 0),
    expected,
  );
  assert.ok(batches.every((one) => one <= 2));
  assert.equal(await engine.readStatus(ids[0] ?? ''), undefined);
  assert.equal(await engine.readStatus(open ?? ''), 'RUNNING');
  await engine.cancelRun(open ?? '', 'me');
});

/** A run that has ended. */
async function ended(): Promise<string> {
  await using scene = await running({ a: [] });
  await scene.succeed('a');
  return scene.run;
}

/** Runs that ended so many hours ago. */
async function endedBefore(hours: number, runs: readonly string[]): Promise<void> {
  const ago = `$1 * interval '1 h'`;
  const session = await pool.connect();
  await session.query('begin; alter table sluice.runs disable trigger advance_runs');
  for (const run of runs)
    await session.query(
      `update sluice.runs set created_at = created_at - ${ago}, finished_at = finished_at - ${ago} where id = $2`,
      [hours, run],
    );
  await session.query('alter table sluice.runs enable trigger advance_runs; commit');
  session.release();
}

test('pruning leaves what ended less long ago than is said', async () => {
  const [old, young] = [await ended(), await ended()];
  await endedBefore(3, [old]);
  await endedBefore(1, [young]);

  for await (const _ of engine.prune('2 hours'));

  assert.deepEqual([await engine.readStatus(old), await engine.readStatus(young)], [undefined, 'COMPLETED']);
});

test('a run that has stopped is not pruned while something of it still runs', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await engine.cancelRun(scene.run, 'me');

  for await (const _ of engine.prune('0 seconds'));
  const during = await engine.readStatus(scene.run);
  await scene.succeed('a');
  for await (const _ of engine.prune('0 seconds'));

  assert.deepEqual([during, await engine.readStatus(scene.run)], ['CANCELLED', undefined]);
});

test('pruning begins with the oldest run', async () => {
  const runs = [await ended(), await ended(), await ended()];
  await endedBefore(3, runs.toReversed());

  const left = [];
  for await (const _ of engine.prune('2 hours', 1))
    left.push((await pool.query('select id from sluice.runs where id = any ($1)', [runs])).rows);

  assert.deepEqual(
    left.map((rows) => rows.map(({ id }) => id).toSorted()),
    [runs.slice(1), runs.slice(2), []],
  );
});

test('pruning leaves nothing of a run behind, and history closed', async () => {
  await using scene = await running({ a: [] });
  await scene.fail('a');
  assert.equal((await scene.attempts('a')).length, 1);
  await using session = await scene.transaction();

  await session.sql(`select sluice.prune('0 seconds', 1000)`);

  assert.deepEqual(await session.sql('select from sluice.attempts where run_id = $run'), []);
  await assert.rejects(session.sql('delete from sluice.runs'), { code: 'WF007' });
});

test('while runs are pruned, what stays can be neither changed nor truncated', async () => {
  await using scene = await running({ a: [] });
  await scene.fail('a');

  for (const statement of [
    `update sluice.attempts set outcome = 'LOST'`,
    'truncate sluice.attempts',
    'truncate sluice.tasks',
  ]) {
    await using session = await scene.transaction();
    await session.sql(`set local sluice.pruning = 'on'`);
    await assert.rejects(session.sql(statement), { code: 'WF007' }, statement);
  }
});

test('a rerun outlives the run that it repeats', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');
  const again = await engine.rerun(scene.run, 'me', true);

  for await (const _ of engine.prune('0 seconds'));

  const run = await engine.readOverview(again);
  assert.deepEqual([run?.rerun_of, run?.tasks[0]?.reused_from], [scene.run, scene.run]);
  await engine.cancelRun(again, 'me');
});

test('an age that lies in the future is refused, and nothing is deleted', async () => {
  await using scene = await running({ a: [] });
  await scene.fail('a');

  await assert.rejects(scene.sql(`select sluice.prune('-90 days')`), {
    code: '22023',
    message: 'an age of -90 days lies in the future',
  });

  assert.equal(await engine.readStatus(scene.run), 'FAILED');
});

test('a run that is being repeated is not pruned', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');
  await using repeating = await scene.transaction();
  const [{ again }] = await repeating.sql('select sluice.rerun($run, true) as again');

  for await (const _ of engine.prune('0 seconds'));
  await repeating.commit();

  assert.equal(await engine.readStatus(scene.run), 'FAILED');
  await engine.cancelRun(again, 'me');
});

test('pruning leaves a run that somebody holds, and does not wait for him', async () => {
  await using scene = await running({ a: [] });
  await scene.fail('a');
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.runs where id = $run for no key update');

  for await (const _ of engine.prune('0 seconds'));

  assert.equal(await engine.readStatus(scene.run), 'FAILED');
});
