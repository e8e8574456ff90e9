import { Command, Option } from 'commander';
import { messageOf } from '../../src/errors.ts';
import { type BenchCluster, startCluster } from './cluster.ts';
import type { Figures, Size } from './contest.ts';
import { findContestants } from './contestants.ts';
import { describeMachine } from './machine.ts';
import { measureApart } from './process.ts';
import { machineLines, summariseRounds, type WorkloadReport, workloadLines } from './report.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

/*
 * `npm run bench`: each workload several times, the contestants in turn, each in a process and a database of its own on
 * one cluster with default settings.
 */
interface Options {
  readonly only?: string[];
  readonly rounds?: number;
  readonly set: Size;
  readonly nodeOptions: string[];
  readonly quick?: true;
  readonly peers?: true;
  readonly json?: true;
}

const options = new Command('npm run bench --')
  .description('Measures Sluice beside what Postgres can do at best, and beside its peers.')
  .addOption(new Option('--only <workloads...>', 'these, instead of all').choices(Object.keys(WORKLOADS)))
  .option('--quick', 'smaller, one round: does everything work?')
  .option('--peers', 'the peers as well, in turn with Sluice; installs them first')
  .option('--rounds <count>', 'how often each', Number)
  .option('--set <size=value...>', 'another size: slots=100', collectSizes, {})
  .option('--node-options <options...>', 'of the processes that measure: --cpu-prof', [])
  .option('--json', 'print JSON')
  .parse()
  .opts<Options>();

const say = (text: string) => (options.json ? console.error(text) : console.log(text));
const contestants = await findContestants(options.peers ?? false);
await using cluster = await startCluster();
const machine = await describeMachine(cluster);
say(machineLines(machine));
const reports: WorkloadReport[] = [];
for (const name of options.only ?? Object.keys(WORKLOADS)) {
  const workload = WORKLOADS[name];
  if (!workload) continue;
  const report = await runWorkload(cluster, name, workload);
  reports.push(report);
  say(workloadLines(report));
}
if (options.json) console.log(JSON.stringify({ machine, workloads: reports }, null, 2));

async function runWorkload(cluster: BenchCluster, name: string, workload: Workload): Promise<WorkloadReport> {
  const set = Object.entries(options.set).filter(([size]) => size in workload.size);
  const size = { ...workload.size, ...(options.quick && workload.quick), ...Object.fromEntries(set) };
  const rounds = options.rounds ?? (options.quick ? 1 : workload.rounds);
  const figures = new Map<string, Figures[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [contestant, { module, measurements, migrated }] of contestants) {
      if (!measurements[name]) continue;
      await using database = await cluster.createDatabase(migrated);
      const { url, superuserUrl } = database;
      try {
        const measured = await measureApart(module, name, { url, superuserUrl, size }, options.nodeOptions);
        figures.set(contestant, [...(figures.get(contestant) ?? []), measured]);
      } catch (error) {
        console.error(`\n${contestant}: ${messageOf(error)}`);
        process.exitCode = 1;
      }
    }
  }
  const summaries = [...figures].map(([contestant, rounds]) => [contestant, summariseRounds(rounds)]);
  return { workload: name, title: workload.title, size, rounds, contestants: Object.fromEntries(summaries) };
}

function collectSizes(text: string, former: Size): Size {
  const [name = '', value] = text.split('=');
  if (!(Number(value) > 0)) throw new Error(`--set takes size=value, not "${text}"`);
  return { ...former, [name]: Number(value) };
}
