import type { Finding } from '../doctor.ts';
import { printable } from '../terminal.ts';

/** A line for each check, and below it what is off. */
export function doctorScreen(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ name, rows }) => [
    `${rows.length === 0 ? 'ok ' : 'OFF'}  ${name}`,
    ...rows.map((row) => `       ${printable(JSON.stringify(row))}`),
  ]);
  const off = findings.filter(({ rows }) => rows.length > 0).length;
  const sum =
    off === 0
      ? `All ${findings.length} checks passed.`
      : `${off} of ${findings.length} checks found something.`;
  return [...lines, '', sum].join('\n');
}
