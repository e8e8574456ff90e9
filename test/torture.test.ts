import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from './torture/figures.ts';
import { torture } from './torture/torture.ts';

test('whatever breaks meanwhile, nothing is lost, stuck or done twice', async (t) => {
  const { problems, figures } = await torture({
    ...{ seed: 4, minutes: 0.4, runners: 3, slots: 6 },
    ...{ silenceMs: 4_000, pauseMs: 1_200 },
  });

  t.diagnostic(`\n${table(figures)}`);
  assert.deepEqual(problems, []);
});
