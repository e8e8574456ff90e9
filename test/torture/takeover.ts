import { parseArgs } from 'node:util';
import { createFolder } from '../support/embedded.ts';
import { Fleet } from '../support/fleet.ts';
import type { RunnerProcess } from '../support/runner_process.ts';
import { until } from '../support/until.ts';
import { Random } from './random.ts';
import { median } from './verify.ts';

/*
 * `npx tsx test/torture/takeover.ts --rounds 50`: how long it takes until the task of a runner that was killed runs again,
 * with default settings: on a runner that stands by, counted from the kill; and on the only runner when it is started
 * again, counted from the moment at which it is ready. And until that of a runner that was only stopped does.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    stopped: { type: 'string', default: '5' },
  },
});
await using folder = createFolder();
const random = new Random(1);
await using fleet = await Fleet.open((await folder.start()).url);

/** A run whose task hangs on `runner`, at a random moment between two of its beats. */
async function hanging(): Promise<string> {
  const run = await fleet.start({ a: ['held_row'] });
  await fleet.held(run);
  await new Promise((resolve) => setTimeout(resolve, random.between(0, 1_000)));
  return run;
}

/** When the run's task was claimed for the second time. */
async function claimedAgain(run: string): Promise<number> {
  let at: Date | undefined;
  await until(
    async () => {
      const { rows } = await fleet.pool.query(
        'select started_at from sluice.tasks where run_id = $1 and token > 1 and runner_id is not null',
        [run],
      );
      at = rows[0]?.started_at;
      return at !== undefined;
    },
    'the task to run again',
    60_000,
  );
  await fleet.openGate(run);
  await fleet.ended(run);
  return at?.getTime() ?? 0;
}

async function measure(name: string, rounds: number, round: () => Promise<number>): Promise<void> {
  const times: number[] = [];
  for (let n = 0; n < rounds; n++) times.push(await round());
  times.sort((a, b) => a - b);
  console.log(
    `${name.padEnd(34)}  ${rounds} rounds  median ${median(times)} ms  worst ${times.at(-1)} ms  best ${times[0]} ms`,
  );
}

async function endAll(): Promise<void> {
  await Promise.all(fleet.runners.map((runner) => runner.isAlive && runner.stop()));
}

let standby: RunnerProcess = await fleet.launch();
await measure('killed, another stands by', Number(values.rounds), async () => {
  const victim = standby;
  const run = await hanging();
  standby = await fleet.launch();
  const killed = Date.now();
  await victim.kill();
  return (await claimedAgain(run)) - killed;
});

let only = standby;
await measure('killed, and started again', Number(values.rounds), async () => {
  const run = await hanging();
  await only.kill();
  only = await fleet.launch();
  return (await claimedAgain(run)) - (only.readyAt ?? 0);
});

await measure('stopped, another stands by', Number(values.stopped), async () => {
  const victim = only;
  const run = await hanging();
  only = await fleet.launch();
  const stopped = Date.now();
  victim.signal('SIGSTOP');
  const took = (await claimedAgain(run)) - stopped;
  await victim.kill();
  return took;
});
await endAll();
