import type { z } from 'zod';
import { ConnectorError, didYouMean } from './errors.ts';
import { type Json, type JsonObject, own } from './json.ts';

/** A connection inside a transaction; values are bound, never spliced into the text. */
export interface Queryable {
  query(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>;
}

/** Says what an operation is doing. Neither parameters nor contents of mails belong in it. */
export interface TaskLog {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

/** All that an operation learns of the world it runs in. */
export interface TaskContext {
  /** The input of the run: what was left out of it has its default. */
  readonly input: JsonObject;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Aborts when the task has timed out, its run has stopped, or the process is to end and its grace is over. */
  readonly signal: AbortSignal;
  /** Throws the reason of the signal if that has aborted. Cheaper than reading `signal`, which makes that signal. */
  throwIfAborted(): void;
  readonly log: TaskLog;
  /**
   * The transaction on the engine's own database in which the task's SUCCESS will be written: what is done in
   * it happens exactly once. The first call opens it; whoever never calls costs no connection. A runner has ten at a time,
   * and one that is idle for 20 s is cut: ask for it after what takes long.
   */
  transaction(): Promise<Queryable>;
}

/** One thing that a connector does: what it accepts, and how it is done. */
export interface Operation<Schema extends z.ZodType = z.ZodType> {
  readonly parameters: Schema;
  /**
   * Safe to repeat: a task may run again after a crash, with the same parameters. What computes for seconds has to pause now
   * and then, or go on in a worker thread: a process that is silent for 15 s loses all its tasks to others.
   */
  run(parameters: z.output<Schema>, context: TaskContext): Promise<Json>;
}

/** Ties the type of an operation's parameters to its schema. */
export function operation<Schema extends z.ZodType>(definition: Operation<Schema>): Operation<Schema> {
  return definition;
}

/**
 * A way to touch the world. A connector is stateless, safe to repeat, and knows nothing of runs, claims or
 * retries: parameters and context in, output out. It throws a ConnectorError when it cannot do its work.
 */
export abstract class Connector {
  /** What each operation accepts and does; workflow definitions name them. */
  // biome-ignore lint/suspicious/noExplicitAny: operations differ in their parameters; `execute` parses them first.
  abstract readonly operations: Readonly<Record<string, Operation<any>>>;

  /** Checks the parameters against the operation's schema, all problems at once, and runs it. */
  async execute(name: string, parameters: unknown, context: TaskContext): Promise<Json> {
    const operation = own(this.operations, name);
    if (!operation) {
      const names = didYouMean(name, Object.keys(this.operations));
      throw new ConnectorError('UNKNOWN_OPERATION', `there is no operation "${name}".${names}`);
    }
    const parsed = operation.parameters.safeParse(parameters);
    if (!parsed.success) {
      const problems = parsed.error.issues.map(
        (issue: z.core.$ZodIssue) =>
          `${issue.path.length > 0 ? issue.path.join('.') : 'parameters'}: ${issue.message}`,
      );
      throw new ConnectorError('BAD_PARAMETERS', problems.join('; '));
    }
    context.throwIfAborted();
    return operation.run(parsed.data, context);
  }
}
