import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { CHECKOUT, childEnvironment } from '../config.ts';
import { codeOf, DatabaseUnavailableError, SchemaError } from '../errors.ts';
import { openClient, withSession } from './connect.ts';
import { run } from './process.ts';

interface Migration {
  readonly file: string;
  /** As graphile-migrate records it: 000001.sql */
  readonly number: string;
  readonly hash: string;
  readonly path: string;
}

/** Whoever waits for a lock of a table holds up all who come after him, so a migration does not do so for longer. */
const PATIENCE_S = 5;

/** Advisory locks: ours, and that of graphile-migrate, which fails at once when it is taken. */
const OUR_LOCK = '758423';
const THEIR_LOCK = '4727445306447283';

/**
 * Brings a database up to date with the committed migrations of a project: a folder with .gmrc and migrations/. Gives the
 * files that were new. Costs a connection and two short queries when there is nothing to do. Any number of processes may call
 * it at the same moment: one of them migrates, the others wait for it.
 */
export async function migrate(
  url: string,
  say: (line: string) => void = () => {},
  project: string = CHECKOUT,
): Promise<string[]> {
  const committed = await readCommitted(project);
  await using client = await openClient(url, { name: 'migrate' });
  if ((await missing(client, committed)).length === 0) return [];

  const owner = await actAsOwner(client);
  await refuseUnusable(client);
  await client.query('select pg_advisory_lock($1)', [OUR_LOCK]);
  // If the process that had our lock was killed, the graphile-migrate that it had started may still be at work.
  await client.query('select pg_advisory_lock($1), pg_advisory_unlock($1)', [THEIR_LOCK]);
  const pending = await missing(client, committed);
  if (pending.length === committed.length) await refuseTaken(client, committed);
  if (pending.length > 0) {
    say(`Migrating the database: ${pending.length} of ${committed.length} migrations are new.`);
    await runGraphileMigrate(url, owner, project);
  }
  return pending.map(({ file }) => file);
}

/** Refuses a database that has run migrations which this checkout does not have, or lacks some of those that it has. */
export async function requireSchema(db: pg.ClientBase | pg.Pool): Promise<void> {
  const committed = await readCommitted(CHECKOUT);
  const [first, ...more] = await missing(db, committed);
  if (!first) return;
  const lacks = `it lacks ${first.number}${more.length > 0 ? ` and ${more.length} more` : ''}`;
  const isEmpty = more.length + 1 === committed.length;
  const what = isEmpty ? 'has no Sluice in it' : `is older than this checkout: ${lacks}`;
  throw new SchemaError(`This database ${what}. Run: npm run migrate`);
}

async function readCommitted(project: string): Promise<Migration[]> {
  const folder = join(project, 'migrations', 'committed');
  const files = (await readdir(folder)).filter((file) => /^\d+(-[-\w]*)?\.sql$/.test(file)).sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const path = join(folder, file);
    const hash = (await readFile(path, 'utf8')).match(/^--! Hash: (\S+)$/m)?.[1] ?? '';
    migrations.push({ file, number: file.replace(/^(\d+).*/, '$1.sql'), hash, path });
  }
  return migrations;
}

/** What a migration creates where others may have something of that name: `schema sluice`, `public.v_events`. */
async function createdBy({ path }: Migration): Promise<string[]> {
  const sql = await readFile(path, 'utf8');
  const created = sql.matchAll(/^create (?:table |view |(?=schema))(public\.\w+|schema \w+)/gm);
  return [...created].map(([, name = '']) => name);
}

/** The migrations that the database has not run. Refuses it if it has run others, or another text of one. */
async function missing(db: pg.ClientBase | pg.Pool, committed: readonly Migration[]): Promise<Migration[]> {
  const applied = await appliedHashes(db);
  for (const { file, number, hash } of committed) {
    const seen = applied.get(number);
    if (seen && seen !== hash) {
      throw new SchemaError(
        `Migration ${file} was changed after this database had run it. Restore the file; a new migration mends it.`,
      );
    }
  }
  const unknown = [...applied.keys()].filter((number) => !committed.some((one) => one.number === number));
  if (unknown.length > 0) {
    throw new SchemaError(
      `This database is newer than this checkout: it has run ${unknown.join(', ')}. Update the checkout.`,
    );
  }
  return committed.filter(({ number }) => !applied.has(number));
}

async function appliedHashes(db: pg.ClientBase | pg.Pool): Promise<Map<string, string>> {
  const { rows: found } = await db.query(
    `select to_regclass('graphile_migrate.migrations') is not null as found`,
  );
  if (!found[0].found) return new Map();
  const { rows } = await db.query('select filename, hash from graphile_migrate.migrations');
  return new Map(rows.map(({ filename, hash }) => [filename, hash]));
}

/** Refuses a database in which something has a name that the migrations would use, before they fail half-way. */
async function refuseTaken(client: pg.Client, committed: readonly Migration[]): Promise<void> {
  const { rows } = await client.query(
    `select name
       from (select 'schema ' || nspname as name from pg_namespace
             union all
             select 'public.' || relname from pg_class where relnamespace = to_regnamespace('public')) there
      where name = any($1)
      order by name`,
    [(await Promise.all(committed.map(createdBy))).flat()],
  );
  if (rows.length === 0) return;
  const taken = rows.map(
    ({ name }) => `There is a ${name} in this database, and Sluice would create its own.\n`,
  );
  throw new SchemaError(`${taken.join('')}Nothing was changed. Create an empty database, and use that.`);
}

/**
 * Goes on in the role that owns what was migrated before, or else the database; its name. As a member of that role one may make
 * what the owner could not use. Who is no member goes on as he is.
 */
async function actAsOwner(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query(
    `select pg_get_userbyid(coalesce((select nspowner from pg_namespace where nspname = 'sluice'), datdba)) as owner
       from pg_database
      where datname = current_database()`,
  );
  const { owner } = rows[0];
  try {
    await client.query(`select set_config('role', $1, false)`, [owner]);
    return owner;
  } catch (error) {
    if (codeOf(error) !== '42501') throw error;
    return undefined;
  }
}

async function refuseUnusable(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select current_setting('server_encoding') as encoding,
            current_setting('transaction_read_only') as read_only,
            has_database_privilege(current_database(), 'create')
              or to_regnamespace('graphile_migrate') is not null as may_create,
            to_regnamespace('public') is not null as has_public,
            has_schema_privilege(to_regnamespace('public'), 'create') as may_fill_public,
            quote_ident(current_database()) as database,
            quote_ident(current_user) as user`,
  );
  const { encoding, read_only, may_create, has_public, may_fill_public, database, user } = rows[0];
  const problems = [
    encoding !== 'UTF8' && `is encoded as ${encoding}. Create one with encoding 'UTF8' template template0.`,
    read_only === 'on' && 'is read-only. Connect to the primary.',
    !may_create &&
      `does not let ${user} create a schema. Run: grant create on database ${database} to ${user}`,
    !has_public && 'has no schema public, where its tables and views belong. Run: create schema public',
    has_public &&
      !may_fill_public &&
      `does not let ${user} create tables in its schema public. Run: grant create on schema public to ${user}`,
  ].filter((problem) => problem !== false);
  if (problems.length === 0) return;
  throw new DatabaseUnavailableError(
    problems.map((problem) => `The database ${database} ${problem}`).join('\n'),
  );
}

/** Runs graphile-migrate in a process of its own: it ends the process that it runs in when its connection breaks. */
async function runGraphileMigrate(url: string, role: string | undefined, project: string): Promise<void> {
  const cli = join(dirname(createRequire(import.meta.url).resolve('graphile-migrate')), 'cli.js');
  const settings = { lock_timeout: `${PATIENCE_S}s`, ...(role !== undefined && { role }) };
  const env = { ...childEnvironment(), DATABASE_URL: withSession(url, settings) };
  const { said, failure } = await run(process.execPath, [cli, 'migrate'], { cwd: project, env });
  if (failure) throw migrationFailure(said || failure);
}

/** The error in what graphile-migrate prints, most of which is its own stack. Its cause has the code that Postgres gave. */
function migrationFailure(output: string): Error {
  const file = [...output.matchAll(/Running migration '([^']+)'/g)].at(-1)?.[1];
  const line = output.match(/Error occurred at line (\d+)/)?.[1];
  const said = output.match(/^(?:error|Error): (.*)$/m)?.[1] ?? output.trim();
  if (!file) return new DatabaseUnavailableError(`Cannot migrate the database: ${said}`);
  const code = output.match(/^ {2}code: '(\w+)'/m)?.[1];
  const cause = Object.assign(new Error(said), { code });
  if (code === '55P03') {
    return new SchemaError(
      `Migration ${file} waited ${PATIENCE_S} s for a lock that another session holds, and has given up: so long, others wait as well. ` +
        'It left nothing behind. Start again when no transaction is left open (in pg_stat_activity, xact_start says since when).',
      { cause },
    );
  }
  const where = line ? `, at line ${line} below its header` : '';
  return new SchemaError(
    `Migration ${file} failed${where}: ${said}. It left nothing behind. ` +
      'Put right in the database what it met with, and start again.',
    { cause },
  );
}
