import type { Queryable } from '../connector.ts';
import { ConnectorError, didYouMean } from '../errors.ts';

/*
 * Tables and columns, looked up in the catalogue of Postgres: only names that are found there get into a statement.
 */

/** Schemas that no task may touch. The tables of the engine, above all, change by its own rules only. */
const RESERVED = /^(sluice|graphile_migrate|information_schema|pg_.*)$/;

/** A table as the catalogue knows it, its names ready to stand in a statement. */
export interface Table {
  readonly name: string;
  readonly quoted: string;
  /** Neither a view nor partitioned: only then do its rows have the system column xmax. */
  readonly plain: boolean;
  readonly columns: ReadonlyMap<string, Column>;
}

interface Column {
  readonly quoted: string;
  /** As a statement names it: `numeric(20,4)`. */
  readonly type: string;
  /** Its values are made by Postgres. */
  readonly generated: boolean;
  /** A timestamptz, an array of them, or a domain over one of these. */
  readonly moment: boolean;
  /** An array of a type that is no part of Postgres, such as an enum: pg would hand it over as one text, "{a,b}". */
  readonly foreign_array: boolean;
}

/** Looks a table up; without a schema in its name, it is in `public`. */
export async function findTable(db: Queryable, name: string): Promise<Table> {
  const [schema, relation] = name.includes('.') ? name.split('.') : ['public', name];
  if (RESERVED.test(schema ?? ''))
    throw new ConnectorError(
      'DB_RESERVED_SCHEMA',
      `${name}: schema "${schema}" is not for workflows; use a table of your own`,
    );
  const { rows } = await db.query(
    `select quote_ident(space.nspname) || '.' || quote_ident(class.relname) as quoted, class.relkind = 'r' as plain,
            json_agg(json_build_object('name', attname, 'quoted', quote_ident(attname), 'type', format_type(atttypid, atttypmod),
                                      'generated', attgenerated <> '' or attidentity = 'a',
                                      'moment', base.oid in ('timestamptz'::regtype, 'timestamptz[]'::regtype),
                                      'foreign_array', base.typtype = 'b' and base.typcategory = 'A' and base.oid >= 16384) order by attnum) as columns
       from pg_class as class
       join pg_namespace as space on space.oid = class.relnamespace
       join pg_attribute on attrelid = class.oid and attnum > 0 and not attisdropped
       join pg_type as type on type.oid = atttypid
       join pg_type as base on base.oid = coalesce(nullif(type.typbasetype, 0), atttypid)
      where space.nspname = $1 and class.relname = $2 and class.relkind in ('r', 'p', 'v', 'm', 'f')
      group by 1, 2`,
    [schema, relation],
  );
  const [found] = rows as unknown as {
    quoted: string;
    plain: boolean;
    columns: (Column & { readonly name: string })[];
  }[];
  if (found) return { ...found, name, columns: new Map(found.columns.map((one) => [one.name, one])) };
  const { rows: others } = await db.query(
    `select tablename as name from pg_tables where schemaname = $1 order by 1 limit 100`,
    [schema],
  );
  const names = others.map((other) => String(other.name));
  throw new ConnectorError(
    'DB_NO_TABLE',
    `there is no table ${name} in schema ${schema}.${didYouMean(relation ?? '', names)}`,
  );
}

/** A column of a table. Throws a ConnectorError when there is none of that name. */
export function columnOf(target: Table, name: string): Column {
  const found = target.columns.get(name);
  if (!found)
    throw new ConnectorError(
      'DB_NO_COLUMN',
      `${target.name} has no column "${name}".${didYouMean(name, [...target.columns.keys()])}`,
    );
  return found;
}

/** These columns, quoted. Throws a ConnectorError when there is one that cannot be written. */
export function writable(target: Table, names: readonly string[]): string[] {
  return names.map((name) => {
    const { quoted, generated } = columnOf(target, name);
    if (generated)
      throw new ConnectorError(
        'DB_GENERATED_COLUMN',
        `${target.name}: column "${name}" is generated; leave it out`,
      );
    return quoted;
  });
}
