import { setTimeout as delay } from 'node:timers/promises';
import { amount, type Figures, type Place } from '../contest.ts';
import { BATCHED, openBoss } from './boss.ts';
import { batches, chainOf, counter, fanOf, type Node, until } from './support.ts';

/*
 * Flows are pg-boss's graphs. A child is unblocked by a pass that runs once a second at the most, or whenever the
 * application asks for one (`resolveFlow`): both are measured, the latter as `asked_…`.
 */
export async function chains({ url, size }: Place): Promise<Figures> {
  const runs = amount(size, 'runs');
  const tasks = amount(size, 'tasks');
  const rate = (took: number) => (runs * tasks * 1000) / took;
  return {
    tasks_per_s: rate(await drain(url, 'own', chainOf(tasks), runs, false)),
    asked_tasks_per_s: rate(await drain(url, 'asked', chainOf(tasks), runs, true)),
  };
}

export async function fanOut({ url, size }: Place): Promise<Figures> {
  const graph = fanOf(amount(size, 'width'));
  const took = await drain(url, 'own', graph, 1, false);
  const asked = await drain(url, 'asked', graph, 1, true);
  return { fresh_ms: took, asked_ms: asked, fresh_us_per_task: (took * 1000) / graph.length };
}

/** How long so many flows take that all wait when the worker starts. */
async function drain(url: string, queue: string, graph: readonly Node[], runs: number, ask: boolean) {
  const { boss, completed, close } = await openBoss(url);
  await boss.createQueue(queue, { notify: true });
  const flow = graph.map(({ ref, dependsOn }) => ({ ref, name: queue, data: {}, dependsOn: [...dependsOn] }));
  for (const batch of batches(new Array(runs).fill(flow), 8))
    await Promise.all(batch.map((jobs) => boss.flow(jobs)));

  const done = counter();
  const began = performance.now();
  await boss.work(queue, BATCHED, async (jobs) => {
    for (const _ of jobs) done.count();
  });
  let asking = ask;
  const asked = (async () => {
    while (asking) {
      await boss.resolveFlow();
      await delay(5);
    }
  })();
  await done.reached(runs * graph.length);
  await until(() => completed(queue));
  const took = performance.now() - began;
  asking = false;
  await asked;
  await close();
  return took;
}
