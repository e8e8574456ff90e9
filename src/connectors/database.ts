import type { Pool } from 'pg';
import * as z from 'zod';
import { unlessAborted } from '../abort.ts';
import { Connector, operation, type Queryable, type TaskContext } from '../connector.ts';
import { abandon, createPool } from '../database/connect.ts';
import { databaseUrlProblems } from '../database/url.ts';
import { ConnectorError, codeOf, messageOf, UsageError } from '../errors.ts';
import type { Json } from '../json.ts';
import { columnOf, findTable, type Table, writable } from './catalogue.ts';
import { jsonObject } from './json.ts';

const table = z
  .string()
  .regex(
    /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$/,
    'DB_BAD_IDENTIFIER a table is "name" or "schema.name", of letters, digits and "_"',
  );
const column = z.string().min(1).max(63);
const row = jsonObject.refine((values) => Object.keys(values).length > 0, 'give at least one column');

const MOST_ROWS = 10_000;

/**
 * Creates, upserts and queries rows. Table and columns are looked up in the catalogue and quoted, values are bound:
 * as one JSON document, which Postgres turns into each column's type, so that money stays exact.
 *
 * On the engine's own database everything happens in the task's transaction: exactly once. With a `url` of another
 * database it happens at least once; `upsert` is then the operation that can be repeated.
 */
export class DatabaseConnector extends Connector {
  readonly #elsewhere: { readonly url: string; readonly pool: Pool } | undefined;

  /** Throws a UsageError when `url` is there but is no URL: also when it is undefined, as a variable that is not set is. */
  constructor(options: { url?: string } = {}) {
    super();
    if (!('url' in options)) return;
    const { url = '' } = options;
    const problems = databaseUrlProblems(url);
    if (problems.length > 0)
      throw new UsageError(
        problems.map((problem) => `BAD_DATABASE_URL of a connector: ${problem}`).join('\n'),
      );
    this.#elsewhere = { url, pool: createPool(url, { name: 'connector', max: 5, allowExitOnIdle: true }) };
  }

  readonly operations = {
    /** Inserts a row; puts it out as it was stored, defaults filled in. */
    create: operation({
      parameters: z.strictObject({ table, row }),
      run: (parameters, context) =>
        this.#with(context, parameters.table, async (db, target) => {
          const { rows } = await db.query(
            `${insertInto(target, Object.keys(parameters.row))} returning ${selected(target, 'stored')}`,
            [JSON.stringify(parameters.row)],
          );
          return { row: toJson(stored(target, rows)) };
        }),
    }),

    /** Inserts a row, or updates the one that has the same key; says which. */
    upsert: operation({
      parameters: z.strictObject({ table, key: z.array(column).min(1), row }),
      run: ({ key, ...parameters }, context) =>
        this.#with(context, parameters.table, async (db, target) => {
          const names = Object.keys(parameters.row);
          const keys = key.map((name) => columnOf(target, name).quoted);
          const absent = key.filter((name) => !names.includes(name));
          if (absent.length > 0)
            throw new ConnectorError(
              'DB_KEY_MISSING',
              `${target.name}: the row has no ${absent.join(', ')}, which is its key`,
            );
          const updates = writable(
            target,
            names.filter((name) => !key.includes(name)),
          ).map((name) => `${name} = excluded.${name}`);
          // Where there is nothing but the key, it is updated to itself, so that the row is returned.
          const set = updates.length > 0 ? updates : keys.map((name) => `${name} = excluded.${name}`);
          const { rows } = await db.query(
            `${insertInto(target, names)}
             on conflict (${keys.join(', ')}) do update set ${set.join(', ')}
             returning ${selected(target, 'stored')}, ${isNew(target, keys)} as "upsert: created"`,
            [JSON.stringify(parameters.row)],
          );
          const { 'upsert: created': created, ...row } = stored(target, rows);
          return { created: created === true, row: toJson(row) };
        }),
    }),

    /** The rows in which all these columns have these values. */
    query: operation({
      parameters: z.strictObject({
        table,
        where: jsonObject.default({}),
        columns: z.array(column).min(1).optional(),
        order_by: z
          .array(z.strictObject({ column, direction: z.enum(['asc', 'desc']).default('asc') }))
          .default([]),
        limit: z.int().min(1).max(MOST_ROWS).default(100),
      }),
      run: ({ where, columns, order_by, limit, ...parameters }, context) =>
        this.#with(context, parameters.table, async (db, target) => {
          const conditions = Object.entries(where).map(([name, value]) => {
            const { quoted } = columnOf(target, name);
            return `row.${quoted} ${value === null ? 'is null' : `= (select * from ${recordOf(target, [name])})`}`;
          });
          const order = order_by.map((by) => `row.${columnOf(target, by.column).quoted} ${by.direction}`);
          const { rows } = await db.query(
            `select ${selected(target, 'row', columns)}
               from ${target.quoted} as row
              where ${['$1::jsonb is not null', ...conditions].join(' and ')}
              ${order.length > 0 ? `order by ${order.join(', ')}` : ''}
              limit $2`,
            [JSON.stringify(where), limit],
          );
          return { count: rows.length, rows: rows.map(toJson) };
        }),
    }),
  };

  async #with(
    context: TaskContext,
    name: string,
    act: (db: Queryable, target: Table) => Promise<Json>,
  ): Promise<Json> {
    const work = async (db: Queryable) => {
      try {
        return await act(db, await findTable(db, name));
      } catch (error) {
        throw inOurWords(name, error);
      }
    };
    const { signal } = context;
    // When it is aborted, nothing is left to do here: the transaction ends with its task.
    if (!this.#elsewhere) return unlessAborted(signal, context.transaction().then(work));
    const { url, pool } = this.#elsewhere;
    const connecting = pool.connect();
    const client = await unlessAborted(signal, connecting).catch((error) => {
      // A connection that comes too late goes back to the pool.
      connecting.then(
        (late) => late.release(),
        () => {},
      );
      throw inOurWords(name, error);
    });
    try {
      signal.throwIfAborted();
      return await unlessAborted(signal, work(client));
    } finally {
      if (signal.aborted) void abandon(url, client);
      else client.release();
    }
  }
}

/**
 * An expression that tells whether an upserted row is new. A row that ON CONFLICT has updated still carries, as its xmax, the
 * lock that was taken for that; an inserted one has none. Where rows have no xmax, it counts whether the row was there when
 * the statement began: of two statements at the same moment, both may then say that the row is new.
 */
function isNew({ quoted, plain }: Table, keys: readonly string[]): string {
  if (plain) return 'xmax = 0';
  const same = keys.map((name) => `former.${name} = stored.${name}`);
  return `not exists (select from ${quoted} as former where ${same.join(' and ')})`;
}

/** The beginning of an insert of these columns, from the JSON document $1. All others get their defaults. */
function insertInto(target: Table, names: readonly string[]): string {
  return `insert into ${target.quoted} as stored (${writable(target, names).join(', ')}) select * from ${recordOf(target, names)}`;
}

/** These columns of the JSON document $1. Not the whole row: a column that may not be null could have none in it. */
function recordOf(target: Table, names: readonly string[]): string {
  const columns = names.map((name) => columnOf(target, name)).map(({ quoted, type }) => `${quoted} ${type}`);
  return `jsonb_to_record($1) as given(${columns.join(', ')})`;
}

/** Columns as they are put out: moments to the microsecond, which a Date does not have, and every array as a list. */
function selected(target: Table, from: string, names: Iterable<string> = target.columns.keys()): string {
  const each = [...names].map((name) => {
    const { quoted, moment, foreign_array } = columnOf(target, name);
    if (foreign_array) return `${from}.${quoted}::text[] as ${quoted}`;
    return moment ? `to_json(${from}.${quoted}) as ${quoted}` : `${from}.${quoted}`;
  });
  return each.join(', ');
}

/** The row that a statement has written. */
function stored({ name }: Table, [row]: readonly Record<string, unknown>[]): Record<string, unknown> {
  if (row) return row;
  throw new ConnectorError('DB_NOT_STORED', `${name}: a trigger or a rule kept the row from being stored`);
}

function toJson(stored: Record<string, unknown>): { [key: string]: Json } {
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, asJson(value)]));
}

/** What JSON has not becomes text that Postgres understands: bytes, NaN, infinity, and the Date of a domain over a domain. */
function asJson(value: unknown): Json {
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  if (Array.isArray(value)) return value.map(asJson);
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : (value as Json);
}

/** An error of Postgres as a ConnectorError. Its details are left out, as they hold whole rows. */
function inOurWords(name: string, error: unknown): unknown {
  if (error instanceof ConnectorError) return error;
  const code = codeOf(error);
  const advice = code === '42P10' ? ' Add a unique constraint on exactly the key columns.' : '';
  return new ConnectorError(`DB_${code || 'ERROR'}`, `${name}: ${messageOf(error)}.${advice}`, {
    cause: error,
  });
}
