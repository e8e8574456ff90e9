import assert from 'node:assert/strict';
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findCluster } from '../src/database/cluster.ts';
import { openClient } from '../src/database/connect.ts';
import { migrate } from '../src/database/migrate.ts';
import { listen } from '../src/ear.ts';
import { openEngine } from '../src/engine.ts';
import { acting, event } from './support/acting.ts';
import { createFolder, type Folder } from './support/embedded.ts';
import { stopServer } from './support/server.ts';
import { until } from './support/until.ts';

/** The server comes back as a standby, as after a failover that is not complete yet. */
async function demote(folder: Folder): Promise<void> {
  await stopServer(folder, 'fast');
  const { data } = findCluster(folder.path) ?? assert.fail('there is no cluster');
  const { uid, gid } = statSync(data);
  const signal = join(data, 'standby.signal');
  writeFileSync(signal, '');
  chownSync(signal, uid, gid);
  await folder.start();
}

async function asSuperuser(folder: Folder, url: string, text: string): Promise<void> {
  const { superuserPassword } = findCluster(folder.path)?.server ?? {};
  const client = await openClient(url.replace(/sluice:[^@]*@/, `postgres:${superuserPassword}@`));
  await client.query(text).finally(() => client.end());
}

test('a task that asks a standby for its transaction is given back, and who listens there is told that he cannot', async () => {
  await using folder = createFolder();
  const { url } = await folder.start();
  await migrate(url);
  const gate = event();
  const connector = acting({
    late: async (_, { transaction }) => {
      await gate.happened;
      await (await transaction()).query('select 1');
      return null;
    },
  });
  await using engine = openEngine({ connectionString: url, connectors: { test: connector } });
  await asSuperuser(
    folder,
    url,
    `select from sluice.register_workflow('w', '[{"name": "late", "connector": "test", "operation": "late"}]')`,
  );
  const stop = new AbortController();
  const running = engine.run({ slots: 1, signal: stop.signal });
  const run = await engine.startRun('w');
  await until(async () => (await engine.readOverview(run))?.tasks[0]?.state === 'RUNNING', 'the task to run');
  let isDeaf = false;
  await using _ = await listen(
    url,
    () => {},
    () => {
      isDeaf = true;
    },
  );

  await demote(folder);
  await until(() => isDeaf, 'whoever listens to be told');
  gate.happens();
  await asSuperuser(folder, url, 'select pg_promote()');
  const { status, attempts } = await engine.waitForRun(run, AbortSignal.timeout(60_000));
  stop.abort();
  await running;

  assert.equal(status, 'COMPLETED');
  assert.ok(attempts.every(({ outcome }) => outcome === 'GIVEN BACK'));
});
