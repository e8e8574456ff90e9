import type { Pool } from 'pg';
import type { Queryable, TaskContext, TaskLog } from '../connector.ts';
import { ConnectorError, callsOf, didYouMean, messageOf } from '../errors.ts';
import { beginningOf, type Json, type JsonObject, jsonProblem, own } from '../json.ts';
import { resolve, type Scope, skipReason } from '../references.ts';
import type { Claim, ClaimedTask, Hop, Result, StoredTask } from '../store.ts';
import { duration } from '../terminal.ts';
import type { Connectors } from '../workflow.ts';
import { inNameOf } from './stray.ts';
import { TaskTransaction } from './transaction.ts';

/** What became of an execution. */
export type Outcome =
  /** To be written with the next hop. */
  | { readonly kind: 'result'; readonly result: Result }
  /** Written already, in one transaction with the task's effects. */
  | { readonly kind: 'committed'; readonly result: Result; readonly hop: Hop }
  /**
   * The engine's database went away, or another transaction was in the way: not the task's fault, so it is given back.
   * `crashed` when it may be the task's fault after all, as the server went away in the middle of one of its statements.
   */
  | { readonly kind: 'interrupted'; readonly cause: unknown; readonly crashed: boolean };

const LARGEST_OUTPUT = 16 * 1024 * 1024;

export interface Surroundings {
  readonly connectors: Connectors;
  /** Only used when the connector asks for the task's transaction. */
  readonly pool: Pool;
  readonly logOf: (execution: Execution) => TaskLog;
}

/**
 * One attempt of a task; it begins as soon as it is constructed. There are thousands a second, so whatever few tasks use (log,
 * signal, transaction) is made when it is asked for, and promises are kept few.
 */
export class Execution {
  /** Without what it is given, which may be large: a connection that the connector opens keeps in whose name that was. */
  readonly task: Omit<ClaimedTask, 'input' | 'outputs'>;
  readonly definition: StoredTask;
  readonly #surroundings: Surroundings;
  /** Told once, and never before the constructor has returned. */
  readonly #onEnd: (execution: Execution, outcome: Outcome) => void;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout;
  #took = 0;
  /** The connector is done, or was given up: what it still does is not recorded. */
  #ended = false;
  #stopped: { readonly reason: unknown } | undefined;
  #log: TaskLog | undefined;
  #controller: AbortController | undefined;
  #transaction: TaskTransaction | undefined;

  constructor(
    { input, outputs, ...task }: ClaimedTask,
    definition: StoredTask,
    surroundings: Surroundings,
    onEnd: (execution: Execution, outcome: Outcome) => void,
  ) {
    this.task = task;
    this.definition = definition;
    this.#surroundings = surroundings;
    this.#onEnd = onEnd;
    this.#timer = setTimeout(() => this.#timeOut(), definition.timeout_ms);
    inNameOf
      .run(this, () => this.#work(input, outputs))
      .then(
        (output) => this.#ended || this.#succeed(output),
        (error) => this.#ended || this.#fail(error),
      );
  }

  /** How long the connector took; 0 as long as it is at work. */
  get tookMs(): number {
    return this.#took;
  }

  get log(): TaskLog {
    this.#log ??= this.#surroundings.logOf(this);
    return this.#log;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#stopped) this.#controller.abort(this.#stopped.reason);
    return this.#controller.signal;
  }

  throwIfAborted(): void {
    if (this.#stopped) throw this.#stopped.reason;
  }

  async openTransaction(): Promise<Queryable> {
    if (this.#ended) throw new ConnectorError('TRANSACTION_CLOSED', 'the task has ended');
    const { task, definition } = this;
    this.#transaction ??= new TaskTransaction(this.#surroundings.pool, task, definition.timeout_ms);
    return this.#transaction.open();
  }

  /** Tells the connector to stop, and still records what comes of it. False when it had been told before. */
  stop(reason: unknown): boolean {
    const isNews = this.#stopped === undefined;
    this.#stopped ??= { reason };
    // In the task's name, as a listener of the signal may throw.
    inNameOf.run(this, () => this.#controller?.abort(reason));
    return isNews;
  }

  /** Ends it now, as failed for this reason. What the connector still does is not recorded, its transaction is rolled back. */
  abandon(reason: unknown): void {
    const isAtWork = !this.#ended;
    this.#end();
    this.stop(reason);
    if (isAtWork) queueMicrotask(() => this.#fail(reason));
    this.#transaction?.abort();
  }

  /** Something has failed that the connector started and did not wait for. */
  failAside(error: unknown): void {
    if (this.#ended) this.log.warn(`something that it left behind failed: ${messageOf(error)}`);
    else this.abandon(error);
  }

  #timeOut(): void {
    const limit = duration(this.definition.timeout_ms);
    this.abandon(new ConnectorError('TIMEOUT', `it took longer than ${limit}`));
  }

  #succeed(output: Json): void {
    this.#end();
    const { run_id, task_no, token } = this.task;
    const result = { run_id, task_no, token, output };
    const transaction = this.#transaction;
    if (transaction)
      inNameOf
        .run(this, () => transaction.complete(result))
        .then(
          (hop) => this.#onEnd(this, { kind: 'committed', result, hop }),
          (error) => this.#fail(error),
        );
    else this.#onEnd(this, { kind: 'result', result });
  }

  #fail(error: unknown): void {
    this.#end();
    this.#transaction?.abort();
    const { trouble: cause, crashed = false } = this.#transaction ?? {};
    const calls = callsOf(error);
    if (calls.length > 0) this.log.debug(`it failed at ${calls.join(', ')}`);
    this.#onEnd(
      this,
      cause === undefined
        ? { kind: 'result', result: failure(this.task, error) }
        : { kind: 'interrupted', cause, crashed },
    );
  }

  #end(): void {
    this.#took ||= performance.now() - this.#began;
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #work(input: JsonObject, outputs: JsonObject | null): Promise<Json> {
    const { task, definition } = this;
    const { connectors } = this.#surroundings;
    const scope: Scope = {
      input,
      outputs: outputs ?? {},
      run: () => ({ id: task.run_id, created_at: new Date(task.run_created_at).toISOString() }),
    };
    if (definition.reads.length > 0 && !outputs)
      throw new ConnectorError(
        'INPUTS_TOO_LARGE',
        'the outputs that it reads have more than 32 MB together; put them into tables or files and hand on where they are',
      );
    const skipped = definition.condition && skipReason(definition.condition, scope);
    if (skipped) return { skipped };
    const connector = own(connectors, definition.connector);
    if (!connector) {
      const names = didYouMean(definition.connector, Object.keys(connectors));
      throw new ConnectorError(
        'UNKNOWN_CONNECTOR',
        `this runner has no connector "${definition.connector}".${names}`,
      );
    }
    const parameters = resolve(definition.parameters, scope);
    const output = await connector.execute(definition.operation, parameters, new Context(this, input));
    checkOutput(output);
    return output;
  }
}

/** What a connector sees of its execution. It may be taken apart: `{ signal, transaction }`. */
class Context implements TaskContext {
  readonly #execution: Execution;
  readonly input: JsonObject;

  constructor(execution: Execution, input: JsonObject) {
    this.#execution = execution;
    this.input = input;
  }

  get attempt(): number {
    return this.#execution.task.attempt;
  }

  get signal(): AbortSignal {
    return this.#execution.signal;
  }

  get throwIfAborted(): () => void {
    return () => this.#execution.throwIfAborted();
  }

  get log(): TaskLog {
    return this.#execution.log;
  }

  get transaction(): () => Promise<Queryable> {
    return () => this.#execution.openTransaction();
  }
}

/** Throws a ConnectorError when the output cannot be stored. */
function checkOutput(output: Json): void {
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
}

/** The result of a task that has failed, whatever it has thrown. */
export function failure(claim: Claim, thrown: unknown): Result {
  const { run_id, task_no, token } = claim;
  const error = whatStopped(thrown) ?? thrown;
  const code = storable(() => (error instanceof ConnectorError ? error.code : '')) || 'ERROR';
  const text = storable(() => (error instanceof ConnectorError ? error.message : withCause(error)));
  return { run_id, task_no, token, error: { code, message: text || 'it failed without a message' } };
}

/** What happened and, where its message does not tell, why: of fetch, all else is in the cause. */
function withCause(error: unknown): string {
  const text = messageOf(error);
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : '';
  return text.includes(cause) ? text : [text, cause].filter(Boolean).join(': ');
}

/** The reason for which something was aborted: Node's functions throw an AbortError, and keep the reason as its cause. */
function whatStopped(error: unknown): ConnectorError | undefined {
  try {
    if (!(error instanceof Error) || error.name !== 'AbortError') return undefined;
    return error.cause instanceof ConnectorError ? error.cause : undefined;
  } catch {
    // The properties of this error cannot be read.
    return undefined;
  }
}

/** A text as `jsonb` takes it; empty when reading it throws. */
function storable(read: () => unknown): string {
  try {
    return beginningOf(String(read()).replaceAll('\0', '\\0'), 2000);
  } catch {
    return '';
  }
}
