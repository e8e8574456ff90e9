import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseUnavailableError, messageOf } from '../errors.ts';
import { makeFolder, whyNot } from '../files.ts';
import { type Account, canReach } from './account.ts';
import { binariesForShell, program } from './binaries.ts';
import { freePort, isAlive, runProgram } from './process.ts';

/**
 * A database cluster as it lies in the data folder:
 *
 *     cluster/data/          what initdb made; belongs to the account that Postgres runs as
 *     cluster/server.json    port and passwords; for nobody but the user who made the cluster
 *     cluster/postgres.log
 *     new-<pid>-…/           one that is being made, or whose making was killed
 *
 * It is made aside and renamed when it is complete, so there is either a whole cluster or none. Two processes that
 * make one at the same moment need no lock: one rename succeeds, the other finds the place taken and drops its own.
 */
export interface Cluster {
  readonly data: string;
  readonly log: string;
  readonly settings: string;
  readonly server: Server;
}

interface Server {
  readonly port: number;
  /** Of the role `sluice`, which owns the database `sluice` and may create others, but is no superuser. */
  readonly password: string;
  /** Of the role `postgres`: the way in for repairs. */
  readonly superuserPassword: string;
}

/** What initdb writes into postgresql.conf. */
const INITIAL = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
};

/** The cluster in the folder, if there is one. */
export function findCluster(folder: string): Cluster | undefined {
  const root = join(folder, 'cluster');
  if (!existsSync(root)) return undefined;
  const paths = {
    data: join(root, 'data'),
    log: join(root, 'postgres.log'),
    settings: join(root, 'server.json'),
  };
  try {
    const server = JSON.parse(readFileSync(paths.settings, 'utf8'));
    return { ...paths, data: realpathSync(paths.data), server };
  } catch (cause) {
    const owner = statSync(root).uid;
    const foreign = process.getuid !== undefined && process.getuid() !== 0 && owner !== process.getuid();
    throw new DatabaseUnavailableError(
      foreign
        ? `The database in ${root} was made by another user (uid ${owner}). Run as that user, or set SLUICE_DATA_DIR.`
        : `The database in ${root} is damaged: ${messageOf(cause)}. Restore the folder, or move it away to begin anew.`,
      { cause },
    );
  }
}

/** Refuses data of another major version: they need dump and restore, and deleting them is nobody's business here. */
export function checkVersion(cluster: Cluster, version: string): void {
  const found = readFileSync(join(cluster.data, 'PG_VERSION'), 'utf8').trim();
  const installed = version.split('.')[0];
  if (found === installed) return;
  throw new DatabaseUnavailableError(
    `The data in ${cluster.data} were written by PostgreSQL ${found}, but PostgreSQL ${installed} is installed. ` +
      `Install the former version again and dump them, or move ${dirname(cluster.data)} away to begin anew.`,
  );
}

/** Makes sure that the folder is there and that the account can enter it. */
export function prepareFolder(folder: string, account?: Account): void {
  try {
    const made = makeFolder(folder);
    // The account has to be able to enter it, whatever the umask of root is.
    for (let at = folder; account && made && at.length >= made.length; at = dirname(at)) chmodSync(at, 0o755);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new DatabaseUnavailableError(
      `Cannot use the data folder ${folder}: ${whyNot(cause)}. Set SLUICE_DATA_DIR.`,
      { cause },
    );
  }
  if (account && !canReach(folder, account)) {
    throw new DatabaseUnavailableError(
      `Cannot use the data folder ${folder}: Postgres refuses to run as root, and the account it runs as instead ` +
        `(uid ${account.uid}) may not enter it. Set SLUICE_DATA_DIR to a folder that everybody can enter.`,
    );
  }
}

/** Makes the cluster, or uses the one that somebody else has finished in the meantime. */
export async function makeCluster(
  folder: string,
  binaries: string,
  sync: boolean,
  account?: Account,
): Promise<Cluster> {
  removeAbandoned(folder);
  const draft = mkdtempSync(join(folder, `new-${process.pid}-`));
  try {
    const server = { port: await freePort(), password: secret(), superuserPassword: secret() };
    await initialise(draft, binaries, server, sync, account);
    writeServer(join(draft, 'server.json'), server);
    renameSync(draft, join(folder, 'cluster'));
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(join(folder, 'cluster'))) throw shortened(error, folder);
  }
  const cluster = findCluster(folder);
  if (!cluster)
    throw new DatabaseUnavailableError(`The database in ${folder} disappeared while it was made.`);
  return cluster;
}

/** Two failures of initdb in fewer words, with what to do about them; any other error as it is. */
function shortened(error: unknown, folder: string): unknown {
  const said = messageOf(error);
  const refuse = (message: string) => new DatabaseUnavailableError(message, { cause: error });
  if (/no space left on device/i.test(said))
    return refuse(`The disk of ${folder} is full. Make room, or set SLUICE_DATA_DIR.`);
  const [, uid] = said.match(/could not look up effective user ID (\d+)/) ?? [];
  return uid === undefined
    ? error
    : refuse(
        `Postgres runs only as a user that has a name, and uid ${uid} has none. Name it in /etc/passwd, or set DATABASE_URL.`,
      );
}

/** Writes server.json in one step, so that nobody reads half of it. */
export function writeServer(path: string, server: Server): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(server, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

async function initialise(draft: string, binaries: string, server: Server, sync: boolean, account?: Account) {
  const data = join(draft, 'data');
  const password = join(draft, 'password');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(password, server.superuserPassword, { mode: 0o600 });
  if (account) {
    chmodSync(draft, 0o755);
    chownSync(data, account.uid, account.gid);
    chownSync(password, account.uid, account.gid);
  }
  // This collation is built into Postgres. One of the C library may change with that, and then indexes are corrupt.
  const settings = Object.entries(INITIAL).map(([name, value]) => `--set=${name}=${value}`);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${password}`];
  const flags = ['--no-instructions', ...(sync ? [] : ['--no-sync'])];
  const where = ['-D', data];
  using plain = binariesForShell(binaries);
  await runProgram(
    program(plain.folder, 'initdb'),
    [...where, ...locale, ...access, ...settings, ...flags],
    account,
  );
  rmSync(password);

  // In single-user mode, so that the cluster has its role and its database before it is renamed into place.
  const sql = [
    `create role sluice login createdb password '${server.password}'`,
    'grant pg_monitor to sluice',
    'create database sluice owner sluice',
  ];
  const single = ['--single', ...where, '-c', 'exit_on_error=on', 'postgres'];
  await runProgram(program(binaries, 'postgres'), single, account, `${sql.join('\n')}\n`);
}

/** What processes that no longer exist have left half-made. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const maker = name.match(/^new-(\d+)-/)?.[1];
    if (maker && !isAlive(Number(maker))) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Letters, digits, - and _: safe in SQL quotes and in a URL. */
function secret(): string {
  return randomBytes(24).toString('base64url');
}
