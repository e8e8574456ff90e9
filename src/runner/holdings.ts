import { ConnectorError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Claim, type Connection, giveBackOthers, keyOf, poisonedRuns, unknownClaims } from '../store.ts';
import type { Narrator } from './narrator.ts';
import type { Results } from './results.ts';
import type { Slots } from './slots.ts';

interface HoldingsOptions {
  readonly slots: Slots;
  readonly results: Results;
  readonly narrator: Narrator;
  readonly log: Log;
}

/** The tasks that a runner holds: what is executed, and results that wait. The database should think the same. */
export class Holdings {
  readonly #options: HoldingsOptions;
  /** The database may think otherwise: to be reconciled before the next hop. */
  areDoubted = false;
  /** Another session had locked some that are to be given back: each beat tries again. */
  isRestDue = false;
  /** Executions that may have taken Postgres down: the database is told so when they are given back. */
  readonly #crashed: Claim[] = [];

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** Only while no hop is under way is it certain which they are. */
  get claims(): Claim[] {
    const { slots, results } = this.#options;
    return [...slots.claims, ...results.claims];
  }

  crashed(task: Claim): void {
    this.#crashed.push(task);
  }

  /** Lets go of all tasks and reports nothing of them; says how many they were. */
  abandonAll(reason: ConnectorError): number {
    const { length } = this.claims;
    this.#abandon(reason, () => false);
    return length;
  }

  #abandon(reason: ConnectorError, isOurs: (claim: Claim) => boolean): void {
    this.#options.slots.abandon(reason, isOurs);
    this.#options.results.drop(isOurs);
  }

  /**
   * Gives back the tasks that the database thinks we run and we do not: the answer to a claim may have been lost. Lets go of
   * those that it cannot have given to us.
   */
  async reconcile(lane: Connection, runnerId: number): Promise<undefined> {
    this.areDoubted = false;
    await this.#abandonUnknown(lane, runnerId);
    const { narrator, log } = this.#options;
    const crashed = [...this.#crashed];
    const { given_back: tasks, held } = await giveBackOthers(lane, runnerId, this.claims, crashed);
    this.isRestDue = held > 0;
    if (held === 0 && crashed.length > 0) {
      const poisoned = await poisonedRuns(lane, crashed);
      this.#crashed.splice(0, crashed.length);
      for (const run of poisoned) narrator.tellRun(run, run.workflow);
    }
    if (tasks > 0) log.info({ runner: runnerId, tasks }, `interrupted tasks given back: ${tasks}`);
  }

  /** The results of what another database has given to us would be taken for those of other tasks. */
  async #abandonUnknown(lane: Connection, runnerId: number): Promise<void> {
    const unknown = new Set((await unknownClaims(lane, runnerId, this.claims)).map(keyOf));
    if (unknown.size === 0) return;
    const why = `the database was set back: it does not know of tasks that runner ${runnerId} runs`;
    this.#abandon(new ConnectorError('LOST', why), (claim) => !unknown.has(keyOf(claim)));
    this.#options.log.warn({ runner: runnerId, tasks: unknown.size }, `${why}; let go of: ${unknown.size}`);
  }
}
