import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool, PoolClient } from 'pg';
import type { Queryable, TaskContext, TaskLog } from './connector.ts';
import { isConnectionFailure, isDatabaseExhausted } from './database/connect.ts';
import { ConnectorError } from './errors.ts';
import { type Json, jsonProblem } from './json.ts';
import { resolve, type Scope, skipReason } from './references.ts';
import { type ClaimedTask, failure, type Hop, type Result, report, type StoredTask } from './store.ts';
import { duration } from './terminal.ts';
import { type Connectors, didYouMean } from './workflow.ts';

/** What became of an execution. */
export type Outcome =
  /** To be written with the next hop. */
  | { readonly kind: 'result'; readonly result: Result }
  /** Written already, in one transaction with the task's effects. */
  | { readonly kind: 'committed'; readonly result: Result; readonly hop: Hop }
  /** The engine's database went away under it: not the task's fault, so it is given back. */
  | { readonly kind: 'interrupted'; readonly cause: unknown };

export interface Execution {
  readonly task: ClaimedTask;
  readonly definition: StoredTask;
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Tells the connector to stop; what it then does is what is recorded. */
  stop(reason: ConnectorError): void;
  /** The same, and waits no longer: the outcome is a failure, whatever the connector does. */
  abandon(reason: ConnectorError): void;
}

const LARGEST_OUTPUT = 16 * 1024 * 1024;

/** How long a transaction may lie idle: one that a stopped process left open holds up whoever takes its task over. */
const IDLE_TRANSACTION_MS = 20_000;
const IDLE_TIMEOUT = '25P03';

/** Fails the task in whose name something was thrown that nobody awaits; undefined outside of tasks. */
const failCurrent = new AsyncLocalStorage<(error: unknown) => void>();

/** Handles what connectors throw past everybody: such an error fails its task, never the process. */
export function catchStrayErrors(): Disposable {
  const onError = (error: unknown) => {
    const fail = failCurrent.getStore();
    if (!fail) throw error;
    fail(error);
  };
  process.on('unhandledRejection', onError);
  process.on('uncaughtException', onError);
  return {
    [Symbol.dispose]: () => {
      process.off('unhandledRejection', onError);
      process.off('uncaughtException', onError);
    },
  };
}

/** Runs one attempt of a task. The pool is only used when the connector asks for the task's transaction. */
export function execute(
  task: ClaimedTask,
  definition: StoredTask,
  { connectors, pool, log }: { connectors: Connectors; pool: Pool; log: TaskLog },
): Execution {
  const controller = new AbortController();
  let abandon: (reason: unknown) => void = () => {};
  const abandoned = new Promise<never>((_, reject) => {
    abandon = (reason) => {
      controller.abort(reason);
      reject(reason);
    };
  });
  abandoned.catch(() => {});
  const timeout = setTimeout(
    () => abandon(new ConnectorError('TIMEOUT', `it took longer than ${duration(definition.timeout_ms)}`)),
    definition.timeout_ms,
  );
  const transaction = new TaskTransaction(pool, definition.timeout_ms);
  const context: TaskContext = {
    input: task.input,
    attempt: task.attempt,
    signal: controller.signal,
    log,
    transaction: () => transaction.open(),
  };
  const scope: Scope = {
    input: task.input,
    outputs: task.outputs ?? {},
    run: { id: task.run_id, created_at: task.started_at.toISOString() },
  };
  const outcome = failCurrent.run(abandon, async (): Promise<Outcome> => {
    try {
      const output = await Promise.race([work(definition, scope, connectors, context), abandoned]);
      const result = { run_id: task.run_id, task_no: task.task_no, token: task.token, output };
      if (!transaction.isOpen) return { kind: 'result', result };
      return { kind: 'committed', result, hop: await transaction.complete(result) };
    } catch (error) {
      transaction.abort();
      if (transaction.broken) return { kind: 'interrupted', cause: error };
      return { kind: 'result', result: failure(task, error) };
    } finally {
      clearTimeout(timeout);
    }
  });
  return { task, definition, outcome, stop: (reason) => controller.abort(reason), abandon };
}

async function work(
  definition: StoredTask,
  scope: Scope,
  connectors: Connectors,
  context: TaskContext,
): Promise<Json> {
  const skipped = definition.condition && skipReason(definition.condition, scope);
  if (skipped) return { skipped };
  const connector = Object.hasOwn(connectors, definition.connector)
    ? connectors[definition.connector]
    : undefined;
  if (!connector) {
    const names = didYouMean(definition.connector, Object.keys(connectors));
    throw new ConnectorError(
      'UNKNOWN_CONNECTOR',
      `this runner has no connector "${definition.connector}".${names}`,
    );
  }
  const output = await connector.execute(
    definition.operation,
    resolve(definition.parameters, scope),
    context,
  );
  const problem = jsonProblem(output);
  if (problem)
    throw new ConnectorError('OUTPUT_NOT_JSON', `the output cannot be stored as JSON at ${problem}`);
  const size = Buffer.byteLength(JSON.stringify(output));
  if (size > LARGEST_OUTPUT) {
    throw new ConnectorError(
      'OUTPUT_TOO_LARGE',
      `the output has ${size} bytes, the limit is ${LARGEST_OUTPUT}; put it into a table or a file and hand on where it is`,
    );
  }
  return output;
}

/** The transaction in which a task's effects and its SUCCESS commit together, or neither does. */
class TaskTransaction {
  readonly #pool: Pool;
  readonly #timeoutMs: number;
  #client: Promise<PoolClient> | undefined;
  /** Ends the connection, when nothing else is left to do with it. */
  #discard: (() => void) | undefined;
  /** Why the server ended the connection, if it did. */
  #fatal: unknown;
  /** The database went away, or cannot take work now. */
  broken = false;

  constructor(pool: Pool, timeoutMs: number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  async open(): Promise<Queryable> {
    this.#client ??= this.#begin();
    const client = await this.#client;
    return {
      query: (text, values) =>
        this.#watch(client.query(text, values === undefined ? undefined : [...values])),
    };
  }

  /** Writes the result and commits; rolls back when the task was taken over meanwhile. */
  async complete(result: Result): Promise<Hop> {
    const client = await (this.#client ?? this.#begin());
    const hop = await this.#watch(report(client, result));
    await this.#watch(client.query(hop.answers[0]?.answer === 'SUCCESS' ? 'commit' : 'rollback'));
    this.#discard = undefined;
    client.off('error', this.#onError);
    client.release();
    return hop;
  }

  /** A statement may still be under way: the connection goes, and the server rolls back. */
  abort(): void {
    this.#discard?.();
    this.#discard = undefined;
    this.#client?.then(() => this.#discard?.()).catch(() => {});
  }

  async #begin(): Promise<PoolClient> {
    const client = await this.#watch(this.#pool.connect());
    client.on('error', this.#onError);
    this.#discard = () => client.release(true);
    await this.#watch(
      client.query(
        `begin isolation level read committed read write;
         set local idle_in_transaction_session_timeout = ${IDLE_TRANSACTION_MS};
         set local statement_timeout = ${this.#timeoutMs}`,
      ),
    );
    return client;
  }

  readonly #onError = (error: unknown) => {
    this.#fatal ??= error;
  };

  async #watch<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      if (codeOf(this.#fatal) === IDLE_TIMEOUT || codeOf(error) === IDLE_TIMEOUT) {
        const limit = duration(IDLE_TRANSACTION_MS);
        throw new ConnectorError(
          'TRANSACTION_IDLE',
          `its transaction did nothing for ${limit} and was ended; open it after the slow work`,
          { cause: error },
        );
      }
      this.broken ||= isConnectionFailure(error) || isDatabaseExhausted(error);
      throw error;
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
