import { amount, type Figures, type Place } from '../contest.ts';
import { chain, openScene } from './scene.ts';

/** Runs of a chain that all wait when the runner starts: how fast do they drain? */
export async function drain({ url, size }: Place): Promise<Figures> {
  const runs = amount(size, 'runs');
  const tasks = amount(size, 'tasks');
  const slots = amount(size, 'slots');
  const workflow = chain(tasks);
  await using scene = await openScene(url, [workflow]);
  const start = (count: number) =>
    scene.engine.startRuns(
      workflow.name,
      Array.from({ length: count }, () => ({})),
    );
  {
    await start(200);
    await using _ = await scene.startRunner(slots);
    await scene.ended(200);
  }

  const started = performance.now();
  await start(runs);
  const began = performance.now();
  const used = process.cpuUsage();
  await using _ = await scene.startRunner(slots);
  await scene.ended(runs);
  const ended = performance.now();
  const { user, system } = process.cpuUsage(used);
  return {
    tasks_per_s: (runs * tasks * 1000) / (ended - began),
    runner_cpu_us_per_task: (user + system) / (runs * tasks),
    starts_per_s: (runs * 1000) / (began - started),
  };
}
