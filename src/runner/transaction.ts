import type { Pool, PoolClient } from 'pg';
import type { Queryable } from '../connector.ts';
import {
  isAway,
  isConflict,
  isConnectionFailure,
  isDeadlock,
  isRefused,
  isStandby,
} from '../database/failures.ts';
import { ConnectorError, codeOf, messageOf } from '../errors.ts';
import type { Claim, Hop, Result } from '../store.ts';
import { duration } from '../terminal.ts';
import { beginTask, endTask, endTaskSession, report } from './task_session.ts';

/** How long a transaction may do nothing: if its process has been halted, it holds up everybody who needs its rows. */
const IDLE_MS = 20_000;
const IDLE_TIMEOUT = '25P03';
const TRANSACTION_TIMEOUT = '25P04';
/** A statement of the transaction has failed: until it goes back to a savepoint, no further one is executed. */
const ABORTED = '25P02';
/** The codes with which a server says that it ends a connection for reasons of its own. */
const GOODBYE = /^57P0/;
/** Read-only transaction, out of memory or locks: inside its transaction that is the task's own doing, in each attempt. */
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
  /** The task may send no further statements: they would run outside of its transaction. */
  #closed = false;
  /** The first statement's error since the last answer: after it no further one is executed. */
  #failure: unknown;
  /** Why the server ended the connection, if it did; and whether that was while the task was still at work. */
  #fatal: unknown;
  #fatalBeforeEnd = false;
  /** The connection broke while a statement of the task had no answer yet. */
  #brokeAmid = false;
  /** The server has said goodbye, in an error or in a warning. */
  #saidGoodbye = false;
  /**
   * What went wrong without the task's fault, if anything: the database went away, cannot take work now or did not let us in,
   * or another transaction was in the way.
   */
  trouble: unknown;
  /** The connection broke amid a statement of the task, and the server said no goodbye: the statement may have crashed it. */
  crashed = false;

  /** Begins the transaction. Call open or complete at once, as they handle the failure to begin it. */
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
          // An answer after trouble: the task has rolled back to a savepoint and so got over it.
          this.trouble = undefined;
          this.#failure = undefined;
          return answer;
        } catch (error) {
          this.#failure ??= error;
          throw error;
        } finally {
          this.#underWay--;
        }
      },
    };
  }

  /** Writes the result and commits. Rolls back when the task was taken over meanwhile; the hop says so. */
  async complete(result: Result): Promise<Hop> {
    const client = await this.#opening;
    this.#closed = true;
    const hop = await this.#watch(report(client, this.#began, result)).catch((error) => {
      throw codeOf(error) === ABORTED ? this.#unnoticed() : error;
    });
    if (!hop)
      throw new ConnectorError(
        'TRANSACTION_CLOSED',
        'it ended its transaction itself; leave out COMMIT and ROLLBACK: success commits, an error rolls back',
      );
    const isOurs = hop.answers.length === 0;
    const command = await this.#watch(endTask(client, isOurs ? 'commit' : 'rollback'));
    // Postgres answers ROLLBACK, and no error, to the COMMIT of a transaction that has failed.
    if (isOurs && command !== 'COMMIT') throw this.#unnoticed();
    this.#release(false);
    return hop;
  }

  #unnoticed(): ConnectorError {
    const why = messageOf(this.#failure ?? 'unknown');
    return new ConnectorError(
      'TRANSACTION_ABORTED',
      `a statement of its transaction failed, and it went on: ${why}. Let that error be thrown, or go back to a savepoint`,
      { cause: this.#failure },
    );
  }

  /**
   * Closes the connection, so that the server rolls back. A server that waits for a lock on behalf of a statement would not
   * notice, so its session is ended over another connection.
   */
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
    // Seen when it breaks: a statement that is sent later fails as well, and has not broken it.
    this.#brokeAmid ||= !this.#closed && this.#underWay > 0;
  };

  /** When another session has crashed, or the server stops at once, its last word is a warning. */
  readonly #onNotice = ({ code = '' }: { readonly code?: string | undefined }) => {
    this.#saidGoodbye ||= GOODBYE.test(code);
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
      // Not after the task had done its part: then it was our process that did nothing, because it had been halted.
      if (wasIdle && (this.#fatalBeforeEnd || !this.#closed)) {
        throw new ConnectorError(
          'TRANSACTION_IDLE',
          `its transaction did nothing for ${duration(IDLE_MS)} and was ended; open it after the slow work`,
          { cause: error },
        );
      }
      // Of a task's own statements only a deadlock counts as that: one with NOWAIT asks for its error, and a trigger may raise
      // 40001 on purpose.
      const isInTheWay = this.#closed ? isConflict(error) : isDeadlock(error);
      const isAwayNow = this.#began
        ? isAway(error) && !OWN_FAULT.test(codeOf(error))
        : isAway(error) || isStandby(error) || isRefused(error);
      if (wasIdle || isAwayNow || isInTheWay) this.trouble ??= error;
      // Kept: what fails after a goodbye says no more than that the connection is closed.
      if (isConnectionFailure(error)) this.#saidGoodbye ||= said.some((one) => GOODBYE.test(one));
      this.crashed = this.#brokeAmid && !this.#saidGoodbye;
      throw error;
    }
  }
}
