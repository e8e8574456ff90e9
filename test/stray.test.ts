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

/** A runner in a process of its own that is ready; killed when it goes out of scope. */
async function worker(...args: readonly string[]): Promise<AsyncDisposable & { process: ChildProcess }> {
  const child = fork(join(import.meta.dirname, 'support', 'worker.ts'), [url, ...args], {
    execArgv: ['--import', 'tsx'],
  });
  const ended = once(child, 'exit');
  await Promise.race([once(child, 'message'), ended.then(() => assert.fail('it ended before it was ready'))]);
  const dispose = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return { process: child, [Symbol.asyncDispose]: dispose };
}

async function register(name: string, tasks: readonly object[]): Promise<void> {
  await pool.query('select from sluice.register_workflow($1, $2)', [
    name,
    JSON.stringify(tasks.map((task) => ({ connector: 'test', ...task }))),
  ]);
}

for (const [operation, message] of [
  ['reject', 'nobody awaits this'],
  ['throw', 'thrown in a timer'],
  ['listen', 'it took longer than 500 ms'],
]) {
  test(`what a task throws past everybody (${operation}) fails the task and not the process`, async () => {
    await register(`stray_${operation}`, [{ name: 'a', operation, timeout_ms: 500 }]);
    await register('fine', [{ name: 'a', operation: 'fine' }]);
    await using runner = await worker();

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
  await using runner = await worker();

  const { status } = await engine.waitForRun(await engine.startRun('leaving'), AbortSignal.timeout(20_000));

  assert.equal(status, 'COMPLETED');
  assert.equal(runner.process.exitCode, null);
});

test('what is thrown in nobody’s name ends the runner as a crash does, and counts for what it ran', async () => {
  await register('doomed', [{ name: 'a', operation: 'doom' }]);
  const first = await worker('doomed');
  const run = await engine.startRun('doomed');
  await once(first.process, 'exit');
  await using _ = await worker();

  const end = await engine.waitForRun(run, AbortSignal.timeout(20_000));

  assert.equal(end.status, 'COMPLETED');
  assert.deepEqual(
    end.attempts.map(({ outcome }) => outcome),
    ['LOST'],
  );
});
