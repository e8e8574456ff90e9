import pg from 'pg';
import { codeOf, DatabaseUnavailableError, messageOf } from '../errors.ts';
import { addressOf } from './url.ts';

/*
 * What an error of the database means: is the database away, does it refuse us, or was another transaction in our way?
 * And how people are told of it.
 */

/** Without 08P01, a breach of the protocol: a statement with too few values causes it, each time it is sent. */
const LOST = /^(08(?!P01)|57P0[123])/;
const LOST_NETWORK =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN)$/;
const LOST_MESSAGE =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|Query read timeout)/;

/**
 * The connection broke or could not be made; a new one may succeed. A write may nevertheless have been committed.
 * A server that was killed says so without SQLSTATE, hence the look at messages.
 */
export function isConnectionFailure(error: unknown): boolean {
  return causes(error).some(
    (one) =>
      (LOST.test(codeOf(one)) && !isOfStatement(one)) ||
      LOST_NETWORK.test(codeOf(one)) ||
      LOST_MESSAGE.test(messageOf(one)) ||
      isClosed(one) ||
      // The socket file of a server that is not running.
      (codeOf(one) === 'ENOENT' && isOfConnect(one)),
  );
}

/**
 * A database that takes no connections for now (allow_connections). Statements fail with that code, too, and so does who connects
 * to a database that was half dropped, but not there.
 */
function isClosed(error: unknown): boolean {
  return (
    codeOf(error) === '55000' && error instanceof pg.DatabaseError && error.routine === 'CheckMyDatabase'
  );
}

/** The sources of postgres_fdw, dblink and PL/pgSQL. */
const RAISED_IN_STATEMENTS = /^(connection|dblink|pl_exec)\.c$/;

/**
 * A statement has failed, so the server itself is there: the lost connection is one from that server to another, made by
 * postgres_fdw or dblink. The severity is in the server's language (lc_messages); who has raised the error is not.
 */
function isOfStatement(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError &&
    (error.severity === 'ERROR' || RAISED_IN_STATEMENTS.test(error.file ?? ''))
  );
}

/** With 26000 and 42P05, of our prepared statements: each transaction is another session's, as a pooler has it. */
const REFUSED = /^(28|3D000|42501|26000|42P05)|CERT|SIGNATURE/;
const REFUSED_MESSAGE =
  /password must be a |(unsupported startup|unrecognized configuration) parameter|does not support SSL/;

/** The server does not let us in, or we do not trust it: user, password, database, rights or TLS. Waiting does not help. */
export function isRefused(error: unknown): boolean {
  return causes(error).some(
    (one) =>
      REFUSED.test(codeOf(one)) ||
      REFUSED_MESSAGE.test(messageOf(one)) ||
      (codeOf(one) === 'EACCES' && isOfConnect(one)),
  );
}

function isOfConnect(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect';
}

/**
 * The server answers but cannot take work now: out of connections, memory, disk or locks, or read-only. Not 53400, a limit
 * that somebody has set, such as temp_file_limit: repeating the statement would exceed it again.
 */
export function isDatabaseExhausted(error: unknown): boolean {
  return causes(error).some((one) => /^(53[0-3]|25006)/.test(codeOf(one)));
}

/** The server has no connection left, or the limit of the role or the database is reached. */
export function areNoMore(error: unknown): boolean {
  return codeOf(error) === '53300';
}

/** The connection is lost, or the server cannot take work now: the same may succeed when the database is back. */
export function isAway(error: unknown): boolean {
  return isConnectionFailure(error) || isDatabaseExhausted(error);
}

/** Of the beginning of a transaction that may write: the server is a standby, and may be promoted. */
export function isStandby(error: unknown): boolean {
  return codeOf(error) === '0A000';
}

/** Two transactions got into each other's way, or a lock was not to be had in time: the same again may succeed. */
export function isConflict(error: unknown): boolean {
  return causes(error).some((one) => /^(40001|40P01|55P03)$/.test(codeOf(one)));
}

/** Two transactions waited for each other, and the server has ended ours. */
export function isDeadlock(error: unknown): boolean {
  return causes(error).some((one) => codeOf(one) === '40P01');
}

/** Another transaction holds a lock for longer than lock_timeout lets us wait. */
export function isLocked(error: unknown): boolean {
  return causes(error).some((one) => codeOf(one) === '55P03');
}

/** The runner that sent this is thought dead: whatever it held is somebody else's by now. */
export function isGivenUp(error: unknown): boolean {
  return codeOf(error) === 'WF006';
}

/** Somebody has cancelled our statement, or a limit of the server has ended it. */
const CANCELLED = /^(57014|25P04)$/;

/** The same may succeed later, over another connection, or as another runner. Anything else is somebody's mistake. */
export function isPassing(error: unknown): boolean {
  return isAway(error) || isConflict(error) || CANCELLED.test(codeOf(error)) || isGivenUp(error);
}

/** One line: what is wrong and what to do. Never holds the password. */
export function describeConnectionFailure(error: unknown, url?: string): string {
  if (error instanceof DatabaseUnavailableError) return error.message;
  const all = causes(error);
  const where = URL.canParse(url ?? '') ? addressOf(new URL(url ?? '')) : undefined;
  const at = where ? `${where.host}:${where.port}` : 'the database';
  const found = ADVICE.find(([pattern]) =>
    all.some((one) => pattern.test(codeOf(one)) || pattern.test(messageOf(one))),
  );
  const said = messageOf(all.at(-1) ?? 'unknown error')
    .replace(/^SASL.* password must be a .*/, 'no password is given')
    .replace(/^Client has encountered a connection error.*/, 'the connection broke')
    .split('\n')[0];
  return found ? `${at}: ${said}. ${found[1]}` : `${at}: ${said}.`;
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'This host is unknown: check the host name in DATABASE_URL.'],
  [
    /^(ECONNREFUSED|ENOENT)$/,
    'Nothing listens there: start Postgres. The embedded one is started by any command without DATABASE_URL.',
  ],
  [
    /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$|^timeout expired|^Query read timeout/,
    'No answer: check address, network and firewall.',
  ],
  [/^Connection terminated/, 'It was closed from there: is it a Postgres that listens, and is it up?'],
  [/^28P01$|password must be a /, 'Check user and password in DATABASE_URL.'],
  [/^role ".*" does not exist/, 'Create this role, or correct the user in DATABASE_URL.'],
  [
    /^28000$/,
    'This server does not let this user in from here: see its pg_hba.conf, or add ?sslmode=require.',
  ],
  [/^3D000$/, 'Create this database, or correct the name in DATABASE_URL.'],
  [/unsupported startup parameter/, 'A pooler is in between: connect to Postgres directly.'],
  [/^(26000|42P05)$/, 'A pooler in transaction mode is in between: connect to Postgres directly.'],
  [/"idle_session_timeout"/, 'PostgreSQL 14 or newer is needed.'],
  [/^57P0[123]$/, 'The server is starting or stopping: try again in a moment.'],
  [/^53300$/, 'Too many connections: stop something that is connected, or raise max_connections.'],
  [/^53/, 'The server is out of disk, memory or locks: see its log.'],
  [/^(25006|0A000)$/, 'This server is read-only: connect to the primary.'],
  [
    /^permission denied for database/,
    'This user lacks a right: grant it connect and create on the database, or connect as its owner.',
  ],
  [
    /^42501$/,
    'This user lacks a right: connect as the owner of these tables, or as a member of its role (grant <owner> to <user>).',
  ],
  [
    /^EACCES$/,
    'This account lacks the right to open that socket: run as another, or give a host and a port.',
  ],
  [/does not support SSL/, 'Add ?sslmode=disable to DATABASE_URL if the network is trusted.'],
  [
    /CERT|SIGNATURE|certificate/,
    'The TLS certificate is not trusted: add ?sslrootcert=<its CA> to DATABASE_URL, or have it encrypt only, with sslmode=no-verify.',
  ],
];

/** The error, what caused it and what it is made of. The innermost is the last. */
function causes(error: unknown): unknown[] {
  if (error === undefined || error === null) return [];
  const inner = error instanceof AggregateError ? error.errors : [];
  return [error, ...inner.flatMap(causes), ...(error instanceof Error ? causes(error.cause) : [])];
}
