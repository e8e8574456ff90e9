import { codeOf, messageOf, UsageError } from './errors.ts';
import type { Connection } from './store.ts';

/*
 * Steering runs that exist: the statements behind cancel, rerun and prune.
 */

/** False when the run had ended before. */
export async function cancelRun(db: Connection, runId: string, by: string): Promise<boolean> {
  const { rows } = await db.query('select sluice.cancel_run($1, $2) as cancelled', [runId, by]);
  return rows[0].cancelled;
}

/** Starts a run again; gives the new run's id. */
export async function rerun(db: Connection, runId: string, fromFailed: boolean, by: string): Promise<string> {
  const { rows } = await db.query('select sluice.rerun($1, $2, $3) as id', [runId, fromFailed, by]);
  return rows[0].id;
}

/** How many runs ended longer ago than that, and can be deleted. `age` is an interval of Postgres. */
export async function countPrunable(db: Connection, age: string): Promise<number> {
  const { rows } = await db.query(
    'select count(*)::integer as count from sluice.prunable_runs where finished_at < statement_timestamp() - $1::interval',
    [age],
  );
  return rows[0].count;
}

/** What a foreign key says of the row that it keeps; the second as of PostgreSQL 18, of ON DELETE RESTRICT. */
const REFERENCED = /^(23503|23001)$/;

/** Deletes up to `limit` of them, in one transaction; says how many. Throws a UsageError when somebody's table refers to one. */
export async function pruneSome(db: Connection, age: string, limit: number): Promise<number> {
  try {
    const { rows } = await db.query('select sluice.prune($1::interval, $2)::integer as count', [age, limit]);
    return rows[0].count;
  } catch (error) {
    if (!REFERENCED.test(codeOf(error))) throw error;
    throw new UsageError(
      `STILL_REFERENCED ${messageOf(error)}. Let that constraint say ON DELETE SET NULL or CASCADE.`,
      { cause: error },
    );
  }
}
