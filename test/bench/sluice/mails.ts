import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectors } from '../../../src/connectors/index.ts';
import { openClient } from '../../../src/database/connect.ts';
import { openEngine, type Workflow } from '../../../src/index.ts';
import poDemo from '../../../src/workflows/po_demo.ts';
import { anyOrder, anyStyle, Choices, writeOrder } from '../../support/orders.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { NothingConnector } from './scene.ts';
import { startWorkers } from './workers.ts';

/** The purchase-order workflow with connectors that do nothing: what is left is the engine. */
const HOLLOW: Workflow = {
  ...poDemo,
  name: 'po_hollow',
  tasks: poDemo.tasks.map(({ name, after }) => ({
    name,
    after,
    connector: 'nothing',
    operation: 'nothing',
    parameters: {},
    retries: 0,
    timeout_ms: 60_000,
  })),
};

/** Purchase orders, each a mail of its own, through runners that really read, store and write. */
export async function mails({ url, size }: Place): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-mails-'));
  const inputs = await writeMails(folder, amount(size, 'runs'));
  await using engine = openEngine({
    connectionString: url,
    connectors: { ...connectors, nothing: new NothingConnector() },
    workflows: [poDemo, HOLLOW],
  });
  await engine.register();
  const client = await openClient(url, { name: 'bench' });
  const workers = await startWorkers(url, 2, amount(size, 'slots'), folder);

  const drain = async (workflow: string) => {
    const began = performance.now();
    await engine.startRuns(
      workflow,
      inputs.map((input) => ({ input })),
    );
    for (let left = true; left; ) {
      await delay(10);
      const { rows } = await client.query(`select exists (select from sluice.active_runs) as left`);
      left = rows[0].left;
    }
    return performance.now() - began;
  };
  await drain('po_hollow');
  const hollow = await drain('po_hollow');
  const real = await drain('po_demo');
  const { rows } = await client.query(`select reason from sluice.runs where status = 'FAILED'`);
  await workers.stop();
  await client.end();
  await rm(folder, { recursive: true });
  if (rows.length > 0) throw new Error(`${rows.length} runs failed, one of them: ${rows[0].reason}`);
  return {
    mails_per_s: (inputs.length * 1000) / real,
    engine_percent: (hollow * 100) / real,
  };
}

/** The inputs of runs, with paths as seen from the folder. */
async function writeMails(folder: string, count: number): Promise<{ email: string; alert_path: string }[]> {
  const choices = new Choices(4);
  const inputs = [];
  for (let index = 0; index < count; index++) {
    const order = writeOrder(anyOrder(choices), anyStyle(choices));
    const input = { email: `${index}.txt`, alert_path: `${index}.json` };
    await writeFile(join(folder, input.email), `From: buyer@example.com\nSubject: Order\n\n${order}`);
    inputs.push(input);
  }
  return inputs;
}
