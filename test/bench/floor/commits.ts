import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { openClient } from '../../../src/database/connect.ts';
import { amount, type Figures, type Place } from '../contest.ts';
import { latencies } from '../statistics.ts';

const WARM_UP = 50;

/** A commit that has to reach the disk, and nothing else. One without any WAL would not wait for it. */
const COMMIT = { name: 'commit', text: `select pg_logical_emit_message(true, '', '')` };
const RING = { name: 'ring', text: 'notify floor' };

/** As many commits in a row as a run of a chain has: its start with the first claim, and one hop for each task. */
export async function commitsInARow({ url, size }: Place): Promise<Figures> {
  const client = await openClient(url, { name: 'bench floor' });
  const took: number[] = [];
  for (let run = -WARM_UP; run < amount(size, 'runs'); run++) {
    const began = performance.now();
    for (let commit = 0; commit <= amount(size, 'tasks'); commit++) await client.query(COMMIT);
    if (run >= 0) took.push(performance.now() - began);
  }
  await client.end();
  return latencies(took);
}

/** A bare NOTIFY from one connection to another and a commit of the one that it woke; also with an answering NOTIFY. */
export async function notifyAndCommit({ url, size }: Place): Promise<Figures> {
  const sender = await openClient(url, { name: 'bench floor' });
  const listener = await openClient(url, { name: 'bench floor' });
  await Promise.all([sender.query('listen answer'), listener.query('listen floor')]);
  const oneWay: number[] = [];
  const bothWays: number[] = [];
  for (let run = -WARM_UP; run < amount(size, 'runs'); run++) {
    const [rung, answered] = [notified(listener), notified(sender)];
    const began = performance.now();
    void sender.query(RING);
    await rung;
    await listener.query(COMMIT);
    const committed = performance.now();
    void listener.query({ name: 'answer', text: 'notify answer' });
    await answered;
    const back = performance.now();
    if (run >= 0) {
      oneWay.push(committed - began);
      bothWays.push(back - began);
    }
    await delay(5 + Math.random() * 20);
  }
  await Promise.all([sender.end(), listener.end()]);
  return { ...latencies(oneWay), ...latencies(bothWays, 'both_ways_') };
}

function notified(client: Client): Promise<unknown> {
  return new Promise((resolve) => client.once('notification', resolve));
}
