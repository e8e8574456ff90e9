import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import pg from 'pg';
import { createClient, createPool, openClient, withSession } from '../src/database/connect.ts';
import {
  describeConnectionFailure,
  isAway,
  isConnectionFailure,
  isDatabaseExhausted,
  isPassing,
  isRefused,
} from '../src/database/failures.ts';
import { createDatabase } from './support/database.ts';
import { until } from './support/until.ts';

const db = await createDatabase();
after(() => db[Symbol.asyncDispose]());

function withCode(code: string, message = 'it says so'): Error {
  return Object.assign(new Error(message), { code });
}

test('days, amounts and big numbers arrive as text, moments as Date', async () => {
  const { rows } = await db.pool.query({
    text: `select date '2025-03-30', timestamp '2025-03-30 02:30', 12345678901234567.89::numeric, 9007199254740993,
                  array[date '2025-03-30'], array[0.1::numeric], timestamptz '2025-03-30 02:30+02'`,
    rowMode: 'array',
  });

  assert.deepEqual(rows[0], [
    '2025-03-30',
    '2025-03-30 02:30:00',
    '12345678901234567.89',
    '9007199254740993',
    ['2025-03-30'],
    ['0.1'],
    new Date('2025-03-30T00:30:00Z'),
  ]);
});

test('what the role, the database or the URL say does not change how a session behaves', async () => {
  await using other = await createDatabase();
  await other.pool.query(`do $$ begin
    execute format('alter database %I set default_transaction_isolation = serializable', current_database());
    execute format('alter database %I set search_path = pg_catalog', current_database());
    execute format('alter database %I set datestyle = german', current_database());
    execute format('alter database %I set timezone = %L', current_database(), 'Asia/Tokyo');
    execute format('alter database %I set idle_session_timeout = %L', current_database(), '3s');
    execute format('alter database %I set lock_timeout = %L', current_database(), '1s');
    execute format('alter database %I set array_nulls = off', current_database());
  end $$`);
  const url = `${other.url}&options=${encodeURIComponent('-c work_mem=1MB -c timezone=Asia/Tokyo')}`;

  const client = await openClient(url);
  await client.query('discard all');
  const { rows } = await client.query({
    text: `select current_setting(name)
             from unnest(array['transaction_isolation', 'search_path', 'datestyle', 'timezone', 'work_mem',
                               'idle_session_timeout', 'lock_timeout', 'array_nulls']) name`,
    rowMode: 'array',
  });
  await client.end();

  assert.deepEqual(rows.flat(), [
    'read committed',
    'public,pg_temp',
    'ISO, MDY',
    'UTC',
    '1MB',
    '0',
    '0',
    'on',
  ]);
});

test('a connection that breaks while it is checked out fails its query and not the process', async () => {
  const pool = createPool(db.url, { max: 1 });
  const client = await pool.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');

  const ended = new Promise((resolve) => client.once('end', resolve));
  await db.pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
  await ended;
  const failure = await client.query('select 1').catch((error: unknown) => error);
  client.release(true);

  assert.ok(isConnectionFailure(failure), String(failure));
  assert.equal((await pool.query('select 1 as one')).rows[0].one, 1);
  await pool.end();
});

test('an idle connection that breaks is reported and replaced', async () => {
  const seen: Error[] = [];
  const pool = createPool(db.url, { max: 1 });
  pool.on('error', (error) => seen.push(error));
  const { rows } = await pool.query('select pg_backend_pid() as pid');

  const reported = once(pool, 'error');
  await db.pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
  await reported;

  assert.equal(seen.length, 1);
  assert.equal((await pool.query('select 1 as one')).rows[0].one, 1);
  await pool.end();
});

test('where a server has no more connections for it, a pool makes do with those it has', async () => {
  await using own = await createDatabase();
  const pool = createPool(own.url, { max: 3 });
  const limit = (most: number) =>
    db.pool.query(`alter database ${own.url.match(/test_\w+/)} connection limit ${most}`);
  await limit(1);
  const first = await pool.connect();

  const waiting = pool.connect();
  first.release();
  const second = await waiting;

  assert.equal(second, first);
  second.release(true);
  await limit(0);
  await assert.rejects(pool.connect(), /too many connections/);
  await pool.end();
});

test('those who wait for one of the connections that there are do not keep asking the server for more', async () => {
  await using own = await createDatabase();
  const pool = createPool(own.url, { max: 3 });
  await db.pool.query(`alter database ${own.url.match(/test_\w+/)} connection limit 1`);
  const first = await pool.connect();

  const waiting = Promise.all(Array.from({ length: 30 }, async () => (await pool.connect()).release()));
  await until(() => pool.waitingCount === 30, 'all to wait for the one that there is');
  first.release();
  await waiting;

  await pool.end();
});

test('a database that is closed to connections for a while is one that is away', async () => {
  await using own = await createDatabase();
  const allow = (how: boolean) =>
    db.pool.query(`alter database ${own.url.match(/test_\w+/)} allow_connections ${how}`);
  await allow(false);
  const error = await openClient(own.url).catch((error) => error);
  await allow(true);

  assert.match(error.message, /not currently accepting connections/);
  assert.ok(isPassing(error));
  assert.ok(!isPassing(withCode('55000')));
});

test('a database that was half dropped is none that one waits for', async () => {
  await using own = await createDatabase();
  await using superuser = await openClient(db.superuserUrl);
  const mark = (limit: number) =>
    superuser.query(
      `update pg_database set datconnlimit = ${limit} where datname = '${own.url.match(/test_\w+/)}'`,
    );
  await mark(-2);
  const error = await openClient(own.url).catch((error) => error);
  await mark(-1);

  assert.match(error.message, /invalid database/);
  assert.ok(!isPassing(error));
});

test('who waits for a connection when a pool is ended is told', async () => {
  const pool = createPool(db.url, { max: 1 });
  const client = await pool.connect();
  const waiting = assert.rejects(pool.query('select 1'), /the pool has ended/);

  const ended = pool.end();
  await waiting;
  client.release();

  await ended;
});

test('broken connections are told from errors of a statement, wherever they are wrapped', () => {
  const lost = [
    withCode('08006'),
    withCode('57P01'),
    withCode('57P03'),
    withCode('ECONNREFUSED'),
    new Error('Connection terminated unexpectedly'),
    new Error('Client has encountered a connection error and is not queryable'),
    new Error('it failed', { cause: withCode('ECONNRESET') }),
    new AggregateError([withCode('EHOSTUNREACH'), withCode('ECONNREFUSED')]),
  ];
  const others = [
    withCode('23505'),
    withCode('57014'),
    withCode('08P01', 'bind message supplies 1 parameters, but prepared statement "" requires 2'),
    withCode('ENOENT'),
    new Error('Connection is a nice word'),
    'text',
    null,
    undefined,
  ];

  for (const error of lost) assert.ok(isConnectionFailure(error), String(error));
  for (const error of others) assert.equal(isConnectionFailure(error), false, String(error));
});

test('a connection that a statement has lost is told from our own, whatever language the server speaks', () => {
  const said = (code: string, severity: string, file: string) =>
    Object.assign(new pg.DatabaseError('it says so', 0, 'error'), { code, severity, file });

  for (const [severity, file] of [
    ['ERROR', 'mysql_fdw.c'],
    ['FEHLER', 'connection.c'],
    ['ERREUR', 'dblink.c'],
    ['ОШИБКА', 'pl_exec.c'],
  ] as const)
    for (const code of ['08001', '57P01'])
      assert.equal(isConnectionFailure(said(code, severity, file)), false, file);
  for (const severity of ['FATAL', 'ВАЖНО'])
    assert.ok(isConnectionFailure(said('57P01', severity, 'postgres.c')));
});

test('a database that is full, read-only or out of connections is not a broken connection', () => {
  for (const code of ['53100', '53200', '53300', '25006']) {
    assert.ok(isDatabaseExhausted(withCode(code)), code);
    assert.equal(isConnectionFailure(withCode(code)), false, code);
  }
  // What the user has been forbidden is so every time.
  for (const code of ['08006', '53400']) assert.equal(isDatabaseExhausted(withCode(code)), false, code);
});

test('an unknown host, a closed port and a wrong or missing password are told apart, each with the next step', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const wrong = new URL(db.url);
  wrong.password = 'hunter2';
  const none = new URL(db.url);
  none.password = '';
  const missing = new URL(db.url);
  missing.pathname = '/nowhere';
  const stranger = new URL(db.url);
  stranger.username = 'nobody_of_ours';

  const cases: [string, RegExp][] = [
    [
      `postgres://me:hunter2@127.0.0.1:${port}/x`,
      /^127\.0\.0\.1:\d+: connect ECONNREFUSED .* Nothing listens there/,
    ],
    ['postgres://me:hunter2@does-not-exist.invalid/x', /^does-not-exist\.invalid:5432: .* host is unknown/],
    [wrong.href, /password authentication failed .* Check user and password/],
    [none.href, /:\d+: no password is given\. Check user and password/],
    [missing.href, /database "nowhere" does not exist\. Create this database/],
    [stranger.href, /password authentication failed .* Check user and password/],
  ];

  for (const [url, expected] of cases) {
    await assert.rejects(openClient(url), (error: Error) => {
      assert.equal(error.name, 'DatabaseUnavailableError');
      assert.match(error.message, expected);
      assert.doesNotMatch(error.message, /hunter2|\n/);
      return true;
    });
  }
});

test('a database that wants a password where there is none is left at once', async () => {
  const url = new URL(db.url);
  url.password = '';
  const client = createClient(url.href);

  await assert.rejects(client.connect(), /password must be a string/);
  await once(client.connection.stream, 'close');
});

test('what no waiting helps against is told from a database that is away, each with the next step', () => {
  const cases: [Error, RegExp][] = [
    [withCode('42501', 'permission denied for schema sluice'), /lacks a right: .* member of its role/],
    [
      withCode('42501', 'permission denied for database x'),
      /lacks a right: grant it .*create on the database/,
    ],
    [
      withCode('42704', 'unrecognized configuration parameter "idle_session_timeout"'),
      /PostgreSQL 14 or newer is needed/,
    ],
    [withCode('28000', 'role "me" does not exist'), /Create this role, or correct the user/],
    [withCode('28000', 'no pg_hba.conf entry for host "1.2.3.4"'), /see its pg_hba\.conf/],
    [new Error('The server does not support SSL connections'), /sslmode=disable/],
    [withCode('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'), /sslrootcert/],
    [
      Object.assign(withCode('EACCES', 'connect EACCES /run/.s.PGSQL.5432'), { syscall: 'connect' }),
      /lacks the right to open that socket/,
    ],
    [
      withCode('08P01', 'unsupported startup parameter in options: search_path'),
      /connect to Postgres directly/,
    ],
    [withCode('42P05', 'prepared statement "beat" already exists'), /pooler in transaction mode/],
  ];
  const missingSocket = Object.assign(withCode('ENOENT', 'connect ENOENT /run/.s.PGSQL.5432'), {
    syscall: 'connect',
  });

  for (const [error, advice] of cases) {
    assert.deepEqual([isRefused(error), isAway(error)], [true, false], error.message);
    assert.match(describeConnectionFailure(error), advice);
  }
  assert.deepEqual([isRefused(missingSocket), isAway(missingSocket)], [false, true]);
  assert.match(describeConnectionFailure(missingSocket), /Nothing listens there/);
});

test('a connection that broke is called that', () => {
  const error = new Error('Client has encountered a connection error and is not queryable');

  assert.equal(describeConnectionFailure(error, 'postgres://db/x'), 'db:5432: the connection broke.');
});

test('a database that cannot be reached is named as it is looked for, wherever the URL says so', () => {
  const cases = [
    ['postgres://db:6432/x', 'db:6432'],
    ['postgres://db/x', 'db:5432'],
    ['postgres://db/x?port=6432', 'db:6432'],
    ['postgres://db:1/x?port=6432&host=other', 'other:6432'],
    ['postgres:///x?host=/var/run/postgresql', '/var/run/postgresql:5432'],
    ['postgres://[::1]/x', '[::1]:5432'],
  ] as const;

  for (const [url, where] of cases)
    assert.equal(describeConnectionFailure(new Error('no'), url), `${where}: no.`);
});

test('the session is added to a connection string and keeps the rest of it', () => {
  const url = new URL(withSession('postgres://me:p%40ss@db:6432/sluice?sslmode=no-verify'));

  assert.deepEqual([url.password, url.host, url.pathname], ['p%40ss', 'db:6432', '/sluice']);
  assert.equal(url.searchParams.get('sslmode'), 'no-verify');
  assert.match(url.searchParams.get('options') ?? '', /-c search_path=public,pg_temp/);
});

test('sslmode=require checks the certificate, as verify-full does, and nobody is warned of it', async () => {
  const warnings: Error[] = [];
  const collect = (warning: Error) => warnings.push(warning);
  process.on('warning', collect);

  const modes = ['prefer', 'require', 'verify-ca', 'verify-full', 'no-verify', 'require&uselibpqcompat=true'];
  const tls = modes.map((mode) => {
    const { ssl } = createClient(`postgres://me:secret@db/x?sslmode=${mode}`) as unknown as { ssl: object };
    return { ...ssl };
  });
  await setImmediate();
  process.off('warning', collect);

  const unverified = { rejectUnauthorized: false };
  assert.deepEqual(tls, [{}, {}, {}, {}, unverified, unverified]);
  assert.deepEqual(warnings, []);
});
