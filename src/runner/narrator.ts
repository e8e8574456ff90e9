import type { TaskLog } from '../connector.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { whySkipped } from '../references.ts';
import { type Answer, type ClaimedTask, type EndedRun, type Hop, keyOf, type StoredTask } from '../store.ts';
import { duration } from '../terminal.ts';
import type { Execution } from './execution.ts';
import { Figures } from './figures.ts';
import type { StoppedRun } from './lives.ts';
import type { Ended } from './results.ts';

/** Tells on the console what happens to tasks and runs: every move, failures with their messages, how runs end. */
export class Narrator {
  readonly #log: Log;
  readonly #nameOf: (workflowId: string) => string;
  readonly #figures = new Figures();

  constructor(log: Log, nameOf: (workflowId: string) => string) {
    this.#log = log;
    this.#nameOf = nameOf;
  }

  started(task: ClaimedTask, workflow: string, definition: StoredTask): void {
    if (this.#log.quiet) return;
    const fields = { run: task.run_id, task: definition.name, workflow };
    const attempt = `(attempt ${task.attempt} of ${definition.retries + 1})`;
    if (task.token === 1) {
      this.#log.info({ ...fields, from: 'PENDING', to: 'READY' }, 'PENDING → READY');
      this.#log.info(
        { ...fields, from: 'READY', to: 'RUNNING', attempt: task.attempt },
        `READY → RUNNING ${attempt}`,
      );
    } else {
      this.#log.info({ ...fields, attempt: task.attempt }, `RUNNING again ${attempt}`);
    }
  }

  /** The log of a task: its lines bear its run and its name. */
  linesOf({ task, definition }: Execution): TaskLog {
    const fields = { run: task.run_id, task: definition.name };
    return {
      debug: (message) => this.#log.debug(fields, message),
      info: (message) => this.#log.info(fields, message),
      warn: (message) => this.#log.warn(fields, message),
    };
  }

  interrupted({ task, definition }: Execution, cause: unknown): void {
    this.#log.debug(
      { run: task.run_id, task: definition.name },
      `interrupted; it runs again, this attempt does not count: ${messageOf(cause)}`,
    );
  }

  /** Says how much has happened since the last time, if anything has. */
  sumUp(): void {
    const figures = this.#figures.take();
    if (figures) this.#log.info(figures.fields, figures.line);
  }

  /** What became of the results that a hop carried. The database has the last word on that. */
  tell(hop: Hop, results: readonly Ended[]): void {
    this.#figures.add(hop, results.length);
    if (hop.answers.length > 0 || !this.#log.quiet) {
      const answers = new Map(hop.answers.map((one) => [keyOf(one), one.answer]));
      for (const one of results) this.#tellEnd(answers.get(keyOf(one.result)) ?? 'SUCCESS', one);
    }
    for (const run of hop.finished) this.tellRun(run, this.#nameOf(run.workflow_id));
  }

  #tellEnd(answer: Answer['answer'] | 'SUCCESS', { execution, result }: Ended): void {
    if (answer === 'SUCCESS' && this.#log.quiet) return;
    const { task, definition } = execution;
    const took_ms = Math.round(execution.tookMs);
    const attempts = definition.retries + 1;
    const error = 'error' in result ? result.error.message : undefined;
    const fields = { run: task.run_id, task: definition.name, attempt: task.attempt, took_ms };
    if (answer === 'SUCCESS' || (answer === 'ALREADY' && error === undefined)) {
      const why = definition.condition && 'output' in result ? whySkipped(result.output) : undefined;
      const skipped = why === undefined ? '' : ` (skipped: ${why})`;
      this.#log.info(
        { ...fields, from: 'RUNNING', to: 'SUCCESS' },
        `RUNNING → SUCCESS in ${duration(took_ms)}${skipped}`,
      );
    } else if (answer === 'FAILED') {
      // A task that was told to stop, and has stopped, is no error.
      const level = 'error' in result && result.error.code === 'RUN_STOPPED' ? 'info' : 'error';
      this.#log[level]({ ...fields, from: 'RUNNING', to: 'FAILED' }, `RUNNING → FAILED: ${error}`);
    } else if (error !== undefined && answer !== 'LOST') {
      const next = answer === 'RETRY' ? ', trying again' : '';
      this.#log.warn(fields, `attempt ${task.attempt} of ${attempts} failed${next}: ${error}`);
    } else {
      this.#log.warn(fields, 'the result is refused: the task was taken over meanwhile');
    }
  }

  tellHeld(run: string): void {
    const what = `run ${run} is held by another session's transaction: what its tasks came to is written when that ends`;
    this.#log.warn({ run }, what);
  }

  /** A run was cancelled of which tasks run here. Of a run that failed, the hop has told that made it fail. */
  tellStopped({ run_id: run, workflow, status, reason, took_ms }: StoppedRun): void {
    if (status !== 'CANCELLED') return;
    this.#figures.addRun();
    const line = `run ${run} of ${workflow} ${status} in ${duration(took_ms)}: ${reason}`;
    this.#log.info({ run, workflow, status, took_ms }, line);
  }

  /** How a run has ended. */
  tellRun({ run_id: run, answer: status, took_ms, failure }: EndedRun, workflow: string): void {
    this.#figures.addRun();
    const line = `run ${run} of ${workflow} ${status} in ${duration(took_ms)}`;
    const fields = { run, workflow, status, took_ms };
    if (failure) this.#log.error(fields, `${line} at ${failure.task}: ${failure.reason}`);
    else this.#log.info(fields, line);
  }
}
