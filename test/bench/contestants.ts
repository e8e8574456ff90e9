import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Measurements } from './contest.ts';

interface Contestant {
  readonly module: string;
  readonly measurements: Measurements;
  /** Needs a database with our migrations. */
  readonly migrated: boolean;
}

const PEERS = join(import.meta.dirname, 'peers');

/** By name, in the order in which they take turns. */
export async function findContestants(withPeers: boolean): Promise<ReadonlyMap<string, Contestant>> {
  if (withPeers) installPeers();
  const files = {
    sluice: 'sluice/index.ts',
    functions: 'sluice/functions.ts',
    floor: 'floor/index.ts',
    ...(withPeers && {
      'graphile-worker': 'peers/graphile_worker.ts',
      'pg-boss': 'peers/pg_boss.ts',
      dbos: 'peers/dbos.ts',
    }),
  };
  const found = Object.entries(files).map(async ([name, file]) => {
    const module = join(import.meta.dirname, file);
    const { measurements }: { measurements: Measurements } = await import(module);
    return [name, { module, measurements, migrated: file.startsWith('sluice/') }] as const;
  });
  return new Map(await Promise.all(found));
}

/** They are a package of their own, so that nobody who installs Sluice pays for them. */
function installPeers(): void {
  if (existsSync(join(PEERS, 'node_modules'))) return;
  console.error('Installing the peers, once.');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: PEERS,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm ci in ${PEERS} ended with ${status}`);
}
