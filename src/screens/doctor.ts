import type { Finding } from '../doctor.ts';
import { printable } from '../terminal.ts';

/** A line for each check, and below it what is off and how to mend it. */
export function doctorScreen(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ name, rows, advice }) => [
    `${rows.length === 0 ? 'ok ' : 'OFF'}  ${name}`,
    ...rows.map((row) => `       ${printable(JSON.stringify(row))}`),
    ...(rows.length > 0 && advice ? [`       ${advice}`] : []),
  ]);
  const off = findings.filter(({ rows }) => rows.length > 0).length;
  const sum =
    off === 0
      ? `All ${findings.length} checks passed.`
      : `${off} of ${findings.length} checks found something.`;
  return [...lines, '', sum].join('\n');
}
