import { appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from './figures.ts';
import { torture } from './torture.ts';

/*
 * `npm run torture -- --minutes 20 --seed 1`: random workflows on a cluster of its own, while runners are killed, stopped
 * and replaced, connections cut, answers swallowed and Postgres restarted. Exits 1 when anything was lost or done twice.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    runners: { type: 'string', default: '4' },
    slots: { type: 'string', default: '8' },
  },
});
const given = Object.entries(values).map(([name, value]) => [name, Number(value)] as const);
const wrong = given.find(([, value]) => !(value > 0));
if (wrong) {
  console.error(`--${wrong[0]} has to be a number above zero.`);
  process.exit(2);
}
const { minutes, seed, runners, slots } = Object.fromEntries(given) as Record<keyof typeof values, number>;
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
