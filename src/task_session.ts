import type { QueryResult } from 'pg';
import { type Claim, type Connection, type Hop, LOCK_TIMEOUT_MS, type Result, sortRows } from './store.ts';

/*
 * The statements of a task's transaction, and the session that it finds.
 */

/**
 * What DISCARD ALL does, which may not stand beside other statements; with a commit of its own, so that no rollback brings
 * anything back. Plans and prepared statements stay: ours are among them, and making them anew takes longer than all of this.
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

/** What we send ourselves takes milliseconds: a connection that does not answer is given up. */
const SOON = { query_timeout: 30_000 };

/**
 * Opens a transaction for a task's effects and its result; nothing of the one before it is left in the session. It may lie
 * idle for so long only. Gives when it began, as text: by that it is known from any other.
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

/** Ends a task's transaction; says how it ended. */
export async function endTask(db: Connection, how: 'commit' | 'rollback'): Promise<string> {
  const { command } = await db.query({ ...SOON, text: how });
  return command;
}

/** Ends the session of a task's transaction. */
export async function endTaskSession(db: Connection, { run_id, task_no, token }: Claim): Promise<void> {
  await db.query({
    ...SOON,
    text: `select pg_terminate_backend(pid)
             from pg_stat_activity
            where application_name = sluice.session_name($1, $2, $3) and datname = current_database()
              and pg_has_role(usesysid, 'MEMBER')`,
    values: [run_id, task_no, token],
  });
}

/**
 * One result, in the transaction that began then: with it, whatever else the transaction did. Undefined, and nothing is
 * reported, when that has ended. From here on it holds a lock that everybody needs who moves something of the run, also to
 * take it over: a process that is stopped now is waited for briefly, and so is who holds the run: then 55P03. How long the
 * commit may wait is the task's own setting again.
 */
export async function report(db: Connection, began: string, result: Result): Promise<Hop | undefined> {
  // Not by a setting: the task may have changed any.
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
