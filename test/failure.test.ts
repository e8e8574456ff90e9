import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listening } from './support/listening.ts';
import { running, type Scene } from './support/scene.ts';
import { until } from './support/until.ts';

/** What a claim looks at. */
async function claimable(scene: Scene): Promise<number> {
  const [{ count }] = await scene.sql(
    `select count(*)::integer from sluice.tasks
      where run_id = $run and runner_id is null and state in ('READY', 'RUNNING') and not stopped`,
  );
  return count;
}

async function reasonOf(scene: Scene): Promise<string> {
  const [{ failed_task_no, reason }] = await scene.sql(
    'select failed_task_no, reason from sluice.runs where id = $run',
  );
  return failed_task_no === null ? reason : `${scene.nameOf(failed_task_no)}: ${reason}`;
}

test('a run stops at its first FAILED task, and says which one and why', async () => {
  await using scene = await running({ a: [], b: ['a'], c: [] });

  await scene.fail('a');

  assert.equal(await scene.status(), 'FAILED');
  assert.equal(await reasonOf(scene), 'a: a broke');
});

test('what was READY when its run failed keeps its state, is put aside, and is never claimed', async () => {
  await using scene = await running({ a: [], b: [], c: [] });

  await scene.fail('a');

  assert.deepEqual(await scene.claim(9), []);
  assert.equal(await scene.states(), 'a FAILED, b READY, c READY');
  assert.deepEqual([(await scene.task('b')).stopped, (await scene.task('c')).stopped], [true, true]);
});

test('what was put aside is not even looked at by claims', async () => {
  await using scene = await running({ a: [], b: [], c: [], d: ['b'] });

  await scene.fail('a');

  assert.equal(await claimable(scene), 0);
});

test('a task that was put aside cannot be taken by plain SQL either', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.fail('a');

  await assert.rejects(scene.take('b'), { code: 'WF001' });
});

test('a failure looks again until the claim that is under way has committed, and waits for no row of it', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('a');
  await using claim = await scene.transaction();

  assert.deepEqual(await claim.claim(9), ['b']);
  const failure = scene.fail('a');
  await until(
    async () => (await scene.sql(`select from pg_stat_activity where wait_event = 'PgSleep'`)).length > 0,
    'the failure to look again',
  );
  await claim.commit();
  await failure;

  assert.equal(await scene.states(), 'a FAILED, b RUNNING');
  assert.deepEqual(await scene.succeed('b'), ['SUCCESS']);
});

test('a failure waits for a READY task that somebody holds by hand, and then puts it aside', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('a');
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.tasks where run_id = $run and task_no = $1 for update', [
    scene.number('b'),
  ]);

  const failure = scene.fail('a');
  await scene.someoneWaitsForALock();
  await holder.commit();
  await failure;

  assert.equal(await scene.states(), 'a FAILED, b READY');
  assert.deepEqual(await scene.claim(9), []);
});

test('a failure waits for such a task no longer than twice for a lock', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('a');
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.tasks where run_id = $run and task_no = $1 for update', [
    scene.number('b'),
  ]);
  await using failure = await scene.transaction();
  await failure.sql(`set local lock_timeout = '20ms'; set local statement_timeout = '400ms'`);

  await assert.rejects(failure.fail('a'), { code: '55P03' });
});

test('a claim takes nothing of a run whose failure is under way, and does not wait for it', async () => {
  await using scene = await running({ a: [], b: [] });
  await using failure = await scene.transaction();
  await failure.fail('a');

  assert.deepEqual(await scene.claim(9), []);
  await failure.commit();

  assert.deepEqual(await scene.claim(9), []);
  assert.equal(await scene.states(), 'a FAILED, b READY');
});

test('a failure that is rolled back stops nothing', async () => {
  await using scene = await running({ a: [], b: [] });
  await using failure = await scene.transaction();
  await failure.fail('a');
  await failure.rollback();

  assert.equal(await scene.status(), 'RUNNING');
  assert.deepEqual(await scene.claim(9), ['a', 'b']);
});

test('a parent that succeeds while its run fails releases nobody', async () => {
  await using scene = await running({ a: [], b: [], after_b: ['b'] });
  await scene.take('a', 'b');
  await using failure = await scene.transaction();

  await failure.fail('a');
  const success = scene.succeed('b');
  await scene.someoneWaitsForALock();
  await failure.commit();

  assert.deepEqual(await success, ['SUCCESS']);
  assert.equal(await scene.states(), 'a FAILED, b SUCCESS, after_b PENDING');
});

test('a child that is released while its run fails is put aside', async () => {
  await using scene = await running({ a: [], b: [], after_b: ['b'] });
  await scene.take('a', 'b');
  await using success = await scene.transaction();

  await success.succeed('b');
  const failure = scene.fail('a');
  await scene.someoneWaitsForALock();
  await success.commit();
  await failure;

  assert.equal(await scene.states(), 'a FAILED, b SUCCESS, after_b READY');
  assert.deepEqual(await scene.claim(9), []);
});

test('a success and a failure in one statement stop the run, and what the success released is not claimed', async () => {
  await using scene = await running({ a: [], b: [], after_b: ['b'] });
  await scene.take('a', 'b');

  const results = await Promise.all([
    scene.claimOf('a').then((claim) => ({ ...claim, error: { code: 'BROKEN', message: 'a broke' } })),
    scene.claimOf('b').then((claim) => ({ ...claim, output: 1 })),
  ]);
  assert.deepEqual(await scene.report(results), ['FAILED', 'SUCCESS']);

  assert.equal(await scene.status(), 'FAILED');
  assert.deepEqual(await scene.claim(9), []);
});

test('siblings that run when their run fails are recorded as they really end', async () => {
  await using scene = await running({ a: [], good: [], bad: [], after_good: ['good'] });
  await scene.take('a', 'good', 'bad');
  await scene.fail('a');

  assert.deepEqual(await scene.succeed('good'), ['SUCCESS']);
  assert.deepEqual(await scene.fail('bad'), ['FAILED']);

  assert.equal(await scene.states(), 'a FAILED, good SUCCESS, bad FAILED, after_good PENDING');
  assert.equal(await reasonOf(scene), 'a: a broke');
});

test('of two tasks that fail at the same moment, the run names the one that committed first', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('a', 'b');
  await using first = await scene.transaction();

  await first.fail('b');
  const second = scene.fail('a');
  await scene.someoneWaitsForALock();
  await first.commit();
  await second;

  assert.equal(await scene.states(), 'a FAILED, b FAILED');
  assert.equal(await reasonOf(scene), 'b: b broke');
});

test('the last sink that succeeds while its run fails does not complete it', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('a', 'b');
  await using failure = await scene.transaction();

  await failure.fail('a');
  const success = scene.succeed('b');
  await scene.someoneWaitsForALock();
  await failure.commit();
  await success;

  assert.equal(await scene.status(), 'FAILED');
});

test('a failure stops its own run only', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  const [{ other }] = await scene.sql('select sluice.start_run($1) as other', [scene.workflow]);

  await scene.fail('a');

  assert.deepEqual(await scene.claim(9), [`of run ${other}`]);
});

test('failures of many runs in one statement stop each of them', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.sql(`select sluice.start_runs($1, array_fill('{}'::jsonb, array[50]))`, [scene.workflow]);
  const claimed = await scene.sql(
    `select run_id, task_no, token from sluice.report_and_claim($runner, '[]', 1000)`,
  );
  const firsts = claimed.filter(({ task_no }) => task_no === 1);

  await scene.sql('select sluice.report_and_claim(null, $1, 0)', [
    JSON.stringify(firsts.map((claim) => ({ ...claim, error: { code: 'BROKEN', message: 'broke' } }))),
  ]);

  const counts = await scene.sql(
    'select status, count(*)::integer from sluice.runs where workflow = $1 group by 1',
    [scene.workflow],
  );
  assert.deepEqual(counts, [{ status: 'FAILED', count: 51 }]);
});

test('a task with two retries is tried three times, and every failed attempt is kept', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 2 } });

  const answers = [];
  while ((await scene.claim(1)).length > 0) answers.push(...(await scene.fail('a')));

  assert.deepEqual(answers, ['RETRY', 'RETRY', 'FAILED']);
  assert.deepEqual(await scene.attempts('a'), [
    '1 FAILED: a broke',
    '2 FAILED: a broke',
    '3 FAILED: a broke',
  ]);
  assert.equal((await scene.task('a')).attempt, 3);
  assert.equal(await scene.status(), 'FAILED');
});

test('a task that has retries left fails with its run, says why it did itself, and is not tried again', async () => {
  await using scene = await running({ a: [], b: [] }, { retries: { b: 2 } });
  await scene.claim(2);
  await scene.fail('a');

  const answers = await scene.fail('b');

  assert.deepEqual(answers, ['FAILED']);
  assert.deepEqual((await scene.task('b')).error, { code: 'BROKEN', message: 'b broke' });
  assert.deepEqual(await scene.attempts('b'), ['1 FAILED: b broke']);
  assert.equal(await claimable(scene), 0);
});

test('of two that fail at once, one with retries left and one without, the run fails by the latter', async () => {
  await using scene = await running({ again: [], last: [] }, { retries: { again: 1 } });
  await scene.claim(2);

  const answers = await scene.fail('again', 'last');

  assert.deepEqual(answers, ['FAILED', 'FAILED']);
  assert.equal(await scene.states(), 'again FAILED, last FAILED');
  assert.deepEqual(await scene.sql('select failed_task_no, reason from sluice.runs where id = $run'), [
    { failed_task_no: scene.number('last'), reason: 'last broke' },
  ]);
});

test('a task without retries fails at its first failure', async () => {
  await using scene = await running({ a: [] });

  assert.deepEqual(await scene.fail('a'), ['FAILED']);

  assert.deepEqual(await scene.attempts('a'), ['1 FAILED: a broke']);
});

test('a task that succeeds when tried again lets the run go on, and its failed attempt is kept', async () => {
  await using scene = await running({ a: [], b: ['a'] }, { retries: { a: 1 } });
  await scene.fail('a');

  await scene.claim(1);
  await scene.succeed('a');

  assert.equal(await scene.states(), 'a SUCCESS, b READY');
  assert.deepEqual(await scene.attempts('a'), ['1 FAILED: a broke']);
});

test('a retry stays inside RUNNING and can be claimed at once', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 1 } });

  await scene.fail('a');

  assert.equal(await scene.state('a'), 'RUNNING');
  assert.deepEqual(await scene.claim(1), ['a']);
  assert.deepEqual(await scene.transitions('a'), ['PENDING → READY', 'READY → RUNNING']);
});

test('a task that waits to be tried again ends with its run', async () => {
  await using scene = await running({ a: [], b: [] }, { retries: { b: 5 } });
  await scene.fail('b');

  await scene.fail('a');

  const { state, error } = await scene.task('b');
  assert.deepEqual([state, error.code], ['FAILED', 'RUN_STOPPED']);
  assert.equal(await reasonOf(scene), 'a: a broke');
});

test('what runs when its run is cancelled is recorded as it really ends', async () => {
  await using scene = await running({ a: [], b: [], after_a: ['a'] });
  await scene.take('a', 'b');
  await scene.sql('select sluice.cancel_run($run)');

  await scene.succeed('a');
  await scene.fail('b');

  assert.equal(await scene.states(), 'a SUCCESS, b FAILED, after_a PENDING');
  assert.equal(await scene.status(), 'CANCELLED');
});

test('a cancellation waits for the claim that is under way', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await using claim = await scene.transaction();

  await claim.claim(9);
  const cancellation = scene.sql('select sluice.cancel_run($run)');
  await scene.someoneWaitsForALock();
  await claim.commit();
  await cancellation;

  assert.equal(await scene.states(), 'a RUNNING, b PENDING');
});

test('cancelling by a plain update is the same as by the function', async () => {
  await using scene = await running({ a: [] });

  await scene.sql(
    `update sluice.runs set status = 'CANCELLED', finished_at = now(), reason = 'enough' where id = $run`,
  );

  assert.deepEqual(await scene.claim(9), []);
});

test('a run that has ended cannot be cancelled, and one that is not there is an error', async () => {
  await using scene = await running({ a: [] });
  await scene.succeed('a');

  const [{ cancelled }] = await scene.sql('select sluice.cancel_run($run) as cancelled');

  assert.equal(cancelled, false);
  assert.equal(await scene.status(), 'COMPLETED');
  await assert.rejects(scene.sql('select sluice.cancel_run(999999999)'), {
    code: 'WF008',
    message: 'there is no run 999999999',
  });
});

for (const [what, act, heard] of [
  ['fails', (scene: Scene) => scene.fail('a'), ['run_stopped:']],
  ['is cancelled', (scene: Scene) => scene.sql('select sluice.cancel_run($run)'), ['run_stopped:']],
  ['goes on', (scene: Scene) => scene.succeed('a'), []],
  ['completes', (scene: Scene) => scene.succeed('a', 'b'), []],
] as const) {
  test(`when a run ${what}, ${heard.length === 0 ? 'nobody is' : 'runners are'} told that it has stopped`, async () => {
    await using scene = await running({ a: [], b: [] });
    await using listener = await listening(scene.db.url, 'run_stopped');

    await act(scene);

    assert.deepEqual(await listener.heard(), heard);
  });
}

test('an attempt that somebody has put on record already keeps nobody from failing, and no runner from ending', async () => {
  await using scene = await running({ a: [], b: [] }, { retries: { a: 1 } });
  await scene.take('a', 'b');
  await scene.sql(
    `insert into sluice.attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
     select run_id, task_no, token, attempt, 'GIVEN BACK', runner_id, started_at, now(), '{"message": "by hand"}'
       from sluice.tasks where run_id = $run`,
  );

  assert.deepEqual(await scene.fail('a'), ['RETRY']);
  const [ended] = await scene.sql(`select sluice.end_runner($runner, 'lost') as tasks`);

  assert.equal(ended.tasks, 1);
  assert.deepEqual(
    [...(await scene.attempts('a')), ...(await scene.attempts('b'))],
    ['1 GIVEN BACK: by hand', '1 GIVEN BACK: by hand'],
  );
});

test('a failure that comes too late waits for nobody, and is in nobody’s way', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  const late = { ...(await scene.claimOf('a')), error: { code: 'X', message: 'late' } };
  await scene.sql(`select sluice.end_runner($runner, 'lost')`);
  await using holder = await scene.transaction();
  await holder.sql('select from sluice.runs where id = $run for no key update');

  const cancelling = scene.sql('select sluice.cancel_run($run) as done');
  await scene.someoneWaitsForALock(1);
  assert.deepEqual(await scene.report([late]), ['LOST']);
  await holder.commit();

  assert.deepEqual(await cancelling, [{ done: true }]);
});

test('what ends within one statement ends after it began', async () => {
  await using scene = await running({ a: [], b: ['a'], c: ['b'] });
  const claim = (task: string) =>
    `(select token from sluice.tasks where run_id = ${scene.run} and task_no = ${scene.number(task)})`;
  const report = (task: string, result: string) =>
    `perform sluice.report_and_claim(${scene.runner}, jsonb_build_array(jsonb_build_object(
       'run_id', ${scene.run}, 'task_no', ${scene.number(task)}, 'token', ${claim(task)}, ${result})), 1);`;
  const error = `'error', '{"code": "X", "message": "broken"}'::jsonb`;

  await scene.sql(
    `do $$ begin
       perform sluice.report_and_claim(${scene.runner}, '[]', 1);
       ${report('a', `'output', 1`)} ${report('b', `'output', 1`)} ${report('c', error)}
     end $$`,
  );

  assert.equal(await scene.status(), 'FAILED');
  assert.deepEqual(
    await scene.sql(
      `select from sluice.tasks where run_id = $run and (finished_at >= started_at and started_at >= ready_at) is not true
        union all
       select from sluice.attempts where run_id = $run and ended_at < started_at`,
    ),
    [],
  );
});
