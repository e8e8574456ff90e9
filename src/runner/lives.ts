import { DatabaseUnavailableError } from '../errors.ts';
import type { RunStatus } from '../inspect.ts';
import { type Connection, type EndedRun, LOCK_TIMEOUT_MS } from '../store.ts';

/*
 * The statements by which runners register, give signs of life, and end; and those that set up their sessions.
 */

/** A run that has stopped while the runner that asks executes tasks of it. */
export interface StoppedRun {
  readonly run_id: string;
  readonly workflow: string;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly took_ms: number;
}

export interface Pulse {
  readonly alive: boolean;
  readonly claimable: boolean;
  readonly stopped_runs: readonly StoppedRun[];
  readonly lost_runners: readonly number[];
  /** Runs that failed because a task lost its runner too often, with their workflows' names. */
  readonly failed_runs: readonly (EndedRun & { readonly workflow: string })[];
}

export async function registerRunner(
  db: Connection,
  host: string,
  pid: number,
  slots: number,
): Promise<number> {
  const { rows } = await db.query('select sluice.register_runner($1, $2, $3) as id', [host, pid, slots]);
  return rows[0].id;
}

/** The application_name of a runner's sessions. */
export function sessionNameOf(runnerId: number): string {
  return `sluice runner ${runnerId}`;
}

/**
 * Ends other sessions of that name. When a connection was cut, the server may not have noticed yet: whatever the session is
 * still doing must not commit after we have looked at what it has done.
 */
export async function endFormerSessions(db: Connection, name: string): Promise<void> {
  const { rows } = await db.query(
    `select bool_and(pg_terminate_backend(pid, 3000)) as ended
       from pg_stat_activity
      where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()
        and sluice.may_end_sessions_of(usesysid)`,
    [name],
  );
  if (rows[0].ended !== false) return;
  // It may later: as a server that is starting or stopping, it is to be tried again.
  const error = new DatabaseUnavailableError(`a former session of ${name} does not end.`);
  throw Object.assign(error, { code: '57P03' });
}

/** Takes the lock by which a runner is known to live, for as long as this connection lasts. */
export async function holdRunnerLock(db: Connection, runnerId: number): Promise<void> {
  await db.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [runnerId]);
}

/** Names a session, and lets its statements wait for a lock for LOCK_TIMEOUT_MS at most: then they fail with 55P03. */
export async function setUpSession(db: Connection, name: string): Promise<void> {
  await db.query(
    `select set_config('application_name', $1, false), set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', false)`,
    [name],
  );
}

/** Where the database was set back, another process may have got the same number. */
export async function isRunnerAlive(
  db: Connection,
  runnerId: number,
  host: string,
  pid: number,
): Promise<boolean> {
  const { rowCount } = await db.query(
    'select from sluice.runners where id = $1 and host = $2 and pid = $3 and ended_at is null',
    [runnerId, host, pid],
  );
  return rowCount === 1;
}

/** A sign of life of a runner that executes tasks of these runs. The answer says which of them have stopped, and other news. */
export async function beat(db: Connection, runnerId: number, runs: readonly string[]): Promise<Pulse> {
  const { rows } = await db.query({
    name: 'beat',
    text: `select beat.alive, beat.claimable, beat.lost_runners, beat.failed_runs,
                  (select coalesce(jsonb_agg(jsonb_build_object(
                            'run_id', runs.id::text,
                            'workflow', runs.workflow,
                            'status', runs.status,
                            'reason', runs.reason,
                            'took_ms', round(1000 * date_part('epoch', runs.finished_at - runs.created_at)))), '[]')
                     from sluice.runs
                    where runs.id = any (beat.stopped_runs)) as stopped_runs
             from sluice.beat($1, $2) as beat`,
    values: [runnerId, runs],
  });
  return rows[0];
}

/** Ends a runner in an orderly way. Gives the number of tasks that were given back; null when it had ended before. */
export async function endRunner(db: Connection, runnerId: number): Promise<number | null> {
  const { rows } = await db.query(`select sluice.end_runner($1, 'stopped') as count`, [runnerId]);
  return rows[0].count;
}
