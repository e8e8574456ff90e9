import type { TaskLog } from './connector.ts';
import { messageOf } from './errors.ts';
import { Figures } from './figures.ts';
import type { Log } from './log.ts';
import type { Claim, ClaimedTask, Hop, Result, StoredTask } from './store.ts';
import { duration } from './terminal.ts';

interface Told {
  readonly task: string;
  readonly attempt: number;
  readonly attempts: number;
  readonly began: number;
  ended?: number;
  note?: string;
  failed?: boolean;
}

/** Tells on the console what happens to tasks and runs: every move, failures with their messages, how runs end. */
export class Narrator {
  readonly #log: Log;
  readonly #told = new Map<string, Told>();
  readonly #figures = new Figures();

  constructor(log: Log) {
    this.#log = log;
  }

  started(task: ClaimedTask, workflow: string, definition: StoredTask): TaskLog {
    const fields = { run: task.run_id, task: definition.name };
    const attempts = definition.retries + 1;
    this.#told.set(keyOf(task), {
      task: definition.name,
      attempt: task.attempt,
      attempts,
      began: performance.now(),
    });
    if (task.token === 1) {
      this.#log.info({ ...fields, workflow, from: 'PENDING', to: 'READY' }, 'PENDING → READY');
      this.#log.info(
        { ...fields, workflow, from: 'READY', to: 'RUNNING', attempt: task.attempt },
        `READY → RUNNING (attempt ${task.attempt} of ${attempts})`,
      );
    } else {
      this.#log.info(
        { ...fields, workflow, attempt: task.attempt },
        `RUNNING again (attempt ${task.attempt} of ${attempts})`,
      );
    }
    return {
      debug: (message) => this.#log.debug(fields, message),
      info: (message) => this.#log.info(fields, message),
      warn: (message) => this.#log.warn(fields, message),
    };
  }

  /** A task has ended here; the database has the last word on what that means. */
  ended(result: Result): void {
    const told = this.#told.get(keyOf(result));
    if (!told) return;
    told.ended = performance.now();
    told.failed = 'error' in result;
    told.note = 'error' in result ? result.error.message : skipNote(result.output);
  }

  interrupted(task: ClaimedTask, cause: unknown): void {
    const told = this.#told.get(keyOf(task));
    this.#told.delete(keyOf(task));
    this.#log.debug(
      { run: task.run_id, task: told?.task },
      `interrupted: ${messageOf(cause)}; it runs again, this attempt does not count`,
    );
  }

  /** Once in a while, if anything happened: how much. */
  sumUp(): void {
    const figures = this.#figures.take();
    if (figures) this.#log.info(figures.fields, figures.line);
  }

  tell(hop: Hop): void {
    const { answers, finished } = hop;
    this.#figures.add(hop);
    for (const answer of answers) {
      const told = this.#told.get(keyOf(answer));
      this.#told.delete(keyOf(answer));
      if (!told) continue;
      const took_ms = Math.round((told.ended ?? performance.now()) - told.began);
      const fields = { run: answer.run_id, task: told.task, attempt: told.attempt, took_ms };
      if (answer.answer === 'SUCCESS' || (answer.answer === 'ALREADY' && !told.failed)) {
        this.#log.info(
          { ...fields, from: 'RUNNING', to: 'SUCCESS' },
          `RUNNING → SUCCESS in ${duration(took_ms)}${told.note ?? ''}`,
        );
      } else if (answer.answer === 'FAILED') {
        this.#log.error({ ...fields, from: 'RUNNING', to: 'FAILED' }, `RUNNING → FAILED: ${told.note}`);
      } else if (told.failed && answer.answer !== 'LOST') {
        const next = told.attempt < told.attempts ? '; trying again' : '';
        this.#log.warn(fields, `attempt ${told.attempt} of ${told.attempts} failed: ${told.note}${next}`);
      } else {
        this.#log.warn(fields, 'the result is refused: the task was taken over meanwhile');
      }
    }
    for (const { run_id: run, answer: status, finished: end } of finished) {
      const fields = { run, workflow: end.workflow, status, took_ms: end.took_ms };
      const line = `run ${run} of ${end.workflow} ${status} in ${duration(end.took_ms)}`;
      if (status === 'COMPLETED') this.#log.info(fields, line);
      else this.#log.error(fields, `${line} at ${end.failed_task ?? '?'}: ${end.reason}`);
    }
  }
}

function skipNote(output: unknown): string {
  const skipped =
    typeof output === 'object' && output !== null && 'skipped' in output ? output.skipped : undefined;
  return typeof skipped === 'string' ? ` (skipped: ${skipped})` : '';
}

function keyOf({ run_id, task_no, token }: Claim): string {
  return `${run_id}/${task_no}/${token}`;
}
