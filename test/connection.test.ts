import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { DatabaseConnector } from '../src/connectors/database.ts';
import { openClient } from '../src/database/connect.ts';
import { Ear } from '../src/ear.ts';
import { type Engine, openEngine } from '../src/engine.ts';
import { sessionNameOf, setUpSession } from '../src/runner/lives.ts';
import { Presence } from '../src/runner/presence.ts';
import { acting } from './support/acting.ts';
import { Fleet, outcomes } from './support/fleet.ts';
import { keptLog } from './support/log.ts';
import { COMMIT, TcpProxy } from './support/proxy.ts';
import { fileDatabase, someoneWaitsForALock } from './support/scene.ts';
import { until } from './support/until.ts';
import { TortureConnector } from './torture/connector.ts';

const fleet = await Fleet.open();
after(() => fleet[Symbol.asyncDispose]());

interface Wired extends AsyncDisposable {
  readonly proxy: TcpProxy;
  readonly news: string[];
  /** Warnings and errors. */
  readonly warnings: string[];
  readonly runnerId: number;
  readonly engine: Engine;
  stop(): Promise<void>;
}

/** A runner in this process, which reaches the database through a proxy. */
async function wired(
  prepare: (proxy: TcpProxy) => void = () => {},
  { graceMs = 2_000, slots = 4 } = {},
): Promise<Wired> {
  const proxy = await TcpProxy.open(fleet.url);
  prepare(proxy);
  const { log, news, warnings } = keptLog();
  const connectors = { database: new DatabaseConnector(), torture: new TortureConnector(fleet.pool) };
  const engine = openEngine({ connectionString: proxy.url, connectors, log });
  const abort = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const runnerId = await new Promise<number>((onReady, onFailure) => {
    running = engine.run({ slots, graceMs, signal: abort.signal, onReady });
    running.catch(onFailure);
  });
  const stop = async () => {
    abort.abort();
    await running;
  };
  return {
    ...{ proxy, news, warnings, runnerId, engine, stop },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await engine[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Our database changes its mind for everybody who is not a superuser. */
async function alter(what: string): Promise<void> {
  await fleet.pool.query(
    `do $$ begin execute format('alter database %I ${what}', current_database()); end $$`,
  );
}

test('a COMMIT that succeeds but whose answer is lost is not done again', async () => {
  await using runner = await wired();

  const sprung = runner.proxy.cutOn(COMMIT, 'after');
  const run = await fleet.start({ a: ['row'], b: ['nothing', 'a'] });
  await sprung;
  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.equal(await fleet.count('effects', run), 1);
  assert.deepEqual(outcomes(details), []);
});

test('a COMMIT that never arrives is rolled back, and the task runs again at no cost', async () => {
  await using runner = await wired();

  const sprung = runner.proxy.cutOn(COMMIT, 'before');
  const run = await fleet.start({ a: ['row'], b: ['nothing', 'a'] });
  await sprung;
  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.equal(await fleet.count('effects', run), 1);
  assert.deepEqual(outcomes(details), ['1 GIVEN BACK']);
});

for (const when of ['before', 'after'] as const) {
  test(`a hop that is cut ${when} the server has done it neither loses a result nor strands what it claimed`, async () => {
    await using runner = await wired();

    for (let hop = 1; hop <= 4; hop++) {
      const sprung = runner.proxy.cutOn('report_and_claim', when);
      const run = await fleet.start({ a: ['call'], b: ['call', 'a'], c: ['nothing', 'b'] });
      await sprung;
      const details = await fleet.ended(run);

      assert.equal(details.status, 'COMPLETED');
      assert.ok(details.tasks.every(({ attempt }) => attempt === 1));
      assert.ok(details.attempts.every(({ outcome }) => outcome === 'GIVEN BACK'));
    }
  });
}

test('after a hop that got no answer less is asked for at first: what it would have brought may be too large', async () => {
  await using runner = await wired(undefined, { slots: 20 });
  const names = Array.from({ length: 20 }, (_, n) => `b${n}`);
  const run = await fleet.start({
    a: ['held'],
    ...Object.fromEntries(names.map((name) => [name, ['nothing', 'a']])),
  });
  await fleet.held(run);

  const sprung = runner.proxy.cutOn('report_and_claim', 'before');
  await fleet.openGate(run);
  await sprung;
  const { tasks } = await fleet.ended(run);

  const starts = tasks.slice(1).map(({ started_at }) => started_at?.getTime() ?? 0);
  assert.equal(starts.filter((at) => at === Math.min(...starts)).length, 5);
});

test('what a hop has ended is told, though the connection breaks before what it claimed can be looked up', async () => {
  await using runner = await wired(undefined, { slots: 1 });
  const ends = await fleet.start({ a: ['held'] });
  await fleet.held(ends);
  const waits = await fleet.start({ a: ['call'] });

  const sprung = runner.proxy.cutOn('task.parameters, task.condition', 'before');
  await fleet.openGate(ends);
  await sprung;

  assert.equal((await fleet.ended(waits)).status, 'COMPLETED');
  assert.ok(runner.news.some((line) => line.startsWith(`run ${ends} of `) && / COMPLETED in /.test(line)));
});

for (const [when, runs] of [
  ['before', 0],
  ['after', 1],
] as const) {
  test(`a start that is cut ${when} the server has done it fails its caller, and what was started runs`, async () => {
    await using runner = await wired();
    const workflow = await fleet.plan({ a: ['call'], b: ['nothing', 'a'] });

    const sprung = runner.proxy.cutOn('start_and_claim', when);
    // A runner that is about to look for work leaves a start to others.
    const others: string[] = [];
    const startOne = () =>
      runner.engine.startRun(workflow).then(
        (id) => !others.push(id),
        () => true,
      );
    await until(startOne, 'a start to be cut');
    await sprung;

    const { rows } = await fleet.pool.query('select id from sluice.runs where workflow = $1', [workflow]);
    assert.equal(rows.length - others.length, runs);
    for (const { id } of rows) {
      const { status, tasks } = await fleet.ended(id);
      assert.equal(status, 'COMPLETED');
      assert.ok(tasks.every(({ attempt }) => attempt === 1));
    }
    const next = await fleet.ended(await runner.engine.startRun(workflow));
    assert.equal(next.status, 'COMPLETED');
  });
}

test('a runner whose connections are all cut keeps its identity and its tasks', async () => {
  await using runner = await wired();
  const run = await fleet.start({ a: ['held'], b: ['nothing', 'a'] });
  await fleet.held(run);

  for (let cut = 1; cut <= 3; cut++) {
    runner.proxy.cut();
    await until(() => runner.proxy.connections >= 3, 'the runner to come back');
  }
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.deepEqual(outcomes(details), []);
  assert.equal(details.tasks[0]?.runner_id, runner.runnerId);
  assert.equal(await fleet.count('calls', run), 1);
});

test('a runner whose former session does not end goes on as soon as it has', async () => {
  await using runner = await wired();
  const { rows } = await fleet.pool.query(
    'select pid from pg_stat_activity where application_name = $1 and datname = current_database() limit 1',
    [sessionNameOf(runner.runnerId)],
  );

  process.kill(rows[0].pid, 'SIGSTOP');
  runner.proxy.cut();
  const tries = new Set<number>();
  const triesAgain = async () => {
    const { rows: found } = await fleet.pool.query(
      `select pid from pg_stat_activity
        where query ~ 'pg_terminate_backend\\(pid' and datname = current_database() and pid <> pg_backend_pid()`,
    );
    for (const { pid } of found) tries.add(pid);
    return tries.size > 1;
  };
  await until(triesAgain, 'it to find that').finally(() => process.kill(rows[0].pid, 'SIGCONT'));
  const { status, tasks } = await fleet.ended(await fleet.start({ a: ['nothing'] }));

  assert.deepEqual([status, tasks[0]?.runner_id], ['COMPLETED', runner.runnerId]);
});

test('a transaction whose session is ended by somebody costs no attempt, and its effect happens once', async () => {
  await using _ = await wired();
  const run = await fleet.start({ a: ['held_row'], b: ['nothing', 'a'] });
  await fleet.held(run);

  await fleet.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'sluice task ${run}/%'`,
  );
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(outcomes(details), ['1 GIVEN BACK']);
  assert.deepEqual([await fleet.count('calls', run), await fleet.count('effects', run)], [2, 1]);
});

test('a connection that breaks between two statements, or is ended with a goodbye, counts no crash', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  const breaks = [
    async () => {
      proxy.cut();
      await until(() => proxy.connections > 2, 'everybody to find that');
    },
    (pid: number) => fleet.pool.query('select pg_terminate_backend($1, 5000)', [pid]),
  ];
  const connector = acting({
    break: async (_, { transaction }) => {
      const db = await transaction();
      const [{ pid }] = (await db.query('select pg_backend_pid() as pid')).rows as [{ pid: number }];
      await breaks.shift()?.(pid);
      await db.query('select 1').catch(() => {});
      await db.query('select 1');
      return null;
    },
  });
  await fleet.pool.query(
    `select from sluice.register_workflow('breaking', '[{"name": "break", "connector": "test", "operation": "break"}]')`,
  );
  await using engine = openEngine({ connectionString: proxy.url, connectors: { test: connector } });
  const stop = new AbortController();
  const running = engine.run({ slots: 1, signal: stop.signal });

  const details = await fleet.ended(await fleet.engine.startRun('breaking'));
  stop.abort();
  await running;

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(outcomes(details), ['1 GIVEN BACK', '1 GIVEN BACK']);
});

test('connections that say nothing any more are given up, and the work goes on', async () => {
  await using runner = await wired();
  const run = await fleet.start({ a: ['held'], b: ['nothing', 'a'] });
  await fleet.held(run);

  runner.proxy.stall({ newcomers: false });
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.ok(details.tasks.every(({ attempt }) => attempt === 1));
});

test('who waits for a run waits out a database that is away', async () => {
  await using runner = await wired();
  const run = await fleet.start({ a: ['held'] });
  await fleet.held(run);
  const ended = runner.engine.waitForRun(run);

  runner.proxy.refusing = true;
  runner.proxy.cut();
  await until(() => runner.warnings.length > 0, 'the runner to miss the database');
  await fleet.openGate(run);
  runner.proxy.refusing = false;

  assert.equal((await ended).status, 'COMPLETED');
});

test('who waits for a run may stop, also where the database does not answer', async () => {
  await using runner = await wired();
  const run = await fleet.start({ a: ['held'] });
  await fleet.held(run);
  const stop = new AbortController();
  await runner.engine.readStatus(run);

  runner.proxy.stall();
  const ended = runner.engine.waitForRun(run, stop.signal);
  stop.abort();
  await assert.rejects(ended, { name: 'AbortError' });
  runner.proxy.flow();

  await fleet.openGate(run);
  await fleet.ended(run);
});

test('who waits for the database may stop, also where it does not answer', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  await using engine = openEngine({ connectionString: proxy.url, connectors: {} });
  await engine.listWorkflows();
  const stop = new AbortController();

  proxy.stall();
  const waiting = engine.waitForDatabase(stop.signal, () => {});
  stop.abort();

  await waiting;
  proxy.flow();
});

test('whoever follows sees, and may stop, before it can listen', { timeout: 5_000 }, async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  await using engine = openEngine({ connectionString: proxy.url, connectors: {} });
  proxy.stall();
  const stop = new AbortController();

  for await (const seen of engine.follow(async () => 'something', stop.signal)) {
    assert.equal(seen, 'something');
    stop.abort();
  }
});

test('an engine that is disposed of waits for no connection that says nothing any more', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  const engine = openEngine({ connectionString: proxy.url, connectors: {} });
  await engine.listWorkflows();
  proxy.stall();
  const asking = assert.rejects(engine.listWorkflows());
  await immediate();

  await engine[Symbol.asyncDispose]();

  await asking;
});

test('a runner whose connections say nothing any more ends when it is told to, and so does its process', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  const runner = await fleet.launch({ url: proxy.url, graceMs: 100 });
  const run = await fleet.start({ a: ['row'] });
  await fleet.ended(run);

  proxy.stall();
  const ended = await runner.stop();
  // It could not sign off, and nobody else is there to take over.
  await fleet.pool.query(`select sluice.end_runner($1, 'stopped')`, [runner.runnerId]);

  assert.ok(ended);
});

test('where NOTIFY does not arrive it says so, names a pooler, and finds its work by looking', async () => {
  await using runner = await wired((proxy) => {
    proxy.dropsNotifications = true;
  });

  const details = await fleet.ended(await fleet.start({ a: ['nothing'], b: ['nothing', 'a'] }));

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(runner.warnings, [
    'NOTIFY does not arrive (is a pooler in transaction mode in between?): looking for work once a second instead',
  ]);
});

test('a runner hears, and is ready, though its tasks have taken all connections for transactions', async () => {
  const run = await fleet.start({ a: ['held_row'] });
  let isReady = false;

  // Connecting takes more ways there and back than claiming a task.
  const wiring = wired(
    (proxy) => {
      proxy.delayMs = 20;
    },
    { slots: 1 },
  );
  wiring.then(() => {
    isReady = true;
  });
  await fleet.held(run);
  await until(() => isReady, 'the runner to be ready').finally(() => fleet.openGate(run));

  await using runner = await wiring;
  await fleet.ended(run);
  assert.deepEqual(runner.warnings, []);
});

test('where NOTIFY works, and connecting takes long, nothing is said about it', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  proxy.delayMs = 400;
  const { log, warnings } = keptLog();
  await using ear = new Ear({ url: proxy.url, log, onRing: () => {} });

  await ear.open();

  assert.deepEqual(warnings, []);
});

test('a database that turns read-only is one line, and the runner goes on when it can be written again', async () => {
  await using runner = await wired();
  await alter('set default_transaction_read_only = on');
  runner.proxy.cut();
  const told = () => runner.warnings.filter((line) => /This server is read-only/.test(line)).length;
  await until(() => told() > 0, 'the runner to notice');
  await alter('reset default_transaction_read_only');

  const details = await fleet.ended(await fleet.start({ a: ['nothing'] }));

  assert.equal(details.status, 'COMPLETED');
  assert.equal(told(), 1);
});

test('a database that takes no more connections is one line; tasks wait and lose no attempt', async () => {
  await using runner = await wired();
  await alter('connection limit 0');
  await fleet.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice task'`,
  );
  const run = await fleet.start({ a: ['row'], b: ['nothing', 'a'] });
  await until(() => runner.warnings.length > 0, 'the runner to notice').finally(() =>
    alter('connection limit -1'),
  );

  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.ok(details.attempts.every(({ outcome }) => outcome === 'GIVEN BACK'));
  assert.equal(await fleet.count('effects', run), 1);
  assert.equal(runner.warnings.length, 1, runner.warnings.join('\n'));
  assert.match(runner.warnings[0] ?? '', /too many connections .* Tasks that need it are interrupted/);
});

test('a database that lets nobody in any more ends a runner whose session goes on; its tasks lose no attempt', async () => {
  const connectors = { torture: new TortureConnector(fleet.pool) };
  await using engine = openEngine({ connectionString: fleet.url, connectors });
  const connecting = (how: string) =>
    fleet.pool.query(
      `do $$ begin execute format('${how} public, %I', current_database(), current_user); end $$`,
    );
  let running: Promise<void> = Promise.resolve();
  await new Promise<number>((onReady, onFailure) => {
    running = engine.run({ slots: 4, signal: AbortSignal.timeout(10_000), onReady });
    running.catch(onFailure);
  });
  const workflow = await fleet.plan({ a: ['row'] });
  await connecting('revoke connect on database %I from');
  const { rows } = await fleet.pool.query('select sluice.start_run($1) as run', [workflow]);
  const { run } = rows[0];

  await assert
    .rejects(running, /permission denied for database/)
    .finally(() => connecting('grant connect on database %I to'));

  await using _ = await wired();
  const { status, attempts } = await fleet.ended(run);
  assert.equal(status, 'COMPLETED');
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ['GIVEN BACK'],
  );
});

test('a runner that is started when there is no connection left waits for one', async () => {
  await alter('connection limit 0');
  const late = fleet.spawn();
  await late
    .says(/too many connections .* Waiting for the database/)
    .finally(() => alter('connection limit -1'));

  await late.ready();
  const { status } = await fleet.ended(await fleet.start({ a: ['nothing'] }));
  await late.stop();

  assert.equal(status, 'COMPLETED');
  assert.equal(late.lines.filter((line) => /Waiting for the database/.test(line)).length, 1);
});

test('a hop that somebody cancels is made again: no result is lost, and no task fails', async () => {
  await using runner = await wired();
  const run = await fleet.start({ a: ['held'], b: ['nothing', 'a'] });
  await fleet.held(run);
  const holder = await fleet.pool.connect();
  await holder.query('begin');
  await holder.query('select from sluice.runs where id = $1 for update', [run]);
  await fleet.openGate(run);
  await until(async () => {
    const { rowCount } = await holder.query(
      `select pg_cancel_backend(pid) from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`,
      [`sluice runner ${runner.runnerId}`],
    );
    return rowCount === 1;
  }, 'the hop to wait for its run');
  await holder.query('rollback');
  holder.release();

  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(outcomes(details), []);
});

test('a session of somebody else that has the name of a runner’s is left alone', async () => {
  const superuser = await openClient((await fileDatabase()).superuserUrl);
  const role = `other_${process.pid}`;
  await superuser.query(`create role ${role} login password 'x'`);
  await using runner = await wired();
  const url = new URL(fleet.url);
  [url.username, url.password] = [role, 'x'];
  const impostor = await openClient(url.href);
  await setUpSession(impostor, `sluice runner ${runner.runnerId}`);
  runner.proxy.cut();

  const { status } = await fleet.ended(await fleet.start({ a: ['nothing'] }));

  assert.equal(status, 'COMPLETED');
  assert.equal((await impostor.query('select 1')).rowCount, 1);
  await impostor.end();
  await superuser.query(`drop role ${role}`);
  await superuser.end();
});

test('a disk that is full is one line, and the runner goes on when there is room again', async () => {
  await using runner = await wired();
  await fleet.pool.query(`
    create function full_disk() returns trigger language plpgsql as $$
      begin raise exception using errcode = '53100', message = 'could not extend file: No space left on device'; end $$;
    create trigger full_disk before update on sluice.tasks execute function full_disk()`);
  const run = await fleet.start({ a: ['nothing'], b: ['nothing', 'a'] });
  await until(() => runner.warnings.length > 0, 'the runner to notice');
  await fleet.pool.query('drop function full_disk cascade');

  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(outcomes(details), []);
  assert.equal(runner.warnings.length, 1, runner.warnings.join('\n'));
  assert.match(
    runner.warnings[0] ?? '',
    /No space left on device. The server is out of disk.* Waiting for the database/,
  );
});

/** Who is present to the database, and what he says of it. */
function present(url: string): { readonly presence: Presence; readonly said: string[] } {
  const said: string[] = [];
  const say = (_: unknown, phrase: string) => void said.push(phrase);
  const presence = new Presence({
    url,
    log: { debug: () => {}, info: say, warn: say, error: say },
    slots: 1,
    runs: () => [],
    onChange: () => {},
    onDoubt: () => {},
    onPulse: () => {},
    onTakenOver: () => 0,
    onFailure: (error) => say({}, String(error)),
  });
  return { presence, said };
}

test('who leaves while he connects signs off when that has come about', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  const { presence } = present(proxy.url);
  proxy.stall();
  const connecting = presence.connect();

  await presence.leave();
  proxy.flow();
  await connecting;

  const { rows } = await fleet.pool.query('select ending from sluice.runners order by id desc limit 1');
  assert.deepEqual(rows, [{ ending: 'stopped' }]);
});

test('who leaves does not wait for the database any more, whatever becomes of his last beat', async () => {
  const { presence, said } = present(fleet.url);
  await presence.connect();
  const { runnerId: id = 0 } = presence;
  const holder = await openClient(fleet.url);
  await holder.query(`begin; select from sluice.runners where id = ${id} for update`);
  const beating = presence.beat();
  await someoneWaitsForALock(1, fleet.pool);

  const left = presence.leave();
  await holder.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
    sessionNameOf(id),
  ]);
  await Promise.all([left, beating]);
  await holder.end();
  // Nobody else is there to take over.
  await fleet.pool.query(`select sluice.end_runner($1, 'stopped')`, [id]);

  assert.equal(said.length, 1, said.join('\n'));
  assert.match(said[0] ?? '', /^runner \d+ could not sign off: .*; others take over what it ran$/);
});

test('who leaves without knowing that it was thought dead says that', async () => {
  const { presence, said } = present(fleet.url);
  await presence.connect();
  const { runnerId: id = 0 } = presence;
  const other = await openClient(fleet.url);
  await other.query(`begin; select sluice.end_runner(${id}, 'stopped')`);

  const left = presence.leave();
  await someoneWaitsForALock(1, fleet.pool);
  await other.query('commit');
  await left;
  await other.end();

  assert.deepEqual(said, [
    `runner ${id} could not sign off: it was thought dead; others take over what it ran`,
  ]);
});

test('a runner that runs nothing stops at once, though it is still connecting', async () => {
  await using proxy = await TcpProxy.open(fleet.url);
  const { log, warnings } = keptLog();
  await using engine = openEngine({ connectionString: proxy.url, connectors: {}, log });
  proxy.stall();
  const stop = new AbortController();
  const running = engine.run({ signal: stop.signal });
  await until(() => proxy.connections > 0, 'the runner to connect');

  stop.abort();
  await running;

  // It would have said that it had no answer.
  assert.deepEqual(warnings, []);
});

test('a runner that is asked to stop while it cannot reach the database ends all the same', async () => {
  const runner = await wired(undefined, { graceMs: 500 });
  const run = await fleet.start({ a: ['held'] });
  await fleet.held(run);
  runner.proxy.refusing = true;
  runner.proxy.cut();

  await runner.stop();
  await runner[Symbol.asyncDispose]();
  await using _ = await wired();
  await fleet.openGate(run);
  const { status } = await fleet.ended(run);

  assert.equal(status, 'COMPLETED');
});
