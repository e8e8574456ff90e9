import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCluster } from '../../src/database/cluster.ts';
import { openClient } from '../../src/database/connect.ts';
import { startEmbedded, stopEmbedded } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';

interface BenchDatabase extends AsyncDisposable {
  readonly url: string;
  readonly superuserUrl: string;
}

/** A cluster of the benchmark's own, with default settings: what is measured is what people get. */
export interface BenchCluster extends AsyncDisposable {
  /** A session that may do everything. */
  ask(text: string): Promise<Record<string, unknown>[]>;
  /** A new one, after a checkpoint, so that none pays for what the one before has written. */
  createDatabase(migrated: boolean): Promise<BenchDatabase>;
}

const TEMPLATE = 'bench_template';

export async function startCluster(): Promise<BenchCluster> {
  const root = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  chmodSync(root, 0o755);
  const folder = join(root, 'data');
  const { url } = await startEmbedded(folder);
  const { superuserPassword } = findCluster(folder)?.server ?? {};
  const superuserUrl = url.replace(/sluice:[^@]*@/, `postgres:${superuserPassword}@`);
  const superuser = await openClient(superuserUrl, { name: 'bench' });
  await superuser.query(`create database ${TEMPLATE} owner sluice`);
  await migrate(named(url, TEMPLATE));
  let created = 0;
  const stop = async () => {
    await superuser.end();
    await stopEmbedded(folder, { force: true });
    rmSync(root, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().finally(() => process.exit(1)));

  return {
    ask: async (text) => (await superuser.query(text)).rows,
    createDatabase: async (migrated) => {
      const name = `bench_${++created}`;
      await superuser.query(
        `create database ${name} template ${migrated ? TEMPLATE : 'template0'} owner sluice`,
      );
      await superuser.query('checkpoint');
      return {
        url: named(url, name),
        superuserUrl: named(superuserUrl, name),
        [Symbol.asyncDispose]: async () => {
          await superuser.query(`drop database ${name} with (force)`);
        },
      };
    },
    [Symbol.asyncDispose]: stop,
  };
}

function named(cluster: string, database: string): string {
  const url = new URL(cluster);
  url.pathname = `/${database}`;
  return url.href;
}
