import { type Cell, cellsOf, isKnown, isNumeric, nameOf, RULE, readHeading } from './headings.ts';
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

/** "Line Part   Description": two names with no more than a blank between them, where two codes stand below. */
export function withNamesApart(lines: readonly Line[]): readonly Line[] {
  return lines.map((line, index) => {
    const [, first = '', second = ''] = /^(\s*\S+) (\S+) {3}/.exec(line.text) ?? [];
    const [number, code] = [nameOf(first.trim()), nameOf(second)];
    if (number !== 'item' || (code !== 'item' && code !== 'goods') || !readHeading(line.text)) return line;
    const below = lines.slice(index + 1).find(({ text }) => !RULE.test(text))?.text ?? '';
    const gap = isKnown(`${first.trim()} ${second}`) ? 2 : 1;
    const isWordBelow =
      below.slice(0, first.length + 1).search(`\\S\\s{${gap},}$`) >= 0 &&
      /\S/.test(below[first.length + 1] ?? '');
    return isWordBelow ? { ...line, text: line.text.replace(/(?<=\S) (\S+) /, '  $1') } : line;
  });
}

/** The names of columns that stand on two lines, those of the numbers on the second. */
type Split = readonly [above: readonly Cell[], below: readonly Cell[]];

/** As wide are the first lines. */
const WIDTH = 120;

/** Rows whose numbers stand on a second line, as the names of these do in their heading, are put on one. */
export function withWholeRows(lines: readonly Line[]): readonly Line[] {
  const whole: Line[] = [];
  let split: Split | null = null;
  for (let index = 0; index < lines.length; index += 1) {
    const [upper = { number: 0, text: '' }, lower = { text: '' }] = lines.slice(index, index + 2);
    const heading = splitHeading(lines, index);
    split = heading ?? split;
    const isSplit = heading !== null || (split !== null && isSplitRow(split, upper.text, lower.text));
    whole.push(isSplit ? { ...upper, text: `${upper.text.padEnd(WIDTH)}   ${lower.text}` } : upper);
    if (isSplit) index += 1;
  }
  return whole;
}

/** The names on two lines that make a heading only together, with a row below that is written likewise. */
function splitHeading(lines: readonly Line[], index: number): Split | null {
  const [upper = '', lower = '', ...others] = lines.slice(index, index + 7).map(({ text }) => text);
  if (/\d/.test(upper + lower) || readHeading(lower)) return null;
  const [above, below] = [cellsOf(upper), cellsOf(lower)];
  const names = [...above, ...below].map(({ text }) => text);
  if (above.length < 2 || !above.every(({ text }) => isKnown(text) && !isNumeric(nameOf(text)))) return null;
  if (!readHeading(names.join('   '))?.columns.includes('quantity')) return null;
  const [first = '', second = ''] = others.filter((line) => !RULE.test(line));
  return isSplitRow([above, below], first, second) ? [above, below] : null;
}

/** Whether two lines have as many cells as names, or begin where these do, and digits where they name a number. */
function isSplitRow([above, below]: Split, upper: string, lower: string): boolean {
  const [names, numbers] = [cellsOf(upper), cellsOf(lower)];
  const isUpper = names.length === above.length || names[0]?.start === above[0]?.start;
  if (!isUpper || numbers.length !== below.length) return false;
  return below.every(({ text }, at) => !isNumeric(nameOf(text)) || /\d/.test(numbers[at]?.text ?? ''));
}
