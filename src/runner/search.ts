import { type ClaimedTask, FIRST_RUN } from '../store.ts';
import type { Ended } from './results.ts';

/** A look for tasks that wait to be claimed: in the run `from` and in later ones. */
export interface Look {
  readonly from: string;
}

/**
 * Whether there may be tasks to claim, and in which run a look for them begins. What a hop's own results make READY is
 * claimed without a look.
 */
export class Search {
  /** Somebody rang: the next hop looks, from the first run on. */
  #isRung = true;
  /** The last look got all that it asked for, so there may be more: every hop looks, over all lanes. */
  #isMore = false;
  /** Where the next one begins. A look that got all that it asked for has left nothing behind in earlier runs. */
  #next: Look = { from: FIRST_RUN };

  get isDue(): boolean {
    return this.#isRung || this.#isMore;
  }

  ring(): void {
    this.#isRung = true;
  }

  /** The look that a hop takes along, if one is due. After a ring it is another object, as `end` tells looks by that. */
  begin(): Look | undefined {
    if (this.#isRung) this.#next = { from: FIRST_RUN };
    const look = this.isDue ? this.#next : undefined;
    this.#isRung = false;
    return look;
  }

  /** To be told what a hop with room for so many has claimed, and which results it carried. */
  end(look: Look | undefined, room: number, claimed: readonly ClaimedTask[], ended: readonly Ended[]): void {
    if (room === 0) {
      // Nobody has looked, nor claimed what the results made READY.
      this.#isRung = true;
    } else if (claimed.length >= room) {
      this.#isMore = true;
      this.#lookOn(look, claimed, ended);
    } else if (look === this.#next) {
      // Only the latest look can tell: after an earlier one, something may have been left behind.
      this.#isMore = false;
    }
  }

  /** Where the next look begins, unless somebody has rung or looked on meanwhile. */
  #lookOn(look: Look | undefined, claimed: readonly ClaimedTask[], ended: readonly Ended[]): void {
    const reported = new Set(ended.map(({ result }) => result.run_id));
    const found = claimed.find(({ run_id }) => !reported.has(run_id));
    // Where the results made something READY, there may be more of it than was claimed, and in any run. With a failure among
    // them, nothing is claimed as it becomes READY.
    const mayLeave = !found || ended.some(({ result }) => 'error' in result);
    if (mayLeave) this.#next = { from: FIRST_RUN };
    else if (look === this.#next) this.#next = { from: found.run_id };
  }
}
