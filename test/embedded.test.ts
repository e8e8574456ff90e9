import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { canReach, serverAccount, unprivileged } from '../src/database/account.ts';
import { findNative, program, usableBinaries } from '../src/database/binaries.ts';
import { makeCluster, prepareFolder } from '../src/database/cluster.ts';
import { openClient } from '../src/database/connect.ts';
import { embeddedStatus, startEmbedded, stopEmbedded } from '../src/database/embedded.ts';
import { runProgram } from '../src/database/process.ts';
import { createFolder, isRoot, nobody, outputOf } from './support/embedded.ts';

const linux = process.platform === 'linux';

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = await openClient(url);
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0] ?? [];
  } finally {
    await client.end();
  }
}

// One cluster for most of the tests, each of which brings it into the state it needs.
const home = createFolder();
after(() => home[Symbol.asyncDispose]());

test('the first start makes a database, the next one finds it running', async () => {
  const first = await home.start();
  const second = await home.start();

  assert.equal(first.started, true);
  assert.deepEqual(second, { url: first.url, started: false });
  assert.deepEqual(await ask(first.url, 'select current_database(), upper($$ß ä$$)'), ['sluice', 'ß Ä']);
});

test('it listens on loopback only, and wants its password', async () => {
  const { url } = await home.start();

  const [addresses, sockets] = await ask(
    url,
    `select current_setting('listen_addresses'), current_setting('unix_socket_directories')`,
  );

  assert.deepEqual([addresses, sockets], ['127.0.0.1', '']);
  await assert.rejects(openClient(url.replace(/:[^:@]+@/, ':wrong@')), /password authentication failed/);
});

test('its role is no superuser, so SQL of a workflow cannot reach the files of the machine', async () => {
  const { url } = await home.start();

  await assert.rejects(ask(url, `copy (select 1) to program 'true'`), /permission denied/);
});

test('what people create in psql does not land among the tables of the engine', async () => {
  const { url } = await home.start();
  const psql = new pg.Client(url);
  await psql.connect();
  const { rows } = await psql.query('show search_path');
  await psql.end();

  assert.deepEqual(rows, [{ search_path: 'public' }]);
});

test('the passwords can be read by their owner only', { skip: process.platform === 'win32' }, async () => {
  await home.start();

  assert.equal(statSync(join(home.path, 'cluster', 'server.json')).mode & 0o777, 0o600);
});

test('starts at the same moment all succeed, and start one server', async () => {
  await using fresh = createFolder();

  const starts = [fresh.startElsewhere(), fresh.startElsewhere()];
  const results = (await Promise.all(starts.map(outputOf))).map((line) => JSON.parse(line));

  assert.equal(results.filter(({ started }) => started).length, 1);
  assert.equal(new Set(results.map(({ url }) => url)).size, 1);
  const copyOfBinaries = /^native-/;
  const found = (await readdir(fresh.path)).filter((name) => !copyOfBinaries.test(name));
  assert.deepEqual(found, ['cluster']);
});

test('starts at the same moment of a database that was stopped all succeed', async () => {
  await home.start();
  await stopEmbedded(home.path);

  const results = await Promise.all([home.start(), home.start(), home.start(), home.start()]);

  assert.equal(results.filter(({ started }) => started).length, 1);
  assert.equal(new Set(results.map(({ url }) => url)).size, 1);
});

test('a start that was killed half-way through making the database harms no later one', async () => {
  await using fresh = createFolder();
  // What it leaves among the temporary files goes with the folder.
  const killed = fresh.startElsewhere({ env: { TMPDIR: dirname(fresh.path) } });
  const half = await folderWith(fresh.path, /^new-/, 'data/base/1');

  process.kill(-Number(killed.pid), 'SIGKILL');
  await outputOf(killed);
  const { started } = await fresh.start();

  assert.equal(started, true);
  assert.equal(existsSync(half), false);
});

test('it outlives the process that started it, out of reach of its Ctrl-C', { skip: !linux }, async () => {
  await stopEmbedded(home.path);

  const { url, started } = JSON.parse(await outputOf(home.startElsewhere()));

  const stat = readFileSync(`/proc/${home.pid()}/stat`, 'utf8').replace(/^.*\) /, '');
  const [, , group, session] = stat.split(' ');
  assert.equal(started, true);
  assert.deepEqual(await ask(url, 'select 1'), [1]);
  assert.deepEqual([group, session], [String(home.pid()), String(home.pid())]);
});

test('variables meant for other Postgres programs do not reach it', async () => {
  await stopEmbedded(home.path);
  const env = {
    PGDATA: '/nowhere',
    PGPORT: '1',
    PGOPTIONS: '--nonsense',
    PGSSLMODE: 'require',
    TZ: 'Mars/Phobos',
  };

  const { url } = JSON.parse(await outputOf(home.startElsewhere({ env })));

  assert.deepEqual(await ask(url, `select current_setting('timezone')`), ['UTC']);
});

test('a server that was killed comes back with its data', async () => {
  const { url } = await home.start();
  await ask(url, 'create table kept as select 42 as answer');

  process.kill(home.pid(), 'SIGKILL');
  const again = await home.start();

  assert.deepEqual(again, { url, started: true });
  assert.deepEqual(await ask(url, 'select answer from kept'), [42]);
});

test('a pid file that names another process does not keep it from starting', { skip: !linux }, async () => {
  const { url } = await home.start();
  await stopEmbedded(home.path);
  const data = join(home.path, 'cluster', 'data');
  // Of the same account, which is what deceives Postgres itself.
  const other = spawn('sleep', ['60'], { stdio: 'ignore', ...serverAccount(data) });
  const { port } = new URL(url);
  writeFileSync(
    join(data, 'postmaster.pid'),
    `${other.pid}\n${data}\n0\n${port}\n\n127.0.0.1\n0 0\nready   \n`,
  );

  try {
    assert.equal((await home.start()).started, true);
    assert.equal(other.exitCode, null);
  } finally {
    other.kill('SIGKILL');
  }
});

test('when its port is taken it takes another one, and keeps that', async () => {
  const first = await home.start();
  await stopEmbedded(home.path);
  const squatter = createServer();
  await new Promise<void>((resolve) =>
    squatter.listen(Number(new URL(first.url).port), '127.0.0.1', resolve),
  );

  const second = await home.start();
  await new Promise((resolve) => squatter.close(resolve));
  await stopEmbedded(home.path);
  const third = await home.start();

  assert.notEqual(second.url, first.url);
  assert.equal(third.url, second.url);
});

test('it is not stopped while somebody is connected, unless by force', async () => {
  const { url } = await home.start();
  const client = await openClient(url, { name: 'guest' });

  await assert.rejects(stopEmbedded(home.path), {
    name: 'UsageError',
    message:
      'DB_IN_USE 1 client is connected (sluice guest). Stop them first, or cut them off: npm run db -- stop --force',
  });
  assert.equal(await stopEmbedded(home.path, { force: true }), true);
  assert.equal((await embeddedStatus(home.path)).state, 'stopped');
  await client.end();
});

test('stopping what does not run is no error, and makes nothing', async () => {
  await using nowhere = createFolder();

  assert.equal(await stopEmbedded(nowhere.path), false);
  assert.equal((await embeddedStatus(nowhere.path)).state, 'absent');
  assert.equal(existsSync(nowhere.path), false);
});

test('data of another major version are refused and left alone', async () => {
  await home.start();
  await stopEmbedded(home.path);
  const version = join(home.path, 'cluster', 'data', 'PG_VERSION');
  writeFileSync(version, '9\n');

  await assert.rejects(home.start(), /written by PostgreSQL 9, but PostgreSQL 18 is installed/);

  writeFileSync(version, '18\n');
  assert.equal((await home.start()).started, true);
});

test('a damaged cluster is reported and left alone', async () => {
  await home.start();
  await stopEmbedded(home.path);
  const settings = join(home.path, 'cluster', 'server.json');
  renameSync(settings, `${settings}.aside`);

  await assert.rejects(home.start(), /is damaged: .*server\.json.* move it away to begin anew/);

  renameSync(`${settings}.aside`, settings);
  assert.equal((await home.start()).started, true);
});

test('a disk that is too small for a database is told in one line, and nothing is left on it', {
  skip: !linux,
}, async () => {
  await using disk = createFolder();
  const initdb = program(disk.path, 'initdb');
  await mkdir(dirname(initdb), { recursive: true });
  writeFileSync(initdb, '#!/bin/sh\necho ok; echo FATAL: No space left on device >&2; exit 1\n', {
    mode: 0o755,
  });

  await assert.rejects(makeCluster(disk.path, disk.path, false), {
    message: `The disk of ${disk.path} is full. Make room, or set SLUICE_DATA_DIR.`,
  });
  assert.deepEqual(await readdir(disk.path), ['bin']);
});

test('a server that does not start says why, in the words of its log', async () => {
  await home.start();
  await stopEmbedded(home.path);

  await assert.rejects(
    startEmbedded(home.path, { settings: { max_connections: 'many' } }),
    /does not start[\s\S]*invalid value for parameter "max_connections": "many"/,
  );
});

test('a data folder that is a file is refused', async () => {
  await using file = createFolder();
  writeFileSync(file.path, '');

  await assert.rejects(
    file.start(),
    /Cannot use the data folder .*: there is a file where a folder .* Set SLUICE_DATA_DIR/,
  );
});

test('as root, Postgres runs as an account without privileges', { skip: !isRoot }, async () => {
  await home.start();

  const { uid } = statSync(join(home.path, 'cluster', 'data'));

  assert.notEqual(uid, 0);
  assert.equal(statSync(`/proc/${home.pid()}`).uid, uid);
});

const canBeNobody = isRoot && canReach(import.meta.dirname, nobody());

test('a database of root’s is refused to an ordinary user', { skip: !canBeNobody }, async () => {
  await home.start();

  const refused = await outputOf(home.startElsewhere({ account: nobody() }));

  assert.match(refused, /was made by another user \(uid 0\)/);
});

test('an ordinary user runs it as himself', { skip: !canBeNobody }, async () => {
  await using fresh = createFolder();

  const { url } = JSON.parse(await outputOf(fresh.startElsewhere({ account: nobody() })));

  assert.deepEqual(await ask(url, 'select 1'), [1]);
  assert.equal(statSync(join(fresh.path, 'cluster', 'data')).uid, nobody().uid);
});

test('a user without a name, as in a container, is told that Postgres wants one', {
  skip: !canBeNobody,
}, async () => {
  await using fresh = createFolder();

  const refused = await outputOf(fresh.startElsewhere({ account: { uid: 54_321, gid: 54_321 } }));

  assert.match(refused, /uid 54321 has none\. Name it in \/etc\/passwd, or set DATABASE_URL\./);
});

test('it runs where npm did not run install scripts, from a copy with the links made', async () => {
  await using place = createFolder();
  const native = await unlinkedNative(place.path);

  const binaries = usableBinaries(native, place.path);

  assert.notEqual(binaries, native.folder);
  assert.equal(usableBinaries(native, place.path), binaries);
  for (const name of ['initdb', 'pg_ctl', 'postgres'] as const) {
    await runProgram(program(binaries, name), ['--version']);
  }
});

test('a database is made by binaries below a name that a shell would expand', { skip: !linux }, async () => {
  await using place = createFolder();
  const account = serverAccount();
  prepareFolder(place.path, account);
  const binaries = usableBinaries(await unlinkedNative(place.path), place.path, account);

  const cluster = await makeCluster(place.path, binaries, false, account);

  assert.match(binaries, /[`$"]/);
  assert.equal(existsSync(join(cluster.data, 'PG_VERSION')), true);
});

test('a program that this system cannot load, as on Alpine, is told from one that is missing', async () => {
  await using place = createFolder();
  await mkdir(place.path, { recursive: true });
  const foreign = join(place.path, 'initdb');
  writeFileSync(foreign, '#!/lib/no-such-loader\n', { mode: 0o755 });

  await assert.rejects(runProgram(foreign, []), /ENOENT\. This system, as Alpine, .*: set DATABASE_URL\.$/);
  await assert.rejects(runProgram(join(place.path, 'missing'), []), /ENOENT$/);
});

test('an account that may not enter node_modules runs a copy', { skip: !isRoot }, async () => {
  await using place = createFolder();
  const native = { ...findNative(), folder: join(place.path, 'closed', 'native') };
  await mkdir(join(place.path, 'closed'), { recursive: true });
  cpSync(findNative().folder, native.folder, { recursive: true, verbatimSymlinks: true });
  chmodSync(join(place.path, 'closed'), 0o700);

  const binaries = usableBinaries(native, place.path, nobody());

  assert.equal(binaries, join(place.path, `native-${native.version}`));
  await runProgram(program(binaries, 'postgres'), ['--version'], nobody());
});

test('as root, a data folder that the account cannot enter is refused', { skip: !isRoot }, async () => {
  await using place = createFolder();
  const closed = join(place.path, 'closed');
  await mkdir(closed, { recursive: true, mode: 0o700 });

  assert.throws(
    () => prepareFolder(join(closed, 'data'), nobody()),
    /may not enter it\. Set SLUICE_DATA_DIR/,
  );
});

test('root’s Postgres runs as postgres, else as nobody, else not at all', () => {
  const postgres = 'postgres:x:101:104::/:/bin/sh';
  const nobody = 'nobody:x:65534:65533::/:/bin/false';

  assert.deepEqual(unprivileged(`root:x:0:0::/:\n${nobody}\n${postgres}\n`), { uid: 101, gid: 104 });
  assert.deepEqual(unprivileged(`${nobody}\nmypostgres:x:7:7::/:\n`), { uid: 65534, gid: 65533 });
  assert.throws(() => unprivileged('root:x:0:0::/:\n'), /refuses to run as root.*useradd/);
});

/** The binaries as npm leaves them when install scripts are blocked. */
async function unlinkedNative(folder: string) {
  const { folder: native, version } = findNative();
  const copy = join(folder, 'npm', 'native');
  await mkdir(folder, { recursive: true });
  cpSync(native, copy, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() });
  return { folder: copy, version };
}

/** Waits until a folder whose name fits is there and holds a certain path. */
async function folderWith(parent: string, name: RegExp, path: string): Promise<string> {
  for (;;) {
    const found = (await readdir(parent).catch(() => [])).find((entry) => name.test(entry));
    if (found && existsSync(join(parent, found, path))) return join(parent, found);
    await new Promise(setImmediate);
  }
}
