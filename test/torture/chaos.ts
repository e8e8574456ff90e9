import { setTimeout as delay } from 'node:timers/promises';
import type { Folder } from '../support/embedded.ts';
import { COMMIT } from '../support/proxy.ts';
import { restartServer, stopServer } from '../support/server.ts';
import type { Crew } from './crew.ts';
import type { Random } from './random.ts';

/** How often each thing is done, in comparison. */
const EVENTS = {
  kill: 8,
  freeze_shortly: 4,
  freeze_long: 1,
  replace: 2,
  cut: 6,
  swallow_commit: 8,
  swallow_hop: 5,
  lose_hop: 3,
  stall: 2,
  slow_network: 2,
  restart_fast: 1,
  restart_immediate: 1,
  power_cut: 1,
};

export type Counts = Record<keyof typeof EVENTS, number>;

interface ChaosOptions {
  readonly random: Random;
  readonly crew: Crew;
  readonly folder: Folder;
  readonly until: number;
  /** The pause between two events, at the most. */
  readonly pauseMs: number;
  /** A frozen runner is thought dead after that long. */
  readonly silenceMs: number;
  /** Told what is done to whom. */
  readonly onEvent: (event: string) => void;
}

/** Does one harmful thing after the other; counts them. */
export async function chaos(options: ChaosOptions): Promise<Counts> {
  const { random, crew, folder, until, pauseMs, silenceMs, onEvent } = options;
  const counts = Object.fromEntries(Object.keys(EVENTS).map((name) => [name, 0])) as Counts;
  while (Date.now() < until) {
    await delay(random.between(50, pauseMs));
    const event = random.weighted(EVENTS);
    const post = crew.free.length > 0 ? random.pick(crew.free) : undefined;
    if (!post) continue;
    counts[event]++;
    onEvent(`${event} ${post.runner.pid}`);
    switch (event) {
      case 'kill':
        crew.kill(post, random.between(0, 3_000));
        break;
      case 'freeze_shortly':
        crew.freeze(post, random.between(100, 3_000));
        break;
      case 'freeze_long':
        crew.freeze(post, silenceMs + random.between(1_500, 6_000));
        break;
      case 'replace':
        crew.replace(post);
        break;
      case 'cut':
        post.proxy.cut(() => random.chance(0.5));
        break;
      case 'swallow_commit':
        void post.proxy.cutOn(COMMIT, 'after');
        break;
      case 'swallow_hop':
        void post.proxy.cutOn('report_and_claim', 'after');
        break;
      case 'lose_hop':
        void post.proxy.cutOn('report_and_claim', 'before');
        break;
      case 'stall':
        crew.stall(post, random.between(500, 8_000));
        break;
      case 'slow_network':
        post.proxy.delayMs = random.pick([0, 2, 20]);
        break;
      case 'restart_fast':
        await restartServer(folder, 'fast');
        break;
      case 'restart_immediate':
        await restartServer(folder, 'immediate');
        break;
      case 'power_cut':
        await stopServer(folder, 'immediate');
        await delay(random.between(500, 4_000));
        await folder.start();
        break;
    }
  }
  for (const proxy of crew.proxies) proxy.delayMs = 0;
  return counts;
}
