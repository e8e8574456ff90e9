import { isAway, isLocked, isPassing } from '../database/failures.ts';
import { ConnectorError, messageOf } from '../errors.ts';
import type { Claim, Result } from '../store.ts';
import { type Execution, failure } from './execution.ts';

/** What an execution came to. */
export interface Ended {
  readonly execution: Pick<Execution, 'task' | 'definition' | 'tookMs'>;
  readonly result: Result;
}

/**
 * The results that wait for a hop, and which of them go next.
 *
 * A hop carries many results, and fails as a whole. When it does, they are sent again one by one, to see which of them was
 * to blame: one that the database refuses, or one of a run that another session has locked (a held run). Together they may
 * also have been too much for the time that a hop has.
 */
export class Results {
  #waiting: Ended[] = [];
  /** Results of held runs, by run. They are sent apart, so that they hold up no others. */
  readonly #held = new Map<string, Ended[]>();
  /** They are to be tried again. */
  #isHeldDue = false;
  /** Those of one run are under way. */
  #isTryingHeld = false;
  /** Until all that wait have gone, each goes in a hop of its own that claims nothing. */
  #oneByOne = false;

  /** How many wait for the next hop. */
  get count(): number {
    return this.#waiting.length;
  }

  get isHeldDue(): boolean {
    return this.#isHeldDue;
  }

  get isTryingHeld(): boolean {
    return this.#isTryingHeld;
  }

  get goOneByOne(): boolean {
    return this.#oneByOne && this.#waiting.length > 0;
  }

  /** The tasks that all these results are of. */
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

  /**
   * The hop that carried these has failed, and has written nothing: another one has to carry them. It also asked for `room`
   * tasks. Gives the id of a run that is found to be held, if that is news. Throws what no other hop would mend.
   */
  keep(batch: readonly Ended[], room: number, error: unknown): string | undefined {
    if (isLocked(error)) return this.#setApart(batch, room);
    if (isPassing(error)) {
      // It may have carried too much, if it got no answer.
      if (isAway(error) && batch.length > 1) this.#oneByOne = true;
      this.#putBack(batch);
    } else {
      this.#refuse(batch, room, error);
    }
    return undefined;
  }

  #putBack(batch: readonly Ended[]): void {
    this.#waiting.unshift(...batch);
    this.release(batch);
  }

  /** The database refuses what the hop was to do. A result that it refuses alone fails its task, and nothing else. */
  #refuse(batch: readonly Ended[], room: number, error: unknown): void {
    const [one] = batch;
    if (!one) throw error;
    if (batch.length > 1 || room > 0) {
      this.#oneByOne = true;
      this.#putBack(batch);
    } else if ('output' in one.result) {
      const why = `the database refuses the output: ${messageOf(error)}`;
      this.#putBack([{ ...one, result: failure(one.result, new ConnectorError('OUTPUT_REFUSED', why)) }]);
    } else {
      throw error;
    }
  }

  /**
   * One of the runs is held. Once it is clear which, all results of it are set apart, also those still to come. Gives its id,
   * unless it was known to be held.
   */
  #setApart(batch: readonly Ended[], room: number): string | undefined {
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

  /** Held runs may be free by now: their results are due, unless some of them are under way. */
  tryHeldAgain(): void {
    this.#isHeldDue = this.#held.size > 0 && !this.#isTryingHeld;
  }

  /** The results of the run that has been held for longest. What comes meanwhile is still set apart. Followed by heldTried. */
  takeHeld(): Ended[] {
    this.#isHeldDue = false;
    this.#isTryingHeld = true;
    for (const [run, results] of this.#held) {
      this.#held.delete(run);
      this.#held.set(run, []);
      return results;
    }
    return [];
  }

  /** The hop that carried what takeHeld gave has an answer, or has failed. Where one run is free again, others may be, too. */
  heldTried(isFree: boolean): void {
    this.#isTryingHeld = false;
    if (isFree) this.tryHeldAgain();
  }

  /** The runs of these results are not held: what was set apart of them goes with the others again. */
  release(reported: readonly Ended[]): void {
    if (this.#held.size === 0) return;
    for (const { result } of reported) {
      this.#waiting.push(...(this.#held.get(result.run_id) ?? []));
      this.#held.delete(result.run_id);
    }
  }

  /** Forgets results, all that are not excepted: nobody wants them any more. */
  drop(isOurs: (claim: Claim) => boolean): void {
    const ours = (all: readonly Ended[]) => all.filter(({ result }) => isOurs(result));
    this.#waiting = ours(this.#waiting);
    for (const [run, results] of this.#held) {
      const rest = ours(results);
      if (rest.length > 0) this.#held.set(run, rest);
      else this.#held.delete(run);
    }
  }
}
