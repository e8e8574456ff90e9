import { openClient } from '../../../src/database/connect.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { percentile } from '../statistics.ts';
import { drain } from './drain.ts';
import { multiplyRun } from './history.ts';
import { pickUp } from './latency.ts';
import { chain, openScene, type Scene } from './scene.ts';

const TIMES = 20;
const DRAINS = 5;

/** The same on an empty database and on one that is full of finished runs. */
export async function fullDatabase(place: Place): Promise<Figures> {
  const workflow = chain(5);
  await using scene = await openScene(place.url, [workflow]);
  const runId = await oneRun(scene, workflow.name);
  const empty = await measureAll(place, scene, runId);
  const filling = performance.now();
  await multiplyRun(place.superuserUrl, runId, amount(place.size, 'history'));
  const filled = performance.now();
  const full = await measureAll(place, scene, runId);
  return {
    ...prefixed('empty_', empty),
    ...prefixed('full_', full),
    fill_s: (filled - filling) / 1000,
  };
}

async function oneRun(scene: Scene, workflow: string): Promise<string> {
  await using _ = await scene.startRunner(20);
  const runId = await scene.engine.startRun(workflow);
  await scene.ended(1);
  return runId;
}

async function measureAll(place: Place, { engine }: Scene, runId: string): Promise<Figures> {
  const { url, size } = place;
  const slots = amount(size, 'slots');
  const backlog = await typicalRate({ ...place, size: { runs: 20_000, tasks: 1, slots } });
  const chains = await typicalRate({ ...place, size: { runs: 2_000, tasks: 5, slots } });
  const pickedUp = await pickUp({ ...place, size: { runs: 100 } });
  const client = await openClient(url, { name: 'bench' });
  const looks = {
    start_ms: await typical(() => engine.startRun('chain_5')),
    active_view_ms: await typical(() => client.query('select * from v_active_runs')),
    history_view_ms: await typical(() => client.query('select * from v_run_history limit 20')),
    active_runs_ms: await typical(() => engine.listRuns('active')),
    ended_runs_ms: await typical(() => engine.listRuns('ended')),
    one_run_ms: await typical(() => engine.readRun(runId)),
  };
  await client.query('select sluice.cancel_run(id) from sluice.runs where status = $1', ['RUNNING']);
  await client.end();
  return {
    backlog_tasks_per_s: backlog,
    chains_tasks_per_s: chains,
    pick_up_p50_ms: pickedUp.p50_ms ?? Number.NaN,
    ...looks,
  };
}

/** One of them takes a second or less, in which a shared machine may do something else. */
async function typicalRate(place: Place): Promise<number> {
  const rates: number[] = [];
  for (let time = 0; time < DRAINS; time++) rates.push((await drain(place)).tasks_per_s ?? Number.NaN);
  return percentile(rates, 50);
}

async function typical(act: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    const began = performance.now();
    await act();
    took.push(performance.now() - began);
  }
  return percentile(took, 50);
}

function prefixed(prefix: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}
