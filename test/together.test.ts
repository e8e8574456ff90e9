import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command, workFolder } from './support/command.ts';
import { createFolder } from './support/embedded.ts';

test('two demos at the same moment, with no database yet, both succeed', async () => {
  await using data = createFolder();
  using folder = workFolder();
  const options = { folder: folder.path, env: { SLUICE_DATA_DIR: data.path } };

  const spoken = await Promise.all([command(['demo'], options), command(['demo'], options)]);

  for (const { code, stderr } of spoken) assert.equal(code, 0, stderr);
  // Either runner may have run either's tasks.
  const told = spoken.map(({ stdout }) => stdout).join('');
  const runs = Array.from(told.matchAll(/run (\d+) of po_demo COMPLETED/g), ([, run]) => run);
  assert.deepEqual(runs.toSorted(), ['1', '2']);
});
