import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { DatabaseConnector } from '../../src/connectors/database.ts';
import { createPool } from '../../src/database/connect.ts';
import { migrate } from '../../src/database/migrate.ts';
import { type Engine, openEngine } from '../../src/engine.ts';
import { createFolder } from '../support/embedded.ts';
import { until } from '../support/until.ts';
import { type Counts, chaos } from './chaos.ts';
import { TABLES, TortureConnector } from './connector.ts';
import { Crew } from './crew.ts';
import { randomWorkflows } from './graphs.ts';
import { Random } from './random.ts';
import { median, missing, takeOverTimes, tally, verify } from './verify.ts';

interface TortureOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly runners?: number;
  readonly slots?: number;
  /** A runner that says nothing for so long is thought dead; the engine's own patience if not given. */
  readonly silenceMs?: number;
  readonly pauseMs?: number;
  readonly say?: (line: string) => void;
  /** Told every line that runners log. */
  readonly onLine?: (line: string) => void;
}

interface Verdict {
  readonly problems: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
}

/** How many runs are under way at a time. */
const ABREAST = 40;
const WORKFLOWS = 25;

/** Runs random workflows on a cluster of its own while everything that can break does; says what did not hold. */
export async function torture(options: TortureOptions): Promise<Verdict> {
  const { seed, minutes, runners = 4, slots = 8, silenceMs, pauseMs = 2_500 } = options;
  const { say = () => {}, onLine = () => {} } = options;
  const random = new Random(seed);
  await using folder = createFolder();
  const { url } = await folder.start();
  await migrate(url);
  const pool = createPool(url, { name: 'torture', max: 4 });
  await using engine = openEngine({
    connectionString: url,
    connectors: { database: new DatabaseConnector(), torture: new TortureConnector(pool) },
    workflows: randomWorkflows(random, WORKFLOWS),
  });
  try {
    await pool.query(TABLES);
    await engine.register();
    const ownUrl = silenceMs === undefined ? url : withSetting(url, `sluice.silence=${silenceMs}ms`);
    const end = Date.now() + minutes * 60_000;
    await using crew = new Crew(ownUrl, { size: runners, slots, startsUntil: end, onLine });
    await crew.man();

    say(`seed ${seed}: ${runners} runners, ${slots} slots each, for ${minutes} minutes`);
    const feeding = feed(engine, pool, end, say);
    const counts = await chaos({
      ...{ random, crew, folder, until: end, pauseMs },
      silenceMs: silenceMs ?? 15_000,
      onEvent: (event) => onLine(`${new Date().toISOString()} ${event}`),
    });
    const wanted = await feeding;
    await crew.calmDown();
    say('no more harm is done: what is under way has to end');
    const problems: string[] = [];
    await until(async () => (await running(pool)) === 0, 'all runs to end', 90_000).catch((error) => {
      problems.push(error.message);
    });
    await crew.dismiss();

    problems.push(...(await verify(pool)));
    const facts = await tally(pool);
    if (facts.with_keys !== wanted)
      problems.push(`${wanted} runs were started with keys, ${facts.with_keys} are there`);
    const lost = await missing(pool, crew.started);
    if (lost.length > 0) problems.push(`runs whose start was answered are not there: ${lost.join(', ')}`);
    const times = await takeOverTimes(pool, crew.kills);
    return {
      problems,
      figures: { ...facts, started_by_runners: crew.started.length, ...totals(counts), ...takeOvers(times) },
    };
  } finally {
    await pool.end();
  }
}

/** Keeps runs under way; says how many it has started. */
async function feed(
  engine: Engine,
  pool: pg.Pool,
  end: number,
  say: (line: string) => void,
): Promise<number> {
  let started = 0;
  let unsure = false;
  for (let told = Date.now(); unsure || Date.now() < end; await delay(100)) {
    try {
      const room = unsure ? 1 : ABREAST - (await running(pool));
      for (let n = 0; n < room; n++) {
        unsure = true;
        // Whether a start whose answer was lost has happened, the key knows.
        await engine.startRun(`torture_${1 + (started % WORKFLOWS)}`, { key: `run ${started + 1}` });
        started++;
        unsure = false;
      }
    } catch {
      // The server is away. The same again.
    }
    if (Date.now() - told < 60_000) continue;
    told = Date.now();
    say(`${started} runs started`);
  }
  return started;
}

async function running(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    `select count(*)::integer as count from sluice.runs where status = 'RUNNING'`,
  );
  return rows[0].count;
}

function withSetting(url: string, setting: string): string {
  const own = new URL(url);
  own.searchParams.set('options', `-c ${setting}`);
  return own.href;
}

function totals(counts: Counts): Record<string, number> {
  const { kill, restart_fast, restart_immediate, power_cut, ...others } = counts;
  const restarts = restart_fast + restart_immediate + power_cut;
  return { kills: kill, restarts, ...others };
}

function takeOvers(times: readonly number[]): Record<string, number> {
  const [middle, worst] = [median(times), times.at(-1)];
  if (middle === undefined || worst === undefined) return {};
  return { take_overs_measured: times.length, take_over_median_ms: middle, take_over_max_ms: worst };
}
