import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { type Engine, openEngine } from '../src/engine.ts';
import { holdRunnerLock, registerRunner } from '../src/runner/lives.ts';
import { reportAndClaim } from '../src/store.ts';
import { type Act, acting, event } from './support/acting.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { keptLog } from './support/log.ts';
import { TcpProxy } from './support/proxy.ts';
import { until } from './support/until.ts';

/*
 * A database that is set back while runners are at work: a backup is restored, or a standby promoted that lagged behind. What
 * was committed since is lost, and its numbers are given out again.
 */

/** A runner in this process, all of whose tasks do this. */
async function launch(url: string, act: Act) {
  const { log, warnings } = keptLog();
  const engine = openEngine({ connectionString: url, connectors: { test: acting({ act }) }, log });
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const runnerId = await new Promise<number>((onReady, onFailure) => {
    running = engine.run({ slots: 2, graceMs: 100, signal: stop.signal, onReady });
    running.catch(onFailure);
  });
  return {
    ...{ runnerId, warnings },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** A database that somebody reaches through a proxy, and that can be set back to what it was. */
async function scene() {
  const db = await createDatabase();
  await db.pool.query(definition('first'));
  await db.pool.end();
  const proxy = await TcpProxy.open(db.url);
  const engine = openEngine({ connectionString: db.url, connectors: {} });
  return {
    ...{ db, proxy, engine },
    async whileAway(act: () => Promise<void>) {
      proxy.refusing = true;
      proxy.cut();
      await act();
      proxy.refusing = false;
    },
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}

function definition(what: string): string {
  const tasks = [{ name: 'task', connector: 'test', operation: 'act', parameters: { what } }];
  return `select from sluice.register_workflow('w', '${JSON.stringify(tasks)}')`;
}

async function asSuperuser({ superuserUrl }: TestDatabase, ...statements: string[]): Promise<void> {
  const url = new URL(superuserUrl);
  url.pathname = '/postgres';
  await using client = await openClient(url.href);
  for (const one of statements) await client.query(one);
}

const nameOf = ({ url }: TestDatabase) => new URL(url).pathname.slice(1);

const endSessions = (name: string) =>
  `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '${name}'`;

async function backUp(db: TestDatabase): Promise<void> {
  const name = nameOf(db);
  await asSuperuser(db, endSessions(name), `create database ${name}_backup template ${name} owner sluice`);
}

async function restore(db: TestDatabase): Promise<void> {
  const name = nameOf(db);
  await asSuperuser(
    db,
    `drop database ${name} with (force)`,
    `alter database ${name}_backup rename to ${name}`,
  );
}

async function register(db: TestDatabase, what: string): Promise<void> {
  await using client = await openClient(db.url);
  await client.query(definition(what));
}

const isRunning = (engine: Engine, run: string) => async () =>
  (await engine.readOverview(run))?.tasks[0]?.state === 'RUNNING';

const outputOf = async (engine: Engine, run: string) => (await engine.readRun(run))?.tasks[0]?.output;

test('after a database was set back, no result of what it has forgotten is taken for that of another run', async () => {
  await using here = await scene();
  const { db, proxy, engine } = here;
  const mine = event();
  await using old = await launch(proxy.url, () => mine.happened.then(() => 'of the old run'));
  await here.whileAway(() => backUp(db));
  await until(() => proxy.connections >= 3, 'the runner to come back');
  const forgotten = await engine.startRun('w', { key: 'forgotten' });
  await until(isRunning(engine, forgotten), 'the old task to run');

  proxy.refusing = true;
  proxy.cut();
  await restore(db);
  const run = await engine.startRun('w', { key: 'another' });
  assert.equal(run, forgotten);
  // No runner of ours, whose beats might find the old one dead.
  await using client = await openClient(db.url);
  const other = await registerRunner(client, 'elsewhere', 1, 1);
  await holdRunnerLock(client, other);
  const [claim] = (await reportAndClaim(client, other, [], 1)).claimed;
  assert.equal(claim?.run_id, run);
  proxy.refusing = false;
  await until(() => old.warnings.some((line) => line.includes('was set back')), 'the old runner to notice');
  mine.happens();
  await reportAndClaim(client, other, [{ ...claim, output: 'of the new run' }], 0, null);
  await engine.waitForRun(run);

  assert.equal(await outputOf(engine, run), 'of the new run');
  assert.deepEqual(
    old.warnings.filter((line) => line.includes('set back')),
    [`the database was set back: it does not know of tasks that runner ${old.runnerId} runs; let go of: 1`],
  );
});

test('after a database was set back, who has the number of another runner leaves it to him', async () => {
  await using here = await scene();
  const { db, proxy } = here;
  await backUp(db);
  await using old = await launch(proxy.url, () => null);
  proxy.refusing = true;
  proxy.cut();
  await restore(db);
  await using client = await openClient(db.url);
  const { rows } = await client.query(`select sluice.register_runner('elsewhere', 1, 1) as id`);
  assert.equal(rows[0].id, old.runnerId);
  await client.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [old.runnerId]);
  await client.query(`set application_name = 'sluice runner ${old.runnerId}'`);
  proxy.refusing = false;

  await until(async () => {
    const { rows } = await client.query('select from sluice.runners where ended_at is null');
    return rows.length === 2;
  }, 'it to go on as another one');
});

test('after a database was set back, tasks are executed as they are defined there', async () => {
  await using here = await scene();
  const { db, proxy, engine } = here;
  await using _ = await launch(proxy.url, (parameters) => parameters);
  await here.whileAway(() => backUp(db));
  await register(db, 'forgotten');
  await engine.waitForRun(await engine.startRun('w', { key: 'forgotten' }));
  await here.whileAway(async () => {
    await restore(db);
    await register(db, 'second');
  });

  const run = await engine.startRun('w', { key: 'another' });
  await engine.waitForRun(run);

  assert.deepEqual(await outputOf(engine, run), { what: 'second' });
});
