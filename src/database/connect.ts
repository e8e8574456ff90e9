import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DatabaseUnavailableError } from '../errors.ts';
import { areNoMore, describeConnectionFailure } from './failures.ts';

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

/** How long a connection may take to be made. */
export const CONNECT_MS = 10_000;
/** How long a connection may take to end; then its socket is destroyed. */
export const GOODBYE_MS = 1_000;
/** After this time a pool asks again for a connection that the server had none left for. */
const AGAIN_MS = 250;
/** How long the queries under way may take once a pool is to end. */
const PATIENCE_MS = 5_000;

/**
 * What every session of ours starts with, whatever role, database or PGOPTIONS say. Sent while connecting (`options`):
 * it costs no round trip, is there before the first statement, and RESET and DISCARD ALL return to it. A pooler in
 * transaction mode refuses it at once, as it should: LISTEN and session locks would silently not work through one.
 */
const SESSION = {
  search_path: 'public,pg_temp',
  default_transaction_isolation: 'read committed',
  timezone: 'UTC',
  datestyle: 'ISO,MDY',
  intervalstyle: 'postgres',
  // Whoever sends a statement sets how long it may take, and wait for a lock.
  statement_timeout: '0',
  lock_timeout: '0',
  // A runner's session is idle while there is nothing to do.
  idle_session_timeout: '0',
  array_nulls: 'on',
  // Floats are put out in full.
  extra_float_digits: '1',
  // Compiling a plan would take longer than running any statement of ours.
  jit: 'off',
};

const asText = pg.types.getTypeParser(25);
const asTexts = pg.types.getTypeParser(1009 as 25);

/**
 * What stays text, by the id of the type and of its array. Dates and timestamps without a zone: a Date would shift them by
 * the zone of this machine. Arrays of numeric, so that money never passes through a JavaScript number. Intervals. The rest
 * is as pg has it: `timestamptz` is a Date; `int8` and `numeric` are text.
 */
const PARSERS = new Map<number, (value: string) => unknown>([
  [1082, asText], // date
  [1182, asTexts],
  [1114, asText], // timestamp
  [1115, asTexts],
  [1231, asTexts], // numeric[]
  [1186, asText], // interval
  [1187, asTexts],
]);

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') =>
    PARSERS.get(oid) ?? pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};

/**
 * A client that always comes to an end, and may break without ending the process. The timeout of connecting is set here and
 * not for the pool, where it would also limit how long one waits for a connection that is free.
 */
class Client extends pg.Client implements AsyncDisposable {
  constructor(config?: pg.ClientConfig) {
    super({ ...config, connectionTimeoutMillis: CONNECT_MS });
    // An error event that nobody listens to would end the process. Whoever uses the connection learns of it from the query.
    this.on('error', () => {});
    // Where pg gives up (no password is set, say), the server still waits for an answer, and the open socket would keep the
    // process alive.
    this.connection.once('error', () => this.connection.stream.destroy());
  }

  override end(callback?: (error: Error) => void): Promise<void> {
    // A server that has gone silent would never confirm the end, and the socket would keep the process alive.
    setTimeout(() => this.connection.stream.destroy(), GOODBYE_MS).unref();
    const ended = super.end();
    if (callback) ended.then(callback as () => void);
    return ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

/** A pool whose end is not held up by anybody. */
class Pool extends pg.Pool {
  /** Inherited from pg: those who wait for a connection. */
  declare private readonly _pendingQueue: { readonly callback: (error: Error) => void }[];
  /** Inherited from pg: serves the first of them, if it can. */
  declare private readonly _pulseQueue: () => void;
  readonly #clients = new Set<pg.PoolClient & Client>();
  /** How many connections there may be, while the server has no more than there are. */
  #most: number | undefined;
  #ended: Promise<void> | undefined;

  constructor(config: pg.PoolConfig) {
    super({ ...config, Client });
    this.on('error', () => {});
    this.on('connect', (client) => this.#clients.add(client as pg.PoolClient & Client));
    this.on('remove', (client) => this.#clients.delete(client as pg.PoolClient & Client));
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool['connect']>[0]): void;
  override connect(callback?: Parameters<pg.Pool['connect']>[0]): Promise<pg.PoolClient> | undefined {
    if (!callback) return this.#connect();
    super.connect(callback);
    return undefined;
  }

  /** Where the server has no more connections for us, one that we have will be free soon. pg would give up. */
  async #connect(): Promise<pg.PoolClient> {
    for (;;) {
      try {
        return await super.connect();
      } catch (error) {
        if (!areNoMore(error) || this.#clients.size === 0) throw error;
        this.#makeDo();
        // When one has broken meanwhile, there is room at once.
        if (this.totalCount < this.options.max) await delay(AGAIN_MS);
      }
    }
  }

  /** For a while nobody asks for more connections than there are: each attempt costs the server a process. */
  #makeDo(): void {
    if (this.#most !== undefined) return;
    this.#most = this.options.max;
    this.options.max = this.#clients.size;
    setTimeout(() => {
      this.options.max = this.#most ?? this.options.max;
      this.#most = undefined;
      // Who waits may ask again.
      this._pulseQueue();
    }, AGAIN_MS).unref();
  }

  /** Queries under way have PATIENCE_MS left. May be called more than once. */
  override end(): Promise<void> {
    // pg would let them wait for ever.
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
  const { max, allowExitOnIdle } = options;
  return new Pool({ ...clientConfig(url, options), max, allowExitOnIdle });
}

/** A client that is not connected yet. */
export function createClient(url: string, options: ConnectOptions = {}): Client {
  return new Client(clientConfig(url, options));
}

/** A connected client. Throws a DatabaseUnavailableError that says in one line why there is none. */
export async function openClient(url: string, options: ConnectOptions = {}): Promise<Client> {
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
 * Closes a connection and cancels the statement that the server still runs for it: one that waits for a lock would not
 * notice that its client has gone. The request goes over a connection of its own, and it does not matter if it fails.
 */
export async function abandon(url: string, client: pg.PoolClient): Promise<void> {
  const { processID: pid } = client as pg.PoolClient & { readonly processID: number };
  client.release(true);
  try {
    await using other = await openClient(url, { name: 'cancel' });
    await other.query('select pg_cancel_backend($1)', [pid]);
  } catch {
    // Then the statement ends by itself, later.
  }
}

/**
 * The connection string with our session defaults, and with more settings if there are any. Its own `options` are kept where
 * they set other things. The sslmodes that pg treats as verify-full are replaced by that name: pg would warn that its next
 * version will check less in them.
 */
export function withSession(url: string, more: Readonly<Record<string, string>> = {}): string {
  const session = new URL(url);
  const { searchParams: asked } = session;
  if (
    /^(prefer|require|verify-ca)$/.test(asked.get('sslmode') ?? '') &&
    asked.get('uselibpqcompat') !== 'true'
  )
    asked.set('sslmode', 'verify-full');
  const escaped = (value: string) => value.replace(/[\\\s]/g, '\\$&');
  const settings = Object.entries({ ...SESSION, ...more }).map(
    ([name, value]) => `-c ${name}=${escaped(value)}`,
  );
  asked.set('options', [asked.get('options') ?? '', ...settings].join(' ').trim());
  return session.href;
}

function clientConfig(url: string, { name, queryTimeoutMs }: ConnectOptions): pg.ClientConfig {
  return {
    connectionString: withSession(url),
    application_name: name ? `sluice ${name}` : 'sluice',
    types,
    keepAlive: true,
    query_timeout: queryTimeoutMs,
  };
}
