import { AsyncLocalStorage } from 'node:async_hooks';

/*
 * Errors that nobody catches: of a promise that is not awaited, or in the callback of a timer. By default Node ends the
 * process over them.
 */

/** Who has caused such an error. */
interface Culprit {
  failAside(error: unknown): void;
}

/** The execution on whose behalf the present code runs; undefined outside of tasks. */
export const inNameOf = new AsyncLocalStorage<Culprit>();

/** Those who are told of errors that no task has caused. */
const others = new Set<(error: unknown) => void>();
const handlers = (['unhandledRejection', 'uncaughtException'] as const).map((event) => ({
  event,
  handle(error: unknown): void {
    const culprit = inNameOf.getStore();
    if (culprit) culprit.failAside(error);
    else if (process.listenerCount(event) === 1) for (const tell of others) tell(error);
  },
}));

/**
 * Handles the errors that nobody catches, until disposed of. One that a task has caused fails that task and never the process.
 * `onOther` is told of any other, unless the program has listeners of its own for such errors.
 */
export function catchStrayErrors(onOther: (error: unknown) => void): Disposable {
  if (others.size === 0) for (const { event, handle } of handlers) process.on(event, handle);
  others.add(onOther);
  return {
    [Symbol.dispose]: () => {
      others.delete(onOther);
      if (others.size === 0) for (const { event, handle } of handlers) process.off(event, handle);
    },
  };
}
