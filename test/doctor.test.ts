import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { examine, type Finding } from '../src/doctor.ts';
import { isSound } from './support/doctor.ts';
import { type Act, stage } from './support/engine.ts';
import { fileDatabase, running } from './support/scene.ts';

const fine: Act = () => 'fine';
const broken: Act = () => {
  throw new Error('broken');
};

/** A database in which all kinds of things have happened, and the number of a run that has completed. */
async function failedAndWasRepeated(): Promise<void> {
  await using play = await stage(
    { fine, broken },
    { broken: { retries: 1 }, fine: { after: ['broken'] }, beside: { act: 'fine' } },
  );
  const { id } = await play.play();
  const { pool } = await fileDatabase();
  const { rows } = await pool.query('select sluice.rerun($1, true) as id', [id]);
  await play.engine.waitForRun(rows[0].id);
}

async function completed(): Promise<string> {
  await using play = await stage(
    { fine, flaky: (_, { attempt }) => (attempt < 2 ? broken(0, {} as never) : 'at last') },
    { fine: {}, flaky: { retries: 2, after: ['fine'] }, other: { act: 'fine', after: ['flaky', 'fine'] } },
  );
  const { id, status } = await play.play();
  assert.equal(status, 'COMPLETED');
  return id;
}

/** A run that failed at its task 2, of which 1 and, tried again, 3 succeeded afterwards, for which 4 did not wait; and one that was to repeat it. */
async function wentOnAfterItsFailure(): Promise<[failed: string, cancelled: string]> {
  await using scene = await running({ a: [], b: [], c: [], d: ['a'] }, { retries: { c: 1 } });
  await scene.claim(3);
  await scene.fail('c');
  await scene.claim(1);
  await scene.fail('b');
  await scene.succeed('a', 'c');
  const [{ again }] = await scene.sql('select sluice.rerun($run, true) as again');
  await scene.sql('select sluice.cancel_run($1)', [again]);
  return [scene.run, again];
}

/** Does what the rules forbid, as only a superuser can, looks, and undoes it. */
async function findingsAfter(sql: string): Promise<Finding[]> {
  const { superuserUrl } = await fileDatabase();
  const client = await openClient(superuserUrl);
  try {
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    await client.query(sql);
    await client.query('set local session_replication_role = origin');
    const findings = await examine(client);
    return findings.filter(({ rows }) => rows.length > 0);
  } finally {
    await client.end();
  }
}

await failedAndWasRepeated();
const id = await completed();
const [failed, cancelled] = await wentOnAfterItsFailure();

test('a database in which things went well and badly is sound', async () => {
  const { pool } = await fileDatabase();
  await isSound(pool);
});

const tampering: Readonly<Record<string, readonly [sql: string, found: string]>> = {
  'a trigger that is switched off': [
    'alter table sluice.tasks disable trigger advance',
    'All triggers are there and enabled',
  ],
  'a trigger that is gone': ['drop trigger advance on sluice.tasks', 'All triggers are there and enabled'],
  'a trigger that fires for replicas only': [
    'alter table sluice.tasks enable replica trigger advance',
    'All triggers are there and enabled',
  ],
  'a state that was changed past the rules': [
    `update sluice.tasks set state = 'FAILED', output = null, error = '{"message": "no"}' where run_id = ${id} and task_no = 2`,
    'The status of every run agrees with its tasks',
  ],
  'a task that is not what its state implies': [
    `update sluice.tasks set output = null where run_id = ${id} and task_no = 2`,
    'Tasks and runs are what their states imply',
  ],
  'a run that is not what its status implies': [
    `update sluice.runs set finished_at = null where id = ${id}`,
    'Tasks and runs are what their states imply',
  ],
  'a move that has left no mark': [
    `update sluice.tasks set started_at = null where run_id = ${id} and task_no = 1`,
    'Every task has come to its state by a legal path',
  ],
  'an attempt of nothing': [
    `insert into sluice.attempts values (${id}, 99, 1, 1, 'LOST', 1, now(), now(), '{"message": "no"}')`,
    'Attempts are of tasks that exist',
  ],
  'a task too few': [
    `delete from sluice.tasks where run_id = ${id} and task_no = 1`,
    'Every run has all tasks of its version, and knows its sinks',
  ],
  'a task too many': [
    `insert into sluice.tasks (run_id, workflow_id, task_no, waiting_for, is_sink, state, ready_at)
     select run_id, workflow_id, 99, 0, true, 'READY', now() from sluice.tasks where run_id = ${id} limit 1`,
    'Every run has all tasks of its version, and knows its sinks',
  ],
  'a task of another version': [
    `update sluice.tasks set workflow_id = 0 where run_id = ${id} and task_no = 1`,
    'Every run has all tasks of its version, and knows its sinks',
  ],
  'a sink that is none': [
    `update sluice.tasks set is_sink = true where run_id = ${id} and task_no = 1`,
    'Every run has all tasks of its version, and knows its sinks',
  ],
  'a run that completed too early': [
    `update sluice.tasks set state = 'PENDING', waiting_for = 1, token = 0, attempt = 0, runner_id = null,
                             started_at = null, finished_at = null, output = null
      where run_id = ${id} and task_no = 3`,
    'The status of every run agrees with its tasks',
  ],
  'a parent that had not succeeded': [
    `update sluice.tasks set state = 'RUNNING', output = null, finished_at = null where run_id = ${id} and task_no = 1`,
    'Tasks wait for as many parents as have not succeeded',
  ],
  'a task that waits for nobody, and waits': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 1 where id = ${id};
     update sluice.tasks set state = 'PENDING', waiting_for = 1, token = 0, attempt = 0, runner_id = null,
                             started_at = null, finished_at = null, output = null
      where run_id = ${id} and task_no = 1`,
    'Tasks wait for as many parents as have not succeeded',
  ],
  'a task that waits, though its parents have succeeded': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 1 where id = ${id};
     update sluice.tasks set state = 'PENDING', waiting_for = 1, token = 0, attempt = 0, runner_id = null,
                             started_at = null, finished_at = null, output = null
      where run_id = ${id} and task_no = 3`,
    'Tasks wait for as many parents as have not succeeded',
  ],
  'a count of sinks that is wrong': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 2 where id = ${id}`,
    'Runs wait for as many sinks as have not succeeded',
  ],
  'a run under way in which nothing can happen': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 2 where id = ${id}`,
    'Runs under way have something to do',
  ],
  'a run that completed without one of its sinks': [
    `update sluice.tasks set state = 'FAILED', output = null, error = '{"message": "no"}' where run_id = ${id} and task_no = 3`,
    'Runs wait for as many sinks as have not succeeded',
  ],
  'a run that failed at a task that did not': [
    `update sluice.runs set failed_task_no = 1 where id = ${failed}`,
    'The status of every run agrees with its tasks',
  ],
  'a run under way that has failed': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, failed_task_no = null, reason = null where id = ${failed}`,
    'The status of every run agrees with its tasks',
  ],
  'a run under way of which all has succeeded': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 1 where id = ${id}`,
    'The status of every run agrees with its tasks',
  ],
  'a task that was put aside, though its run goes on': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, reason = null where id = ${cancelled}`,
    'Nothing of a run that has ended is READY, or RUNNING without a runner',
  ],
  'a task that is READY, though its run has ended': [
    `update sluice.tasks set stopped = false where run_id = ${cancelled} and stopped`,
    'Nothing of a run that has ended is READY, or RUNNING without a runner',
  ],
  'a task that was left behind': [
    `update sluice.tasks set state = 'RUNNING', token = 2, runner_id = null, output = null, finished_at = null
      where run_id = ${id} and task_no = 1`,
    'Nothing of a run that has ended is READY, or RUNNING without a runner',
  ],
  'an attempt that is missing': [
    `delete from sluice.attempts where run_id = ${id}`,
    'Attempts are on record, and as many as were allowed',
  ],
  'an execution that left nothing': [
    `update sluice.tasks set token = 2 where run_id = ${id} and task_no = 1`,
    'Attempts are on record, and as many as were allowed',
  ],
  'an attempt that is still to come': [
    `insert into sluice.attempts values (${failed}, 2, 2, 1, 'GIVEN BACK', 1, now(), now(), '{"message": "no"}')`,
    'Attempts are on record, and as many as were allowed',
  ],
  'an attempt that was given back and succeeded': [
    `insert into sluice.attempts values (${id}, 1, 1, 1, 'GIVEN BACK', 1, now(), now(), '{"message": "no"}')`,
    'Attempts are on record, and as many as were allowed',
  ],
  'a crash of which nothing is known': [
    `update sluice.tasks set crashes = 1 where run_id = ${id} and task_no = 1`,
    'Attempts are on record, and as many as were allowed',
  ],
  'a failed attempt of which nothing is known': [
    `update sluice.tasks set attempt = 3 where run_id = ${id} and task_no = 2`,
    'Attempts are on record, and as many as were allowed',
  ],
  'an attempt more than was allowed': [
    `update sluice.tasks set token = 2, attempt = 2 where run_id = ${id} and task_no = 1;
     insert into sluice.attempts values (${id}, 1, 1, 1, 'FAILED', 1, now(), now(), '{"message": "no"}')`,
    'Attempts are on record, and as many as were allowed',
  ],
  'a task in the hands of a runner that never was': [
    `update sluice.tasks set state = 'RUNNING', output = null, finished_at = null, runner_id = 999999 where run_id = ${id} and task_no = 3`,
    'Nobody who has ended still holds a task',
  ],
  'a task in the hands of a runner that has ended': [
    `update sluice.tasks set state = 'RUNNING', output = null, finished_at = null where run_id = ${id} and task_no = 3`,
    'Nobody who has ended still holds a task',
  ],
  'a runner that died': [
    `set local sluice.silence = '1 ms';
     insert into sluice.runners (host, pid, slots, beat_at) values ('here', 1, 1, now() - interval '1 minute')`,
    'Every runner that has not ended is alive',
  ],
  'a lock of a runner that has ended': [
    'select pg_advisory_lock(sluice.runner_lock(), max(id)) from sluice.runners where ended_at is not null',
    'No lock is held by a runner that has ended',
  ],
  'a lock that nobody owns': [
    'select pg_advisory_lock(sluice.runner_lock(), 999999)',
    'No lock is held by a runner that has ended',
  ],
};

for (const [what, [sql, expected]] of Object.entries(tampering)) {
  test(`the doctor finds ${what}`, async () => {
    const found = (await findingsAfter(sql)).map(({ name }) => name);

    assert.ok(found.includes(expected), `found: ${found.join('; ') || 'nothing'}`);
  });
}

test('the doctor finds a session for which no trigger fires', async () => {
  const { superuserUrl } = await fileDatabase();
  const client = await openClient(superuserUrl);
  await client.query('set session_replication_role = replica');

  const findings = await examine(client);
  await client.end();

  assert.deepEqual(
    findings.filter(({ rows }) => rows.length > 0).map(({ name }) => name),
    ['Triggers fire for whoever connects'],
  );
});

test('of much that does not fit twenty rows are shown', async () => {
  const [finding] = await findingsAfter(
    `insert into sluice.attempts
     select ${id}, 99, token, 1, 'LOST', 1, now(), now(), '{"message": "no"}' from generate_series(1, 30) as token`,
  );

  assert.equal(finding?.name, 'Attempts are of tasks that exist');
  assert.equal(finding?.rows.length, 20);
});

test('the doctor knows every trigger there is', async () => {
  const { superuserUrl } = await fileDatabase();
  const client = await openClient(superuserUrl);
  await client.query('begin');
  const { rows } = await client.query(
    `select tgrelid::regclass::text as "table", tgname as trigger from pg_trigger
      where tgrelid::regclass::text like 'sluice.%' and not tgisinternal`,
  );
  for (const { table, trigger } of rows)
    await client.query(`alter table ${table} disable trigger ${trigger}`);

  const [triggers] = await examine(client);
  await client.query('rollback');
  await client.end();

  const named = (found: readonly Record<string, unknown>[] = []) =>
    found.map(({ table, trigger }) => `${trigger} of ${table}`).sort();
  assert.deepEqual(named(triggers?.rows), named(rows));
});
