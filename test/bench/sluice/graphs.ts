import { openClient } from '../../../src/database/connect.ts';
import type { Workflow } from '../../../src/index.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { graph, openScene } from './scene.ts';

/** 1 → N → 1 on a database that has never seen a run, and once more when it is analysed. */
export async function fanOut(place: Place): Promise<Figures> {
  const width = amount(place.size, 'width');
  const middle = Array.from({ length: width }, (_, index) => `m${index}`);
  const workflow = graph(`fan_${width}`, {
    first: [],
    ...Object.fromEntries(middle.map((task) => [task, ['first']])),
    last: middle,
  });
  return await freshAndAnalysed(place, workflow, width + 2, 'task');
}

/** Layers of tasks, each of which waits for all of the layer before. */
export async function layers(place: Place): Promise<Figures> {
  const width = amount(place.size, 'width');
  const depth = amount(place.size, 'layers');
  const name = (layer: number, index: number) => `l${layer}_${index}`;
  const indices = Array.from({ length: width }, (_, index) => index);
  const parents = Array.from({ length: depth }, (_, layer) =>
    indices.map((index) => [
      name(layer, index),
      layer === 0 ? [] : indices.map((one) => name(layer - 1, one)),
    ]),
  );
  const workflow = graph(`layers_${depth}`, Object.fromEntries(parents.flat()));
  return await freshAndAnalysed(place, workflow, (depth - 1) * width * width, 'edge');
}

async function freshAndAnalysed(
  { url, size }: Place,
  workflow: Workflow,
  count: number,
  unit: string,
): Promise<Figures> {
  const registering = performance.now();
  await using scene = await openScene(url, [workflow]);
  const registered = performance.now();
  await using _ = await scene.startRunner(amount(size, 'slots'));
  const once = async () => {
    const began = performance.now();
    await scene.engine.startRun(workflow.name);
    await scene.ended(1);
    return performance.now() - began;
  };
  const fresh = await once();
  const client = await openClient(url, { name: 'bench' });
  await client.query('analyze');
  await client.end();
  const analysed = await once();
  return {
    fresh_ms: fresh,
    analysed_ms: analysed,
    [`fresh_us_per_${unit}`]: (fresh * 1000) / count,
    [`analysed_us_per_${unit}`]: (analysed * 1000) / count,
    register_ms: registered - registering,
  };
}
