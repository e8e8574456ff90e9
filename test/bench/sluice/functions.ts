import { openClient } from '../../../src/database/connect.ts';
import { registerRunner } from '../../../src/runner/lives.ts';
import { type ClaimedTask, reportAndClaim, startAndClaim } from '../../../src/store.ts';
import { amount, type Figures, type Measurements, type Place } from '../contest.ts';
import { latencies } from '../statistics.ts';
import { chain, openScene } from './scene.ts';

const SLOTS = 20;
const WARM_UP = 50;

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
    ({ claimed } = await reportAndClaim(client, runner, resultsOf(claimed), slots));
  }
  const took = performance.now() - began;
  await client.end();
  return { tasks_per_s: (runs * amount(size, 'tasks') * 1000) / took };
}

/** One run at a time: what a chain takes when nobody has to be woken. */
async function bareChain({ url, size }: Place): Promise<Figures> {
  const workflow = chain(amount(size, 'tasks'));
  await using _ = await openScene(url, [workflow]);
  const client = await openClient(url, { name: 'bench' });
  const runner = await registerRunner(client, 'bench', process.pid, SLOTS);
  const took: number[] = [];
  for (let run = -WARM_UP; run < amount(size, 'runs'); run++) {
    const began = performance.now();
    let { claimed } = (await startAndClaim(client, runner, SLOTS, workflow.name, {})).hop;
    while (claimed.length > 0)
      ({ claimed } = await reportAndClaim(client, runner, resultsOf(claimed), SLOTS, null));
    if (run >= 0) took.push(performance.now() - began);
  }
  await client.end();
  return latencies(took);
}

function resultsOf(claimed: readonly ClaimedTask[]) {
  return claimed.map(({ run_id, task_no, token }) => ({ run_id, task_no, token, output: null }));
}

export const measurements: Measurements = {
  backlog: bareLoop,
  backlog_20_slots: bareLoop,
  chains: bareLoop,
  chains_20_slots: bareLoop,
  one_chain: bareChain,
};
