import { openClient } from '../../../src/database/connect.ts';
import { registerRunner, reportAndClaim } from '../../../src/store.ts';
import { amount, type Figures, type Measurements, type Place } from '../contest.ts';
import { chain, openScene } from './scene.ts';

/*
 * Sluice's functions called in a bare loop: the difference to Sluice is the runner, the difference to the floor is what
 * triggers, audit and graph cost.
 */
async function bareLoop({ url, size }: Place): Promise<Figures> {
  const workflow = chain(amount(size, 'tasks'));
  const runs = amount(size, 'runs');
  const slots = amount(size, 'slots');
  await using scene = await openScene(url, [workflow]);
  const client = await openClient(url, { name: 'bench' });
  const runner = await registerRunner(client, 'bench', process.pid, slots);
  await scene.engine.startRuns(
    workflow.name,
    Array.from({ length: runs }, () => ({})),
  );
  const began = performance.now();
  let { claimed } = await reportAndClaim(client, runner, [], slots);
  while (claimed.length > 0) {
    const results = claimed.map(({ run_id, task_no, token }) => ({ run_id, task_no, token, output: null }));
    ({ claimed } = await reportAndClaim(client, runner, results, slots));
  }
  const took = performance.now() - began;
  await client.end();
  return { tasks_per_s: (runs * amount(size, 'tasks') * 1000) / took };
}

export const measurements: Measurements = {
  backlog: bareLoop,
  backlog_20_slots: bareLoop,
  chains: bareLoop,
  chains_20_slots: bareLoop,
};
