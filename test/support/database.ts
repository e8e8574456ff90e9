import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { CHECKOUT, readConfig } from '../../src/config.ts';
import { findCluster } from '../../src/database/cluster.ts';
import { createPool, openClient } from '../../src/database/connect.ts';
import { startEmbedded, stopEmbedded } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';
import { isAlive } from '../../src/database/process.ts';
import { UsageError } from '../../src/errors.ts';

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  /** For what the engine's own role may not do. */
  readonly superuserUrl: string;
  /** Ended with the database; clients that a test forgot to release do not hold it up. */
  readonly pool: pg.Pool;
}

/** The cluster that all tests share, beside the demo's. What it holds may be lost, so it need not wait for disks. */
const TEST_FOLDER = join(readConfig({ SLUICE_DATA_DIR: process.env.SLUICE_DATA_DIR }).dataFolder, 'test');
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
};

/** Serialises what must not be done twice: building the template. */
const LOCK = '758424';

let prepared: Promise<{ url: string; superuserUrl: string; template: string }> | undefined;
let created = 0;

/** A database of its own with all migrations, dropped when it goes out of scope. */
export async function createDatabase(): Promise<TestDatabase> {
  prepared ??= prepare();
  const { url, superuserUrl, template } = await prepared;
  const name = `test_${process.pid}_${++created}`;
  await as(superuserUrl, (client) =>
    client.query(`create database ${name} template ${template} owner sluice`),
  );

  const own = urlOf(url, name);
  const pool = createPool(own, { name: 'test' });
  return { url: own, superuserUrl: urlOf(superuserUrl, name), pool, [Symbol.asyncDispose]: dispose };

  async function dispose() {
    const ended = pool.ending ? undefined : pool.end();
    // A client that was never released would let end() wait for ever; dropping by force ends it.
    if (pool.totalCount === pool.idleCount) await ended;
    await as(superuserUrl, (client) => drop(client, [name]));
  }
}

/** Starts the test cluster unless it is up. */
export async function startTestCluster(): Promise<string> {
  const { url } = await startEmbedded(TEST_FOLDER, { settings: SETTINGS });
  return url;
}

/** Stops it, unless somebody else is connected. */
export async function stopTestCluster(): Promise<void> {
  await stopEmbedded(TEST_FOLDER).catch((error) => {
    if (!(error instanceof UsageError)) throw error;
  });
}

async function prepare() {
  const url = await startTestCluster();
  const { superuserPassword } = findCluster(TEST_FOLDER)?.server ?? {};
  const superuserUrl = url.replace(/sluice:[^@]*@/, `postgres:${superuserPassword}@`);
  const template = `template_${await hashOfMigrations(join(CHECKOUT, 'migrations', 'committed'))}`;
  await as(superuserUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    const { rows } = await client.query('select datname as name from pg_database');
    const names: string[] = rows.map(({ name }) => name);
    await drop(client, names.filter(isAbandoned));
    if (names.includes(template)) return;

    // Renamed when it is complete: a killed test run leaves no half of one behind under this name.
    await drop(client, ['template_draft']);
    await client.query('create database template_draft owner sluice');
    await migrate(urlOf(url, 'template_draft'));
    await client.query(`alter database template_draft rename to ${template}`);
    // Those of other states of the migrations.
    await drop(
      client,
      names.filter((name) => /^template_[0-9a-f]{16}$/.test(name)),
    );
  });
  return { url, superuserUrl, template };
}

/** Left behind by a test process that was killed. */
function isAbandoned(name: string): boolean {
  const pid = name.match(/^test_(\d+)_/)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

/** As superuser: an autovacuum that is at work in one cannot be ended by its owner. */
async function drop(superuser: pg.Client, names: readonly string[]): Promise<void> {
  for (const name of names) await superuser.query(`drop database if exists ${name} with (force)`);
}

async function hashOfMigrations(folder: string): Promise<string> {
  const files = (await readdir(folder)).sort();
  const contents = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return createHash('sha256')
    .update(JSON.stringify([files, contents]))
    .digest('hex')
    .slice(0, 16);
}

async function as<T>(url: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await openClient(url, { name: 'test setup' });
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

function urlOf(cluster: string, database: string): string {
  const url = new URL(cluster);
  url.pathname = `/${database}`;
  return url.href;
}
