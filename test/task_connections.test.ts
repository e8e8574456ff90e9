import assert from 'node:assert/strict';
import { test } from 'node:test';
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
