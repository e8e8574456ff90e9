import * as z from 'zod';
import {
  Connector,
  type Engine,
  type Log,
  openEngine,
  operation,
  type Workflow,
  workflowDefiner,
} from '../../../src/index.ts';

/** Does nothing, and tells that it did. */
export class NothingConnector extends Connector {
  onTask: () => void = () => {};

  readonly operations = {
    nothing: operation({
      parameters: z.strictObject({}),
      run: async () => {
        this.onTask();
        return null;
      },
    }),
  };
}

/** An engine whose tasks do nothing, and what it takes to see when its runs have ended. */
export interface Scene extends AsyncDisposable {
  readonly engine: Engine;
  readonly connector: NothingConnector;
  /** Runs tasks until it is disposed of. */
  startRunner(slots: number): Promise<AsyncDisposable>;
  /** Resolves when so many runs have ended since the last call; rejects when a task fails. */
  ended(runs: number): Promise<void>;
}

/** A graph, drawn as the parents of each task. */
export function graph(name: string, parents: Readonly<Record<string, readonly string[]>>): Workflow {
  const tasks = Object.entries(parents).map(([task, after]) => [
    task,
    { connector: 'nothing' as const, operation: 'nothing' as const, parameters: {}, after },
  ]);
  const defineWorkflow = workflowDefiner<{ nothing: NothingConnector }>();
  return defineWorkflow(name, { input: z.strictObject({}), tasks: Object.fromEntries(tasks) });
}

/** A chain of so many tasks. */
export function chain(length: number): Workflow {
  const parents = Array.from({ length }, (_, index) => [`t${index}`, index > 0 ? [`t${index - 1}`] : []]);
  return graph(`chain_${length}`, Object.fromEntries(parents));
}

export async function openScene(url: string, workflows: readonly Workflow[]): Promise<Scene> {
  const connector = new NothingConnector();
  const count = counter();
  const engine = openEngine({
    connectionString: url,
    connectors: { nothing: connector },
    workflows,
    log: count.log,
  });
  await engine.register();
  return {
    engine,
    connector,
    ended: count.reached,
    startRunner: async (slots) => {
      const stop = new AbortController();
      let running: Promise<void> = Promise.resolve();
      await new Promise<void>((resolve, reject) => {
        running = engine.run({ slots, signal: stop.signal, onReady: () => resolve() });
        running.catch(reject);
      });
      return {
        [Symbol.asyncDispose]: async () => {
          stop.abort();
          await running;
        },
      };
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** Counts the runs that a runner reports as completed: it does so once that is committed. */
function counter() {
  let completed = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const log: Log = {
    debug: () => {},
    info: ({ status }) => {
      if (status === 'COMPLETED' && ++completed >= wanted) settle?.resolve();
    },
    warn: (_, phrase) => settle?.reject(new Error(phrase)),
    error: (_, phrase) => settle?.reject(new Error(phrase)),
    quiet: true,
  };
  const reached = async (runs: number) => {
    wanted = runs;
    if (completed < wanted)
      await new Promise<void>((resolve, reject) => {
        settle = { resolve, reject };
      });
    completed -= runs;
    wanted = Number.POSITIVE_INFINITY;
  };
  return { log, reached };
}
