import type { WorkOptions } from 'pg-boss';
import { amount, type Figures, type Measurements, type Place } from '../contest.ts';
import { latencies } from '../statistics.ts';
import { BATCHED, openBoss } from './boss.ts';
import { chains, fanOut } from './boss_flows.ts';
import { batches, counter, repeat, until } from './support.ts';

const TWENTY: WorkOptions = { ...BATCHED, batchSize: 20 };

function backlog(options: WorkOptions) {
  return async ({ url, size }: Place): Promise<Figures> => {
    const { boss, completed, close } = await openBoss(url);
    const drain = async (queue: string, runs: number) => {
      await boss.createQueue(queue, { notify: true });
      const started = performance.now();
      for (const batch of batches(new Array(runs).fill({ data: {} }), 5_000))
        await boss.insert(queue, [...batch]);
      const began = performance.now();
      const done = counter();
      await boss.work(queue, options, async (jobs) => {
        for (const _ of jobs) done.count();
      });
      await done.reached(runs);
      await until(() => completed(queue));
      const ended = performance.now();
      await boss.offWork(queue);
      return {
        tasks_per_s: (runs * 1000) / (ended - began),
        starts_per_s: (runs * 1000) / (began - started),
      };
    };
    await drain('warm_up', 200);
    const figures = await drain('tasks', amount(size, 'runs'));
    await close();
    return figures;
  };
}

/** An idle worker: from sending a job until the first line of the last in its chain; each sends the next. */
function latency(pauseMs: number) {
  return async ({ url, size }: Place): Promise<Figures> => {
    const { boss, close } = await openBoss(url);
    const tasks = size.tasks ?? 1;
    const queue = 'tasks';
    await boss.createQueue(queue, { notify: true });
    let arrive: (at: number) => void = () => {};
    await boss.work<{ step: number }>(queue, TWENTY, async (jobs) => {
      for (const { data } of jobs) {
        if (data.step < tasks) await boss.send(queue, { step: data.step + 1 });
        else arrive(performance.now());
      }
    });
    const took = await repeat(amount(size, 'runs'), pauseMs, async () => {
      const arrived = new Promise<number>((resolve) => {
        arrive = resolve;
      });
      const began = performance.now();
      void boss.send(queue, { step: 1 });
      return (await arrived) - began;
    });
    await close();
    return latencies(took);
  };
}

export const measurements: Measurements = {
  backlog: backlog(BATCHED),
  backlog_20_slots: backlog(TWENTY),
  chains,
  one_chain: latency(0),
  pick_up: latency(15),
  fan_1000: fanOut,
  fan_5000: fanOut,
};
