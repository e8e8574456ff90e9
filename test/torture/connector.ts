import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import * as z from 'zod';
import { Connector, operation } from '../../src/connector.ts';
import { ConnectorError } from '../../src/errors.ts';

const parameters = z.strictObject({
  run: z.string(),
  task: z.string(),
  ms: z.int().default(0),
  fails: z.int().default(0),
});

/** The tables in which tasks leave their traces. Nothing in them keeps a second row of the same task out. */
export const TABLES = `
  create table public.effects (run bigint not null, task text not null, at timestamptz not null default clock_timestamp());
  create table public.gates   (run bigint not null);
  create table public.calls   (run bigint not null, task text not null, at timestamptz not null default clock_timestamp());
`;

/** What was asked for: every other failure is one that the engine should have kept from the task. */
export const ON_PURPOSE = 'ON_PURPOSE';

/** Tasks that leave traces, take their time or fail. */
export class TortureConnector extends Connector {
  readonly #outside: pg.Pool;

  /** The pool stands for a system elsewhere: what is written through it is not part of any task's transaction. */
  constructor(outside: pg.Pool) {
    super();
    this.#outside = outside;
  }

  readonly operations = {
    nothing: operation({ parameters, run: async () => null }),

    call: operation({ parameters, run: ({ run, task }, { signal }) => this.#call(run, task, signal) }),

    slow_call: operation({
      parameters,
      run: async ({ run, task, ms }, { signal }) => {
        await this.#call(run, task, signal);
        await delay(ms);
        return 'slowly';
      },
    }),

    row: operation({
      parameters,
      run: async ({ run, task, ms }, { transaction }) => {
        const db = await transaction();
        await db.query('insert into public.effects (run, task) values ($1, $2)', [run, task]);
        await delay(ms);
        return 'written';
      },
    }),

    /** Begins its transaction when its task may have been taken over long since. */
    late_row: operation({
      parameters,
      run: async ({ run, task, ms }, { transaction }) => {
        await delay(ms);
        const db = await transaction();
        await db.query('insert into public.effects (run, task) values ($1, $2)', [run, task]);
        return 'written';
      },
    }),

    flaky: operation({
      parameters,
      run: async ({ run, task, fails }, { attempt, transaction }) => {
        const db = await transaction();
        await db.query('insert into public.effects (run, task) values ($1, $2)', [run, task]);
        if (attempt <= fails) throw new ConnectorError(ON_PURPOSE, `not before attempt ${fails + 1}`);
        return attempt;
      },
    }),

    /** Leaves a row, and waits until the gate of its run is open. */
    held_row: operation({
      parameters,
      run: async ({ run, task }, { transaction, signal }) => {
        const db = await transaction();
        await db.query('insert into public.effects (run, task) values ($1, $2)', [run, task]);
        await this.#gate(run, task, signal);
        return 'through';
      },
    }),

    held: operation({
      parameters,
      run: async ({ run, task }, { signal }) => {
        await this.#gate(run, task, signal);
        return 'through';
      },
    }),

    /** Takes its runner with it. */
    deadly: operation({
      parameters,
      run: async () => process.kill(process.pid, 'SIGKILL'),
    }),

    doomed: operation({
      parameters,
      run: async () => {
        throw new ConnectorError(ON_PURPOSE, 'this task always fails');
      },
    }),
  };

  /** Says that it is there, and waits. */
  async #gate(run: string, task: string, signal: AbortSignal) {
    await this.#call(run, task, signal);
    for (;;) {
      const { rowCount } = await this.#outside.query('select from public.gates where run = $1', [run]);
      if (rowCount) return;
      await delay(20, undefined, { signal });
    }
  }

  async #call(run: string, task: string, signal: AbortSignal) {
    // The world outside is there when Postgres is: what it cannot take now, it takes a little later.
    for (;;) {
      try {
        await this.#outside.query('insert into public.calls (run, task) values ($1, $2)', [run, task]);
        return 'called';
      } catch {
        await delay(50, undefined, { signal });
      }
    }
  }
}
