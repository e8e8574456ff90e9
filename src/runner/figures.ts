import type { Fields } from '../log.ts';
import type { Hop } from '../store.ts';
import { counted } from '../terminal.ts';

/** Counts what a runner does, for a line once in a while. */
export class Figures {
  #succeeded = 0;
  #failed = 0;
  #retried = 0;
  #runs = 0;
  #since = performance.now();

  /** To be told what came of a hop that carried so many results. */
  add({ answers }: Hop, results: number): void {
    this.#succeeded += results - answers.length;
    for (const { answer } of answers) {
      if (answer === 'FAILED') this.#failed += 1;
      else if (answer === 'RETRY') this.#retried += 1;
    }
  }

  addRun(): void {
    this.#runs += 1;
  }

  /** One line, and the count begins anew; undefined when nothing happened. */
  take(): { fields: Fields; line: string } | undefined {
    const [succeeded, failed, retried, runs] = [this.#succeeded, this.#failed, this.#retried, this.#runs];
    const seconds = Math.max(1, Math.round((performance.now() - this.#since) / 1000));
    this.#succeeded = this.#failed = this.#retried = this.#runs = 0;
    this.#since = performance.now();
    if (succeeded + failed + retried + runs === 0) return undefined;
    const rate = ((succeeded + failed) / seconds).toFixed(1);
    return {
      fields: { succeeded, failed, retried, runs, seconds },
      line: `in ${seconds} s: ${counted(succeeded, 'task')} succeeded, ${failed} failed, ${counted(retried, 'attempt was', 'attempts were')} tried again, ${counted(runs, 'run')} ended; ${rate} tasks/s`,
    };
  }
}
