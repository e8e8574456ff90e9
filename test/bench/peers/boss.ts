import pg from 'pg';
import { PgBoss, type WorkOptions } from 'pg-boss';

/** What made pg-boss fastest here. */
export const BATCHED: WorkOptions = {
  batchSize: 1000,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5,
  notifyPollingIntervalSeconds: 0.5,
};

export async function openBoss(url: string) {
  const boss = new PgBoss({
    connectionString: url,
    useListenNotify: true,
    flowIntervalSeconds: 1,
    schedule: false,
  });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  const client = new pg.Client(url);
  await client.connect();
  return {
    boss,
    completed: async (queue: string) => {
      const { rows } = await client.query(
        `select from pgboss.job where name = $1 and state < 'completed' limit 1`,
        [queue],
      );
      return rows.length === 0;
    },
    close: async () => {
      await client.end();
      await boss.stop({ graceful: false });
    },
  };
}
