import pg from 'pg';
import { codeOf, DatabaseUnavailableError, messageOf } from '../errors.ts';
import { addressOf } from './url.ts';

interface ConnectOptions {
  /** Shown in pg_stat_activity. */
  readonly name?: string;
  /** A query that takes longer is rejected; it may run on, so the connection has to be given up. */
  readonly queryTimeoutMs?: number;
  /** Of a pool: most connections at a time. */
  readonly max?: number;
  /** Of a pool: idle connections do not keep the process alive. */
  readonly allowExitOnIdle?: boolean;
}

const CONNECT_TIMEOUT = 10_000;
const GOODBYE_MS = 1_000;
const PATIENCE_MS = 5_000;

/**
 * What every session of ours starts with, whatever role, database or PGOPTIONS say. Sent while connecting (`options`):
 * it costs no round trip, is there before the first statement, and RESET and DISCARD ALL return to it. A pooler in
 * transaction mode refuses it at once, as it should: LISTEN and session locks would silently not work through one.
 */
const SESSION = {
  search_path: 'public,pg_temp',
  default_transaction_isolation: 'read\\ committed',
  timezone: 'UTC',
  datestyle: 'ISO,MDY',
  intervalstyle: 'postgres',
  // Who sends a statement knows how long he waits for it.
  statement_timeout: '0',
  // A runner's session is idle while there is nothing to do.
  idle_session_timeout: '0',
  array_nulls: 'on',
  // Compiling takes longer than any statement of ours.
  jit: 'off',
};

const asText = pg.types.getTypeParser(25);
const asTexts = pg.types.getTypeParser(1009 as 25);

/**
 * Dates and timestamps without a zone stay text: a Date would move them by the zone of this machine. So does numeric,
 * also in arrays: money never passes through a JavaScript number; intervals are text, too. `timestamptz` is a Date, int8 is text
 * (pg's own).
 */
const PARSERS = new Map<number, (value: string) => unknown>([
  [1082, asText],
  [1182, asTexts],
  [1114, asText],
  [1115, asTexts],
  [1231, asTexts],
  [1186, asText],
  [1187, asTexts],
]);

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') =>
    PARSERS.get(oid) ?? pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};

/** The timeout is the client's: as a pool's option it would also limit the wait for one that is free. */
class Client extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super({ ...config, connectionTimeoutMillis: CONNECT_TIMEOUT });
    // Where pg gives up over what the server wants, the server would still wait for an answer, and keep the process alive.
    this.connection.once('error', () => this.connection.stream.destroy());
  }

  override end(callback?: (error: Error) => void): Promise<void> {
    // One that has gone silent would never end, and keep the process alive.
    setTimeout(() => this.connection.stream.destroy(), GOODBYE_MS).unref();
    const ended = super.end();
    if (callback) ended.then(callback as () => void);
    return ended;
  }
}

class Pool extends pg.Pool {
  /** pg's own: who waits for a connection. */
  declare private readonly _pendingQueue: { readonly callback: (error: Error) => void }[];
  readonly #clients = new Set<pg.PoolClient & Client>();
  #ended: Promise<void> | undefined;

  constructor(config: pg.PoolConfig) {
    super({ ...config, Client });
    this.on('connect', (client) => this.#clients.add(client as pg.PoolClient & Client));
    this.on('remove', (client) => this.#clients.delete(client as pg.PoolClient & Client));
  }

  /** What is under way has a while. May be called again. */
  override end(): Promise<void> {
    // Whoever waits for a connection would wait for ever.
    for (const { callback } of this._pendingQueue.splice(0)) callback(new Error('the pool has ended'));
    setTimeout(() => {
      for (const client of this.#clients) void client.end();
    }, PATIENCE_MS).unref();
    this.#ended ??= super.end();
    return this.#ended;
  }
}

/** A pool whose connections may break without ending the process, also while they are checked out. */
export function createPool(url: string, options: ConnectOptions = {}): pg.Pool {
  const pool = new Pool({
    ...clientConfig(url, options),
    max: options.max ?? 10,
    allowExitOnIdle: options.allowExitOnIdle ?? false,
  });
  // Idle ones report to the pool as well. Whoever was using one is told by his query.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Not connected yet. It may break without ending the process. */
export function createClient(url: string, options: ConnectOptions = {}): pg.Client {
  return new Client(clientConfig(url, options)).on('error', () => {});
}

/** Connected, or a DatabaseUnavailableError that says in one line why not. */
export async function openClient(url: string, options: ConnectOptions = {}): Promise<pg.Client> {
  const client = createClient(url, options);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    await client.end();
    throw new DatabaseUnavailableError(describeConnectionFailure(cause, url), { cause });
  }
}

/**
 * Lets go of a connection, and of what the server is doing for it: a statement that waits for a lock would not notice that
 * nobody waits for it any more. Best effort, over a connection of its own.
 */
export async function abandon(url: string, client: pg.PoolClient): Promise<void> {
  const { processID: pid } = client as pg.PoolClient & { readonly processID: number };
  client.release(true);
  try {
    const other = await openClient(url, { name: 'cancel' });
    await other.query('select pg_cancel_backend($1)', [pid]).finally(() => other.end());
  } catch {
    // It ends by itself, later.
  }
}

/**
 * The connection string with our session defaults. Its own `options` are kept where they set other things. The modes of TLS
 * that pg takes for verify-full are called so: it would warn of a version to come, in which they check less.
 */
export function withSession(url: string): string {
  const session = new URL(url);
  const { searchParams: asked } = session;
  if (
    /^(prefer|require|verify-ca)$/.test(asked.get('sslmode') ?? '') &&
    asked.get('uselibpqcompat') !== 'true'
  )
    asked.set('sslmode', 'verify-full');
  const settings = Object.entries(SESSION).map(([name, value]) => `-c ${name}=${value}`);
  asked.set('options', [asked.get('options') ?? '', ...settings].join(' ').trim());
  return session.href;
}

function clientConfig(url: string, { name, queryTimeoutMs }: ConnectOptions): pg.ClientConfig {
  const application_name = name ? `sluice ${name}` : 'sluice';
  const query_timeout = queryTimeoutMs ?? false;
  return {
    connectionString: withSession(url),
    application_name,
    types,
    keepAlive: true,
    ...(query_timeout && { query_timeout }),
  };
}

/** Not a message that breaks the protocol (08P01), as a statement with too few values: that is so every time. */
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
      // The socket file of a server that is not running.
      (codeOf(one) === 'ENOENT' && isOfConnect(one)),
  );
}

/** The server is there to say it: what a statement could not reach is another one, as by postgres_fdw or dblink. */
function isOfStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR';
}

const REFUSED = /^(28|3D000|42501)|CERT|SIGNATURE/;
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
 * The server answers but cannot take work now: out of connections, memory, disk or locks, or read-only. Not what somebody has
 * forbidden himself (53400, as by temp_file_limit): that is so every time.
 */
export function isDatabaseExhausted(error: unknown): boolean {
  return causes(error).some((one) => /^(53[0-3]|25006)/.test(codeOf(one)));
}

/** Either: the same may succeed when the database is back. */
export function isAway(error: unknown): boolean {
  return isConnectionFailure(error) || isDatabaseExhausted(error);
}

/** Two transactions got into each other's way: the same again may succeed. */
export function isConflict(error: unknown): boolean {
  return causes(error).some((one) => /^(40001|40P01|55P03)$/.test(codeOf(one)));
}

/** Each waited for the other: the server has chosen one. */
export function isDeadlock(error: unknown): boolean {
  return causes(error).some((one) => codeOf(one) === '40P01');
}

/** Somebody else holds something for longer than we wait. */
export function isLocked(error: unknown): boolean {
  return causes(error).some((one) => codeOf(one) === '55P03');
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
  const said = (all.at(-1) === undefined ? 'unknown error' : messageOf(all.at(-1)))
    .replace(/^SASL.* password must be a .*/, 'no password is given')
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
  [
    /^28000$/,
    'This server does not let this user in from here: see its pg_hba.conf, or add ?sslmode=require.',
  ],
  [/^3D000$/, 'Create this database, or correct the name in DATABASE_URL.'],
  [
    /unsupported startup parameter/,
    'A pooler in transaction mode is in between: connect to Postgres directly.',
  ],
  [/"idle_session_timeout"/, 'PostgreSQL 14 or newer is needed.'],
  [/^57P0[123]$/, 'The server is starting or stopping: try again in a moment.'],
  [/^53300$/, 'Too many connections: stop something that is connected, or raise max_connections.'],
  [/^53/, 'The server is out of disk, memory or locks: see its log.'],
  [/^25006$/, 'This server is read-only: connect to the primary.'],
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
