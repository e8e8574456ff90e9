import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openEngine } from '../src/engine.ts';
import { fileDatabase } from './support/scene.ts';

const { pool, url } = await fileDatabase();
const engine = openEngine({ connectionString: url, connectors: {} });
after(() => engine[Symbol.asyncDispose]());
await pool.query('create table steps (name text, at timestamptz default clock_timestamp())');

interface Worker extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Resolves when it has said this. */
  said(line: string): Promise<void>;
}

/** A runner in a process of its own; killed when it goes out of scope. */
function worker(hangsAt = ''): Worker {
  const child = fork(join(import.meta.dirname, 'support', 'worker.ts'), [url, hangsAt], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const heard: unknown[] = [];
  child.on('message', (line) => heard.push(line));
  const ended = once(child, 'exit');
  return {
    process: child,
    said: async (line) => {
      while (!heard.includes(line)) {
        const [how] = await Promise.race([
          once(child, 'message').then(() => ['said']),
          ended.then(() => ['ended']),
        ]);
        if (how === 'ended') throw new Error(`the worker ended before it said ${line}`);
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function register(name: string, tasks: readonly object[]): Promise<void> {
  await pool.query('select from sluice.register_workflow($1, $2)', [
    name,
    JSON.stringify(tasks.map((task) => ({ connector: 'test', operation: 'step', ...task }))),
  ]);
}

async function stepsOf(): Promise<string[]> {
  return (await pool.query('select name from steps order by at')).rows.map(({ name }) => name);
}

await register('steps', [
  { name: 'one', parameters: 'one' },
  { name: 'two', parameters: 'two', after: ['one'] },
  { name: 'three', parameters: 'three', after: ['two'] },
]);

test('a runner that is killed in the middle of a task and started again finishes the run, each step once', async () => {
  const run = await engine.startRun('steps');
  {
    await using first = worker('two');
    await first.said('hangs at two');
  } // kill -9
  const middle = await engine.readRun(run);

  await using second = worker();
  await second.said('ready');
  const end = await engine.waitForRun(run, AbortSignal.timeout(20_000));

  assert.deepEqual(
    middle?.tasks.map(({ state }) => state),
    ['SUCCESS', 'RUNNING', 'PENDING'],
  );
  assert.equal(end.status, 'COMPLETED');
  assert.deepEqual(await stepsOf(), ['one', 'two', 'three']);
  assert.deepEqual(
    end.attempts.map(({ task, attempt, outcome }) => `${task} ${attempt} ${outcome}`),
    ['two 1 LOST'],
  );
  assert.deepEqual(
    end.tasks.map(({ attempt }) => attempt),
    [1, 1, 1],
  );
});

test('another runner takes over from one that is killed, without being started anew', async () => {
  await using survivor = worker();
  await survivor.said('ready');
  const victim = worker('hang');
  await victim.said('ready');
  await register(
    'many',
    Array.from({ length: 8 }, (_, n) => ({ name: `t${n}`, parameters: 'hang' })),
  );

  // Whoever gets them: the victim hangs in those that it has, which are all lost with it.
  const run = await engine.startRun('many');
  await victim.said('hangs at hang');
  await victim[Symbol.asyncDispose]();
  const end = await engine.waitForRun(run, AbortSignal.timeout(20_000));

  assert.equal(end.status, 'COMPLETED');
  assert.ok(end.attempts.length > 0 && end.attempts.every(({ outcome }) => outcome === 'LOST'));
  const { rows } = await pool.query(`select count(*)::integer from steps where name = 'hang'`);
  assert.deepEqual(rows, [{ count: 8 }]);
});

for (const [operation, message] of [
  ['reject', 'nobody awaits this'],
  ['throw', 'thrown in a timer'],
  ['listen', 'it took longer than 500 ms'],
]) {
  test(`what a task throws past everybody (${operation}) fails the task and not the process`, async () => {
    await register(`stray_${operation}`, [{ name: 'a', operation, timeout_ms: 500 }]);
    await register('fine', [{ name: 'a', operation: 'fine' }]);
    await using runner = worker();
    await runner.said('ready');

    const stray = await engine.waitForRun(
      await engine.startRun(`stray_${operation}`),
      AbortSignal.timeout(20_000),
    );
    const next = await engine.waitForRun(await engine.startRun('fine'), AbortSignal.timeout(20_000));

    assert.deepEqual([stray.status, stray.reason], ['FAILED', message]);
    assert.equal(next.status, 'COMPLETED');
    assert.equal(runner.process.exitCode, null);
  });
}

test('what a task leaves behind that cannot even be told ends no process', async () => {
  await register('leaving', [
    { name: 'a', operation: 'leave' },
    { name: 'b', operation: 'fine' },
  ]);
  await using runner = worker();
  await runner.said('ready');

  const { status } = await engine.waitForRun(await engine.startRun('leaving'), AbortSignal.timeout(20_000));

  assert.equal(status, 'COMPLETED');
  assert.equal(runner.process.exitCode, null);
});

test('what is thrown in nobody’s name ends the runner as a crash does, and counts for what it ran', async () => {
  await register('doomed', [{ name: 'a', operation: 'doom' }]);
  const first = worker('doom');
  await first.said('ready');
  const run = await engine.startRun('doomed');
  await once(first.process, 'exit');
  await using second = worker();
  await second.said('ready');

  const end = await engine.waitForRun(run, AbortSignal.timeout(20_000));

  assert.equal(end.status, 'COMPLETED');
  assert.deepEqual(
    end.attempts.map(({ outcome }) => outcome),
    ['LOST'],
  );
});

test('a runner ends with exit code 0 when it is asked to', async () => {
  const runner = worker();
  await runner.said('ready');

  const ended = once(runner.process, 'exit');
  runner.process.kill('SIGTERM');

  assert.deepEqual(await ended, [0, null]);
});
