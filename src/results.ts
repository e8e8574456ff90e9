import type { Execution } from './execution.ts';
import type { Claim, Result } from './store.ts';

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
  /** The database refused some: one at a time, with nothing else, shows which of them it was. */
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

  /** Their hop failed, and another one has to carry them. */
  putBack(results: readonly Ended[]): void {
    this.#waiting.unshift(...results);
  }

  /** From now on, until all that wait have gone. */
  beginOneByOne(): void {
    this.#oneByOne = true;
  }

  /** Sets the results of a run apart, if there are any, also those to come; says whether it was not held before. */
  hold(run: string): boolean {
    const isOf = ({ result }: Ended) => result.run_id === run;
    const former = this.#held.get(run);
    const results = [...(former ?? []), ...this.#waiting.filter(isOf)];
    if (results.length === 0) return false;
    this.#held.set(run, results);
    this.#waiting = this.#waiting.filter((one) => !isOf(one));
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
