import type { Client } from 'pg';
import { openClient } from '../../../src/database/connect.ts';

/** So many runs a statement: what belongs together lies together, as it would if they had really run. */
const PORTION = 10_000;

/**
 * Copies a finished run so many times, with all that it left in any table. Triggers are off meanwhile; columns are
 * looked up, so that this need not know them.
 */
export async function multiplyRun(superuserUrl: string, runId: string, copies: number): Promise<void> {
  const client = await openClient(superuserUrl, { name: 'bench' });
  await client.query(`set session_replication_role = replica`);
  const { rows } = await client.query('select max(id)::integer as last from sluice.runs');
  const last: number = rows[0].last;
  await fillPages(client, 60);
  const inserts = [await copyOf(client, 'runs', 'id'), ...(await copiesOfChildren(client))];
  for (let from = 1; from <= copies; from += PORTION)
    for (const insert of inserts)
      await client.query(insert, [runId, last, from, Math.min(from + PORTION - 1, copies), copies]);
  await fillPages(client, 50);
  await client.query(`select setval(pg_get_serial_sequence('sluice.runs', 'id'), max(id)) from sluice.runs`);
  await client.query('vacuum (analyze)');
  await client.query('checkpoint');
  await client.end();
}

/**
 * Rows grow while their run is under way, so their pages are a little fuller than new ones, which are half empty. Loaded as
 * they end, into half-empty pages, they would leave room for one new row each: the next runs would be strewn over all of them.
 */
async function fillPages(client: Client, percent: number): Promise<void> {
  for (const table of ['runs', 'tasks'])
    await client.query(`alter table sluice.${table} set (fillfactor = ${percent})`);
}

/** All tables whose rows belong to a run. */
async function copiesOfChildren(client: Client): Promise<string[]> {
  const { rows } = await client.query(
    `select table_name as name
       from information_schema.columns
       join information_schema.tables using (table_schema, table_name)
      where table_schema = 'sluice' and column_name = 'run_id' and table_type = 'BASE TABLE'`,
  );
  return await Promise.all(rows.map(({ name }) => copyOf(client, name, 'run_id')));
}

/** Times move with the runs, a second from one to the next. */
async function copyOf(client: Client, table: string, key: string): Promise<string> {
  const { rows } = await client.query(
    `select column_name as name, data_type as type
       from information_schema.columns
      where table_schema = 'sluice' and table_name = $1 and is_generated = 'NEVER' and column_name <> 'key'`,
    [table],
  );
  const values = rows.map(({ name, type }) => {
    if (name === key) return '$2::bigint + copy';
    return type === 'timestamp with time zone' ? `${name} - ($5::bigint - copy) * interval '1 s'` : name;
  });
  return `insert into sluice.${table} (${rows.map(({ name }) => name).join(', ')}) overriding system value
          select ${values.join(', ')}
            from generate_series($3::bigint, $4::bigint) as copy
           cross join (select * from sluice.${table} where ${key} = $1 and $5::bigint > 0) as original`;
}
