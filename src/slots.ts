import { ConnectorError } from './errors.ts';
import { Execution, type Outcome, type Surroundings } from './execution.ts';
import type { Claim, ClaimedTask, StoredTask, StoredWorkflow } from './store.ts';

interface SlotsOptions {
  readonly count: number;
  readonly surroundings: Surroundings;
  readonly onStart: (task: ClaimedTask, workflow: string, definition: StoredTask) => void;
  /** Its slot is free again. */
  readonly onEnd: (execution: Execution, outcome: Outcome) => void;
}

/** What a runner executes at the moment, and for how much more it has room. */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #executions = new Set<Execution>();
  #reserved = 0;

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

  get claims(): Claim[] {
    return [...this.#executions].map(({ task }) => task);
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
    if (this.#executions.delete(execution)) this.#options.onEnd(execution, outcome);
  };

  /** Tells the tasks of a run to stop; false when they know. */
  stopRun(id: string): boolean {
    const reason = new ConnectorError('RUN_STOPPED', `run ${id} has stopped`);
    const tasks = [...this.#executions].filter(({ task }) => task.run_id === id);
    return tasks.map((execution) => execution.stop(reason)).includes(true);
  }

  /** Lets go of everything. */
  abandonAll(reason: ConnectorError): void {
    for (const execution of this.#executions) execution.abandon(reason);
    this.#executions.clear();
  }
}
