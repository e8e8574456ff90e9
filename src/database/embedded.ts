import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { childEnvironment } from '../config.ts';
import { DatabaseUnavailableError, UsageError } from '../errors.ts';
import { counted } from '../terminal.ts';
import { type Account, serverAccount } from './account.ts';
import { findNative, program, usableBinaries } from './binaries.ts';
import {
  type Cluster,
  checkVersion,
  findCluster,
  makeCluster,
  prepareFolder,
  writeServer,
} from './cluster.ts';
import { openClient } from './connect.ts';
import { look } from './postmaster.ts';
import { freePort, runProgram } from './process.ts';

type Settings = Readonly<Record<string, string>>;

interface StartOptions {
  /** Settings of Postgres for this start, beside those of postgresql.conf. */
  readonly settings?: Settings;
  /** Told of what takes a while. */
  readonly say?: (line: string) => void;
}

interface EmbeddedStatus {
  readonly state: 'absent' | 'stopped' | 'busy' | 'running';
  /** Where its log is, once there is a cluster. */
  readonly log?: string;
}

/** Not the default, "$user": our role and our schema have one name, so what people create would go to the engine's tables. */
const SETTINGS: Settings = { search_path: 'public' };

/** How long a start may take, with recovery after a crash. */
const PATIENCE = 120_000;

/**
 * Starts the PostgreSQL of this data folder, or finds it running. It stays up when we end, in a session of its own
 * that no Ctrl-C reaches, until `stopEmbedded`. Any number of processes may start it at the same moment.
 *
 * There is no lock of ours that a killed process could leave behind. Two steps decide, and both are atomic: a new
 * cluster is renamed into place (see cluster.ts), and Postgres itself lets only one server into a data directory.
 * Whoever comes second waits until the first one's server answers.
 */
export async function startEmbedded(
  folder: string,
  { settings = {}, say = () => {} }: StartOptions = {},
): Promise<{ url: string; started: boolean }> {
  const existing = findCluster(folder);
  const seen = existing && (await look(existing));
  if (seen?.state === 'running') return { url: seen.url, started: false };

  const account = serverAccount(existing?.data);
  const native = findNative();
  prepareFolder(folder, account);
  const binaries = usableBinaries(native, folder, account);
  if (!existing) say(`Creating a PostgreSQL database in ${folder}, once.`);
  const cluster = existing ?? (await makeCluster(folder, binaries, settings.fsync !== 'off', account));
  checkVersion(cluster, native.version);
  return await bringUp(cluster, (port) => launch(cluster, binaries, port, settings, account));
}

/** What is there, without starting anything. */
export async function embeddedStatus(folder: string): Promise<EmbeddedStatus> {
  const cluster = findCluster(folder);
  if (!cluster) return { state: 'absent' };
  const { state } = await look(cluster);
  return { state, log: cluster.log };
}

/** Waits until it is down. False: it was not running. Refuses while others are connected, unless forced. */
export async function stopEmbedded(folder: string, { force = false } = {}): Promise<boolean> {
  const cluster = findCluster(folder);
  const seen = cluster && (await look(cluster));
  if (!cluster || !seen || seen.state === 'stopped') return false;
  if (!force) await refuseWhileInUse(seen.url);

  const account = serverAccount(cluster.data);
  const pgCtl = program(usableBinaries(findNative(), folder, account), 'pg_ctl');
  await runProgram(pgCtl, ['stop', '-D', cluster.data, '-m', 'fast', '-t', '60'], account);
  return true;
}

async function bringUp(cluster: Cluster, launchAt: (port: number) => ChildProcess) {
  let { port } = cluster.server;
  let child: ChildProcess | undefined;
  let logged = 0;
  for (const giveUp = Date.now() + PATIENCE; Date.now() < giveUp; await delay(20)) {
    const seen = await look(cluster);
    if (seen.state === 'running') {
      const started = seen.pid === child?.pid;
      if (started && port !== cluster.server.port) writeServer(cluster.settings, { ...cluster.server, port });
      return { url: seen.url, started };
    }
    if (seen.state === 'busy' || (child && isRunning(child))) continue;

    const said = child ? logSince(cluster, logged) : '';
    if (/could not bind/.test(said)) port = await freePort();
    else if (child && !/lock file|shared memory block/.test(said)) {
      throw new DatabaseUnavailableError(`PostgreSQL in ${cluster.data} does not start. It says:\n${said}`);
    }
    // A lock file or shared memory that is still in use belongs to a server that is about to end: another attempt.
    logged = statSync(cluster.log, { throwIfNoEntry: false })?.size ?? 0;
    child = launchAt(port);
  }
  throw new DatabaseUnavailableError(
    `PostgreSQL in ${cluster.data} does not answer after ${PATIENCE / 1000} s. Its log, ${cluster.log}, ends:\n` +
      logSince(cluster, logged),
  );
}

/** Starts the server. Not through pg_ctl, which hands the path to a shell that would expand a `$` in it. */
function launch(
  cluster: Cluster,
  binaries: string,
  port: number,
  settings: Settings,
  account?: Account,
): ChildProcess {
  const options = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const log = openSync(cluster.log, 'a', 0o600);
  const child = spawn(program(binaries, 'postgres'), ['-D', cluster.data, '-p', String(port), ...options], {
    env: childEnvironment(),
    cwd: dirname(cluster.data),
    // It inherits none of our streams: npm, and whatever reads from us, would wait until it closes them.
    stdio: ['ignore', log, log],
    detached: true,
    windowsHide: true,
    ...account,
  });
  closeSync(log);
  // Without a listener, a program that cannot be executed would end us; isRunning sees it.
  child.on('error', () => {});
  child.unref();
  return child;
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function logSince(cluster: Cluster, start: number): string {
  if (!existsSync(cluster.log)) return '';
  return readFileSync(cluster.log).subarray(start).toString('utf8').trimEnd().slice(-2_000);
}

async function refuseWhileInUse(url: string): Promise<void> {
  await using client = await openClient(url);
  // A client that has just hung up is still listed for some milliseconds.
  for (let looked = 0; ; looked++) {
    const { rows } = await client.query(
      `select coalesce(nullif(application_name, ''), usename, 'unnamed') as name
         from pg_stat_activity
        where backend_type = 'client backend'
          and pid <> pg_backend_pid()`,
    );
    if (rows.length === 0) return;
    if (looked === 10) {
      const who = [...new Set(rows.map(({ name }) => name))].join(', ');
      const clients = counted(rows.length, 'client is', 'clients are');
      throw new UsageError(
        `DB_IN_USE ${clients} connected (${who}). Stop them first, or cut them off: npm run db -- stop --force`,
      );
    }
    await delay(50);
  }
}
