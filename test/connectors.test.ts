import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Connector, TaskContext } from '../src/connector.ts';
import { DatabaseConnector } from '../src/connectors/database.ts';
import { EmailConnector } from '../src/connectors/email.ts';
import { FileConnector } from '../src/connectors/file.ts';
import { PurchaseOrderConnector } from '../src/connectors/purchase_order.ts';
import { openClient } from '../src/database/connect.ts';
import { ConnectorError } from '../src/errors.ts';
import type { Json } from '../src/json.ts';
import { contract } from './support/contract.ts';
import { fileDatabase, lockTable, someoneWaitsForALock } from './support/scene.ts';
import { taskContext } from './support/task_context.ts';
import { until } from './support/until.ts';

const { pool, url } = await fileDatabase();
await pool.query(`
  create table things (
    id integer primary key,
    name text unique,
    price numeric(20,4),
    exact numeric,
    big bigint,
    day date,
    moment timestamptz,
    flag boolean default true,
    data jsonb,
    tags text[],
    twice integer generated always as (id * 2) stored
  );
  create table numbered (number bigint generated always as identity, id integer, twice integer generated always as (id * 2) stored);
  create table "Odd ""Name" (id integer);
  create table odd ("a ""quoted"" column" text, "select" integer, "Ünï" text);
  create view cheap as select id, price from things where price < 10;
  create schema shop; create table shop.items (id integer primary key);
  create table things_log (at timestamptz);`);

const folder = mkdtempSync(join(tmpdir(), 'sluice connectors '));
const elsewhere = mkdtempSync(join(tmpdir(), 'sluice elsewhere '));
after(() => {
  for (const path of [folder, elsewhere]) rmSync(path, { recursive: true });
});

/** As a task does it: one transaction, which is committed in the end or rolled back. */
async function attempted<T>(
  act: (context: TaskContext) => Promise<T>,
  { commits, signal }: { commits: boolean; signal?: AbortSignal | undefined },
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const transaction = async () => ({
      query: (text: string, values?: readonly unknown[]) => client.query(text, values && [...values]),
    });
    const result = await act({ ...taskContext(signal), transaction });
    await client.query(commits ? 'commit' : 'rollback');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

const undone = <T>(act: (context: TaskContext) => Promise<T>, signal?: AbortSignal) =>
  attempted(act, { commits: false, signal });

const database = new DatabaseConnector();
const file = new FileConnector({ root: folder });
const email = new EmailConnector({ root: folder });
const orders = new PurchaseOrderConnector();

// biome-ignore lint/suspicious/noExplicitAny: outputs are JSON of whatever shape the operation gives them.
type Output = any;

function run(connector: Connector, operation: string, parameters: Json): Promise<Output> {
  return attempted((context) => connector.execute(operation, parameters, context), { commits: true });
}

writeFileSync(join(folder, 'mail.txt'), 'Subject: Order\nFrom: a@b.example\n\nPO Number: 7\n');
const mail = await run(email, 'read', { path: 'mail.txt' });
const { fields } = await run(orders, 'extract', { email: mail });

contract('database', {
  connector: database,
  attempt: undone,
  operations: {
    create: {
      good: { table: 'things', row: { id: 900, price: '1.5', data: { a: [1, null] } } },
      bad: [{ table: 'a;b', row: {} }, /table: DB_BAD_IDENTIFIER/, /row: give at least one column/],
      hopeless: { table: 'things', row: { id: 'no number' } },
    },
    upsert: {
      good: { table: 'things', key: ['id'], row: { id: 901, name: 'upserted' } },
      bad: [{ table: '', key: [], row: {} }, /table: /, /key: /, /row: /],
      hopeless: { table: 'things', key: ['price'], row: { price: 1 } },
    },
    query: {
      good: { table: 'things', where: { flag: true }, order_by: [{ column: 'id' }] },
      bad: [
        { table: 7, where: [], limit: 0, order_by: [{ column: 'a', direction: 'up' }] },
        /table: /,
        /where: /,
        /limit: /,
        /order_by\.0\.direction: /,
      ],
      hopeless: { table: 'no_such_table' },
    },
  },
});

contract('file', {
  connector: file,
  attempt: undone,
  operations: {
    writeJson: {
      good: { path: 'contract/out.json', content: { a: [1, 'ä', null] } },
      bad: [{ path: '', keys: 'a' }, /path: /, /keys: /],
      hopeless: { path: '../out.json', content: 1 },
    },
  },
});

contract('email', {
  connector: email,
  attempt: undone,
  operations: {
    read: { good: { path: 'mail.txt' }, bad: [{ path: 7 }, /path: /], hopeless: { path: 'missing.txt' } },
  },
});

contract('purchase_order', {
  connector: orders,
  attempt: undone,
  operations: {
    extract: {
      good: { email: mail },
      bad: [{ email: { ...mail, text: 1, sent_on: 'soon' } }, /email\.text: /, /email\.sent_on: /],
    },
    check: {
      good: {
        fields,
        warnings: [],
        subject: 'Order',
        sent_on: null,
        run_created_at: '2025-06-18T00:00:00Z',
        amount_over: '10000.00',
        due_within_days: 7,
      },
      bad: [
        {
          fields: { ...fields, total: 12.5, due_date: 'soon' },
          warnings: [],
          amount_over: '1e5',
          due_within_days: -1,
        },
        /fields\.total: /,
        /fields\.due_date: /,
        /amount_over: expected a decimal/,
        /due_within_days: /,
      ],
    },
  },
});

test('create puts out the row as it was stored, defaults and generated values filled in', async () => {
  const { row } = await run(database, 'create', { table: 'things', row: { id: 1, name: 'one' } });

  assert.deepEqual([row.id, row.name, row.flag, row.twice, row.price], [1, 'one', true, 2, null]);
});

test('amounts, big numbers, days and moments are stored and read exactly', async () => {
  const given = {
    id: 2,
    price: '12345678901234.5678',
    exact: '0.1000000000000000000000000000000000000001',
    big: '9007199254740993',
    day: '2025-03-30',
    moment: '2025-03-30T01:30:00.123456Z',
    data: { nested: [{ n: 1.5 }, null, true, 'ä'] },
    tags: ['a', 'b,c', '"d"'],
  };

  const { row } = await run(database, 'create', { table: 'things', row: given });

  assert.deepEqual(
    [row.price, row.exact, row.big, row.day, row.data, row.tags],
    [given.price, given.exact, given.big, given.day, given.data, given.tags],
  );
  const found = await run(database, 'query', { table: 'things', where: { moment: row.moment } });
  assert.deepEqual([row.moment, found.count], ['2025-03-30T01:30:00.123456+00:00', 1]);
  const { rows } = await pool.query(
    `select exact::text, day::text, moment = $1 as same_moment from things where id = 2`,
    [given.moment],
  );
  assert.deepEqual(rows, [{ exact: given.exact, day: given.day, same_moment: true }]);
});

test('a column of any type is put out, as Postgres takes it again', async () => {
  await pool.query(`
    create table kinds (
      span interval, spans interval[], never timestamptz, moments timestamptz[], ratio float8, ratios float8[],
      bytes bytea, many_bytes bytea[], id uuid, place point, several int4range, address inet, words tsvector, price numeric[]
    )`);
  const given = {
    span: '1 day 02:00:00',
    spans: ['00:00:01', null],
    never: 'infinity',
    moments: ['2025-03-30T01:30:00+00:00'],
    ratio: 'NaN',
    ratios: [0.5, '-Infinity'],
    bytes: '\\x00ff',
    many_bytes: ['\\x01'],
    id: '5b1f3a0e-0000-4000-8000-000000000001',
    several: '[1,5)',
    address: '10.0.0.1',
    words: "'a' 'b'",
    price: ['0.10'],
  };

  const { row } = await run(database, 'create', { table: 'kinds', row: { ...given, place: '(1,2)' } });
  const again = await run(database, 'create', { table: 'kinds', row: { ...row, place: null } });

  assert.deepEqual(row, { ...given, place: { x: 1, y: 2 } });
  assert.deepEqual(again.row, { ...given, place: null });
  const { rows } = await run(database, 'query', { table: 'kinds', where: { span: '26 hours' } });
  assert.equal(rows.length, 2);
});

test('an array of a type of the user’s own is put out as a list, as Postgres takes it again', async () => {
  await pool.query(`
    create type mood as enum ('sad', 'so-so, {ok}');
    create domain price as numeric(8,2);
    create domain whole as integer[];
    create domain whole_twice as whole;
    create domain moods as mood[];
    create type place as (street text, number integer);
    create table own_kinds (id integer primary key, moods mood[], grid mood[], sums price[], domain moods, places place[], numbers whole_twice)`);
  const given = {
    moods: ['so-so, {ok}', null, 'sad'],
    grid: [['sad'], ['so-so, {ok}']],
    sums: ['0.10'],
    domain: ['sad'],
    places: ['(Lane,3)'],
    numbers: [1, 2],
  };

  const { row } = await run(database, 'create', { table: 'own_kinds', row: { id: 1, ...given } });
  const again = await run(database, 'upsert', { table: 'own_kinds', key: ['id'], row: { ...row, id: 2 } });
  const { rows } = await run(database, 'query', { table: 'own_kinds', where: { moods: given.moods } });

  assert.deepEqual(row, { id: 1, ...given });
  assert.deepEqual(again.row, { id: 2, ...given });
  assert.deepEqual(rows, [row, again.row]);
});

test('upsert creates a row, then updates it, and says which', async () => {
  const first = await run(database, 'upsert', {
    table: 'things',
    key: ['id'],
    row: { id: 3, name: 'three', price: '1' },
  });
  const second = await run(database, 'upsert', { table: 'things', key: ['id'], row: { id: 3, price: '2' } });

  assert.deepEqual([first.created, second.created], [true, false]);
  assert.deepEqual([second.row.name, second.row.price], ['three', '2.0000']);
});

test('upsert of nothing but the key gives the row that is there', async () => {
  await run(database, 'upsert', { table: 'things', key: ['id'], row: { id: 4, name: 'four' } });

  const { created, row } = await run(database, 'upsert', { table: 'things', key: ['id'], row: { id: 4 } });

  assert.deepEqual([created, row.name], [false, 'four']);
});

test('upsert needs a unique constraint on its key, and says so', async () => {
  await assert.rejects(run(database, 'upsert', { table: 'things', key: ['price'], row: { price: '1' } }), {
    code: 'DB_42P10',
    message: /Add a unique constraint on exactly the key columns/,
  });
});

test('upsert needs the key in its row, and says so', async () => {
  await assert.rejects(
    run(database, 'upsert', { table: 'things', key: ['id', 'name'], row: { price: '1' } }),
    {
      code: 'DB_KEY_MISSING',
      message: 'things: the row has no id, name, which is its key',
    },
  );
});

test('query gives the rows with these values, in this order, with these columns, and no more than wanted', async () => {
  for (const id of [10, 11, 12, 13]) {
    const row = { id, name: `q${id}`, flag: id !== 12, price: `${id}.5` };
    await run(database, 'upsert', { table: 'things', key: ['id'], row });
  }

  const result = await run(database, 'query', {
    table: 'things',
    where: { flag: true, price: '10.5' },
    columns: ['id', 'price'],
  });
  const sorted = await run(database, 'query', {
    table: 'things',
    columns: ['id'],
    order_by: [{ column: 'flag' }, { column: 'id', direction: 'desc' }],
    limit: 2,
  });

  assert.deepEqual(result, { count: 1, rows: [{ id: 10, price: '10.5000' }] });
  assert.deepEqual(sorted.rows, [{ id: 12 }, { id: 13 }]);
});

test('query finds rows that have no value, by null', async () => {
  await run(database, 'upsert', { table: 'things', key: ['id'], row: { id: 20, name: null } });

  const { rows } = await run(database, 'query', {
    table: 'things',
    where: { id: 20, name: null },
    columns: ['id'],
  });

  assert.deepEqual(rows, [{ id: 20 }]);
});

test('query reads views, and tables of other schemas', async () => {
  await run(database, 'create', { table: 'shop.items', row: { id: 1 } });

  assert.deepEqual(await run(database, 'query', { table: 'shop.items' }), { count: 1, rows: [{ id: 1 }] });
  assert.equal((await run(database, 'query', { table: 'cheap', where: { id: 3 } })).count, 1);
});

for (const [operation, parameters] of [
  ['create', { table: 'things', row: { id: 5, nmae: 'x' } }],
  ['upsert', { table: 'things', key: ['nmae'], row: { nmae: 'x' } }],
  ['query', { table: 'things', where: { nmae: 'x' } }],
  ['query', { table: 'things', columns: ['nmae'] }],
  ['query', { table: 'things', order_by: [{ column: 'nmae' }] }],
] as const) {
  test(`a misspelt column in ${operation} ${Object.keys(parameters).at(-1)} gets a suggestion`, async () => {
    await assert.rejects(run(database, operation, parameters as Json), {
      code: 'DB_NO_COLUMN',
      message: /^things has no column "nmae"\. Did you mean "name"\? There are: id, name, price/,
    });
  });
}

test('a misspelt table gets a suggestion', async () => {
  await assert.rejects(run(database, 'query', { table: 'thnigs' }), {
    code: 'DB_NO_TABLE',
    message: /^there is no table thnigs in schema public\. Did you mean "things"\?/,
  });
});

for (const table of [
  'sluice.tasks',
  'sluice.runs',
  'pg_catalog.pg_class',
  'information_schema.tables',
  'graphile_migrate.migrations',
  'pg_toast.x',
]) {
  test(`${table} is not for workflows`, async () => {
    await assert.rejects(run(database, 'query', { table }), { code: 'DB_RESERVED_SCHEMA' });
  });
}

for (const table of [
  'things; drop table things',
  '"things"',
  'things --',
  'a.b.c',
  '',
  "things'",
  'things\0',
  'Odd "Name',
  'ünï',
]) {
  test(`${JSON.stringify(table)} is no name for a table`, async () => {
    await assert.rejects(run(database, 'query', { table }), {
      code: 'BAD_PARAMETERS',
      message: /DB_BAD_IDENTIFIER/,
    });
  });
}

test('a column’s name is never SQL, whatever it holds', async () => {
  for (const column of ['id; drop table things', 'id" = 1 --', '1=1', '*', 'ctid', 'xmin', 'constructor'])
    await assert.rejects(
      run(database, 'query', { table: 'things', where: { [column]: 1 } }),
      { code: 'DB_NO_COLUMN' },
      column,
    );
});

test('columns with quotes, keywords and letters of all kinds for names are written and found', async () => {
  const row = { 'a "quoted" column': 'x', select: 1, Ünï: 'y' };

  const created = await run(database, 'create', { table: 'odd', row });
  const found = await run(database, 'query', { table: 'odd', where: row });

  assert.deepEqual([created.row, found.rows], [row, [row]]);
});

test('a value is never SQL, whatever it holds', async () => {
  const name = `'); drop table things; -- \${x} $1 \\`;

  await run(database, 'create', { table: 'things', row: { id: 30, name } });
  const { rows } = await run(database, 'query', {
    table: 'things',
    where: { name },
    columns: ['id', 'name'],
  });

  assert.deepEqual(rows, [{ id: 30, name }]);
});

test('a generated column is refused with its name', async () => {
  for (const [column, value] of [
    ['twice', 4],
    ['number', 7],
  ] as const) {
    await assert.rejects(run(database, 'create', { table: 'numbered', row: { id: 31, [column]: value } }), {
      code: 'DB_GENERATED_COLUMN',
      message: `numbered: column "${column}" is generated; leave it out`,
    });
  }
});

test('a value that its column does not take fails with the code of Postgres, and without the row', async () => {
  await run(database, 'upsert', { table: 'things', key: ['id'], row: { id: 40, name: 'secret' } });

  await assert.rejects(
    run(database, 'create', { table: 'things', row: { id: 40 } }),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'DB_23505');
      assert.doesNotMatch(error.message, /secret|\(40\)/);
      return true;
    },
  );
  await assert.rejects(run(database, 'create', { table: 'things', row: { id: 41, price: 'much' } }), {
    code: 'DB_22P02',
  });
  await assert.rejects(run(database, 'create', { table: 'things', row: { id: 41, day: '2025-02-30' } }), {
    code: 'DB_22008',
  });
});

test('a table with a column of a domain that may not be null is read and written like any other', async () => {
  await pool.query(`
    create domain label as text not null;
    create table labelled (id integer primary key, label label default 'new')`);
  const key = ['id'];

  const { row } = await run(database, 'create', { table: 'labelled', row: { id: 1 } });
  const { created } = await run(database, 'upsert', { table: 'labelled', key, row: { id: 1 } });
  const { rows } = await run(database, 'query', { table: 'labelled', where: { id: 1 } });

  assert.deepEqual([row, created, rows], [{ id: 1, label: 'new' }, false, [{ id: 1, label: 'new' }]]);
});

test('with a URL of its own the connector works on that database, and not in the task’s transaction', async () => {
  const other = new DatabaseConnector({ url });

  await attempted((context) => other.execute('create', { table: 'things', row: { id: 50 } }, context), {
    commits: false,
  });

  assert.equal((await pool.query('select from things where id = 50')).rowCount, 1);
});

test('upsert works on partitioned tables and on views, and says which rows are new', async () => {
  await pool.query(`
    create table parted (id integer primary key, n integer) partition by range (id);
    create table parted_1 partition of parted for values from (0) to (100);
    create table plain (id integer primary key, n integer);
    create view seen as select id, n from plain`);

  for (const table of ['parted', 'seen']) {
    const upsert = (n: number) => run(database, 'upsert', { table, key: ['id'], row: { id: 1, n } });

    assert.deepEqual(await upsert(1), { created: true, row: { id: 1, n: 1 } });
    assert.deepEqual(await upsert(2), { created: false, row: { id: 1, n: 2 } });
  }
});

test('a database that does not let it in is an error of the task, with the code of Postgres', async () => {
  const wrong = new URL(url);
  wrong.password = 'wrong';
  const other = new DatabaseConnector({ url: wrong.href });

  await assert.rejects(other.execute('query', { table: 'things' }, taskContext()), { code: 'DB_28P01' });
});

test('a database of its own that is not there is an error of the task, which names the table', async () => {
  const absent = new DatabaseConnector({ url: 'postgres://me@127.0.0.1:1/nowhere' });

  await assert.rejects(absent.execute('query', { table: 'things' }, taskContext()), {
    code: 'DB_ECONNREFUSED',
    message: /^things: connect ECONNREFUSED/,
  });
});

/** The server has given up the statements that waited. */
async function nobodyWaitsForALock(): Promise<void> {
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  await until(async () => (await pool.query(waiting)).rowCount === 0, 'nobody to wait for a lock');
}

for (const [where, connector] of [
  ['the engine’s database', database],
  ['a database of its own', new DatabaseConnector({ url })],
] as const) {
  test(`what waits for a lock on ${where} is given up when the task is told to stop, and never done`, async () => {
    const holder = await openClient(url);
    await holder.query('begin; lock table things');
    const stop = new AbortController();
    let told: Promise<Json> | undefined;

    const whole = undone((context) => {
      told = connector.execute('create', { table: 'things', row: { id: 60 } }, context);
      return told;
    }, stop.signal);
    whole.catch(() => {});
    await someoneWaitsForALock();
    stop.abort(new ConnectorError('TIMEOUT', 'too long'));
    await assert.rejects(told ?? whole, { code: 'TIMEOUT' });
    // In the engine's database that is the end of the task's transaction.
    if (connector !== database) await nobodyWaitsForALock();
    await holder.end();
    await assert.rejects(whole, { code: 'TIMEOUT' });

    assert.equal((await pool.query('select from things where id = 60')).rowCount, 0);
  });
}

test('with a URL of its own it stops when it is told to, and writes nothing afterwards', async () => {
  await pool.query('create table locked (id integer primary key)');
  const other = new DatabaseConnector({ url });
  const told = new AbortController();
  const reason = new ConnectorError('STOPPED', 'enough');
  {
    await using _ = await lockTable('locked');
    // More than it has connections.
    const writing = [1, 2, 3, 4, 5, 6, 7].map((id) =>
      other.execute('create', { table: 'locked', row: { id } }, taskContext(told.signal)),
    );
    const ended = Promise.allSettled(writing);
    await someoneWaitsForALock(5);

    told.abort(reason);

    for (const one of await ended) assert.deepEqual(one, { status: 'rejected', reason });
    await nobodyWaitsForALock();
    // Others find a connection, though the lock is still held.
    await other.execute('query', { table: 'locked' }, taskContext());
  }

  assert.equal((await pool.query('select from locked')).rowCount, 0);
});

test('in the engine’s database it stops also while it waits for a connection', async () => {
  const told = new AbortController();
  const reason = new ConnectorError('STOPPED', 'enough');
  const context = { ...taskContext(told.signal), transaction: () => new Promise<never>(() => {}) };
  const waiting = new DatabaseConnector().execute('query', { table: 'any' }, context);

  told.abort(reason);

  await assert.rejects(waiting, reason);
});

test('with a URL of its own it stops also while it waits for a connection', async () => {
  await pool.query('create table crowded (id integer primary key)');
  const other = new DatabaseConnector({ url });
  const create = (id: number, signal?: AbortSignal) =>
    other.execute('create', { table: 'crowded', row: { id } }, taskContext(signal));
  const told = new AbortController();
  const reason = new ConnectorError('STOPPED', 'enough');
  let others: Promise<unknown>;
  {
    await using _ = await lockTable('crowded');
    others = Promise.all([1, 2, 3, 4, 5].map((id) => create(id)));
    await someoneWaitsForALock(5);
    const waiting = create(6, told.signal);

    told.abort(reason);

    await assert.rejects(waiting, reason);
  }
  await others;
  // Five of them at once: the one that came too late has been given back.
  {
    await using _ = await lockTable('crowded');
    others = Promise.all([7, 8, 9, 10, 11].map((id) => create(id)));
    await someoneWaitsForALock(5);
  }
  await others;
  assert.equal((await pool.query('select from crowded')).rowCount, 10);
});

test('what a trigger keeps from being stored is not told as stored', async () => {
  await pool.query(`
    create table shut (id integer primary key);
    create function refuse() returns trigger language plpgsql as 'begin return null; end';
    create trigger refuse before insert on shut for each row execute function refuse()`);

  for (const [operation, key] of [
    ['create', {}],
    ['upsert', { key: ['id'] }],
  ] as const)
    await assert.rejects(run(database, operation, { table: 'shut', row: { id: 1 }, ...key }), {
      code: 'DB_NOT_STORED',
      message: 'shut: a trigger or a rule kept the row from being stored',
    });
});

test('a column whose name no object has is not lost on the way', async () => {
  const row = JSON.parse('{"id": 77, "__proto__": 5}');

  await assert.rejects(run(database, 'create', { table: 'things', row }), { code: 'DB_NO_COLUMN' });
});

for (const given of [undefined, '', 'nonsense', 'mysql://me@host/db'])
  test(`a database of its own at ${JSON.stringify(given)} is refused when the connector is made`, () => {
    // As TypeScript lets it be written without exactOptionalPropertyTypes.
    const options = { url: given } as { url: string };

    assert.throws(() => new DatabaseConnector(options), /^UsageError: BAD_DATABASE_URL of a connector: /);
  });

test('a file may have the longest name that there is, and keys of any name', async () => {
  const path = `${'é'.repeat(125)}.json`;
  const content = JSON.parse('{"__proto__": {"a": 1}, "b": {"__proto__": 2}}');

  await run(file, 'writeJson', { path, content });

  assert.deepEqual(JSON.parse(readFileSync(join(folder, path), 'utf8')), content);
});

test('a file holds the value as JSON, indented, with a line end', async () => {
  await run(file, 'writeJson', { path: 'plain.json', content: { a: [1, 'ä'] } });

  assert.equal(readFileSync(join(folder, 'plain.json'), 'utf8'), '{\n  "a": [\n    1,\n    "ä"\n  ]\n}\n');
});

test('keys come in the order that is asked for, wherever they occur, and others after them', async () => {
  const content = { z: 1, b: { y: 1, a: 2 }, a: 3 };

  await run(file, 'writeJson', { path: 'ordered.json', content, keys: ['a', 'b'] });

  assert.equal(
    JSON.stringify(JSON.parse(readFileSync(join(folder, 'ordered.json'), 'utf8'))),
    '{"a":3,"b":{"a":2,"y":1},"z":1}',
  );
});

test('folders on the way to a file are made', async () => {
  const { path } = await run(file, 'writeJson', { path: 'deep/er/file.json', content: 1 });

  assert.equal(path, 'deep/er/file.json');
  assert.equal(readFileSync(join(folder, 'deep/er/file.json'), 'utf8'), '1\n');
});

test('a file is replaced as a whole: no draft stays behind', async () => {
  await run(file, 'writeJson', { path: 'whole/file.json', content: 'a long text that was there before' });
  await run(file, 'writeJson', { path: 'whole/file.json', content: 1 });

  assert.deepEqual(readdirSync(join(folder, 'whole')), ['file.json']);
  assert.equal(readFileSync(join(folder, 'whole/file.json'), 'utf8'), '1\n');
});

test('who has a file open goes on reading the former one while it is replaced', async () => {
  await run(file, 'writeJson', { path: 'swap.json', content: 'before' });
  const open = openSync(join(folder, 'swap.json'), 'r');

  await run(file, 'writeJson', { path: 'swap.json', content: 'after' });

  assert.equal(readFileSync(open, 'utf8'), '"before"\n');
  closeSync(open);
});

test('what kept a file from being written is told in words, and without the path of its folder', async () => {
  writeFileSync(join(folder, 'notes'), 'a file');
  const written = (path: string) => run(file, 'writeJson', { path, content: 1 });

  await assert.rejects(written('notes/new/out.json'), {
    message:
      'notes/new/out.json could not be written: there is a file where a folder has to be. Mend that, or name another path.',
  });
  await assert.rejects(written(`${'x'.repeat(300)}.json`), /: name too long\. Mend that/);
});

symlinkSync(elsewhere, join(folder, 'link'));
writeFileSync(join(elsewhere, 'target.json'), 'untouched');
symlinkSync(join(elsewhere, 'target.json'), join(folder, 'linked.json'));
symlinkSync(join(elsewhere, 'nowhere'), join(folder, 'dangling'));
mkdirSync(join(folder, 'folder.json'));
writeFileSync(join(folder, 'plain.txt'), 'a file');

for (const [path, code] of [
  ['../out.json', 'PATH_OUTSIDE_ROOT'],
  ['a/../../out.json', 'PATH_OUTSIDE_ROOT'],
  ['/etc/out.json', 'PATH_OUTSIDE_ROOT'],
  ['.', 'PATH_OUTSIDE_ROOT'],
  ['link/out.json', 'PATH_OUTSIDE_ROOT'],
  ['link/new/out.json', 'PATH_OUTSIDE_ROOT'],
  ['dangling/out.json', 'PATH_OUTSIDE_ROOT'],
  ['a\0b.json', 'BAD_PATH'],
  ['a\n\x1b[31m.json', 'BAD_PATH'],
  ['plain.txt/', 'BAD_PATH'],
  ['linked.json', 'FILE_IS_NO_FILE'],
  ['folder.json', 'FILE_IS_NO_FILE'],
  ['plain.txt/out.json', 'FILE_NOT_WRITTEN'],
  [`${'x'.repeat(300)}.json`, 'FILE_NOT_WRITTEN'],
] as const) {
  test(`nothing is written to ${JSON.stringify(path.slice(0, 30))}`, async () => {
    await assert.rejects(run(file, 'writeJson', { path, content: 1 }), { name: 'ConnectorError', code });

    assert.deepEqual(readdirSync(elsewhere), ['target.json']);
    assert.equal(readFileSync(join(elsewhere, 'target.json'), 'utf8'), 'untouched');
  });
}
