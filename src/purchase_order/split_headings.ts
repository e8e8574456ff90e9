import { type Cell, cellsOf, isKnown, isNumeric, readHeading } from './headings.ts';
import type { Line } from './regions.ts';

/** Names of columns on two lines, because they are wrapped or stand below one that spans several, are put on one. */
export function withWholeHeadings(lines: readonly Line[]): Line[] {
  const whole = [...lines];
  for (const [index, upper] of lines.entries()) {
    const lower = lines[index + 1];
    const heading = lower && joined(upper.text, lower.text);
    if (heading) whole.splice(index, 2, { ...upper, text: '' }, { ...lower, text: heading });
  }
  return whole;
}

/** The names that two lines make together; null unless these name more of the numbers than either line alone. */
function joined(upper: string, lower: string): string | null {
  if (/\d/.test(upper + lower)) return null;
  const [above, below] = [cellsOf(upper), cellsOf(lower)];
  const names = below.map((cell) => nameBelow(above, cell));
  if (!names.every(({ text }) => isKnown(text))) return null;
  const alone = above.filter((cell) => !below.some((other) => overlap(cell, other)));
  const columns = [...alone, ...names].sort((a, b) => a.start - b.start);
  const heading = columns.reduce(
    (line, { start, text }) => `${line}${line && '  '}`.padEnd(start) + text,
    '',
  );
  return numbersOf(heading) > Math.max(numbersOf(upper), numbersOf(lower)) ? heading : null;
}

/** A name together with what stands above it if that makes a name, else with no more than its "(USD)". */
function nameBelow(above: readonly Cell[], cell: Cell): Cell {
  const over = above.filter((other) => overlap(other, cell));
  const text = [...over, cell].map((part) => part.text).join(' ');
  const start = Math.min(cell.start, ...over.map((part) => part.start));
  const currency = / \([A-Z]{3}\)$/.exec(over.at(-1)?.text ?? '')?.[0] ?? '';
  return { text: isKnown(text) ? text : cell.text + currency, start };
}

function overlap(a: Cell, b: Cell): boolean {
  return a.start < b.start + b.text.length && b.start < a.start + a.text.length;
}

function numbersOf(heading: string): number {
  return readHeading(heading)?.columns.filter(isNumeric).length ?? 0;
}
