import { AsyncLocalStorage } from 'node:async_hooks';

/*
 * What is thrown past everybody: a promise that nobody awaits, a callback of a timer. Node would end the process.
 */

/** Whom it concerns. */
interface Culprit {
  failAside(error: unknown): void;
}

/** In whose name something is done; undefined outside of tasks. */
export const inNameOf = new AsyncLocalStorage<Culprit>();

/** Who is told what is thrown in nobody's name. */
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
 * Handles what is thrown past everybody. In the name of a task, it fails that task and never the process; anything else
 * is told to `onOther`, unless the program looks after such errors itself.
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
