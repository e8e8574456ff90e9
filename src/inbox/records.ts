import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, QueryResult } from 'pg';
import { createPool } from '../database/connect.ts';
import { isAway, isConflict } from '../database/failures.ts';
import type { JsonObject } from '../json.ts';
import type { Log } from '../log.ts';
import { Trouble } from '../trouble.ts';

/** A mail that is to become a run. */
export interface Mail {
  /** Where it was found. */
  readonly path: string;
  readonly stamp: string;
  readonly sha256: string;
  readonly input: JsonObject;
}

/** What became of a mail. */
interface Taken {
  readonly runId: string;
  readonly isNew: boolean;
  /** The path from which the run reads it; not ours, if the run was there before. */
  readonly email: string | null;
}

const RETRY_MS = 250;
/** A batch takes milliseconds, so a connection that has not answered by then is given up. */
const ANSWER_MS = 10_000;
const OPEN_MS = 20;

/** What the database knows of the mails of one workflow. While it is away, every question waits, until the signal aborts. */
export class Records implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #workflow: string;
  readonly #signal: AbortSignal;
  readonly #trouble: Trouble;

  constructor(url: string, workflow: string, log: Log, signal: AbortSignal) {
    this.#pool = createPool(url, { name: 'inbox', max: 1, queryTimeoutMs: ANSWER_MS });
    this.#workflow = workflow;
    this.#signal = signal;
    this.#trouble = new Trouble(log, url, 'Waiting for the database.');
  }

  /** The stamps that these files had when they were last taken, by path. */
  async stamps(paths: readonly string[]): Promise<Map<string, string>> {
    const { rows } = await this.#ask(
      `select distinct on (path) path, stamp
         from sluice.inbox_files
        where workflow = $1 and path = any ($2)
        order by path, seen_at desc`,
      [this.#workflow, paths],
    );
    return new Map(rows.map(({ path, stamp }) => [path, stamp]));
  }

  /** Starts a run for each content that is new and records all files, in one transaction; in the order given. */
  async take(mails: readonly Mail[]): Promise<Taken[]> {
    const { rows } = await this.#ask(
      `select taken.run_id as "runId", taken.is_new as "isNew", runs.input ->> 'email' as email
         from sluice.take_files($1, $2, $3, $4, $5::jsonb[]) with ordinality as taken(run_id, is_new, position)
         left join sluice.runs on runs.id = taken.run_id
        order by taken.position`,
      [
        this.#workflow,
        mails.map(({ path }) => path),
        mails.map(({ sha256 }) => sha256),
        mails.map(({ stamp }) => stamp),
        mails.map(({ input }) => JSON.stringify(input)),
      ],
    );
    return rows;
  }

  /** Resolves when at most so many runs of mails are under way. */
  async room(most: number): Promise<void> {
    for (;;) {
      const { rows } = await this.#ask(
        `select count(*)::integer as open
           from sluice.active_runs
          where workflow = $1 and key like 'sha256 %'`,
        [this.#workflow],
      );
      if (rows[0].open <= most) return;
      await delay(OPEN_MS, undefined, { signal: this.#signal });
    }
  }

  /** The highest id of a run: all later runs have higher ones. */
  async lastRun(): Promise<bigint> {
    const { rows } = await this.#ask('select coalesce(max(id), 0) as id from sluice.runs');
    return BigInt(rows[0].id);
  }

  /** How these runs have ended. */
  async ended(runs: readonly string[]): Promise<{ completed: number; failed: number }> {
    const { rows } = await this.#ask(
      `select count(*) filter (where status = 'COMPLETED')::integer               as completed,
              count(*) filter (where status in ('FAILED', 'CANCELLED'))::integer as failed
         from sluice.runs
        where workflow = $1 and id = any ($2)`,
      [this.#workflow, runs],
    );
    return rows[0];
  }

  async #ask(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        const answer = await this.#pool.query(text, [...values]);
        this.#trouble.over();
        return answer;
      } catch (error) {
        if (!isAway(error) && !isConflict(error)) throw error;
        this.#trouble.say(error);
        await delay(RETRY_MS, undefined, { signal: this.#signal });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
