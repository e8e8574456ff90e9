import type { Measurements, Place } from './contest.ts';

/* One measurement of one contestant, in a process of its own: `child.ts <module> <workload> <place>`. */
const [module = '', workload = '', place = ''] = process.argv.slice(2);
const { measurements }: { measurements: Measurements } = await import(module);
const measure = measurements[workload];
if (!measure) throw new Error(`${module} does not take part in ${workload}`);
const figures = await measure(JSON.parse(place) as Place);
process.stdout.write(`\n${JSON.stringify(figures)}\n`, () => process.exit());
