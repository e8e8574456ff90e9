import { columnsOf, isKnown, nameOf } from './headings.ts';
import { candidates } from './labels.ts';
import type { Mark } from './money.ts';
import type { Line } from './regions.ts';
import { hasMoney, isProven, readCells } from './rows.ts';

/** What is ordered, and all three numbers; a table with more columns than this cannot be told by its names alone. */
const [FEWEST, MOST] = [4, 10];

/**
 * Some mail programs write every cell of a table on a line of its own. Where names of columns stand below each other, and the
 * cells below them make a row whose product is right, the names and each of the rows are put on one line.
 */
export function withStackedRows(lines: readonly Line[], mark: Mark): readonly Line[] {
  const cells = lines.flatMap(({ number, text }) =>
    text.trim() === '' ? [] : { number, text: text.trim() },
  );
  for (const start of cells.keys()) {
    const rows = stackedRows(cells, start, mark);
    if (rows.length === 0) continue;
    const taken = rows.flat().map(({ number }) => number);
    const isTaken = new Set(taken);
    const whole = new Map(rows.map((row) => [row[0]?.number, inOne(row)]));
    return lines.flatMap((line) => {
      const text = whole.get(line.number);
      if (text !== undefined) return { ...line, text: line.text.slice(0, line.text.search(/\S/)) + text };
      // What follows is no more of a description.
      if (line.number === taken.at(-1)) return { ...line, text: '' };
      return isTaken.has(line.number) ? [] : line;
    });
  }
  return lines;
}

/** The names and the rows of a table, each with as many cells; none if it is no table, or cannot be read to its end. */
function stackedRows(cells: readonly Line[], start: number, mark: Mark): Line[][] {
  const count = cells.slice(start, start + MOST + 1).findIndex(({ text }) => !isKnown(text));
  if (count < FEWEST) return [];
  const names = cells.slice(start, start + count);
  const columns = columnsOf(names.map(({ text }) => nameOf(text)));
  if (!columns) return [];
  const rows: Line[][] = [];
  let next = start + count;
  for (; next + count <= cells.length; next += count) {
    const row = readCells(inOne(cells.slice(next, next + count)), { columns, mark });
    if (!row || (rows.length === 0 && !isProven(row))) break;
    rows.push(cells.slice(next, next + count));
  }
  // A row that lacks a cell is followed by what belongs to others.
  const behind = cells.slice(next, next + count);
  const isOver = candidates(behind[0]?.text ?? '')[0]?.start === 0;
  const goesOn = !isOver && behind.some(({ text }) => hasMoney(text, mark));
  return rows.length > 0 && !goesOn ? [names, ...rows] : [];
}

function inOne(cells: readonly Line[]): string {
  return cells.map(({ text }) => text).join('   ');
}
