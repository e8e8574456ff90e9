import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { type Act, event } from './support/acting.ts';
import { type Stage, stage } from './support/engine.ts';
import { fileDatabase, query, registerRunner } from './support/scene.ts';
import { until } from './support/until.ts';

/*
 * A runner whose look for work got all that it asked for looks on from there. That must not make what is older wait: what
 * becomes READY or is given back behind it.
 */

/** Which tasks have begun, and a gate for each run of one task. */
class Queue {
  readonly began: string[] = [];
  readonly #gates = new Map<string, ReturnType<typeof event<void>>>();

  readonly one: Act = (run) => {
    this.began.push(String(run));
    return this.#gate(String(run)).happened.then(() => null);
  };

  /** Starts a run of one task, that ends when it is told to. */
  async start(): Promise<string> {
    const one = { name: 'one', connector: 'test', operation: 'one', parameters: { $run: ['id'] } };
    await query('select from sluice.register_workflow($1, $2)', ['queued', JSON.stringify([one])]);
    const [{ id }] = await query(`select sluice.start_run('queued') as id`);
    return id;
  }

  async begins(run: string): Promise<void> {
    await until(async () => this.began.includes(run), `run ${run} to begin`);
  }

  end(run: string): void {
    this.#gate(run).happens();
  }

  #gate(run: string) {
    const gate = this.#gates.get(run) ?? event();
    this.#gates.set(run, gate);
    return gate;
  }
}

/** A beat begins after the one before it was heeded. */
async function heedsABeat(): Promise<void> {
  const beat = async () =>
    (await query('select max(beat_at)::text as at from sluice.runners where ended_at is null'))[0].at;
  for (let beats = 0; beats < 2; beats++) {
    const last = await beat();
    await until(async () => (await beat()) !== last, 'a beat');
  }
}

async function ends(play: Stage, runs: readonly string[]): Promise<void> {
  for (const run of runs)
    assert.equal((await play.engine.waitForRun(run, AbortSignal.timeout(20_000))).status, 'COMPLETED');
}

test('children that a runner had no room for go before newer runs, wherever it was looking', async () => {
  const queue = new Queue();
  const gate = event();
  const root: Act = () => gate.happened.then(() => null);
  const child: Act = (name) => queue.began.push(String(name));
  const tasks = ['a', 'b', 'c'].map((name) => [name, { act: 'child', parameters: name, after: ['root'] }]);
  await using play = await stage(
    { root, child, one: queue.one },
    { root: {}, ...Object.fromEntries(tasks) },
    { slots: 2 },
  );
  const wide = await play.start();
  const first = await queue.start();
  await queue.begins(first);
  const [second, third, last] = [await queue.start(), await queue.start(), await queue.start()];
  queue.end(first);
  await queue.begins(second);
  queue.end(second);
  await queue.begins(third);

  gate.happens();
  await queue.begins(last);

  assert.deepEqual(queue.began, [first, second, third, 'a', 'b', 'c', last]);
  for (const run of [third, last]) queue.end(run);
  await ends(play, [wide, first, second, third, last]);
});

test('children left behind are claimed at once when there is room, also if another lane was looking meanwhile', async () => {
  const queue = new Queue();
  const [gate, end] = [event(), event()];
  const root: Act = () => gate.happened.then(() => null);
  const child: Act = (name) => {
    queue.began.push(String(name));
    return end.happened.then(() => null);
  };
  const tasks = ['a', 'b'].map((name) => [name, { act: 'child', parameters: name, after: ['root'] }]);
  await using play = await stage(
    { root, child, one: queue.one },
    { root: {}, ...Object.fromEntries(tasks) },
    { slots: 3 },
  );
  const wide = await play.start();
  // A claim of the other workflow waits for us in the middle, and no beat comes to the rescue.
  await query(`create function public.hold() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock_shared(4711); return new; end'`);
  await query(`create trigger hold before update on sluice.tasks for each row
    when (new.state = 'RUNNING' and new.is_sink and new.task_no = 1) execute function public.hold()`);
  const session = await openClient((await fileDatabase()).url);
  await session.query(`select pg_advisory_lock(4711)`);
  await session.query('begin');
  await session.query('select from sluice.runners where ended_at is null for no key update');
  const other = await queue.start();
  const isHeld = `select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`;
  await until(async () => (await query(isHeld)).length === 1, 'the claim to wait');

  gate.happens();
  await queue.begins('a');
  await session.query('select pg_advisory_unlock(4711)');
  await queue.begins(other);
  await until(() => queue.began.includes('b'), 'the second child to begin', 3_000);

  await session.end();
  await query('drop trigger hold on sluice.tasks');
  end.happens();
  queue.end(other);
  await ends(play, [wide, other]);
});

test('a task that is given back goes before newer ones, wherever a runner was looking', async () => {
  const queue = new Queue();
  await using play = await stage({ one: queue.one }, { one: {} }, { slots: 1 });
  const first = await queue.start();
  await queue.begins(first);
  const older = await queue.start();
  const other = await registerRunner();
  const session = await openClient((await fileDatabase()).url);
  await session.query('select pg_advisory_lock(sluice.runner_lock(), $1)', [other]);
  await session.query(`select from sluice.report_and_claim($1, '[]', 1)`, [other]);
  const [second, last] = [await queue.start(), await queue.start()];
  queue.end(first);
  await queue.begins(second);

  await session.query(`select sluice.end_runner($1, 'stopped')`, [other]);
  await session.end();
  await heedsABeat();
  queue.end(second);
  await queue.begins(older);
  queue.end(older);
  await queue.begins(last);

  assert.deepEqual(queue.began, [first, second, older, last]);
  queue.end(last);
  await ends(play, [first, second, older, last]);
});
