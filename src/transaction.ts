import type { Pool, PoolClient } from 'pg';
import type { Queryable } from './connector.ts';
import { isAway, isConflict, isConnectionFailure, isDeadlock } from './database/failures.ts';
import { ConnectorError, codeOf } from './errors.ts';
import type { Claim, Hop, Result } from './store.ts';
import { beginTask, endTask, endTaskSession, report } from './task_session.ts';
import { duration } from './terminal.ts';

/** How long a transaction may lie idle: one that a stopped process left open holds up whoever needs its rows. */
const IDLE_MS = 20_000;
const IDLE_TIMEOUT = '25P03';
const TRANSACTION_TIMEOUT = '25P04';
/** The server ends the connection, for reasons of its own. */
const GOODBYE = /^57P0/;
/** The task has made its transaction read-only, or asks for more locks or memory than there is: it would again. */
const OWN_FAULT = /^(25006|53200)$/;

/** The transaction in which a task's effects and its SUCCESS commit together, or neither does. */
export class TaskTransaction {
  readonly #pool: Pool;
  readonly #claim: Claim;
  readonly #opening: Promise<PoolClient>;
  #client: PoolClient | undefined;
  #began = '';
  /** How many statements of the task have no answer yet. */
  #underWay = 0;
  /** Nothing more is let in: whatever comes now would go astray. */
  #closed = false;
  /** Why the server ended the connection, if it did; and whether the task was still at work then. */
  #fatal: unknown;
  #fatalBeforeEnd = false;
  #hasWarned = false;
  /** What is not the task's fault, if that came up: the database went away, cannot take work now, or somebody was in the way. */
  trouble: unknown;
  /** The connection broke amid a statement of the task, and the server said no goodbye: the statement may have crashed it. */
  crashed = false;

  /** Begins it; open or complete it at once. */
  constructor(pool: Pool, claim: Claim, timeoutMs: number) {
    this.#pool = pool;
    this.#claim = claim;
    this.#opening = this.#begin(timeoutMs);
  }

  async open(): Promise<Queryable> {
    const client = await this.#opening;
    return {
      query: async (text, values) => {
        if (this.#closed) throw new ConnectorError('TRANSACTION_CLOSED', 'its transaction has ended');
        this.#underWay++;
        try {
          const answer = await this.#watch(
            client.query(text, values === undefined ? undefined : [...values]),
          );
          // It has been rolled back to a savepoint: the task has got over what went wrong.
          this.trouble = undefined;
          return answer;
        } finally {
          this.#underWay--;
        }
      },
    };
  }

  /** Writes the result and commits; rolls back when the task was taken over meanwhile. */
  async complete(result: Result): Promise<Hop> {
    const client = await this.#opening;
    this.#closed = true;
    const hop = await this.#watch(report(client, this.#began, result));
    if (!hop)
      throw new ConnectorError(
        'TRANSACTION_CLOSED',
        'it ended its transaction itself; leave out COMMIT and ROLLBACK: success commits, an error rolls back',
      );
    const isOurs = hop.answers.length === 0;
    const command = await this.#watch(endTask(client, isOurs ? 'commit' : 'rollback'));
    // Postgres answers ROLLBACK, and no error, to the COMMIT of a transaction that has failed.
    if (isOurs && command !== 'COMMIT')
      throw new ConnectorError(
        'TRANSACTION_ABORTED',
        'a statement of its transaction failed, and nobody noticed',
      );
    this.#release(false);
    return hop;
  }

  /** The connection goes, and the server rolls back. While a statement waits for a lock, it would not notice: it is told. */
  abort(): void {
    this.#closed = true;
    const isWaiting = this.#client !== undefined && this.#underWay > 0;
    this.#release(true);
    if (isWaiting) endTaskSession(this.#pool, this.#claim).catch(() => {});
  }

  async #begin(timeoutMs: number): Promise<PoolClient> {
    const client = await this.#watch(this.#pool.connect());
    if (this.#closed) {
      client.release();
      throw new ConnectorError('TRANSACTION_CLOSED', 'the task has ended');
    }
    this.#client = client;
    client.on('error', this.#onError).on('notice', this.#onNotice);
    this.#began = await this.#watch(beginTask(client, this.#claim, { timeoutMs, idleMs: IDLE_MS }));
    return client;
  }

  #release(discard: boolean): void {
    const client = this.#client;
    this.#client = undefined;
    client?.off('error', this.#onError).off('notice', this.#onNotice);
    client?.release(discard);
  }

  readonly #onError = (error: unknown) => {
    this.#fatal ??= error;
    this.#fatalBeforeEnd ||= !this.#closed;
  };

  /** In a crash of another session's, and when the server stops at once, its last word is a warning. */
  readonly #onNotice = ({ code = '' }: { readonly code?: string | undefined }) => {
    this.#hasWarned ||= GOODBYE.test(code);
  };

  async #watch<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      const said = [codeOf(this.#fatal), codeOf(error)];
      if (said.includes(TRANSACTION_TIMEOUT)) {
        throw new ConnectorError(
          'TRANSACTION_TOO_LONG',
          'its transaction was ended: it took longer than transaction_timeout allows',
          { cause: error },
        );
      }
      const wasIdle = said.includes(IDLE_TIMEOUT);
      // After the task has done its part it was the process that did nothing: it had been stopped.
      if (wasIdle && (this.#fatalBeforeEnd || !this.#closed)) {
        throw new ConnectorError(
          'TRANSACTION_IDLE',
          `its transaction did nothing for ${duration(IDLE_MS)} and was ended; open it after the slow work`,
          { cause: error },
        );
      }
      // Of the task's own statements only a deadlock: who asks with NOWAIT wants to know, and triggers raise 40001, too.
      const isInTheWay = this.#closed ? isConflict(error) : isDeadlock(error);
      const isAwayNow = isAway(error) && !OWN_FAULT.test(codeOf(error));
      if (wasIdle || isAwayNow || isInTheWay) this.trouble ??= error;
      if (!this.#closed && this.#underWay > 0 && isConnectionFailure(error))
        this.crashed = !this.#hasWarned && !said.some((code) => GOODBYE.test(code));
      throw error;
    }
  }
}
