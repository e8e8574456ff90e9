import type { TaskContext } from '../../src/connector.ts';

/** A context for operations that need no database. */
export function taskContext(signal: AbortSignal = new AbortController().signal): TaskContext {
  const log = { debug: () => {}, info: () => {}, warn: () => {} };
  const transaction = () => Promise.reject(new Error('this test has no database'));
  return { input: {}, attempt: 1, signal, throwIfAborted: () => signal.throwIfAborted(), log, transaction };
}
