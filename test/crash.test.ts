import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngine } from '../src/engine.ts';
import { acting } from './support/acting.ts';
import { createFolder } from './support/embedded.ts';
import { Fleet, outcomes } from './support/fleet.ts';
import { keptLog } from './support/log.ts';
import { until } from './support/until.ts';

/** Who holds how many tasks. */
async function held({ pool }: Fleet): Promise<Map<number, number>> {
  const { rows } = await pool.query(
    `select runner_id, count(*)::integer as tasks
       from sluice.tasks where state = 'RUNNING' and runner_id is not null group by runner_id`,
  );
  return new Map(rows.map(({ runner_id, tasks }) => [runner_id, tasks]));
}

test('when a runner is killed, one that stands by runs its tasks, and it costs them no attempt', async () => {
  await using fleet = await Fleet.open();
  const victim = await fleet.launch();
  const run = await fleet.start({ a: ['held_row'], b: ['held'], c: ['nothing', 'a', 'b'] });
  await fleet.held(run, 2);
  await fleet.launch();

  await victim.kill();
  await fleet.held(run, 4);
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(outcomes(details), ['1 LOST', '1 LOST']);
  assert.ok(details.tasks.every(({ attempt }) => attempt === 1));
  assert.equal(await fleet.count('effects', run), 1);
});

test('when the only runner is killed and started again, its run goes on where it was, with each effect once', async () => {
  await using fleet = await Fleet.open();
  const victim = await fleet.launch();
  const run = await fleet.start({ before: ['row'], a: ['held_row', 'before'], b: ['nothing', 'a'] });
  await fleet.held(run);

  await victim.kill();
  await fleet.launch();
  await fleet.held(run, 2);
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(outcomes(details), ['1 LOST']);
  assert.equal(await fleet.count('effects', run), 2);
});

test('a task that takes its runner down five times is FAILED as poison, and its run ends', async () => {
  await using fleet = await Fleet.open();
  const run = await fleet.start({ deadly: ['deadly'], after: ['nothing', 'deadly'] }, 3);

  for (let crash = 1; crash <= 5; crash++) {
    const runner = fleet.spawn();
    await until(() => !runner.isAlive, `runner ${crash} to die`);
  }
  const heir = await fleet.launch();
  const details = await fleet.ended(run);
  await heir.says(new RegExp(`run ${run} of \\S+ FAILED in .* at deadly: 5 times`));

  assert.deepEqual([details.status, details.failed_task], ['FAILED', 'deadly']);
  assert.match(details.reason ?? '', /5 times its runner or its connection was lost while it ran this task/);
  assert.deepEqual(outcomes(details), Array(5).fill('1 LOST'));
});

test('a statement that takes Postgres down five times fails its task as poison; what it tore along is not blamed', async () => {
  await using folder = createFolder();
  await using fleet = await Fleet.open((await folder.start()).url);
  const connector = acting({
    deadly: async (_, { transaction }) => {
      const db = await transaction();
      const [{ pid }] = (await db.query('select pg_backend_pid() as pid')).rows as [{ pid: number }];
      // A connection that is only being made gets no goodbye.
      await until(async () => {
        await db.query('select pg_stat_clear_snapshot()');
        const { rowCount } = await db.query(
          `select from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active'`,
        );
        return rowCount === 1;
      }, 'the other task');
      const statement = db.query('select pg_sleep(600)');
      process.kill(pid, 'SIGKILL');
      await statement;
    },
    innocent: async (_, { transaction }) => {
      await (await transaction()).query('select pg_sleep(600)');
    },
  });
  const { pool, url } = fleet;
  await pool.query('select from sluice.register_workflow($1, $2)', [
    'crashing',
    JSON.stringify(
      ['innocent', 'deadly'].map((name) => ({ name, connector: 'test', operation: name, retries: 1 })),
    ),
  ]);
  const { log, warnings } = keptLog();
  await using engine = openEngine({ connectionString: url, connectors: { test: connector }, log });
  const stop = new AbortController();
  const running = engine.run({ slots: 2, signal: stop.signal });

  const details = await engine.waitForRun(await engine.startRun('crashing'), AbortSignal.timeout(60_000));
  stop.abort();
  await running;

  assert.deepEqual([details.status, details.failed_task], ['FAILED', 'deadly']);
  assert.match(details.reason ?? '', /5 times its runner or its connection was lost/);
  const told = warnings.filter((line) => /^run \d+ of crashing FAILED in .* at deadly: 5 times/.test(line));
  assert.equal(told.length, 1);
  const came = (task: string) =>
    details.attempts.filter((one) => one.task === task).map((one) => one.outcome);
  assert.deepEqual(came('deadly'), Array(5).fill('LOST'));
  assert.ok(came('innocent').every((outcome) => outcome === 'GIVEN BACK'));
});

test('a runner that is only stopped is overtaken; when it wakes it changes nothing and goes on as somebody else', async () => {
  await using fleet = await Fleet.open();
  const url = new URL(fleet.url);
  url.searchParams.set('options', '-c sluice.silence=3s');
  const sleeper = await fleet.launch({ url: url.href });
  const former = sleeper.runnerId;
  const run = await fleet.start({ a: ['held_row'], b: ['held'], c: ['nothing', 'a', 'b'] });
  await fleet.held(run, 2);
  const standby = await fleet.launch({ url: url.href });

  sleeper.signal('SIGSTOP');
  await fleet.held(run, 4);
  await fleet.openGate(run);
  const overtaken = await fleet.ended(run);
  sleeper.signal('SIGCONT');
  const line = await sleeper.says(/was thought dead/);

  assert.equal(overtaken.status, 'COMPLETED');
  assert.equal(await fleet.count('effects', run), 1);
  assert.match(
    line,
    new RegExp(`runner ${former} was thought dead: its tasks were taken over, and it goes on`),
  );
  await standby.stop();
  const next = await fleet.ended(await fleet.start({ a: ['held_row'], b: ['nothing', 'a'] }).then(open));
  const [task] = next.tasks;
  assert.equal(next.status, 'COMPLETED');
  assert.notEqual(task?.runner_id, former);
  assert.deepEqual(await fleet.ended(run), overtaken);
  assert.equal(sleeper.lines.filter((one) => /thought dead/.test(one)).length, 1);
  assert.equal(await fleet.count('effects', run), 1);

  async function open(id: string): Promise<string> {
    await fleet.openGate(id);
    return id;
  }
});

test('two runners share the work, and neither claims more than it has slots for', async () => {
  await using fleet = await Fleet.open();
  const [first, second] = await Promise.all([fleet.launch({ slots: 5 }), fleet.launch({ slots: 3 })]);
  const plan = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`t${n}`, ['held'] as const]));

  const run = await fleet.start(plan);
  await fleet.held(run, 8);
  const busy = await held(fleet);
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.deepEqual(
    busy,
    new Map(
      [
        [first.runnerId, 5],
        [second.runnerId, 3],
      ].toSorted() as [number, number][],
    ),
  );
  assert.equal(await fleet.count('calls', run), 20);
  assert.deepEqual(new Set(details.tasks.map(({ runner_id }) => runner_id)).size, 2);
});

test('a clean shutdown gives back what does not end within its grace, ends with 0, and costs no attempt', async () => {
  await using fleet = await Fleet.open();
  const runner = await fleet.launch({ graceMs: 200 });
  const run = await fleet.start({ a: ['held_row'] });
  await fleet.held(run);

  await runner.stop();
  await fleet.launch();
  await fleet.openGate(run);
  const details = await fleet.ended(run);

  assert.equal(runner.exitCode, 0);
  assert.deepEqual(outcomes(details), ['1 GIVEN BACK']);
  assert.equal(await fleet.count('effects', run), 1);
});
