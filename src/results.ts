import { ConnectorError, messageOf } from './errors.ts';
import type { Execution } from './execution.ts';
import { type Claim, failure, type Result } from './store.ts';

/** What an execution came to. */
export interface Ended {
  readonly execution: Pick<Execution, 'task' | 'definition' | 'tookMs'>;
  readonly result: Result;
}

/** The results that wait for a hop, and which of them go next. */
export class Results {
  #waiting: Ended[] = [];
  /** Of runs that somebody else holds, by run. They are reported apart, and hold up no others. */
  readonly #held = new Map<string, Ended[]>();
  /** Until all that wait have gone: one at a time, with nothing else, shows which of them it was that failed its hop. */
  #oneByOne = false;

  /** How many wait for the next hop. */
  get count(): number {
    return this.#waiting.length;
  }

  get hasHeld(): boolean {
    return this.#held.size > 0;
  }

  get goOneByOne(): boolean {
    return this.#oneByOne && this.#waiting.length > 0;
  }

  get claims(): Claim[] {
    return [this.#waiting, ...this.#held.values()].flat().map(({ result }) => result);
  }

  add(ended: Ended): void {
    (this.#held.get(ended.result.run_id) ?? this.#waiting).push(ended);
  }

  /** What the next hop carries: everything, or one. */
  take(): Ended[] {
    this.#oneByOne = this.goOneByOne;
    return this.#waiting.splice(0, this.#oneByOne ? 1 : this.#waiting.length);
  }

  /** Their hop has failed for a reason that may pass: another one has to carry them. */
  putBack(batch: readonly Ended[]): void {
    this.#waiting.unshift(...batch);
    this.release(batch);
  }

  /**
   * The database refuses a hop that carried these, and claimed as many as there was room for. What it refuses alone fails
   * its task, and neither the others nor the runner.
   */
  refuse(batch: readonly Ended[], room: number, error: unknown): void {
    const [one] = batch;
    if (!one) throw error;
    if (batch.length > 1 || room > 0) {
      this.#oneByOne = true;
      this.putBack(batch);
    } else if ('output' in one.result) {
      const why = `the database refuses the output: ${messageOf(error)}`;
      this.putBack([{ ...one, result: failure(one.result, new ConnectorError('OUTPUT_REFUSED', why)) }]);
    } else {
      throw error;
    }
  }

  /**
   * Somebody else holds a run of these for longer than a hop waits. When it is clear which, what there is of it, and what is
   * to come, goes apart; says so when that is news.
   */
  setApart(batch: readonly Ended[], room: number): string | undefined {
    this.#waiting.unshift(...batch);
    const [run, ...others] = new Set(batch.map(({ result }) => result.run_id));
    if (run === undefined || others.length > 0 || room > 0) {
      this.#oneByOne = true;
      return undefined;
    }
    const isOf = ({ result }: Ended) => result.run_id === run;
    const former = this.#held.get(run);
    this.#held.set(run, [...(former ?? []), ...this.#waiting.filter(isOf)]);
    this.#waiting = this.#waiting.filter((one) => !isOf(one));
    return former === undefined ? run : undefined;
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
      this.#waiting.push(...(this.#held.get(result.run_id) ?? []));
      this.#held.delete(result.run_id);
    }
  }

  /** Nobody wants them any more. */
  drop(): void {
    this.#waiting = [];
    this.#held.clear();
  }
}
