import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT } from '../src/config.ts';
import { openClient } from '../src/database/connect.ts';
import { migrate } from '../src/database/migrate.ts';
import { codeOf } from '../src/errors.ts';
import { createDatabase } from './support/database.ts';

/** A project with these migrations, committed as graphile-migrate would; deleted when it goes out of scope. */
function createProject(migrations: Record<string, string>): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sluice migrations-'));
  const committed = join(path, 'migrations', 'committed');
  mkdirSync(committed, { recursive: true });
  cpSync(join(CHECKOUT, '.gmrc'), join(path, '.gmrc'));
  let previous: string | undefined;
  for (const [file, sql] of Object.entries(migrations)) {
    const body = `${sql}\n`;
    const hashed = `${previous ?? ''}\n${sql}`.trim();
    const hash = `sha1:${createHash('sha1').update(`${hashed}\n`).digest('hex')}`;
    writeFileSync(join(committed, file), `--! Previous: ${previous ?? '-'}\n--! Hash: ${hash}\n\n${body}`);
    previous = hash;
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** A database without any migration. */
async function createEmpty() {
  const db = await createDatabase();
  await db.pool.query('drop schema graphile_migrate cascade');
  return db;
}

const one = { '000001-one.sql': 'create table one (id integer);' };
const two = { ...one, '000002-two.sql': 'create table two (id integer);' };

test('migrations are applied once, in order', async () => {
  await using db = await createEmpty();
  using project = createProject(two);

  const first = await migrate(db.url, undefined, project.path);
  const second = await migrate(db.url, undefined, project.path);

  assert.deepEqual(first, ['000001-one.sql', '000002-two.sql']);
  assert.deepEqual(second, []);
  await db.pool.query('select from one, two');
});

test('only what is new is applied, and announced', async () => {
  await using db = await createEmpty();
  using old = createProject(one);
  using current = createProject(two);
  await migrate(db.url, undefined, old.path);

  const said: string[] = [];
  const applied = await migrate(db.url, (line) => said.push(line), current.path);

  assert.deepEqual(applied, ['000002-two.sql']);
  assert.deepEqual(said, ['Migrating the database: 1 of 2 migrations are new.']);
});

test('two at once both succeed, and one of them does it', async () => {
  await using db = await createEmpty();
  using project = createProject(two);

  const results = await Promise.all([
    migrate(db.url, undefined, project.path),
    migrate(db.url, undefined, project.path),
    migrate(db.url, undefined, project.path),
  ]);

  assert.deepEqual(results.map((applied) => applied.length).sort(), [0, 0, 2]);
});

test('a migration that fails is named with the words of Postgres, and leaves nothing', async () => {
  await using db = await createEmpty();
  using project = createProject({
    ...one,
    '000002-broken.sql': 'create table half (id integer);\nselect nonsense from one;',
  });

  await assert.rejects(migrate(db.url, undefined, project.path), (error: Error) => {
    assert.match(
      error.message,
      /^Migration 000002-broken\.sql failed, at line 2 below its header: column "nonsense" does not exist\./,
    );
    assert.equal(codeOf(error.cause), '42703');
    return true;
  });
  const { rows } = await db.pool.query(`select to_regclass('one') as one, to_regclass('half') as half`);
  assert.deepEqual(rows, [{ one: 'one', half: null }]);
});

test('a migration that does not get its lock gives up soon, as others wait behind it', async () => {
  await using db = await createEmpty();
  using old = createProject(one);
  using current = createProject({ ...one, '000002-more.sql': 'alter table one add column more integer;' });
  await migrate(db.url, undefined, old.path);
  await using reader = await openClient(db.url);
  await reader.query('begin; select from one');

  await assert.rejects(migrate(db.url, undefined, current.path), (error: Error) => {
    assert.match(
      error.message,
      /^Migration 000002-more\.sql waited 5 s for a lock that another session holds/,
    );
    assert.equal(codeOf(error.cause), '55P03');
    return true;
  });
  await reader.query('commit');
  assert.deepEqual(await migrate(db.url, undefined, current.path), ['000002-more.sql']);
});

test('a database in which somebody has what Sluice would create is refused before anything is created', async () => {
  await using db = await createEmpty();
  await db.pool.query(
    'drop schema sluice cascade; drop table purchase_orders; create schema sluice; create view v_tasks as select 1; create table v_mine ()',
  );
  using project = createProject({
    ...one,
    '000002-more.sql':
      'create schema sluice;\ncreate table sluice.tasks ();\ncreate table public.purchase_orders ();\ncreate view public.v_tasks as select;',
  });

  await assert.rejects(migrate(db.url, undefined, project.path), {
    name: 'SchemaError',
    message:
      'There is a public.v_tasks in this database, and Sluice would create its own.\n' +
      'There is a schema sluice in this database, and Sluice would create its own.\n' +
      'Nothing was changed. Create an empty database, and use that.',
  });
  const { rows } = await db.pool.query(
    `select to_regclass('one') as one, to_regnamespace('graphile_migrate') as log`,
  );
  assert.deepEqual(rows, [{ one: null, log: null }]);
});

test('a migration that was changed after it ran is refused', async () => {
  await using db = await createEmpty();
  using project = createProject(one);
  using changed = createProject({ '000001-one.sql': 'create table other (id integer);' });
  await migrate(db.url, undefined, project.path);

  await assert.rejects(migrate(db.url, undefined, changed.path), /000001-one\.sql was changed after/);
});

test('a database newer than the checkout is refused', async () => {
  await using db = await createEmpty();
  using current = createProject(two);
  using old = createProject(one);
  await migrate(db.url, undefined, current.path);

  await assert.rejects(
    migrate(db.url, undefined, old.path),
    /newer than this checkout: it has run 000002\.sql/,
  );
});

test('a read-only database is refused', async () => {
  await using db = await createEmpty();
  using project = createProject(one);
  const readOnly = `${db.url}&options=${encodeURIComponent('-c default_transaction_read_only=on')}`;

  await assert.rejects(migrate(readOnly, undefined, project.path), /is read-only\. Connect to the primary\./);
});

test('the migrations of this project need nobody but the owner of an empty database', async () => {
  await using db = await createDatabase();
  const superuser = await openClient(db.superuserUrl);
  const name = `test_${process.pid}_owned`;
  try {
    await superuser.query(`create role ${name} login password 'secret'`);
    await superuser.query(`create database ${name} owner ${name}`);

    const applied = await migrate(db.url.replace(/sluice:[^@]*@(.*)\/\w+\?/, `${name}:secret@$1/${name}?`));

    assert.ok(applied.length > 0);
  } finally {
    await superuser.query(`drop database if exists ${name} with (force)`);
    await superuser.query(`drop role if exists ${name}`);
    await superuser.end();
  }
});

test('a database without the schema public is refused, and it is said how to make it', async () => {
  await using db = await createEmpty();
  // Before PostgreSQL 15, the schema is not the owner's.
  await using superuser = await openClient(db.superuserUrl);
  await superuser.query('drop schema sluice, public cascade');

  await assert.rejects(migrate(db.url), (error: Error) => {
    assert.match(error.message, /^The database \w+ has no schema public, .* Run: create schema public$/);
    return true;
  });
  await db.pool.query('create schema public');

  assert.ok((await migrate(db.url)).length > 0);
});

test('who may not migrate is told which right is missing, and a member of the owner’s role lacks none', async () => {
  await using db = await createEmpty();
  using project = createProject(one);
  const superuser = await openClient(db.superuserUrl);
  const name = `test_${process.pid}_other`;
  const migrateAsOther = () =>
    migrate(db.url.replace(/sluice:[^@]*@/, `${name}:secret@`), undefined, project.path);
  try {
    await superuser.query(`create role ${name} login password 'secret'`);
    // As PostgreSQL 15 and newer make it.
    await superuser.query('alter schema public owner to sluice; revoke create on schema public from public');

    await assert.rejects(
      migrateAsOther(),
      /create a schema\. Run: grant create on database test_\w+ to test_\w+\n/,
    );
    await assert.rejects(
      migrateAsOther(),
      /create tables in its schema public\. Run: grant create on schema public to/,
    );
    await superuser.query(`grant sluice to ${name}`);
    const applied = await migrateAsOther();

    assert.deepEqual(applied, ['000001-one.sql']);
    // The owner can go on with it.
    await db.pool.query('alter table one add column two integer');
    await migrate(db.url, undefined, project.path);
  } finally {
    await superuser.query(`drop owned by ${name}; drop role if exists ${name}`);
    await superuser.end();
  }
});

test('whoever migrates, what is new belongs to the owner of what is there', async () => {
  await using db = await createEmpty();
  using old = createProject(one);
  using current = createProject(two);
  const superuser = await openClient(db.superuserUrl);
  const name = `the "owner"\\'s ${process.pid}`;
  const owner = superuser.escapeIdentifier(name);
  try {
    await superuser.query(`create role ${owner} in role sluice`);
    await migrate(db.superuserUrl, undefined, old.path);
    await superuser.query(`alter schema sluice owner to ${owner}`);

    await migrate(db.superuserUrl, undefined, current.path);

    const { rows } = await superuser.query(
      `select tablename, tableowner from pg_tables where tablename in ('one', 'two') order by 1`,
    );
    assert.deepEqual(rows, [
      { tablename: 'one', tableowner: 'sluice' },
      { tablename: 'two', tableowner: name },
    ]);
  } finally {
    await superuser.query(`drop owned by ${owner} cascade; drop role ${owner}`);
    await superuser.end();
  }
});

test('a database unreachable while migrating is reported in one line', async () => {
  using project = createProject(one);

  await assert.rejects(
    migrate('postgres://me@127.0.0.1:1/x', undefined, project.path),
    /ECONNREFUSED.*Nothing listens/,
  );
});

test('a test database starts migrated and disappears with its scope', async () => {
  let url = '';
  {
    await using db = await createDatabase();
    url = db.url;
    await db.pool.connect(); // never released
  }

  await assert.rejects(openClient(url), /does not exist/);
});
