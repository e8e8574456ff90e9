import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { fileDatabase, registerRunner, running, type Scene } from './support/scene.ts';

const FAILURE = { error: { code: 'BROKEN', message: 'it broke' } };

/** What a runner that was thought dead leaves behind; how many tasks were taken from it. */
async function lose(scene: Scene, runner = scene.runner): Promise<number> {
  const [{ count }] = await scene.sql(`select sluice.end_runner(${runner}, 'lost') as count`);
  return count;
}

test('a claim takes no more tasks than there are slots', async () => {
  await using scene = await running({ a: [], b: [], c: [] });

  assert.deepEqual(await scene.claim(2), ['a', 'b']);
  assert.deepEqual(await scene.claim(2), ['c']);
  assert.deepEqual(await scene.claim(2), []);
});

test('the oldest run is served first', async () => {
  await using scene = await running({ a: [], b: [] });
  const [{ newer }] = await scene.sql('select sluice.start_run($1) as newer', [scene.workflow]);

  assert.deepEqual(await scene.claim(3), ['a', 'b', `of run ${newer}`]);
});

test('two sessions that claim at the same moment never get the same task, and neither waits', async () => {
  await using scene = await running({ a: [], b: [], c: [], d: [] });
  await using first = await scene.transaction();
  await using second = await scene.transaction();

  assert.deepEqual(await first.claim(2), ['a', 'b']);
  assert.deepEqual(await second.claim(9), ['c', 'd']);
});

test('what a claim took that was rolled back can be claimed again', async () => {
  await using scene = await running({ a: [] });
  await using first = await scene.transaction();

  await first.claim(1);
  await first.rollback();

  assert.deepEqual(await scene.claim(1), ['a']);
});

test('sessions that race for a thousand tasks share them out without giving any twice', async () => {
  await using scene = await running(
    Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`t${n}`, []])),
  );
  const claimed: string[] = [];

  async function race(): Promise<void> {
    for (let names = await scene.claim(7); names.length > 0; names = await scene.claim(7))
      claimed.push(...names);
  }
  await Promise.all([race(), race(), race(), race()]);

  assert.equal(claimed.length, 1000);
  assert.equal(new Set(claimed).size, 1000);
});

test('a claim says which execution it is, by token and attempt', async () => {
  await using scene = await running({ a: [] });

  const [claimed] = await scene.sql(
    'select task_no, token, attempt, workflow_id, started_at from sluice.claim_tasks($runner, 1)',
  );

  const [run] = await scene.sql('select workflow_id, created_at from sluice.runs where id = $run');
  assert.deepEqual(claimed, {
    task_no: 1,
    token: 1,
    attempt: 1,
    workflow_id: run.workflow_id,
    started_at: run.created_at,
  });
});

test('a claim brings the input of the run and just those outputs that the task refers to', async () => {
  const { pool } = await fileDatabase();
  const task = { connector: 'none', operation: 'none' };
  await pool.query('select from sluice.register_workflow($1, $2)', [
    'referring',
    JSON.stringify([
      { name: 'wanted', ...task },
      { name: 'unwanted', ...task },
      { name: 'far', ...task },
      { name: 'middle', ...task, after: ['far'] },
      {
        name: 'reader',
        ...task,
        after: ['wanted', 'unwanted', 'middle'],
        parameters: {
          deep: [{ x: { $output: ['wanted', 'n'] } }],
          far: { $output: ['far'] },
          again: { $output: ['far', 0] },
        },
      },
    ]),
  ]);
  const { rows: runs } = await pool.query(`select sluice.start_run('referring', '{"in": 1}') as id`);
  const runner = await registerRunner();
  const claim = async () => (await pool.query('select * from sluice.claim_tasks($1, 9)', [runner])).rows;
  const report = async (results: unknown) =>
    pool.query('select from sluice.report($1)', [JSON.stringify(results)]);
  const outputs: Record<number, unknown> = { 1: { n: 12.5 }, 2: 'unwanted', 3: [null, true] };

  const roots = await claim();
  await report(
    roots.map(({ run_id, task_no, token }) => ({ run_id, task_no, token, output: outputs[task_no] })),
  );
  const [middle] = await claim();
  await report([{ run_id: runs[0].id, task_no: middle.task_no, token: 1, output: 'middle' }]);
  const [reader] = await claim();

  assert.deepEqual(reader.input, { in: 1 });
  assert.deepEqual(reader.outputs, { wanted: { n: 12.5 }, far: [null, true] });
  assert.equal(roots[0].outputs, null);
  await report([{ run_id: runs[0].id, task_no: reader.task_no, token: 1, output: 'done' }]);
});

test('one hop takes results and gives tasks', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  const rows = await scene.sql('select task_no, answer from sluice.report_and_claim($runner, $1, 9)', [
    JSON.stringify([done]),
  ]);

  assert.deepEqual(rows, [
    { task_no: 1, answer: 'SUCCESS' },
    { task_no: 2, answer: 'CLAIMED' },
  ]);
});

test('a report says which runs it has finished', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  const rows = await scene.sql(
    'select run_id, answer, finished from sluice.report($1) where task_no is null',
    [JSON.stringify([done])],
  );

  assert.equal(rows.length, 1);
  assert.deepEqual(
    [rows[0].run_id, rows[0].answer, rows[0].finished.workflow],
    [scene.run, 'COMPLETED', scene.workflow],
  );
});

for (const [what, result, first] of [
  ['success', { output: 1 }, 'SUCCESS'],
  ['failure', FAILURE, 'FAILED'],
] as const) {
  test(`a ${what} that is reported twice is written once`, async () => {
    await using scene = await running({ a: [], b: [] });
    await scene.claim(1);
    const claim = await scene.claimOf('a');

    assert.deepEqual(await scene.report([{ ...claim, ...result }]), [first]);
    const written = await scene.task('a');
    assert.deepEqual(await scene.report([{ ...claim, ...result }]), ['ALREADY']);

    assert.deepEqual(await scene.task('a'), written);
    assert.equal((await scene.transitions('a')).length, 3);
  });
}

test('a failed attempt that is reported twice costs one attempt', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 5 } });
  await scene.claim(1);
  const failed = { ...(await scene.claimOf('a')), ...FAILURE };

  assert.deepEqual(await scene.report([failed]), ['RETRY']);
  assert.deepEqual(await scene.report([failed]), ['ALREADY']);

  assert.deepEqual(await scene.attempts('a'), ['1 FAILED: it broke']);
  assert.equal((await scene.task('a')).attempt, 2);
});

test('a result that comes after the task was taken over is LOST and changes nothing', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const old = await scene.claimOf('a');
  await lose(scene);
  const heir = await registerRunner();

  assert.deepEqual(await scene.report([{ ...old, output: 'too late' }]), ['LOST']);
  assert.deepEqual(await scene.claim(1, heir), ['a']);
  assert.deepEqual(await scene.report([{ ...old, ...FAILURE }]), ['LOST']);
  assert.deepEqual(await scene.report([{ ...(await scene.claimOf('a')), output: 'in time' }]), ['SUCCESS']);
  assert.deepEqual(await scene.report([{ ...old, output: 'far too late' }]), ['LOST']);

  assert.equal((await scene.task('a')).output, 'in time');
});

test('a result for a token that was never given is LOST', async () => {
  await using scene = await running({ a: [] });

  assert.deepEqual(await scene.report([{ run_id: scene.run, task_no: 1, token: 1, output: 1 }]), ['LOST']);

  assert.equal(await scene.state('a'), 'READY');
});

test('an output may be null, which is not the same as none', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);

  await scene.report([{ ...(await scene.claimOf('a')), output: null }]);

  const [{ output }] = await scene.sql('select output::text from sluice.tasks where run_id = $run');
  assert.equal(output, 'null');
});

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

test('a runner is given up once', async () => {
  await using scene = await running({ a: [] });

  assert.equal(await lose(scene), 0);
  assert.equal(await lose(scene), null);
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

test('a runner can give back all its tasks but some', async () => {
  await using scene = await running({ a: [], b: [], c: [] });
  await scene.claim(3);

  const [{ count }] = await scene.sql(`select sluice.release_tasks($runner, 'GIVEN BACK', $1) as count`, [
    JSON.stringify([await scene.claimOf('b')]),
  ]);

  assert.equal(count, 2);
  assert.deepEqual(await scene.claim(3), ['a', 'c']);
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

test('a beat takes over from the dead and says who they were and that there is something to claim', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  const heir = await registerRunner();

  const [pulse] = await scene.sql('select * from sluice.beat($1)', [heir]);

  assert.deepEqual(pulse, { alive: true, claimable: true, stopped_runs: [], lost_runners: [scene.runner] });
  assert.deepEqual(await scene.claim(1, heir), ['a']);
});

test('a beat says which of a runner’s runs have stopped, and whether it is given up itself', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.claim(2);
  await scene.fail('a');

  const [before] = await scene.sql('select * from sluice.beat($runner)');
  await lose(scene);
  const [after] = await scene.sql('select * from sluice.beat($runner)');

  assert.deepEqual(before, { alive: true, claimable: false, stopped_runs: [scene.run], lost_runners: [] });
  assert.deepEqual(after, { alive: false, claimable: false, stopped_runs: [], lost_runners: [] });
});
