import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool } from 'pg';
import type { TaskContext, TaskLog } from './connector.ts';
import { ConnectorError, messageOf } from './errors.ts';
import { type Json, jsonProblem } from './json.ts';
import { resolve, type Scope, skipReason } from './references.ts';
import { type ClaimedTask, failure, type Hop, type Result, type StoredTask } from './store.ts';
import { duration } from './terminal.ts';
import { TaskTransaction } from './transaction.ts';
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
  /** The same, and waits no longer: what the connector still does is not recorded, its transaction is rolled back. */
  abandon(reason: ConnectorError): void;
}

const LARGEST_OUTPUT = 16 * 1024 * 1024;

/** Told of what was thrown in the name of a task that nobody awaits; undefined outside of tasks. */
const currentTask = new AsyncLocalStorage<(error: unknown) => void>();

const STRAY = ['unhandledRejection', 'uncaughtException'] as const;
let guards = 0;

/**
 * Handles what is thrown past everybody. In the name of a task, it fails that task and never the process; anything else
 * is told to `onOther`, unless the program looks after such errors itself.
 */
export function catchStrayErrors(onOther: (error: unknown) => void): Disposable {
  const [onRejection, onException] = STRAY.map((event) => (error: unknown) => {
    const fail = currentTask.getStore();
    if (fail) fail(error);
    else if (process.listenerCount(event) === guards) onOther(error);
  }) as [(error: unknown) => void, (error: unknown) => void];
  guards++;
  process.on('unhandledRejection', onRejection).on('uncaughtException', onException);
  return {
    [Symbol.dispose]: () => {
      guards--;
      process.off('unhandledRejection', onRejection).off('uncaughtException', onException);
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
  const transaction = new TaskTransaction(pool, task, definition.timeout_ms);
  let reject: (reason: unknown) => void = () => {};
  const abandoned = new Promise<never>((_, onReject) => {
    reject = onReject;
  });
  abandoned.catch(() => {});
  const abandon = (reason: unknown) => {
    controller.abort(reason);
    reject(reason);
    transaction.abort();
  };
  const timeout = setTimeout(
    () => abandon(new ConnectorError('TIMEOUT', `it took longer than ${duration(definition.timeout_ms)}`)),
    definition.timeout_ms,
  );
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
  let ended = false;
  const onStray = (error: unknown) => {
    if (ended) log.warn(`something that it left behind failed: ${messageOf(error)}`);
    else abandon(error);
  };
  const outcome = currentTask.run(onStray, async (): Promise<Outcome> => {
    try {
      const output = await Promise.race([work(definition, scope, connectors, context), abandoned]);
      ended = true;
      clearTimeout(timeout);
      const result = { run_id: task.run_id, task_no: task.task_no, token: task.token, output };
      if (!transaction.isOpen) return { kind: 'result', result };
      return { kind: 'committed', result, hop: await transaction.complete(result) };
    } catch (error) {
      ended = true;
      clearTimeout(timeout);
      transaction.abort();
      if (transaction.broken) return { kind: 'interrupted', cause: error };
      return { kind: 'result', result: failure(task, error) };
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
