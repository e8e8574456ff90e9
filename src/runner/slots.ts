import { ConnectorError } from '../errors.ts';
import type { Claim, ClaimedTask, StoredTask, StoredWorkflow } from '../store.ts';
import { Execution, type Outcome, type Surroundings } from './execution.ts';

interface SlotsOptions {
  readonly count: number;
  /** How many tasks to claim at once, at the most. */
  readonly part: number;
  readonly surroundings: Surroundings;
  readonly onStart: (task: ClaimedTask, workflow: string, definition: StoredTask) => void;
  /** Told when an execution has ended and its slot is free again. */
  readonly onEnd: (execution: Execution, outcome: Outcome) => void;
}

/** What a runner executes at the moment, and for how many more tasks it has room. */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #executions = new Set<Execution>();
  /** Slots for tasks that are being claimed. */
  #reserved = 0;
  /** The largest claim allowed: smaller after one that got no answer, as what its tasks read may have been too large. */
  #most = Number.POSITIVE_INFINITY;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** How many tasks to claim now. */
  get room(): number {
    const { count, part } = this.#options;
    const free = count - this.#executions.size - this.#reserved;
    return Math.max(0, Math.min(free, part, this.#most));
  }

  /** Tasks have arrived: the next claim may be larger again. */
  allowMore(): void {
    this.#most *= 2;
  }

  /** A claim of so many tasks got no answer: the next ones are smaller. */
  allowLess(than: number): void {
    if (than > 0) this.#most = Math.ceil(than / 4);
  }

  /** How many are being executed. */
  get running(): number {
    return this.#executions.size;
  }

  get claims(): Claim[] {
    return [...this.#executions].map(({ task }) => task);
  }

  /** The ids of the runs whose tasks are being executed. */
  get runs(): string[] {
    return [...new Set([...this.#executions].map(({ task }) => task.run_id))];
  }

  /** What is being executed, in words. */
  get names(): string[] {
    return [...this.#executions].map(({ task, definition }) => `run ${task.run_id} ${definition.name}`);
  }

  /** Keeps room for tasks that are being claimed, until that is released. */
  reserve(count: number): void {
    this.#reserved += count;
  }

  release(count: number): void {
    this.#reserved -= count;
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
    // One that was abandoned is not ours any more: nothing of it is to be reported.
    if (this.#executions.delete(execution)) this.#options.onEnd(execution, outcome);
  };

  /** Tells the tasks of a run to stop; false when all of them have been told before. */
  stopRun(id: string): boolean {
    const reason = new ConnectorError('RUN_STOPPED', `run ${id} has stopped`);
    const tasks = [...this.#executions].filter(({ task }) => task.run_id === id);
    return tasks.map((execution) => execution.stop(reason)).includes(true);
  }

  /** Ends executions at once, all that are not excepted; `onEnd` is told of none of them. */
  abandon(reason: ConnectorError, isOurs: (claim: Claim) => boolean): void {
    for (const execution of this.#executions) {
      if (isOurs(execution.task)) continue;
      this.#executions.delete(execution);
      execution.abandon(reason);
    }
  }
}
