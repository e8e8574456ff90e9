import { type AddJobFunction, Logger, makeWorkerUtils, run, type TaskList } from 'graphile-worker';
import pg from 'pg';
import { amount, type Figures, type Measurements, type Place } from '../contest.ts';
import { latencies } from '../statistics.ts';
import { counter, repeat, until } from './support.ts';

/* graphile-worker deletes what is done and knows no graphs: in a chain each job adds the next. */
const SILENT = new Logger(() => () => {});

/** What its documentation reached its best figures with. */
const BATCHED = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};
const DEFAULTS = { concurrentJobs: 20, maxPoolSize: 21 };

type Settings = typeof BATCHED | typeof DEFAULTS;

async function startWorker(url: string, settings: Settings, taskList: TaskList) {
  return await run({ taskList, preset: { worker: { connectionString: url, logger: SILENT, ...settings } } });
}

/** Jobs that each add the next until the chain ends, all waiting when the worker starts. */
function drain(settings: Settings) {
  return async ({ url, size }: Place): Promise<Figures> => {
    const tasks = amount(size, 'tasks');
    const runs = amount(size, 'runs');
    const utils = await makeWorkerUtils({ connectionString: url, preset: { worker: { logger: SILENT } } });
    await utils.migrate();
    const client = new pg.Client(url);
    await client.connect();
    const done = counter();
    const task = async (payload: unknown, { addJob }: { addJob: AddJobFunction }) => {
      const { step } = payload as { step: number };
      if (step < tasks) await addJob('task', { step: step + 1 });
      done.count();
    };
    const add = (count: number) =>
      utils.addJobs(Array.from({ length: count }, () => ({ identifier: 'task', payload: { step: 1 } })));
    const drained = async () => {
      const { rows } = await client.query('select from graphile_worker._private_jobs limit 1');
      return rows.length === 0;
    };
    await add(200);
    const first = await startWorker(url, settings, { task });
    await done.reached(200 * tasks);
    await until(drained);
    await first.stop();

    const started = performance.now();
    await add(runs);
    const began = performance.now();
    const worker = await startWorker(url, settings, { task });
    await done.reached((200 + runs) * tasks);
    await until(drained);
    const ended = performance.now();
    await worker.stop();
    await client.end();
    await utils.release();
    return {
      tasks_per_s: (runs * tasks * 1000) / (ended - began),
      starts_per_s: (runs * 1000) / (began - started),
    };
  };
}

/** An idle worker: from adding a job until the first line of the last in its chain. */
function latency(settings: Settings, pauseMs: number) {
  return async ({ url, size }: Place): Promise<Figures> => {
    const tasks = size.tasks ?? 1;
    const utils = await makeWorkerUtils({ connectionString: url, preset: { worker: { logger: SILENT } } });
    await utils.migrate();
    let arrive: (at: number) => void = () => {};
    const task = async (payload: unknown, { addJob }: { addJob: AddJobFunction }) => {
      const { step } = payload as { step: number };
      if (step < tasks) await addJob('task', { step: step + 1 });
      else arrive(performance.now());
    };
    const worker = await startWorker(url, settings, { task });
    const took = await repeat(amount(size, 'runs'), pauseMs, async () => {
      const arrived = new Promise<number>((resolve) => {
        arrive = resolve;
      });
      const began = performance.now();
      void utils.addJob('task', { step: 1 });
      return (await arrived) - began;
    });
    await worker.stop();
    await utils.release();
    return latencies(took);
  };
}

export const measurements: Measurements = {
  backlog: drain(BATCHED),
  backlog_20_slots: drain(DEFAULTS),
  chains: drain(BATCHED),
  one_chain: latency(DEFAULTS, 0),
  pick_up: latency(DEFAULTS, 15),
};
