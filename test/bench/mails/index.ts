import { join } from 'node:path';
import { Command } from 'commander';
import { startCluster } from '../cluster.ts';
import type { Figures } from '../contest.ts';
import { describeMachine } from '../machine.ts';
import { measureApart } from '../process.ts';
import { machineLines, summariseRounds, workloadLines } from '../report.ts';

/*
 * `npm run bench:mails`: mails a second through the inbox and all of po_demo, each kind several times, in a process and a
 * database of its own on one cluster with default settings.
 */
const options = new Command('npm run bench:mails --')
  .description('Measures how many mails a second go through the inbox and po_demo.')
  .option('--txt <count>', 'mails that are plain text', Number, 1000)
  .option('--pdf <count>', 'mails with a PDF of one page', Number, 200)
  .option('--slots <count>', 'how many tasks run at once', Number, 20)
  .option('--rounds <count>', 'how often each', Number, 3)
  .parse()
  .opts<{ txt: number; pdf: number; slots: number; rounds: number }>();

const MODULE = join(import.meta.dirname, 'measure.ts');
const TITLES = { txt: 'Mails as plain text', pdf: 'Mails as .eml with a PDF of one page' } as const;

await using cluster = await startCluster();
console.log(machineLines(await describeMachine(cluster)));
for (const kind of ['txt', 'pdf'] as const) {
  const size = { mails: options[kind], slots: options.slots };
  const rounds: Figures[] = [];
  for (let round = 0; round < options.rounds; round++) {
    await using database = await cluster.createDatabase(true);
    const { url, superuserUrl } = database;
    rounds.push(await measureApart(MODULE, kind, { url, superuserUrl, size }));
  }
  const contestants = { sluice: summariseRounds(rounds) };
  console.log(
    workloadLines({ workload: kind, title: TITLES[kind], size, rounds: options.rounds, contestants }),
  );
}
