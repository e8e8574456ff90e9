import type { Ended } from './results.ts';
import { type ClaimedTask, FIRST_RUN } from './store.ts';

/** A look for tasks that wait to be claimed, and at which run it begins. */
export interface Look {
  readonly from: string;
}

/** Whether there may be something to claim, and where a look for it begins. */
export class Search {
  /** Somebody rang. One hop goes and looks. */
  #isRung = true;
  /** The last look got all that it asked for, so there may be more. All lanes go for it. */
  #isMore = false;
  /** Where: a look that got all that it asked for leaves nothing behind. */
  #next: Look = { from: FIRST_RUN };

  get isDue(): boolean {
    return this.#isRung || this.#isMore;
  }

  ring(): void {
    this.#isRung = true;
  }

  /** The look that a hop takes along, if one is due. */
  begin(): Look | undefined {
    if (this.#isRung) this.#next = { from: FIRST_RUN };
    const look = this.isDue ? this.#next : undefined;
    this.#isRung = false;
    return look;
  }

  /** What a hop with room for so many has claimed, and which results it carried. */
  end(look: Look | undefined, room: number, claimed: readonly ClaimedTask[], ended: readonly Ended[]): void {
    if (room === 0) {
      // Nobody has looked, and what the results made READY is left.
      this.#isRung = true;
    } else if (claimed.length >= room) {
      this.#isMore = true;
      this.#lookOn(look, claimed, ended);
    } else if (look === this.#next) {
      // Only the latest look knows: an earlier one has not seen what was left behind since.
      this.#isMore = false;
    }
  }

  /** Where the next look begins, unless somebody has rung or looked on meanwhile. */
  #lookOn(look: Look | undefined, claimed: readonly ClaimedTask[], ended: readonly Ended[]): void {
    const reported = new Set(ended.map(({ result }) => result.run_id));
    const found = claimed.find(({ run_id }) => !reported.has(run_id));
    // These results may have left more to claim than there was room for, in any run. With a failure nothing is taken at once.
    const mayLeave = !found || ended.some(({ result }) => 'error' in result);
    if (mayLeave) this.#next = { from: FIRST_RUN };
    else if (look === this.#next) this.#next = { from: found.run_id };
  }
}
