import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { input } from '../src/references.ts';
import { type Act, event } from './support/acting.ts';
import { stage, taskOf } from './support/engine.ts';
import { until } from './support/until.ts';

/** As many tasks as a runner has connections for their transactions. */
const MOST = 10;

test('a task that times out while it waits for a connection takes none', async () => {
  const gate = event();
  let open = 0;
  const act: Act = async (_, { transaction }) => {
    await transaction();
    open++;
    await gate.happened;
    return null;
  };
  await using play = await stage(
    { act },
    {
      act: { timeoutMs: 60_000 },
      late: { act: 'act', timeoutMs: 50, when: { value: input('late'), is: true } },
    },
  );
  const held = await Promise.all(Array.from({ length: MOST }, () => play.start()));
  await until(() => open === MOST, 'all connections to be taken');

  const late = await play.start({ late: true });
  await until(async () => (await play.engine.readStatus(late)) === 'FAILED', 'the task to time out');
  gate.happens();
  for (const id of held) await play.engine.waitForRun(id);

  assert.equal(taskOf(await play.engine.waitForRun(late), 'late').error?.code, 'TIMEOUT');
  // Whoever holds a connection holds up its runner's end.
  await play.stop();
});

test('a connection that a task has opened does not keep in memory what the task was given', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const given: WeakRef<object>[] = [];
  const act: Act = async (_, context) => {
    given.push(new WeakRef(context.input));
    await context.transaction();
    return null;
  };
  await using play = await stage({ act }, { act: {} });

  await play.play();

  await until(
    () => {
      collectGarbage();
      return given.length === 1 && given[0]?.deref() === undefined;
    },
    'the input to be let go of, before the connection is closed',
    5_000,
  );
});
