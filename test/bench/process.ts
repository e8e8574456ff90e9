import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Figures, Place } from './contest.ts';

const CHILD = join(import.meta.dirname, 'child.ts');

/** Runs one measurement in a process of its own; `nodeOptions` are for profilers. */
export async function measureApart(
  module: string,
  workload: string,
  place: Place,
  nodeOptions: readonly string[] = [],
): Promise<Figures> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', ...nodeOptions, CHILD, module, workload, JSON.stringify(place)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('close', resolve).once('error', reject),
  );
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  if (code !== 0 || !line.startsWith('{'))
    throw new Error(
      `${workload} in ${module} ended with ${code}:\n${(errors + output).trim().slice(-3_000)}`,
    );
  return JSON.parse(line);
}
