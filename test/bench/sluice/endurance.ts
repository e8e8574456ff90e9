import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from '../../../src/database/connect.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { percentile } from '../statistics.ts';
import { chain, openScene } from './scene.ts';
import { startWorkers } from './workers.ts';

const CHAIN = chain(5);
const IN_FLIGHT = 2_000;
const PORTION = 500;

interface Minute {
  readonly tasks_per_s: number;
  readonly run_p50_ms: number;
  readonly dead_rows: number;
}

/** Full speed for minutes: do rate, latency and dead rows stay what they were? */
export async function endurance({ url, size }: Place): Promise<Figures> {
  await using scene = await openScene(url, [CHAIN]);
  const workers = await startWorkers(url, 1, amount(size, 'slots'));
  const client = await openClient(url, { name: 'bench' });
  const parts: Minute[] = [];
  const partMs = (amount(size, 'minutes') * 60_000) / 10;
  let oldest = '0';
  for (let part = 0; part < 10; part++) {
    const { rows: at } = await client.query('select clock_timestamp() as now');
    for (const end = performance.now() + partMs; performance.now() < end; await delay(5)) {
      // Each run of a chain has one open task. From the oldest on: before it are dead entries of the index, and to walk
      // over those again and again would take a fifth of the machine.
      const { rows } = await client.query({
        name: 'in_flight',
        text: 'select count(*)::integer as active, min(run_id) as oldest from sluice.open_tasks where run_id >= $1',
        values: [oldest],
      });
      oldest = rows[0].oldest ?? oldest;
      if (rows[0].active < IN_FLIGHT)
        await scene.engine.startRuns(
          CHAIN.name,
          Array.from({ length: PORTION }, () => ({})),
        );
    }
    const { rows } = await client.query(
      `select count(*)::float8 as runs,
              coalesce(percentile_cont(0.5) within group (order by extract(epoch from finished_at - created_at)), 0)::float8 as p50,
              (select sum(n_dead_tup)::float8 from pg_stat_user_tables where schemaname = 'sluice') as dead
         from sluice.runs where finished_at >= $1`,
      [at[0].now],
    );
    const { runs, p50, dead } = rows[0];
    parts.push({ tasks_per_s: (runs * 5 * 1000) / partMs, run_p50_ms: p50 * 1000, dead_rows: dead });
  }
  await client.end();
  await workers.stop();
  return { ...halves(parts, 'tasks_per_s'), ...halves(parts, 'run_p50_ms'), ...halves(parts, 'dead_rows') };
}

/** The medians of the parts of the first half, the first of which warms up, and of the second half. */
function halves(parts: readonly Minute[], figure: keyof Minute): Figures {
  const values = parts.map((part) => part[figure]);
  return {
    [`first_half_${figure}`]: percentile(values.slice(1, 5), 50),
    [`second_half_${figure}`]: percentile(values.slice(5), 50),
  };
}
