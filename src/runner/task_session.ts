import type { QueryResult } from 'pg';
import { type Claim, type Connection, type Hop, LOCK_TIMEOUT_MS, type Result, sortRows } from '../store.ts';

/*
 * The statements of a task's transaction, and the state of the session in which it begins.
 */

/**
 * Removes what the task before has left in the session. DISCARD ALL would do the same, but may not be sent together with
 * other statements, and would remove plans and prepared statements as well: ours are among them, and preparing them anew
 * takes longer than all of this. The commit keeps a later rollback from bringing anything back.
 */
const CLEAN_SESSION = `
  begin;
  set session authorization default;
  reset all;
  close all;
  unlisten *;
  select pg_advisory_unlock_all();
  discard temp;
  discard sequences;
  commit`;

/** For statements of our own, which take milliseconds: a connection that does not answer is given up. */
const SOON = { query_timeout: 30_000 };

/**
 * Opens a transaction for a task's effects and its result, in a clean session. Each of its statements may take `timeoutMs`,
 * and it may do nothing for `idleMs`. Gives the time at which it began, as text, which tells it from any other transaction.
 */
export async function beginTask(
  db: Connection,
  { run_id, task_no, token }: Claim,
  { timeoutMs, idleMs }: { readonly timeoutMs: number; readonly idleMs: number },
): Promise<string> {
  const answers: unknown = await db.query({
    ...SOON,
    text: `${CLEAN_SESSION};
           begin isolation level read committed read write;
           set local idle_in_transaction_session_timeout = ${idleMs};
           set local statement_timeout = ${timeoutMs};
           select now()::text as began, set_config('application_name', sluice.session_name(${run_id}, ${task_no}, ${token}), true)`,
  });
  return (answers as QueryResult[]).at(-1)?.rows[0].began;
}

/** Ends a task's transaction. Gives what the server says that it did: `COMMIT` or `ROLLBACK`. */
export async function endTask(db: Connection, how: 'commit' | 'rollback'): Promise<string> {
  const { command } = await db.query({ ...SOON, text: how });
  return command;
}

/** Ends the session of a task's transaction, whatever it is doing. */
export async function endTaskSession(db: Connection, { run_id, task_no, token }: Claim): Promise<void> {
  await db.query({
    ...SOON,
    text: `select pg_terminate_backend(pid)
             from pg_stat_activity
            where application_name = sluice.session_name($1, $2, $3) and datname = current_database()
              and sluice.may_end_sessions_of(usesysid)`,
    values: [run_id, task_no, token],
  });
}

/**
 * Reports a result within the task's transaction, to be committed together with all else that this did. `began` is what
 * beginTask gave: when the task itself has ended that transaction, nothing is reported, and the answer is undefined.
 *
 * From here on the transaction holds a lock that everybody needs who moves something of the run, or takes the task over. So
 * it may do nothing for five seconds only, should our process be halted. And it waits for others who hold the run no longer
 * than a hop does, and fails with 55P03; for the commit, the task's own lock_timeout holds again.
 */
export async function report(db: Connection, began: string, result: Result): Promise<Hop | undefined> {
  // `began` is kept here and not in a setting of the session, which the task may have changed.
  const { rows } = await db.query({
    ...SOON,
    name: 'report',
    text: `select own.is_open, hop.*, set_config('lock_timeout', own.patience, true)
             from (select now() = $2::timestamptz as is_open,
                          current_setting('lock_timeout') as patience,
                          set_config('idle_in_transaction_session_timeout', '5s', true),
                          set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', true)) as own
             left join lateral sluice.report_and_claim(null, case when own.is_open then $1::jsonb else '[]' end, 0) as hop on true`,
    values: [JSON.stringify([result]), began],
  });
  return rows[0].is_open ? sortRows(rows.filter(({ answer }) => answer !== null)) : undefined;
}
