import type { TaskDefinition, Workflow } from '../../src/workflow.ts';
import type { Random } from './random.ts';

type Shape = readonly (readonly [name: string, after: readonly string[]])[];

/** What tasks do: see connector.ts. Two of them leave a row in the engine's database that has to be there once. */
const KINDS = { create: 8, row: 3, late_row: 3, call: 5, slow_call: 2, nothing: 4, flaky: 2 };

/** Workflows of all shapes; some of them have a task that always fails. */
export function randomWorkflows(random: Random, count: number): Workflow[] {
  return Array.from({ length: count }, (_, index) => {
    const shape = shapes[index % shapes.length]?.(random) ?? [];
    const doomed = random.chance(0.2) ? random.pick(shape)[0] : undefined;
    return {
      name: `torture_${index + 1}`,
      input: { type: 'object' },
      tasks: shape.map(([name, after]) => task(name, after, name === doomed, random)),
    };
  });
}

const shapes: readonly ((random: Random) => Shape)[] = [
  function chain(random) {
    return names('step', random.between(2, 8)).map((name, n, all) => [name, n > 0 ? [all[n - 1] ?? ''] : []]);
  },
  function diamonds(random) {
    return names('d', random.between(1, 3)).flatMap((name, n) => [
      [`${name}_top`, n > 0 ? [`d${n}_end`] : []] as const,
      [`${name}_left`, [`${name}_top`]] as const,
      [`${name}_right`, [`${name}_top`]] as const,
      [`${name}_end`, [`${name}_left`, `${name}_right`]] as const,
    ]);
  },
  function fanIn(random) {
    const leaves = names('leaf', random.between(10, 40));
    return [...leaves.map((name) => [name, []] as const), ['all', leaves] as const];
  },
  function layers(random) {
    const layer = Array.from({ length: random.between(2, 4) }, (_, n) =>
      names(`l${n + 1}_`, random.between(2, 5)),
    );
    return layer.flatMap((row, n) =>
      row.map(
        (name) => [name, (layer[n - 1] ?? []).filter((_, m) => m === 0 || random.chance(0.6))] as const,
      ),
    );
  },
  function anything(random) {
    const all = names('t', random.between(3, 20));
    return all.map((name, n) => [name, all.slice(0, n).filter(() => random.chance(2 / (n + 1)))] as const);
  },
];

function task(name: string, after: readonly string[], isDoomed: boolean, random: Random): TaskDefinition {
  const kind = isDoomed ? 'doomed' : random.weighted(KINDS);
  const common = { name, after, timeout_ms: 60_000 };
  const own = { run: { $run: ['id'] }, task: name };
  if (kind === 'create')
    return {
      ...common,
      connector: 'database',
      operation: 'create',
      parameters: { table: 'effects', row: own },
      retries: 0,
    };
  return {
    ...common,
    connector: 'torture',
    operation: kind,
    parameters: { ...own, ms: random.between(100, 900), fails: random.between(1, 3) },
    retries: kind === 'flaky' ? 3 : random.between(0, 2),
  };
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n + 1}`);
}
