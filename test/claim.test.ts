import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { listening } from './support/listening.ts';
import { fileDatabase, lacksPostgres, registerRunner, running } from './support/scene.ts';

const FAILURE = { error: { code: 'BROKEN', message: 'it broke' } };

// An older one writes the end of a run into an index, a BRIN.
const skip = await lacksPostgres(16);

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

test('neither a claim nor the end of a run changes anything that an index is about', { skip }, async () => {
  await using scene = await running({ a: [] });
  await using session = await scene.transaction();
  const hotUpdates = async (act: () => Promise<unknown>) => {
    const counts = `select pg_stat_get_xact_tuples_hot_updated('sluice.tasks'::regclass)::integer as tasks,
                           pg_stat_get_xact_tuples_hot_updated('sluice.runs'::regclass)::integer  as runs`;
    const [before] = await session.sql(counts);
    await act();
    const [after] = await session.sql(counts);
    return { tasks: after.tasks - before.tasks, runs: after.runs - before.runs };
  };

  assert.deepEqual(await hotUpdates(() => session.claim(1)), { tasks: 1, runs: 0 });
  assert.deepEqual(await hotUpdates(() => session.succeed('a')), { tasks: 0, runs: 1 });
});

test('a claim reads no more of a backlog than it takes, though the statistics know of none', async () => {
  await using scene = await running({ a: [] });
  const start = (count: number) =>
    scene.sql(`select sluice.start_runs($1, array_fill('{}'::jsonb, array[$2::integer]))`, [
      scene.workflow,
      count,
    ]);
  await start(2000);
  await scene.claim(2001);
  await scene.sql(
    `select from sluice.report_and_claim($runner, (select jsonb_agg(jsonb_build_object('run_id', run_id, 'task_no', task_no, 'token', token))
                                                     from sluice.tasks where runner_id = $runner), 0)`,
  );
  await start(50);
  await scene.claim(50);
  await scene.sql('analyze sluice.tasks');
  await start(1000);

  await using session = await scene.transaction();
  const reads = async () => {
    const [row] = await session.sql(
      `select pg_stat_get_xact_tuples_returned('sluice.tasks_open'::regclass)::integer as reads`,
    );
    return row.reads;
  };
  const before = await reads();
  await session.claim(10);
  const read = (await reads()) - before;

  assert.ok(read < 100, `it read ${read}`);
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

test('what has been READY since a moment to come is claimed as of that moment: the clock went back', async () => {
  await using scene = await running({ a: [] });
  await using session = await scene.transaction();
  await session.sql('alter table sluice.tasks disable trigger advance');
  await session.sql(`update sluice.tasks set ready_at = now() + interval '1 hour' where run_id = $run`);
  await session.sql('alter table sluice.tasks enable trigger advance');
  await session.commit();

  assert.deepEqual(await scene.claim(1), ['a']);

  const { ready_at, started_at } = await scene.task('a');
  assert.deepEqual(started_at, ready_at);
  assert.deepEqual(await scene.report([{ ...(await scene.claimOf('a')), output: 1 }]), ['SUCCESS']);
});

test('a claim says which execution it is, by token and attempt', async () => {
  await using scene = await running({ a: [] });

  const [claimed] = await scene.sql(
    `select task_no, token, attempt, workflow_id, run_created_at from sluice.report_and_claim($runner, '[]', 1)`,
  );

  const [run] = await scene.sql('select workflow_id, created_at from sluice.runs where id = $run');
  assert.deepEqual(claimed, {
    task_no: 1,
    token: 1,
    attempt: 1,
    workflow_id: run.workflow_id,
    run_created_at: run.created_at,
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
  const claim = async () =>
    (await pool.query(`select * from sluice.report_and_claim($1, '[]', 9)`, [runner])).rows;
  const report = async (results: unknown) =>
    pool.query('select from sluice.report_and_claim(null, $1, 0)', [JSON.stringify(results)]);
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

test('a claim brings the outputs of its own run, whatever others of the workflow have put out', async () => {
  const { pool } = await fileDatabase();
  const task = { connector: 'none', operation: 'none' };
  await pool.query('select from sluice.register_workflow($1, $2)', [
    'twice',
    JSON.stringify([
      { name: 'writer', ...task },
      { name: 'reader', ...task, after: ['writer'], parameters: { $output: ['writer'] } },
    ]),
  ]);
  await pool.query(`select sluice.start_run('twice') from generate_series(1, 2)`);
  const runner = await registerRunner();
  const claim = async () =>
    (await pool.query(`select * from sluice.report_and_claim($1, '[]', 9) order by run_id`, [runner])).rows;
  const report = (results: unknown) =>
    pool.query('select from sluice.report_and_claim(null, $1, 0)', [JSON.stringify(results)]);

  const writers = await claim();
  await report(writers.map(({ run_id, task_no, token }) => ({ run_id, task_no, token, output: run_id })));
  const readers = await claim();

  assert.deepEqual(
    readers.map(({ run_id, outputs }) => [run_id, outputs]),
    writers.map(({ run_id }) => [run_id, { writer: run_id }]),
  );
  await report(readers.map(({ run_id, task_no, token }) => ({ run_id, task_no, token, output: null })));
});

test('outputs of more than 32 MB together are not handed out, in whatever script they are', async () => {
  await using scene = await running({ a: [], b: [], c: [], d: ['a', 'b', 'c'] });
  await scene.claim(3);
  await scene.sql(
    `update sluice.tasks set state = 'SUCCESS', finished_at = statement_timestamp(), output = to_jsonb(repeat('ä', 6000000))
      where run_id = $run and state = 'RUNNING'`,
  );

  const [{ outputs }] = await scene.sql(
    'select sluice.outputs_of(run_id, workflow_id, array[1, 2, 3]) as outputs from sluice.tasks where run_id = $run and task_no = 4',
  );

  assert.equal(outputs, null);
});

test('one hop takes results and gives what they made READY; a result without an answer is a SUCCESS', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  const rows = await scene.sql('select task_no, answer from sluice.report_and_claim($runner, $1, 9)', [
    JSON.stringify([done]),
  ]);

  assert.deepEqual(rows, [{ task_no: 2, answer: 'CLAIMED' }]);
  assert.equal(await scene.states(), 'a SUCCESS, b RUNNING');
});

test('what the results made READY goes first, and as far as the runner has room', async () => {
  await using scene = await running({ a: [], b: ['a'], c: ['a'], d: ['a'] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  const rows = await scene.sql(
    'select task_no, answer, attempt from sluice.report_and_claim($runner, $1, 2)',
    [JSON.stringify([done])],
  );

  assert.deepEqual(
    rows.map(({ task_no, answer, attempt }) => [scene.nameOf(task_no), answer, attempt]),
    [
      ['b', 'CLAIMED', 1],
      ['c', 'CLAIMED', 1],
    ],
  );
  assert.equal(await scene.states(), 'a SUCCESS, b RUNNING, c RUNNING, d READY');
});

test('a task that is taken as it becomes READY leaves both moves in the audit', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  await scene.sql('select from sluice.report_and_claim($runner, $1, 1)', [JSON.stringify([done])]);

  assert.deepEqual(await scene.transitions('b'), ['PENDING → READY', 'READY → RUNNING']);
});

test('a hop that is not to look leaves what is READY to others', async () => {
  await using scene = await running({ a: [], b: ['a'], other: [] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  await scene.sql('select from sluice.report_and_claim($runner, $1, 9, null)', [JSON.stringify([done])]);

  assert.equal(await scene.states(), 'a SUCCESS, b RUNNING, other READY');
});

test('a look begins at the run that it is told', async () => {
  await using scene = await running({ a: [], b: [] });
  const [later] = await scene.sql('select sluice.start_run($1) as id', [scene.workflow]);

  const rows = await scene.sql(`select run_id from sluice.report_and_claim($runner, '[]', 9, $1)`, [
    later.id,
  ]);

  assert.deepEqual(
    rows.map(({ run_id }) => run_id),
    [later.id, later.id],
  );
  assert.equal(await scene.states(), 'a READY, b READY');
});

test('others are rung for what the results made READY, wherever the look begins', async () => {
  await using scene = await running({ a: [], b: ['a'], c: ['a'] });
  await registerRunner();
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };
  await using listener = await listening(scene.db.url);

  await scene.sql('select from sluice.report_and_claim($runner, $1, 1, $2::bigint + 1)', [
    JSON.stringify([done]),
    scene.run,
  ]);

  assert.equal(await scene.states(), 'a SUCCESS, b RUNNING, c READY');
  assert.deepEqual(await listener.heard(), ['task_ready:']);
});

test('what is tried again is claimed wherever the look begins', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 1 } });
  await scene.claim(1);
  const failed = { ...(await scene.claimOf('a')), error: { code: 'E', message: 'no' } };

  const rows = await scene.sql(
    'select answer, token from sluice.report_and_claim($runner, $1, 9, $2::bigint + 1) order by token',
    [JSON.stringify([failed]), scene.run],
  );

  assert.deepEqual(
    rows.map(({ answer, token }) => [answer, token]),
    [
      ['RETRY', 1],
      ['CLAIMED', 2],
    ],
  );
});

test('nothing is taken of a run that is stopped by a result of the same hop', async () => {
  await using scene = await running({ a: [], b: [], c: ['a'] });
  await scene.claim(2);
  const good = { ...(await scene.claimOf('a')), output: 'done' };
  const bad = { ...(await scene.claimOf('b')), ...FAILURE };

  const rows = await scene.sql('select task_no, answer from sluice.report_and_claim($runner, $1, 9)', [
    JSON.stringify([good, bad]),
  ]);

  assert.deepEqual(
    rows.filter(({ answer }) => answer === 'CLAIMED'),
    [],
  );
  assert.equal(await scene.states(), 'a SUCCESS, b FAILED, c READY');
  assert.equal(await scene.status(), 'FAILED');
});

test('a hop with successes and failures says of all runs that it has ended', async () => {
  await using scene = await running({ a: [] });
  const [{ other }] = await scene.sql('select sluice.start_run($1) as other', [scene.workflow]);
  await scene.claim(2);
  const good = { ...(await scene.claimOf('a')), output: 'done' };
  const bad = { ...(await scene.claimOf('a')), run_id: other, ...FAILURE };

  const rows = await scene.sql(
    'select run_id, answer from sluice.report_and_claim($runner, $1, 1) where task_no is null order by run_id',
    [JSON.stringify([good, bad])],
  );

  assert.deepEqual(rows, [
    { run_id: scene.run, answer: 'COMPLETED' },
    { run_id: other, answer: 'FAILED' },
  ]);
});

test('a result of a task that is not there is LOST', async () => {
  await using scene = await running({ a: [] });

  assert.deepEqual(await scene.report([{ run_id: scene.run, task_no: 99, token: 1, output: 1 }]), ['LOST']);
});

test('a run that took longer than a month ends like any other', async () => {
  await using scene = await running({ a: [] });
  const superuser = await openClient(scene.db.superuserUrl);
  await superuser.query(
    `set session_replication_role = replica;
     update sluice.runs set created_at = now() - interval '40 days' where id = ${scene.run}`,
  );
  await superuser.end();
  await scene.claim(1);

  const [run] = await scene.sql('select answer, took_ms from sluice.report_and_claim(null, $1, 0)', [
    JSON.stringify([{ ...(await scene.claimOf('a')), output: 1 }]),
  ]);

  assert.equal(run.answer, 'COMPLETED');
  assert.ok(run.took_ms >= 40 * 24 * 3600 * 1000);
});

test('a report says which runs it has finished', async () => {
  await using scene = await running({ a: [] });
  await scene.claim(1);
  const done = { ...(await scene.claimOf('a')), output: 'done' };

  const rows = await scene.sql(
    'select run_id, answer, took_ms >= 0 as took, failure from sluice.report_and_claim(null, $1, 0) where task_no is null',
    [JSON.stringify([done])],
  );

  assert.deepEqual(rows, [{ run_id: scene.run, answer: 'COMPLETED', took: true, failure: null }]);
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
  await scene.sql(`select sluice.end_runner($runner, 'lost')`);
  const heir = await registerRunner();

  assert.deepEqual(await scene.report([{ ...old, output: 'too late' }]), ['LOST']);
  assert.deepEqual(await scene.claim(1, heir), ['a']);
  assert.deepEqual(await scene.report([{ ...old, output: 'still too late' }]), ['LOST']);
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

test('results that came twice in one report are answered once', async () => {
  await using scene = await running({ a: [], b: [] }, { retries: { b: 1 } });
  await scene.claim(2);
  const good = { run_id: scene.run, task_no: 1, token: 1, output: 1 };
  const bad = { run_id: scene.run, task_no: 2, token: 1, error: { code: 'E', message: 'no' } };

  const answers = await scene.sql(
    'select task_no, answer from sluice.report_and_claim(null, $1, 0) where task_no is not null',
    [JSON.stringify([good, bad, good, bad])],
  );

  assert.deepEqual(answers, [{ task_no: 2, answer: 'RETRY' }]);
  assert.equal(await scene.states(), 'a SUCCESS, b RUNNING');
});

for (const [what, end] of Object.entries({ 'successes and failures': FAILURE, successes: { output: 2 } })) {
  test(`a report of ${what} locks its tasks in one order, as everybody does`, async () => {
    await using scene = await running({ a: [], b: [] });
    await scene.claim(2);
    const [a, b] = [await scene.claimOf('a'), await scene.claimOf('b')];
    await using other = await scene.transaction();
    const lock = (name: string) =>
      other.sql('select from sluice.tasks where run_id = $run and task_no = $1 for update', [
        scene.number(name),
      ]);

    await lock('a');
    const report = scene.report([
      { ...b, output: 1 },
      { ...a, ...end },
    ]);
    await scene.someoneWaitsForALock();
    await lock('b');
    await other.commit();

    assert.deepEqual(await report, ['SUCCESS', 'error' in end ? 'FAILED' : 'SUCCESS']);
  });
}

for (const retries of [0, 1]) {
  test(`hops with results of the same runs never wait in a circle: one with a failure, ${retries} retries`, async () => {
    await using scene = await running({ a: [], b: [], c: ['a', 'b'] }, { retries: { a: retries } });
    const [{ id: second }] = await scene.sql('select sluice.start_run($1) as id', [scene.workflow]);
    await scene.claim(4);
    const result = (run: string, task: string, end: object) => ({
      run_id: run,
      task_no: scene.number(task),
      token: 1,
      ...end,
    });
    const report = (...results: object[]) =>
      scene.sql('select answer from sluice.report_and_claim(null, $1, 0)', [JSON.stringify(results)]);
    await using other = await scene.transaction();
    await other.sql('select from sluice.runs where id = $1 for no key update', [second]);

    const mixed = report(result(second, 'a', { output: 1 }), result(scene.run, 'a', FAILURE));
    await scene.someoneWaitsForALock();
    const good = report(result(second, 'b', { output: 1 }), result(scene.run, 'b', { output: 1 }));
    await scene.someoneWaitsForALock(2);
    await other.commit();

    const answers = await mixed;
    assert.ok(answers.some(({ answer }) => answer === (retries > 0 ? 'RETRY' : 'FAILED')));
    await good;
  });
}
