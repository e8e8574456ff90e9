import { appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { table } from './figures.ts';
import { torture } from './torture.ts';

/*
 * `npm run torture -- --minutes 20 --seed 1`: random workflows on a cluster of its own, while runners are killed, stopped
 * and replaced, connections cut, answers swallowed and Postgres restarted. Exits 1 when anything was lost or done twice.
 */
const { minutes, seed, runners, slots } = new Command('npm run torture --')
  .description('Kills, stops and cuts off whatever runs random workflows, and looks what became of them.')
  .option('--minutes <count>', 'for how long', aboveZero, 20)
  .option('--seed <number>', 'where chance begins', aboveZero, 1 + (Date.now() % 1_000_000))
  .option('--runners <count>', 'how many processes run tasks', aboveZero, 4)
  .option('--slots <count>', 'how many tasks each runs at once', aboveZero, 8)
  .parse()
  .opts<Record<'minutes' | 'seed' | 'runners' | 'slots', number>>();
const log = join(tmpdir(), `sluice-torture-${seed}-${process.pid}.log`);
const say = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${line}`);
say(`what the runners log is in ${log}`);

const { problems, figures } = await torture({
  ...{ seed, minutes, runners, slots },
  say,
  onLine: (line) => appendFileSync(log, `${line}\n`),
});
console.log(table(figures));
for (const problem of problems) console.log(`\n${problem}`);
console.log(
  problems.length === 0 ? '\nNothing was lost, stuck or done twice.' : `\n${problems.length} problems.`,
);
process.exitCode = problems.length === 0 ? 0 : 1;

function aboveZero(text: string): number {
  if (!(Number(text) > 0)) throw new InvalidArgumentError('It has to be a number above zero.');
  return Number(text);
}
