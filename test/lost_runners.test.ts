import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import type pg from 'pg';
import { openClient } from '../src/database/connect.ts';
import { readOverview } from '../src/inspect.ts';
import { beginTask, report } from '../src/runner/task_session.ts';
import { createDatabase } from './support/database.ts';
import { fileDatabase, registerRunner, running, type Scene, serverIsUpForAWhile } from './support/scene.ts';

before(serverIsUpForAWhile);

/** Those of other tests hold no lock either: in a second or two they are dead. */
beforeEach(async () => {
  const { pool } = await fileDatabase();
  await pool.query(`select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null`);
});

/** What a runner that was thought dead leaves behind; how many tasks were taken from it. */
async function lose(scene: Scene, runner = scene.runner): Promise<number> {
  const [{ count }] = await scene.sql(`select sluice.end_runner(${runner}, 'lost') as count`);
  return count;
}

/** Calls a session like the one that holds the transaction of a task. */
async function beAtWorkOn(session: pg.Client, claim: Record<string, unknown>): Promise<void> {
  await session.query(`select set_config('application_name', sluice.session_name($1, $2, $3), false)`, [
    claim.run_id,
    claim.task_no,
    claim.token,
  ]);
}

/** Once more, and the task is poison. */
async function crashFourTimes(scene: Scene): Promise<void> {
  for (let crash = 1; crash <= 4; crash++) {
    const runner = await registerRunner();
    await scene.claim(1, runner);
    await lose(scene, runner);
  }
}

/** Gives their last sign of life so long ago, holding no locks. */
async function silentFor(seconds: number, ...runners: number[]): Promise<void> {
  const { pool } = await fileDatabase();
  await pool.query(`update sluice.runners set beat_at = now() - $1 * interval '1 s' where id = any ($2)`, [
    seconds,
    runners,
  ]);
}

test('a runner that was lost can claim nothing more', async () => {
  await using scene = await running({ a: [] });
  await lose(scene);

  await assert.rejects(scene.claim(1), {
    code: 'WF006',
    message: /^runner \d+ is not registered any more/,
    hint: /Register again/,
  });
});

test('a runner that was stopped can claim nothing more, nor can one that never was', async () => {
  await using scene = await running({ a: [] });
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);

  await assert.rejects(scene.claim(1), { code: 'WF006' });
  await assert.rejects(scene.claim(1, 2_000_000_000), { code: 'WF006' });
});

test('whoever claims while it is being given up waits, and learns that it was', async () => {
  await using scene = await running({ a: [] });
  await using end = await scene.transaction();

  await end.sql(`select sluice.end_runner($runner, 'lost')`);
  const claim = assert.rejects(scene.claim(1), { code: 'WF006' });
  await scene.someoneWaitsForALock();
  await end.commit();
  await claim;

  assert.equal(await scene.state('a'), 'READY');
});

test('a runner is not given up in the middle of its claim', async () => {
  await using scene = await running({ a: [] });
  await using claim = await scene.transaction();

  await claim.claim(1);
  assert.equal(await lose(scene), null);
  await claim.commit();

  assert.equal(await lose(scene), 1);
});

test('a runner that is stopped in the middle of its claim gives back what that brings', async () => {
  await using scene = await running({ a: [] });
  await using claim = await scene.transaction();
  await claim.claim(1);

  const stopped = scene.sql(`select sluice.end_runner($runner, 'stopped')`);
  await scene.someoneWaitsForALock();
  await claim.commit();

  assert.deepEqual(await stopped, [{ end_runner: 1 }]);
});

test('a runner is given up once', async () => {
  await using scene = await running({ a: [] });

  assert.equal(await lose(scene), 0);
  assert.equal(await lose(scene), null);
  assert.deepEqual(await scene.sql(`select sluice.end_runner($runner, 'stopped')`), [{ end_runner: null }]);
});

test('tasks that are given back cost no attempt and no crash, and can be claimed at once', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await scene.succeed('b');

  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);

  assert.deepEqual(await scene.claim(1, await registerRunner()), ['a']);
  const { state, attempt, crashes, token } = await scene.task('a');
  assert.deepEqual(
    { state, attempt, crashes, token },
    { state: 'RUNNING', attempt: 1, crashes: 0, token: 2 },
  );
  assert.deepEqual(await scene.attempts('a'), [`1 GIVEN BACK: runner ${scene.runner} gave the task back`]);
});

test('a result that is being written when its runner is given up counts', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await using reporting = await scene.transaction();
  await reporting.succeed('a');

  const released = lose(scene);
  await scene.someoneWaitsForALock();
  await reporting.commit();

  assert.equal(await released, 1);
  assert.deepEqual(await scene.attempts('a'), []);
  assert.equal(await scene.states(), 'a SUCCESS, b RUNNING');
});

test('an attempt that was lost or given back has a code that says so', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);
  const heir = await registerRunner();
  await scene.claim(1, heir);
  await lose(scene, heir);

  assert.deepEqual(
    await scene.sql(
      `select error ->> 'code' as code from sluice.attempts where run_id = $run order by token`,
    ),
    [{ code: 'GIVEN_BACK' }, { code: 'LOST' }],
  );
});

/** The clock has gone back since a task was claimed. */
async function beganAnHourFromNow(scene: Scene, name: string): Promise<void> {
  await using session = await scene.transaction();
  await session.sql('alter table sluice.tasks disable trigger advance');
  await session.sql(
    `update sluice.tasks set ready_at = now() + interval '1 hour', started_at = now() + interval '1 hour'
      where run_id = $run and task_no = $1`,
    [scene.number(name)],
  );
  await session.sql('alter table sluice.tasks enable trigger advance');
  await session.commit();
}

test('nothing that is lost, or fails for that, ends before it began, where the clock has gone back', async () => {
  await using scene = await running({ a: [] });
  await crashFourTimes(scene);
  await scene.claim(1);
  await beganAnHourFromNow(scene, 'a');

  await lose(scene);

  const { state, finished_at, started_at } = await scene.task('a');
  assert.deepEqual([state, finished_at], ['FAILED', started_at]);
  const attempts = 'select ended_at from sluice.attempts where run_id = $run order by token desc limit 1';
  assert.deepEqual(await scene.sql(attempts), [{ ended_at: started_at }]);
});

test('nothing that ends with its run ends before it began, where the clock has gone back', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await scene.fail('a');
  await beganAnHourFromNow(scene, 'b');

  await lose(scene);

  const { state, finished_at, started_at } = await scene.task('b');
  assert.deepEqual([state, finished_at], ['FAILED', started_at]);
});

test('a runner can give back all its tasks but some', async () => {
  await using scene = await running({ a: [], b: [], c: [] });
  await scene.claim(3);

  const [{ count }] = await scene.sql(`select sluice.release_tasks($runner, 'GIVEN BACK', $1) as count`, [
    JSON.stringify([await scene.claimOf('b')]),
  ]);

  assert.equal(count, 2);
  assert.deepEqual(await scene.claim(3), ['a', 'c']);
});

test('a living runner gives back what nobody holds, says how many of the others are held, and touches nothing else', async () => {
  await using scene = await running({ a: [], b: [] });
  const more = await scene.sql('select sluice.start_run($1) as id from generate_series(1, 3)', [
    scene.workflow,
  ]);
  const [second, third, fourth] = more.map(({ id }) => id);
  await scene.claim(6);
  const other = await registerRunner();
  await scene.claim(1, other);
  const kept = await scene.sql(
    'select run_id, task_no, token from sluice.tasks where (run_id = $1 and task_no = 2) or (run_id = $2 and task_no = 1)',
    [second, third],
  );
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.tasks where run_id = $run and task_no = 1 for update');
  await holder.sql('select from sluice.runs where id = $1 for update', [second]);
  await using session = await scene.transaction();

  const answer = await session.sql('select * from sluice.give_back_others($runner, $1)', [
    JSON.stringify(kept),
  ]);

  assert.deepEqual(answer, [{ given_back: 2, held: 2 }]);
  await scene.sql(
    'select from sluice.tasks join sluice.runs on id = run_id where run_id = $1 for update nowait',
    [fourth],
  );
  await session.commit();
  const free = await scene.sql(
    `select run_id, task_no from sluice.open_tasks where state = 'RUNNING' and runner_id is null order by run_id, task_no`,
  );
  assert.deepEqual(free, [
    { run_id: scene.run, task_no: 2 },
    { run_id: third, task_no: 2 },
  ]);
});

test('a crash of its runner costs a task none of its retries', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 1 } });
  await scene.claim(1);
  await lose(scene);
  const heir = await registerRunner();

  const answers = [];
  while ((await scene.claim(1, heir)).length > 0) answers.push(...(await scene.fail('a')));

  assert.deepEqual(answers, ['RETRY', 'FAILED']);
  assert.deepEqual(await scene.attempts('a'), [
    `1 LOST: runner ${scene.runner} was lost while it ran the task`,
    '1 FAILED: a broke',
    '2 FAILED: a broke',
  ]);
});

test('a task that takes its runner down five times fails as poison and stops its run', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 9 } });
  const states = [];

  for (let crash = 1; crash <= 5; crash++) {
    const runner = await registerRunner();
    assert.deepEqual(await scene.claim(1, runner), ['a']);
    await lose(scene, runner);
    states.push(await scene.state('a'));
  }

  assert.deepEqual(states, ['RUNNING', 'RUNNING', 'RUNNING', 'RUNNING', 'FAILED']);
  const { error, crashes } = await scene.task('a');
  assert.deepEqual([error.code, crashes], ['POISON', 5]);
  assert.equal(await scene.status(), 'FAILED');
});

test('a shutdown is no crash: what it gives back is never poison', async () => {
  await using scene = await running({ a: [] });
  await crashFourTimes(scene);
  const last = await registerRunner();
  await scene.claim(1, last);

  await scene.sql(`select sluice.end_runner(${last}, 'stopped')`);

  const { state, crashes } = await scene.task('a');
  assert.deepEqual([state, crashes], ['RUNNING', 4]);
  assert.deepEqual(await scene.claim(1), ['a']);
});

test('of what a living runner gives back only what crashed counts a crash, and only as it was claimed then', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  const crashed = JSON.stringify([{ run_id: scene.run, task_no: 1, token: 1 }]);
  const giveBack = () => scene.sql(`select * from sluice.give_back_others($runner, '[]', $1)`, [crashed]);

  assert.deepEqual(await giveBack(), [{ given_back: 2, held: 0 }]);
  await scene.claim(2);
  assert.deepEqual(await giveBack(), [{ given_back: 2, held: 0 }]);

  assert.deepEqual(await scene.attempts('a'), [
    `1 LOST: the connection of its transaction broke amid a statement, on runner ${scene.runner}`,
    `1 GIVEN BACK: runner ${scene.runner} gave the task back`,
  ]);
  assert.equal((await scene.task('a')).crashes, 1);
  assert.equal((await scene.task('b')).crashes, 0);
});

test('what crashed counts as a crash also where somebody holds another task of that runner', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  const crashed = JSON.stringify([await scene.claimOf('a')]);
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.tasks where run_id = $run and task_no = 2 for update');

  const answer = await scene.sql(`select * from sluice.give_back_others($runner, '[]', $1)`, [crashed]);

  assert.deepEqual(answer, [{ given_back: 1, held: 1 }]);
  assert.equal((await scene.task('a')).crashes, 1);
});

test('a runner keeps its tasks also where nothing is held any more when it looks what was', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  const kept = JSON.stringify([await scene.claimOf('b')]);
  await using session = await scene.transaction();
  // The first time, somebody is in the way.
  await session.sql(`
    create sequence times;
    create function in_the_way() returns trigger language plpgsql as $$
      begin if nextval('public.times') = 1 then raise lock_not_available; end if; return new; end $$;
    create trigger in_the_way before insert on sluice.attempts for each row execute function in_the_way()`);

  const answer = await session.sql('select * from sluice.give_back_others($runner, $1)', [kept]);

  assert.deepEqual(answer, [{ given_back: 1, held: 0 }]);
  assert.equal((await session.task('b')).runner_id, scene.runner);
});

test('what a lost runner had finished stays finished', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.claim(1);
  await scene.succeed('a');

  assert.equal(await lose(scene), 0);

  assert.equal(await scene.states(), 'a SUCCESS, b READY');
});

test('what a lost runner ran of a stopped run ends with the run', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await scene.fail('a');

  await lose(scene);

  assert.equal(await scene.states(), 'a FAILED, b FAILED');
});

test('a runner without its lock is dead after a short grace, one that holds it lives on', async () => {
  await using scene = await running({ a: [] });
  const quiet = await registerRunner();
  const lock = await openClient(scene.db.url);
  await lock.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [quiet]);
  const young = await registerRunner();
  await scene.sql(
    `update sluice.runners set beat_at = now() - interval '10 s' where id in ($runner, ${quiet})`,
  );

  const dead = await scene.sql('select dead_runners as id from sluice.dead_runners()');
  await lock.end();

  assert.deepEqual(dead, [{ id: scene.runner }]);
  assert.notEqual(young, quiet);
});

test('no other lock is taken for that of a runner', async () => {
  await using scene = await running({ a: [] });
  await silentFor(10, scene.runner);
  await using elsewhere = await createDatabase();
  const [away, here] = [await openClient(elsewhere.url), await openClient(scene.db.url)];

  await away.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [scene.runner]);
  await here.query('select pg_advisory_lock(4711, $1)', [scene.runner]);
  await here.query('select pg_advisory_lock((sluice.runner_lock()::bigint << 32) | $1::bigint)', [
    scene.runner,
  ]);

  assert.deepEqual(await scene.sql('select dead_runners as id from sluice.dead_runners()'), [
    { id: scene.runner },
  ]);
  await Promise.all([away.end(), here.end()]);
});

test('a patience that was set for one transaction is the usual one after it', async () => {
  await using scene = await running({ a: [] });
  await silentFor(10, scene.runner);
  const lock = await openClient(scene.db.url);
  await lock.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [scene.runner]);
  await lock.query(`begin; set local sluice.silence = '100 ms'; commit`);

  const { rows } = await lock.query('select dead_runners as id from sluice.dead_runners()');
  await lock.end();

  assert.deepEqual(rows, []);
});

test('a runner without its lock is dead although its last sign of life is to come: the clock went back', async () => {
  await using scene = await running({ a: [] });
  await scene.sql(`update sluice.runners set beat_at = now() + interval '1 hour' where id = $runner`);

  assert.deepEqual(await scene.sql('select dead_runners as id from sluice.dead_runners()'), [
    { id: scene.runner },
  ]);
});

test('a runner that says nothing for too long is dead even though it holds its lock', async () => {
  await using scene = await running({ a: [] });
  const lock = await openClient(scene.db.url);
  await lock.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [scene.runner]);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '14 s' where id = $runner`);

  const patient = await lock.query('select sluice.dead_runners()');
  // The server, too, has to be up for that long: whoever it cut off has time to come back.
  await lock.query(`set sluice.silence = '100 ms'`);
  const { rows } = await lock.query('select dead_runners as id from sluice.dead_runners()');
  await lock.end();

  assert.equal(patient.rowCount, 0);
  assert.deepEqual(rows, [{ id: scene.runner }]);
});

test('while the server was away nobody can have given a sign of life', async () => {
  await using scene = await running({ a: [] });
  const lock = await openClient(scene.db.url);
  await lock.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [scene.runner]);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '100 years' where id = $runner`);

  // Longer than the server has been up.
  await lock.query(`set sluice.silence = '50 years'`);
  const { rows } = await lock.query('select sluice.dead_runners()');
  await lock.end();

  assert.deepEqual(rows, []);
});

test('why a task of a dead runner does not run: its runner is dead, and maybe there is no other', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await scene.sql(
    `select sluice.end_runner(id, 'stopped') from sluice.runners where ended_at is null and id <> $runner`,
  );
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  const reason = async () => (await scene.sql('select reason from sluice.why($run)'))[0].reason;

  const alone = await reason();
  await registerRunner();
  const served = await reason();

  await scene.sql('select sluice.cancel_run($run)');
  const cancelled = await reason();

  const dead = `its runner ${scene.runner} is dead: the next runner`;
  assert.deepEqual(
    [alone, served, cancelled],
    [
      `${dead} takes it over. Start one: npm run runner`,
      `${dead} takes it over, in a moment`,
      `${dead} ends it, in a moment`,
    ],
  );
});

test('a task of a dead runner is not among those that run', async () => {
  await using scene = await running({ a: [], b: [], c: [] }, { slots: 2 });
  await scene.take('a');
  const alive = await registerRunner();
  await scene.claim(1, alive);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);

  const run = await readOverview(scene.db.pool, scene.run);

  assert.deepEqual([run?.running, run?.dead_runners], [['b'], [scene.runner]]);
});

test('a beat takes over from the dead and says who they were and that there is something to claim', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  const heir = await registerRunner();

  const [pulse] = await scene.sql('select * from sluice.beat($1)', [heir]);

  const nothing = { stopped_runs: [], failed_runs: [] };
  assert.deepEqual(pulse, { alive: true, claimable: true, lost_runners: [scene.runner], ...nothing });
  assert.deepEqual(await scene.claim(1, heir), ['a']);
});

test('a beat says which runs have failed by what it took over', async () => {
  await using scene = await running({ a: [], b: [] });
  await crashFourTimes(scene);
  await scene.claim(1);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  const heir = await registerRunner();
  const beat = async () =>
    (await scene.sql('select failed_runs from sluice.beat($1)', [heir]))[0].failed_runs;

  const [[{ took_ms, ...failed }], later] = [await beat(), await beat()];

  assert.ok(took_ms >= 0);
  assert.deepEqual(failed, {
    run_id: scene.run,
    workflow: scene.workflow,
    answer: 'FAILED',
    failure: {
      task: 'a',
      reason: '5 times its runner or its connection was lost while it ran this task; it is not tried again',
    },
  });
  assert.deepEqual(later, []);
});

test('a beat takes over from one dead runner, so that it never waits for the runs of another while it holds those', async () => {
  await using first = await running({ a: [] });
  await using second = await running({ a: [] });
  await first.claim(1);
  await second.claim(1);
  await first.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id in ($1, $2)`, [
    first.runner,
    second.runner,
  ]);
  const heir = await registerRunner();
  const beat = async () =>
    (await first.sql('select lost_runners from sluice.beat($1)', [heir]))[0].lost_runners;

  const lost = [await beat(), await beat(), await beat()];

  assert.deepEqual(
    lost.map((ids) => ids.length),
    [1, 1, 0],
  );
  assert.deepEqual(lost.flat().toSorted(), [first.runner, second.runner].toSorted());
});

test('a beat goes on past dead runners that hold nothing', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const idle = await Promise.all(Array.from({ length: 20 }, () => registerRunner()));
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = any ($1)`, [
    [scene.runner, ...idle],
  ]);
  const heir = await registerRunner();

  const [{ lost_runners, claimable }] = await scene.sql('select * from sluice.beat($1)', [heir]);

  assert.equal(lost_runners.at(-1), scene.runner);
  assert.equal(claimable, true);
});

test('a beat does not wait for a run that somebody holds: a later one takes over', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  const heir = await registerRunner();
  const beat = async () => (await scene.sql('select alive, lost_runners from sluice.beat($1)', [heir]))[0];
  await using reader = await scene.transaction();
  await reader.sql('select from sluice.runs where id = $run for update');

  const during = await beat();
  await reader.commit();
  const afterwards = await beat();

  assert.deepEqual(during, { alive: true, lost_runners: [] });
  assert.deepEqual(afterwards, { alive: true, lost_runners: [scene.runner] });
});

/** So many dead runners, each with a task of a run of its own, the eldest first. */
async function deadRunners(scene: Scene, count: number): Promise<number[]> {
  const dead: number[] = [];
  for (let one = 0; one < count; one++) {
    await scene.sql('select sluice.start_run($1)', [scene.workflow]);
    const runner = await registerRunner();
    await scene.claim(1, runner);
    dead.push(runner);
  }
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = any ($1)`, [dead]);
  return dead;
}

test('a beat gives up after a second, however many dead runners cannot be taken over from', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await deadRunners(scene, 10);
  const heir = await registerRunner();
  await using reader = await scene.transaction();
  await reader.sql('select from sluice.runs for update');

  const [{ took }] = await scene.sql(
    `select extract(epoch from clock_timestamp() - statement_timestamp())::float8 as took from sluice.beat(${heir})`,
  );

  // It waits for half a second for each.
  assert.ok(took < 4, `it took ${took} s`);
});

test('dead runners that cannot be taken over from do not keep beats from others for ever', async () => {
  await using scene = await running({ a: [] });
  // It holds no lock, so it would be dead, too, by the second beat.
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);
  const dead = await deadRunners(scene, 4);
  const free = dead.pop();
  const heir = await registerRunner();
  await using reader = await scene.transaction();
  await reader.sql(
    'select from sluice.runs join sluice.open_tasks on run_id = id where runner_id = any ($1) for update of runs',
    [dead],
  );

  const lost: number[] = [];
  for (let beat = 1; beat <= 20 && lost.length === 0; beat++)
    lost.push(...(await scene.sql(`select lost_runners from sluice.beat(${heir})`))[0].lost_runners);

  assert.deepEqual(lost, [free]);
});

test('a beat does not wait for a task that somebody holds and that is to stop with what it takes over', async () => {
  await using scene = await running({ a: [], b: [] });
  await crashFourTimes(scene);
  await scene.claim(1);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  const heir = await registerRunner();
  const beat = async () => (await scene.sql('select alive, lost_runners from sluice.beat($1)', [heir]))[0];
  await using reader = await scene.transaction();
  await reader.sql(`select from sluice.tasks where run_id = $run and task_no = 2 for update`);

  const during = await beat();
  await reader.commit();
  const afterwards = await beat();

  assert.deepEqual(during, { alive: true, lost_runners: [] });
  assert.deepEqual(afterwards, { alive: true, lost_runners: [scene.runner] });
});

test('a beat says which of these runs have stopped, and whether the runner is given up itself', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await scene.fail('a');

  const [{ other }] = await scene.sql('select sluice.start_run($1) as other', [scene.workflow]);

  const [before] = await scene.sql(`select * from sluice.beat($runner, array[$run, ${other}])`);
  await lose(scene);
  const [after] = await scene.sql(`select * from sluice.beat($runner)`);

  assert.deepEqual(before, {
    alive: true,
    claimable: true,
    stopped_runs: [scene.run],
    lost_runners: [],
    failed_runs: [],
  });
  assert.deepEqual(after, {
    alive: false,
    claimable: true,
    stopped_runs: [],
    lost_runners: [],
    failed_runs: [],
  });
});

test('a beat of one who was cut off spares those who fell silent with him, and the next beat does not', async () => {
  await using scene = await running({ a: [] });
  const cutOff = await registerRunner();
  await silentFor(4, cutOff);
  await silentFor(5, scene.runner);

  const [first] = await scene.sql('select lost_runners from sluice.beat($1)', [cutOff]);
  const [second] = await scene.sql('select lost_runners from sluice.beat($1)', [cutOff]);

  assert.deepEqual([first, second], [{ lost_runners: [] }, { lost_runners: [scene.runner] }]);
});

test('a beat of one who was cut off takes over from those who had fallen silent before', async () => {
  await using scene = await running({ a: [] });
  const cutOff = await registerRunner();
  await silentFor(4, cutOff);
  await silentFor(10, scene.runner);

  const [beat] = await scene.sql('select lost_runners from sluice.beat($1)', [cutOff]);

  assert.deepEqual(beat, { lost_runners: [scene.runner] });
});

test('a beat of one who missed none takes over from who did', async () => {
  await using scene = await running({ a: [] });
  const heir = await registerRunner();
  await silentFor(0.5, heir);
  await silentFor(1.9, scene.runner);

  const [beat] = await scene.sql('select lost_runners from sluice.beat($1)', [heir]);

  assert.deepEqual(beat, { lost_runners: [scene.runner] });
});

test('nobody takes over from himself, however impatient he is', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await using impatient = await scene.transaction();
  await impatient.sql(`set local sluice.silence = '0 s'`);

  const beat = await impatient.sql('select alive, lost_runners from sluice.beat($runner)');

  assert.deepEqual(beat, [{ alive: true, lost_runners: [] }]);
});

test('a beat leaves it to others whom they are ending, and does not say that it did', async () => {
  await using scene = await running({ a: [] });
  await silentFor(16, scene.runner);
  const heir = await registerRunner();
  await using ending = await scene.transaction();
  await ending.sql(`select sluice.end_runner($runner, 'lost')`);

  const [beat] = await scene.sql('select lost_runners from sluice.beat($1)', [heir]);

  assert.deepEqual(beat, { lost_runners: [] });
});

test('a beat says nothing of a run that somebody holds, not even to the log', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await silentFor(16, scene.runner);
  const heir = await registerRunner();
  await using reader = await scene.transaction();
  await reader.sql('select from sluice.runs where id = $run for update');
  const session = await openClient(scene.db.url);
  const said: (string | undefined)[] = [];
  session.on('notice', ({ message }) => said.push(message));

  await session.query('select sluice.beat($1)', [heir]);
  await session.end();

  assert.deepEqual(said, []);
});

test('what runs is not there to be claimed', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);

  assert.deepEqual(await scene.sql('select alive, claimable from sluice.beat($runner)'), [
    { alive: true, claimable: false },
  ]);
});

test('two beats in one transaction say each what it took over, and what comes after them is like before', async () => {
  await using scene = await running({ a: [], b: [] });
  await crashFourTimes(scene);
  await scene.claim(1);
  await silentFor(16, scene.runner);
  const heir = await registerRunner();
  await using other = await running({ a: [] });
  await other.take('a');
  await using session = await scene.transaction();
  await session.sql(`select pg_advisory_xact_lock(sluice.runner_lock(), ${other.runner})`);
  await session.sql(`set local lock_timeout = '7 s'`);
  const beat = async () =>
    (await session.sql('select failed_runs from sluice.beat($1)', [heir]))[0].failed_runs.length;

  const failed = [await beat(), await beat()];
  const said = await session.sql('select answer from sluice.report_and_claim(null, $1, 0)', [
    JSON.stringify([{ ...(await other.claimOf('a')), output: 1 }]),
  ]);

  assert.deepEqual(failed, [1, 0]);
  assert.deepEqual(said, [{ answer: 'COMPLETED' }]);
  assert.deepEqual(await session.sql('show lock_timeout'), [{ lock_timeout: '7s' }]);
});

test('whoever takes a task away ends the transaction that its runner left open, and no other', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(1);
  await scene.claim(1, await registerRunner());
  await using elsewhere = await createDatabase();
  const [lost, other, away] = await Promise.all(
    [scene.db.url, scene.db.url, elsewhere.url].map((url) => openClient(url)),
  );
  assert.ok(lost && other && away);
  const ended = new Promise<void>((resolve) => lost.once('end', resolve));
  await beAtWorkOn(lost, await scene.claimOf('a'));
  await beAtWorkOn(other, await scene.claimOf('b'));
  await beAtWorkOn(away, await scene.claimOf('a'));
  await lost.query('begin; create table left_open ()');

  await lose(scene);
  await ended;

  assert.equal((await away.query('select 1')).rowCount, 1);
  await other.query('create table left_open ()');
  await Promise.all([other.end(), away.end()]);
});

test('a runner that gives back its tasks but some keeps the transactions of those', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  const [kept, given] = [await openClient(scene.db.url), await openClient(scene.db.url)];
  const ended = new Promise<void>((resolve) => given.once('end', resolve));
  await beAtWorkOn(kept, await scene.claimOf('a'));
  await beAtWorkOn(given, await scene.claimOf('b'));

  await scene.sql(`select sluice.release_tasks($runner, 'GIVEN BACK', $1)`, [
    JSON.stringify([await scene.claimOf('a')]),
  ]);
  await ended;

  assert.equal((await kept.query('select 1')).rowCount, 1);
  await kept.end();
});

test('a superuser whose session is called like that of a task keeps nobody from taking it away', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const superuser = await openClient(scene.db.superuserUrl);
  await beAtWorkOn(superuser, await scene.claimOf('a'));

  assert.equal(await lose(scene), 1);

  assert.equal((await superuser.query('select 1')).rowCount, 1);
  await superuser.end();
});

test('nor does it keep somebody who is a member of the superuser’s role', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const [superuser, member] = [
    await openClient(scene.db.superuserUrl),
    await openClient(scene.db.superuserUrl),
  ];
  await beAtWorkOn(superuser, await scene.claimOf('a'));
  const { rows } = await superuser.query('select quote_ident(current_user) as name');
  await member.query(
    `begin; create role taker in role ${rows[0].name}; grant sluice to taker; set role taker`,
  );

  const taken = await member.query(`select sluice.end_runner($1, 'lost') as count`, [scene.runner]);
  await member.query('rollback');

  assert.deepEqual(taken.rows, [{ count: 1 }]);
  assert.equal((await superuser.query('select 1')).rowCount, 1);
  await Promise.all([superuser.end(), member.end()]);
});

test('nor does one of a role that he is no member of', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const [session, taker] = [await openClient(scene.db.url), await openClient(scene.db.superuserUrl)];
  await beAtWorkOn(session, await scene.claimOf('a'));
  await taker.query(
    `begin; create role taker; grant usage on schema sluice to taker; grant all on all tables in schema sluice to taker; set role taker`,
  );

  const taken = await taker.query(`select sluice.end_runner($1, 'lost') as count`, [scene.runner]);
  await taker.query('rollback');

  assert.deepEqual(taken.rows, [{ count: 1 }]);
  assert.equal((await session.query('select 1')).rowCount, 1);
  await Promise.all([session.end(), taker.end()]);
});

test('a superuser who takes a task away ends the transaction of one, too', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const [lost, taker] = [await openClient(scene.db.superuserUrl), await openClient(scene.db.superuserUrl)];
  const ended = new Promise<void>((resolve) => lost.once('end', resolve));
  await beAtWorkOn(lost, await scene.claimOf('a'));

  await taker.query(`select sluice.end_runner($1, 'lost')`, [scene.runner]);

  await ended;
  await taker.end();
});

test('what a runner holds is looked for once among all that is open', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`select from sluice.start_runs($1, array_fill('{}'::jsonb, array[3000]))`, [
    scene.workflow,
  ]);
  await using end = await scene.transaction();
  /** How many entries of the index of open tasks this transaction has read. */
  const entries = async () => {
    const [{ read }] = await end.sql(
      `select pg_stat_get_xact_tuples_returned('sluice.tasks_open'::regclass)::integer as read`,
    );
    return read;
  };
  const before = await entries();

  await end.sql(`select sluice.release_tasks($runner, 'LOST')`);
  const read = (await entries()) - before;

  assert.ok(read >= 3000 && read < 6000, `${read} entries`);
});

test('a transaction that has reported its task, and so holds the run, may lie idle for 5 s only', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const client = await openClient(scene.db.url);
  const claim = { run_id: scene.run, task_no: 1, token: 1 };
  const began = await beginTask(client, claim, { timeoutMs: 10_000, idleMs: 10_000 });

  const hop = await report(client, began, { ...claim, output: 'done' });
  const { rows } = await client.query('show idle_in_transaction_session_timeout');
  await client.end();

  assert.deepEqual(hop?.answers, []);
  assert.deepEqual(rows, [{ idle_in_transaction_session_timeout: '5s' }]);
});

for (const broken of ['raise division_by_zero', 'assert false']) {
  test(`a beat is one, whatever keeps it from taking a dead runner over: ${broken}`, async () => {
    await using scene = await running({ a: [] });
    await scene.take('a');
    await using beating = await scene.transaction();
    const alive = await registerRunner();
    await serverIsUpForAWhile();
    await beating.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
    await beating.sql(`create function broken() returns trigger language plpgsql as 'begin ${broken}; end'`);
    await beating.sql(
      `create trigger broken before insert on sluice.attempts for each row execute function broken()`,
    );

    const [beat] = await beating.sql(`select alive, lost_runners from sluice.beat(${alive})`);

    assert.deepEqual(beat, { alive: true, lost_runners: [] });
  });
}

test('a runner that claims at the moment cannot be ended beside that, nor by who may not see it', async () => {
  await using scene = await running({ a: [], b: [] });
  const end = `update sluice.runners set ended_at = clock_timestamp(), ending = 'stopped' where id = $runner`;
  await using claiming = await scene.transaction();
  await claiming.claim(1);

  const ending = assert.rejects(scene.sql(end), { code: 'WF001' });
  await scene.someoneWaitsForALock();
  await claiming.commit();
  await ending;
  await using old = await scene.transaction();
  await old.sql('set transaction isolation level repeatable read');
  await assert.rejects(old.sql(`select sluice.end_runner($runner, 'stopped')`), { code: 'WF011' });
  await using lax = await scene.transaction();
  await lax.sql('set transaction isolation level read uncommitted');
  assert.deepEqual(await lax.sql(`select sluice.end_runner($runner, 'stopped')`), [{ end_runner: 1 }]);
});

test('a runner ends once, holds nothing then, and stays on record', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  const end = (at: string) =>
    scene.sql(`update sluice.runners set ended_at = ${at}, ending = 'stopped' where id = $runner`);

  await assert.rejects(end('now()'), {
    code: 'WF001',
    message: `runner ${scene.runner} cannot end, it holds tasks`,
  });
  const idle = await registerRunner();
  await assert.rejects(scene.sql(`update sluice.runners set id = default where id = ${idle}`), {
    code: 'WF001',
    message: `runner ${idle} keeps its number`,
  });
  await assert.rejects(scene.sql('delete from sluice.runners'), { code: 'WF007' });
  await assert.rejects(scene.sql('truncate sluice.runners'), { code: 'WF007' });
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);
  for (const change of ['ended_at = null, ending = null', `ending = 'lost'`, `host = 'elsewhere'`])
    await assert.rejects(scene.sql(`update sluice.runners set ${change} where id = $runner`), {
      code: 'WF001',
      message: `runner ${scene.runner} has ended`,
    });
});
