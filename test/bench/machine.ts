import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import type { BenchCluster } from './cluster.ts';

const SETTINGS = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_sync_method',
  'shared_buffers',
  'max_wal_size',
  'work_mem',
  'max_connections',
  'autovacuum',
];

export interface Machine {
  readonly date: string;
  readonly processors: string;
  readonly memory_gb: number;
  readonly system: string;
  readonly node: string;
  readonly load: number;
  readonly server: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** What the figures depend on. */
export async function describeMachine(cluster: BenchCluster): Promise<Machine> {
  const names = SETTINGS.map((name) => `'${name}'`).join(', ');
  const settings = await cluster.ask(
    `select name, current_setting(name) as value from pg_settings where name in (${names}) order by name`,
  );
  const [server] = await cluster.ask('select version() as version');
  return {
    date: new Date().toISOString().slice(0, 16),
    processors: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    server: String(server?.version).split(' on ')[0] ?? '',
    settings: Object.fromEntries(settings.map(({ name, value }) => [name, String(value)])),
  };
}
