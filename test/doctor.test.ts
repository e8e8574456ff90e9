import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { examine } from '../src/doctor.ts';
import { isSound } from './support/doctor.ts';
import { type Act, stage } from './support/engine.ts';
import { fileDatabase } from './support/scene.ts';

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

/** Does what the rules forbid, as only a superuser can, looks, and undoes it. */
async function foundAfter(sql: string): Promise<string[]> {
  const { superuserUrl } = await fileDatabase();
  const client = await openClient(superuserUrl);
  try {
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    await client.query(sql);
    await client.query('set local session_replication_role = origin');
    const findings = await examine(client);
    return findings.filter(({ rows }) => rows.length > 0).map(({ name }) => name);
  } finally {
    await client.end();
  }
}

await failedAndWasRepeated();
const id = await completed();

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
  'a count of sinks that is wrong': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 2 where id = ${id}`,
    'Runs wait for as many sinks as have not succeeded',
  ],
  'a run under way in which nothing can happen': [
    `update sluice.runs set status = 'RUNNING', finished_at = null, waiting_for = 2 where id = ${id}`,
    'Runs under way have something to do',
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
  'a task in the hands of a runner that has ended': [
    `update sluice.tasks set state = 'RUNNING', output = null, finished_at = null where run_id = ${id} and task_no = 3`,
    'Nobody who has ended still holds a task',
  ],
  'a runner that died': [
    `set local sluice.silence = '1 ms';
     insert into sluice.runners (host, pid, slots, beat_at) values ('here', 1, 1, now() - interval '1 minute')`,
    'Every runner that has not ended is alive',
  ],
  'a lock that nobody owns': [
    'select pg_advisory_lock(sluice.runner_lock(), 999999)',
    'No lock is held by a runner that has ended',
  ],
};

for (const [what, [sql, expected]] of Object.entries(tampering)) {
  test(`the doctor finds ${what}`, async () => {
    const found = await foundAfter(sql);

    assert.ok(found.includes(expected), `found: ${found.join('; ') || 'nothing'}`);
  });
}

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
