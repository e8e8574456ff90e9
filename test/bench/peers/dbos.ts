import { DBOS, DBOSClient, type WorkflowHandle } from '@dbos-inc/dbos-sdk';
import { amount, type Figures, type Measurements, type Place } from '../contest.ts';
import { latencies } from '../statistics.ts';
import { batches, repeat } from './support.ts';

/*
 * DBOS runs a workflow as a function; each step writes its result. It starts in the process that calls it, or through
 * a queue. The polling interval and the pool are what made it fastest here.
 */
const QUEUE = 'tasks';
const STEP = { name: 'nothing' };
/** It needs seconds for what others do in one. */
const MOST = 1_000;

async function open(url: string) {
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: 20,
    logLevel: 'error',
    applicationVersion: '1',
  });
  let onStep: () => void = () => {};
  const nothing = async () => onStep();
  const chain = DBOS.registerWorkflow(
    async (length: number) => {
      for (let step = 0; step < length; step++) await DBOS.runStep(nothing, STEP);
    },
    { name: 'chain' },
  );
  const fan = DBOS.registerWorkflow(
    async (width: number) => {
      await DBOS.runStep(nothing, STEP);
      await Promise.all(Array.from({ length: width }, () => DBOS.runStep(nothing, STEP)));
      await DBOS.runStep(nothing, STEP);
    },
    { name: 'fan' },
  );
  await DBOS.launch();
  return {
    chain,
    fan,
    setOnStep: (act: () => void) => {
      onStep = act;
    },
  };
}

/** Workflows that are all in flight: started here, or waiting in a queue. */
async function drain({ url, size }: Place): Promise<Figures> {
  const runs = Math.min(amount(size, 'runs'), MOST);
  const tasks = amount(size, 'tasks');
  const { chain } = await open(url);
  for (let index = 0; index < 50; index++) await chain(tasks);

  const began = performance.now();
  const handles: WorkflowHandle<void>[] = [];
  for (const batch of batches(new Array(runs).fill(tasks), 100))
    handles.push(...(await Promise.all(batch.map((length) => DBOS.startWorkflow(chain)(length)))));
  await Promise.all(handles.map((handle) => handle.getResult()));
  const inProcess = performance.now() - began;

  const client = await DBOSClient.create({ systemDatabaseUrl: url });
  const options = { workflowName: 'chain', queueName: QUEUE, appVersion: '1' };
  const queued: { getResult(): Promise<unknown> }[] = [];
  for (const batch of batches(new Array(runs).fill(tasks), 100))
    queued.push(...(await Promise.all(batch.map((length) => client.enqueue(options, length)))));
  const opened = performance.now();
  await DBOS.registerQueue(QUEUE, { workerConcurrency: 200, minPollingIntervalMs: 10 });
  await Promise.all(queued.map((handle) => handle.getResult()));
  const fromQueue = performance.now() - opened;
  await client.destroy();
  await DBOS.shutdown();
  return {
    tasks_per_s: (runs * tasks * 1000) / inProcess,
    queued_tasks_per_s: (runs * tasks * 1000) / fromQueue,
  };
}

async function oneAtATime({ url, size }: Place): Promise<Figures> {
  const { chain } = await open(url);
  const took = await repeat(amount(size, 'runs'), 0, async () => {
    const began = performance.now();
    await chain(amount(size, 'tasks'));
    return performance.now() - began;
  });
  await DBOS.shutdown();
  return latencies(took);
}

async function pickUp({ url, size }: Place): Promise<Figures> {
  const { setOnStep } = await open(url);
  await DBOS.registerQueue(QUEUE, { workerConcurrency: 20, minPollingIntervalMs: 10 });
  const client = await DBOSClient.create({ systemDatabaseUrl: url });
  const took = await repeat(amount(size, 'runs'), 15, async () => {
    const arrived = new Promise<number>((resolve) => setOnStep(() => resolve(performance.now())));
    const began = performance.now();
    void client.enqueue({ workflowName: 'chain', queueName: QUEUE, appVersion: '1' }, 1);
    return (await arrived) - began;
  });
  await client.destroy();
  await DBOS.shutdown();
  return latencies(took);
}

async function fanOut({ url, size }: Place): Promise<Figures> {
  const width = amount(size, 'width');
  const { fan } = await open(url);
  const began = performance.now();
  await fan(width);
  const took = performance.now() - began;
  await DBOS.shutdown();
  return { fresh_ms: took, fresh_us_per_task: (took * 1000) / (width + 2) };
}

export const measurements: Measurements = {
  backlog: drain,
  chains: drain,
  one_chain: oneAtATime,
  pick_up: pickUp,
  fan_1000: fanOut,
  fan_5000: fanOut,
};
