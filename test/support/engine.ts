import { type Engine, openEngine } from '../../src/engine.ts';
import type { RunDetails } from '../../src/inspect.ts';
import type { JsonObject } from '../../src/json.ts';
import type { Log } from '../../src/log.ts';
import type { Condition } from '../../src/references.ts';
import { type Act, acting } from './acting.ts';
import { fileDatabase } from './scene.ts';

export type { Act } from './acting.ts';

interface StagedTask {
  /** The act's name; the task's own if not given. */
  readonly act?: string;
  /** May contain references. */
  readonly parameters?: unknown;
  readonly after?: readonly string[];
  readonly when?: Condition;
  readonly retries?: number;
  readonly timeoutMs?: number;
}

interface StageOptions {
  readonly slots?: number;
  readonly graceMs?: number;
  readonly log?: Log;
}

let staged = 0;

/** A workflow of these tasks, registered, on an engine with a runner of its own that is ready. */
export async function stage(
  acts: Readonly<Record<string, Act>>,
  tasks: Readonly<Record<string, StagedTask>>,
  { slots = 20, graceMs = 10_000, log }: StageOptions = {},
): Promise<Stage> {
  const { url } = await fileDatabase();
  const name = `staged_${++staged}`;
  const workflow = {
    name,
    input: { type: 'object' },
    tasks: Object.entries(tasks).map(
      ([task, { act, parameters = {}, after = [], when, retries = 0, timeoutMs }]) => ({
        name: task,
        connector: 'test',
        operation: act ?? task,
        parameters: parameters as JsonObject,
        after,
        ...(when && { when }),
        retries,
        timeout_ms: timeoutMs ?? 600_000,
      }),
    ),
  };
  const connectors = { test: acting(acts) };
  const engine = openEngine({
    connectionString: url,
    connectors,
    workflows: [workflow],
    ...(log && { log }),
  });
  await engine.register();
  const stage = new Stage(engine, name);
  await stage.run({ slots, graceMs });
  return stage;
}

export class Stage implements AsyncDisposable {
  readonly engine: Engine;
  readonly workflow: string;
  readonly #stops: AbortController[] = [];
  readonly #runs: Promise<void>[] = [];
  readonly #started: string[] = [];

  constructor(engine: Engine, workflow: string) {
    this.engine = engine;
    this.workflow = workflow;
  }

  /** A further runner; gives its id once it is ready. */
  run({ slots = 20, graceMs = 10_000 }: StageOptions = {}): Promise<number> {
    const stop = new AbortController();
    this.#stops.push(stop);
    return new Promise((onReady, onFailure) => {
      const running = this.engine.run({ slots, graceMs, signal: stop.signal, onReady });
      this.#runs.push(running);
      running.catch(onFailure);
    });
  }

  async start(input: JsonObject = {}): Promise<string> {
    const id = await this.engine.startRun(this.workflow, { input });
    this.#started.push(id);
    return id;
  }

  /** Starts a run and waits for its end. */
  async play(input?: JsonObject): Promise<RunDetails> {
    return this.engine.waitForRun(await this.start(input), AbortSignal.timeout(20_000));
  }

  /** Asks all runners to stop; resolves when they have. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop.abort();
    await Promise.all(this.#runs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#started) await this.engine.cancelRun(id, 'the test');
    await this.stop();
    await this.engine[Symbol.asyncDispose]();
  }
}

/** A task of a run that was read. */
export function taskOf(run: RunDetails, name: string) {
  const task = run.tasks.find((one) => one.name === name);
  if (!task) throw new Error(`run ${run.id} has no task ${name}`);
  return task;
}
