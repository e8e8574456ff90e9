import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from '../../../src/database/connect.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { chain, openScene } from './scene.ts';

/** What an idle runner costs: its processor time, and the transactions that it asks for. */
export async function idle({ url, superuserUrl, size }: Place): Promise<Figures> {
  const seconds = amount(size, 'seconds');
  await using scene = await openScene(url, [chain(1)]);
  await using _ = await scene.startRunner(20);
  const database = new URL(url).pathname.slice(1);
  // From another database, so that looking is not counted.
  const elsewhere = new URL(superuserUrl);
  elsewhere.pathname = '/postgres';
  const client = await openClient(elsewhere.href, { name: 'bench' });
  const transactions = async () => {
    const { rows } = await client.query(
      'select xact_commit + xact_rollback as count from pg_stat_database where datname = $1',
      [database],
    );
    return Number(rows[0].count);
  };
  // Sessions tell what they did up to 10 s later.
  await delay(15_000);
  const before = await transactions();
  const used = process.cpuUsage();
  await delay(seconds * 1000);
  const { user, system } = process.cpuUsage(used);
  const after = await transactions();
  await client.end();
  return {
    transactions_a_second: (after - before) / seconds,
    runner_cpu_percent: (user + system) / 10_000 / seconds,
  };
}
