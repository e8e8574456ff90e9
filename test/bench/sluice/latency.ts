import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from '../../../src/database/connect.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { latencies } from '../statistics.ts';
import { chain, openScene, type Scene } from './scene.ts';

const SLOTS = 20;
const WARM_UP = 50;

/** Runs of a chain one after the other: from the call that starts one to the runner's word that it has ended. */
export async function oneAtATime({ url, size }: Place): Promise<Figures> {
  const workflow = chain(amount(size, 'tasks'));
  await using scene = await openScene(url, [workflow]);
  await using _ = await scene.startRunner(SLOTS);
  const took = await repeat(amount(size, 'runs'), async () => {
    const began = performance.now();
    await scene.engine.startRun(workflow.name);
    await scene.ended(1);
    return performance.now() - began;
  });
  return latencies(took);
}

/** An idle runner, and one task that arrives: from the call that starts its run to the first line of the connector. */
export async function pickUp({ url, size }: Place): Promise<Figures> {
  const workflow = chain(1);
  await using scene = await openScene(url, [workflow]);
  await using _ = await scene.startRunner(SLOTS);
  const client = await openClient(url, { name: 'bench' });
  const runs = amount(size, 'runs');
  const bySql = await pickUps(scene, runs, () =>
    client.query({ name: 'start', text: 'select sluice.start_run($1)', values: [workflow.name] }),
  );
  const byEngine = await pickUps(scene, runs, () => scene.engine.startRun(workflow.name));
  await client.end();
  return { ...latencies(bySql), ...latencies(byEngine, 'engine_') };
}

async function pickUps(scene: Scene, count: number, start: () => Promise<unknown>): Promise<number[]> {
  return await repeat(count, async () => {
    const ended = scene.ended(1);
    const { promise, resolve } = withResolvers<number>();
    scene.connector.onTask = () => resolve(performance.now());
    const began = performance.now();
    void start();
    const took = (await promise) - began;
    await ended;
    // Long enough for everybody to be idle, and never in step with a timer.
    await delay(5 + Math.random() * 20);
    return took;
  });
}

/** How long it took each time; the first times do not count. */
async function repeat(count: number, act: () => Promise<number>): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < count + WARM_UP; index++) took.push(await act());
  return took.slice(WARM_UP);
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
