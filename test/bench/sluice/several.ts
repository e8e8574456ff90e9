import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from '../../../src/database/connect.ts';
import type { Connection } from '../../../src/store.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { chain, openScene, type Scene } from './scene.ts';
import { startWorkers, type WorkerCost } from './workers.ts';

/**
 * One runner process and two, on the same amount of work that arrives at once: one, two, two, one, as whoever comes
 * later finds more dead rows.
 */
export async function severalRunners({ url, size }: Place): Promise<Figures> {
  const runs = amount(size, 'runs');
  const tasks = amount(size, 'tasks');
  const workflow = chain(tasks);
  await using scene = await openScene(url, [workflow]);
  const took = { one: 0, two: 0 };
  for (const who of ['one', 'two', 'two', 'one'] as const) {
    const count = who === 'one' ? 1 : 2;
    const workers = await startWorkers(url, count, amount(size, 'slots'));
    await drainBy(scene, url, workflow.name, 500 * count);
    took[who] += await drainBy(scene, url, workflow.name, runs);
    await workers.stop();
  }
  const done = 2 * runs * tasks;
  return {
    one_tasks_per_s: done / took.one,
    two_tasks_per_s: done / took.two,
    two_to_one: took.one / took.two,
  };
}

/** A burst of runs for one runner: what it costs, and whether the first are as fast as the last. */
export async function burst({ url, size }: Place): Promise<Figures> {
  const runs = amount(size, 'runs');
  const workflow = chain(1);
  await using scene = await openScene(url, [workflow]);
  const client = await openClient(url, { name: 'bench' });
  const workers = await startWorkers(url, 1, amount(size, 'slots'));
  const before = await footprint(client);
  const took = await drainBy(scene, url, workflow.name, runs);
  const after = await footprint(client);
  const [cost] = await workers.stop();
  const { rows } = await client.query(
    `with numbered as (
       select finished_at, ntile(10) over (order by finished_at) as part from sluice.runs
     )
     select part, extract(epoch from max(finished_at) - min(finished_at))::float8 as took
       from numbered where part in (2, 9) group by part order by part`,
  );
  await client.end();
  const { cpu_ms, rss_mb } = cost as WorkerCost;
  return {
    tasks_per_s: runs / took,
    second_tenth_tasks_per_s: runs / 10 / rows[0].took,
    ninth_tenth_tasks_per_s: runs / 10 / rows[1].took,
    runner_rss_mb: rss_mb,
    runner_cpu_us_per_task: (cpu_ms * 1000) / runs,
    wal_bytes_per_task: (after.wal - before.wal) / runs,
    stored_bytes_per_task: (after.stored - before.stored) / runs,
  };
}

async function footprint(client: Connection): Promise<{ wal: number; stored: number }> {
  const { rows } = await client.query(
    `select pg_current_wal_lsn() - '0/0'::pg_lsn as wal, pg_database_size(current_database()) as stored`,
  );
  return { wal: Number(rows[0].wal), stored: Number(rows[0].stored) };
}

/** How many seconds pass from the first claim to the last end, by the clock of the database. */
async function drainBy(scene: Scene, url: string, workflow: string, runs: number): Promise<number> {
  const client = await openClient(url, { name: 'bench' });
  const ids: string[] = [];
  for (let rest = runs; rest > 0; rest -= 20_000) {
    const starts = Array.from({ length: Math.min(rest, 20_000) }, () => ({}));
    ids.push(...(await scene.engine.startRuns(workflow, starts)));
  }
  const first = ids[0];
  for (let left = true; left; ) {
    await delay(50);
    const { rows } = await client.query(`select exists (select from sluice.active_runs) as left`);
    left = rows[0].left;
  }
  const { rows } = await client.query(
    `select extract(epoch from max(tasks.finished_at) - min(tasks.started_at))::float8 as took
       from sluice.tasks where run_id >= $1`,
    [first],
  );
  await client.end();
  return rows[0].took;
}
