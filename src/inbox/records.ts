import type { JsonObject } from '../json.ts';
import type { Connection } from '../store.ts';

/* The statements of the inbox. */

/** A mail that is to become a run. */
export interface Mail {
  /** Where it was found. */
  readonly path: string;
  readonly stamp: string;
  readonly sha256: string;
  readonly input: JsonObject;
}

/** Which of these files have been taken as they are: path to stamp. */
export async function readStamps(
  db: Connection,
  workflow: string,
  paths: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await db.query({
    name: 'inbox_stamps',
    text: `select distinct on (path) path, stamp
             from sluice.inbox_files
            where workflow = $1 and path = any ($2)
            order by path, seen_at desc`,
    values: [workflow, paths],
  });
  return new Map(rows.map(({ path, stamp }) => [path, stamp]));
}

/** Starts a run for each content that is new and records all files, in one transaction; in the order given. */
export async function takeFiles(
  db: Connection,
  workflow: string,
  mails: readonly Mail[],
): Promise<{ runId: string; isNew: boolean }[]> {
  const { rows } = await db.query({
    name: 'take_files',
    text: 'select run_id, is_new from sluice.take_files($1, $2, $3, $4, $5::jsonb[])',
    values: [
      workflow,
      mails.map(({ path }) => path),
      mails.map(({ sha256 }) => sha256),
      mails.map(({ stamp }) => stamp),
      mails.map(({ input }) => JSON.stringify(input)),
    ],
  });
  return rows.map(({ run_id, is_new }) => ({ runId: run_id, isNew: is_new }));
}

/** How many runs of mails are under way. */
export async function countOpen(db: Connection, workflow: string): Promise<number> {
  const { rows } = await db.query({
    name: 'inbox_open',
    text: `select count(*)::integer as count
             from sluice.runs
            where status = 'RUNNING' and workflow = $1 and key like 'sha256 %'`,
    values: [workflow],
  });
  return rows[0].count;
}

/** How runs of mails have ended, from this one on. */
export async function countEnded(
  db: Connection,
  workflow: string,
  firstRun: string,
): Promise<{ completed: number; failed: number }> {
  const { rows } = await db.query(
    `select count(*) filter (where status = 'COMPLETED')::integer               as completed,
            count(*) filter (where status in ('FAILED', 'CANCELLED'))::integer as failed
       from sluice.runs
      where workflow = $1 and id >= $2 and key like 'sha256 %'`,
    [workflow, firstRun],
  );
  return rows[0];
}
