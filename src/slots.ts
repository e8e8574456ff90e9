import { ConnectorError } from './errors.ts';
import { Execution, type Outcome, type Surroundings } from './execution.ts';
import type { Claim, ClaimedTask, Result, StoredTask, StoredWorkflow } from './store.ts';

/** What an execution came to. */
export interface Ended {
  readonly execution: Execution;
  readonly result: Result;
}

export interface SlotsOptions {
  readonly count: number;
  readonly surroundings: Surroundings;
  readonly onStart: (task: ClaimedTask, workflow: string, definition: StoredTask) => void;
  /** Its slot is free again; if it has a result that has to be reported, that waits here. */
  readonly onEnd: (execution: Execution, outcome: Outcome) => void;
}

/** What a runner executes at the moment, for how much more it has room, and the results that wait for a hop. */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #executions = new Set<Execution>();
  #reserved = 0;
  #results: Ended[] = [];
  /** Results of runs that somebody else holds, by run. They are reported apart, and hold up no others. */
  readonly #held = new Map<string, Ended[]>();

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  get free(): number {
    return this.#options.count - this.#executions.size - this.#reserved;
  }

  /** How many are being executed. */
  get running(): number {
    return this.#executions.size;
  }

  /** How many results wait. */
  get results(): number {
    return this.#results.length;
  }

  get hasHeld(): boolean {
    return this.#held.size > 0;
  }

  /** Nothing runs, and nothing waits. */
  get areIdle(): boolean {
    return this.#executions.size === 0 && this.#results.length === 0 && !this.hasHeld;
  }

  /** What the database should think that we hold; that it does is certain while no hop is under way. */
  get claims(): Claim[] {
    return [...this.#executions]
      .map(({ task }): Claim => task)
      .concat([...this.#results, ...[...this.#held.values()].flat()].map(({ result }) => result));
  }

  /** Of which runs something is executed. */
  get runs(): string[] {
    return [...new Set([...this.#executions].map(({ task }) => task.run_id))];
  }

  /** What runs, for people. */
  get names(): string[] {
    return [...this.#executions].map(({ task, definition }) => `run ${task.run_id} ${definition.name}`);
  }

  /** Keeps room for tasks that are being claimed. */
  reserve(count: number): Disposable {
    this.#reserved += count;
    return {
      [Symbol.dispose]: () => {
        this.#reserved -= count;
      },
    };
  }

  /** Executes a task. */
  start(task: ClaimedTask, workflow: StoredWorkflow | undefined): void {
    const definition = workflow?.tasks.get(task.task_no);
    if (!workflow || !definition)
      throw new Error(`task ${task.task_no} of workflow ${task.workflow_id} is not in the database`);
    const { surroundings, onStart } = this.#options;
    onStart(task, workflow.name, definition);
    this.#executions.add(new Execution(task, definition, surroundings, this.#end));
  }

  readonly #end = (execution: Execution, outcome: Outcome): void => {
    // Not ours any more, if it was abandoned with our identity or at the end.
    if (!this.#executions.delete(execution)) return;
    if (outcome.kind === 'result') {
      const { result } = outcome;
      (this.#held.get(result.run_id) ?? this.#results).push({ execution, result });
    }
    this.#options.onEnd(execution, outcome);
  };

  takeResults(most = this.#results.length): Ended[] {
    return this.#results.splice(0, most);
  }

  /** Their hop failed, and another one has to carry them. */
  putBack(results: readonly Ended[]): void {
    this.#results.unshift(...results);
  }

  /** Sets the results of a run apart, if there are any, also those to come; says whether it was not held before. */
  hold(run: string): boolean {
    const isOf = ({ result }: Ended) => result.run_id === run;
    const former = this.#held.get(run);
    const results = [...(former ?? []), ...this.#results.filter(isOf)];
    if (results.length === 0) return false;
    this.#held.set(run, results);
    this.#results = this.#results.filter((one) => !isOf(one));
    return former === undefined;
  }

  /** The results of the run that has been held for longest; what comes meanwhile still goes apart. */
  takeHeld(): Ended[] {
    for (const [run, results] of this.#held) {
      this.#held.delete(run);
      this.#held.set(run, []);
      return results;
    }
    return [];
  }

  /** Runs of these results are not held any more. */
  release(reported: readonly Ended[]): void {
    if (!this.hasHeld) return;
    for (const { result } of reported) {
      this.#results.push(...(this.#held.get(result.run_id) ?? []));
      this.#held.delete(result.run_id);
    }
  }

  /** Tells the tasks of these runs to stop. */
  stopRuns(ids: readonly string[]): void {
    for (const execution of this.#executions) {
      const { run_id: run } = execution.task;
      if (ids.includes(run)) execution.stop(new ConnectorError('RUN_STOPPED', `run ${run} has stopped`));
    }
  }

  /** Lets go of everything, and reports nothing of it; says how much it was. */
  abandonAll(reason: ConnectorError): number {
    const count = this.claims.length;
    for (const execution of this.#executions) execution.abandon(reason);
    this.#executions.clear();
    this.#results = [];
    this.#held.clear();
    return count;
  }
}
