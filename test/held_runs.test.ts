import assert from 'node:assert/strict';
import { test } from 'node:test';
import { input } from '../src/references.ts';
import { type Act, event } from './support/acting.ts';
import { stage } from './support/engine.ts';
import { keptLog } from './support/log.ts';
import { fileDatabase } from './support/scene.ts';
import { until } from './support/until.ts';

/** Holds a run as somebody does who looks before he commits. */
async function hold(runId: string): Promise<AsyncDisposable> {
  const { pool } = await fileDatabase();
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query(`select sluice.cancel_run($1, 'me')`, [runId]);
  return {
    [Symbol.asyncDispose]: async () => {
      await holder.query('rollback');
      holder.release();
    },
  };
}

/** The sessions of the transactions that tasks of a run have open. */
async function sessionsOf(runId: string): Promise<number[]> {
  const { pool } = await fileDatabase();
  const { rows } = await pool.query('select pid from pg_stat_activity where application_name like $1', [
    `sluice task ${runId}/%`,
  ]);
  return rows.map(({ pid }) => pid);
}

/** What others did meanwhile, and how the run ended that was held, and its attempts. */
async function holdOneWithTransaction(meanwhile: (runId: string) => Promise<unknown>) {
  const gate = event();
  const act: Act = async (given, context) => {
    await (await context.transaction()).query('select 1');
    if (given === 'held') await gate.happened;
    return null;
  };
  await using play = await stage({ act }, { a: { act: 'act', parameters: input('who') } });
  const held = await play.start({ who: 'held' });
  await until(async () => (await sessionsOf(held)).length === 1, 'its transaction');
  let others: string;
  {
    await using _ = await hold(held);
    gate.happens();
    await meanwhile(held);
    await until(async () => (await sessionsOf(held)).length === 0, 'its transaction to end');
    others = (await play.play({ who: 'free' })).status;
  }
  const { status, attempts } = await play.engine.waitForRun(held, AbortSignal.timeout(20_000));
  return { others, status, attempts: attempts.map(({ outcome }) => outcome) };
}

const GIVEN_BACK = { others: 'COMPLETED', status: 'COMPLETED', attempts: ['GIVEN BACK'] };

test('a run that somebody holds does not hold up others when its task commits in its own transaction', async () => {
  assert.deepEqual(await holdOneWithTransaction(async () => {}), GIVEN_BACK);
});

test('a run that somebody holds does not hold up others when the transaction of its task is cut off', async () => {
  const cutOff = async (runId: string) => {
    const { pool } = await fileDatabase();
    await pool.query('select pg_terminate_backend(pid) from unnest($1::integer[]) as pid', [
      await sessionsOf(runId),
    ]);
  };

  assert.deepEqual(await holdOneWithTransaction(cutOff), GIVEN_BACK);
});

test('a runner that cannot sign off because somebody holds a run leaves all others to the next runner', async () => {
  const gate = event();
  const { log, warnings } = keptLog();
  let isLong = true;
  const act: Act = async (given, { signal }) => {
    if (given === 'held') return (await gate.happened) ?? null;
    if (!isLong) return null;
    return new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason)));
  };
  await using play = await stage(
    { act },
    { a: { act: 'act', parameters: input('who') } },
    { graceMs: 100, log },
  );
  const [held, other] = [await play.start({ who: 'held' }), await play.start({ who: 'other' })];
  const { pool } = await fileDatabase();
  const areRunning = async () =>
    (
      await pool.query(`select from sluice.tasks where run_id in ($1, $2) and state = 'RUNNING'`, [
        held,
        other,
      ])
    ).rowCount === 2;
  await until(areRunning, 'both to run');

  let status: string;
  {
    await using _ = await hold(held);
    gate.happens();
    await until(() => warnings.some((warning) => /is held by another session/.test(warning)), 'the warning');
    await play.stop();
    isLong = false;
    await play.run();
    ({ status } = await play.engine.waitForRun(other, AbortSignal.timeout(20_000)));
  }

  assert.equal(status, 'COMPLETED');
  assert.equal((await play.engine.waitForRun(held, AbortSignal.timeout(20_000))).status, 'COMPLETED');
});
