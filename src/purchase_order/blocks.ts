import type { Reading } from './headed_tables.ts';
import { CODE, type ColumnName, cellsOf, columnsOf, isKnown, NAMING, nameOf } from './headings.ts';
import { SENTENCE } from './layout.ts';
import type { Mark } from './money.ts';
import type { Line } from './regions.ts';
import { hasMoney, productHolds, type Row, readCells } from './rows.ts';

/** A cell with the name of its column beside it. */
interface Cell {
  readonly column: ColumnName;
  readonly text: string;
  readonly line: Line;
  /** Called no more than "Total" or "Net", as the sum of everything may be. */
  readonly plainTotal: boolean;
}

interface Block {
  readonly row: Row;
  readonly cells: readonly Cell[];
  /** What stands on the line above it. */
  readonly title: Title | null;
}

interface Title extends Line {
  /** It begins with a number. */
  readonly isNumbered: boolean;
}

const NEXT_CELL = /(?:[,;]\s{1,3}|(?<=\S)\s{2,})(?=[^:,;\s]{1,20}(?: [^:,;\s]{1,20}){0,3}\s?:)/;
const CELL = /^[\s*•·-]*([^:]{1,30}?)\s?:\s*(\S.*)$/;
/** "Line 1", "Item 2: Nut" */
const NUMBERED =
  /^\s*(?:line item|item|line|pos(?:ition)?\.?) #?(?<item>\d{1,3})\s*(?:[:.]?\s*$|:\s+(?<description>\S.*))/i;

/** Rows turned on their side: `Item: …`, `Qty: …`, `Unit price: …`, below each other or on one line. */
export function readBlocks(
  lines: readonly Line[],
  mark: Mark,
  labelledAs: (line: string) => unknown,
): Pick<Reading, 'rows' | 'used' | 'rest'> {
  const blocks: Block[] = [];
  let cells: Cell[] = [];
  const titleAbove = (block: readonly Cell[]) => {
    const index = block[0] ? lines.indexOf(block[0].line) - 1 : -1;
    const above = lines[index];
    return above && !labelledAs(above.text) ? titleIn(above, mark) : null;
  };
  /** "1. Rod", and its numbers below. */
  const withName = (block: readonly Cell[]): readonly Cell[] => {
    const isNamed = block.length < 2 || block.some(({ column }) => NAMING.has(column));
    const title = isNamed ? null : titleAbove(block);
    return title?.isNumbered
      ? [{ column: 'description', text: title.text, line: title, plainTotal: false }, ...block]
      : block;
  };
  const close = () => {
    const block = withName(cells);
    const row = readBlock(block, mark);
    if (row) blocks.push({ row, cells: block, title: titleAbove(block) });
    cells = [];
  };
  for (const line of lines) {
    const found = cellsIn(line, mark);
    if (found.length === 0 && !pairsIn(line).every((pair) => isAside(pair, mark))) close();
    for (const cell of found) {
      const row = cell.plainTotal ? readBlock(withName([...cells, cell]), mark) : null;
      const isSum = cell.plainTotal && !(row && productHolds(row));
      if (isSum || cells.some(({ column }) => column === cell.column)) close();
      if (!isSum) cells.push(cell);
    }
  }
  close();

  const titled = withTitles(blocks);
  // The total of the only item may be that of the order, too.
  const inRows = titled
    .flatMap((block) => block.cells)
    .filter((cell) => blocks.length > 1 || !cell.plainTotal);
  const used = new Map(inRows.map(({ line }) => [line.number, line]));
  for (const { title } of titled) if (title) used.set(title.number, title);
  return {
    rows: titled.map(({ row }) => row),
    used: new Map(Array.from(used.values(), ({ number, text }) => [number, text])),
    rest: Array.from(used.values()).flatMap((line) => asidesIn(line, mark)),
  };
}

/**
 * Where every block knows its goods by a code only, and has a title, this is their description. Above a single
 * block, anything may stand that has no number.
 */
function withTitles(blocks: readonly Block[]): readonly Block[] {
  const isTitled = ({ row, cells, title }: Block) =>
    title &&
    row.item === null &&
    CODE.test(row.description) &&
    cells.every(({ column }) => column !== 'description' && column !== 'goods');
  const areTitled = blocks.every(isTitled) && (blocks.length > 1 || blocks[0]?.title?.isNumbered);
  return blocks.map((block) => {
    const { row, title } = block;
    if (!areTitled || !title) return { ...block, title: null };
    return { ...block, row: { ...row, item: row.description, description: title.text } };
  });
}

/** The line above a block, without its number, if it holds words and no more. */
function titleIn({ number, text }: Line, mark: Mark): Title | null {
  const title = text.trim().replace(/^\d{1,3}[.)]\s+/, '');
  const isWords = /\p{L}{2}/u.test(title) && title.length <= 100 && !/:|[.!?]$/.test(title);
  return isWords && !NUMBERED.test(text) && !SENTENCE.test(title) && !hasMoney(title, mark)
    ? { number, text: title, isNumbered: title !== text.trim() }
    : null;
}

function readBlock(cells: readonly Cell[], mark: Mark): Row | null {
  const columns = columnsOf(cells.map(({ column }) => column));
  return columns && readCells(cells.map(({ text }) => text).join('   '), { columns, mark });
}

/** The cells of a line; none when any of them is something else. */
function cellsIn(line: Line, mark: Mark): Cell[] {
  const { item, description } = NUMBERED.exec(line.text)?.groups ?? {};
  if (item) {
    const cell = { text: item, column: 'item', line, plainTotal: false } as const;
    if (!description) return [cell];
    const [name = '', ...more] = description.trim().split(NEXT_CELL);
    const others = cellsIn({ ...line, text: more.join('   ') }, mark).map((other) => ({ ...other, line }));
    const text = others.length > 0 ? name : description.trim();
    return [cell, { ...cell, text, column: 'description' }, ...others];
  }
  const cells = pairsIn(line)
    .filter((pair) => !isAside(pair, mark))
    .map(([name, text]) => ({
      column: /^item$/i.test(name) && !CODE.test(text) ? 'goods' : nameOf(name),
      text: text.replace(/\s+/g, ' '),
      line,
      plainTotal: /^(?:total|net|gross|sum)$/i.test(name),
    }));
  return cells.every(({ column }) => column !== 'other') ? cells : [];
}

type Pair = readonly [name: string, text: string];

/** The names of a line, each with what stands beside it. */
function pairsIn({ text: line }: Line): Pair[] {
  const [name, value, more] = cellsOf(line).map(({ text }) => text);
  if (name && value && !more && !line.includes(':')) return [[name, value]];
  return line.split(NEXT_CELL).map((piece) => {
    const [, name = '', text = ''] = CELL.exec(piece) ?? [];
    return [name.trim(), text.trim()];
  });
}

/** Whether something is said of a row that is none of its columns, such as when it is due; an amount may be that of the order. */
function isAside([name, text]: Pair, mark: Mark): boolean {
  return nameOf(name) === 'other' && isKnown(name) && !hasMoney(text, mark);
}

/** What a line says besides. */
function asidesIn(line: Line, mark: Mark): Line[] {
  const asides = pairsIn(line).filter((pair) => isAside(pair, mark));
  return asides.map(([name, text]) => ({ number: line.number, text: `${name}: ${text}` }));
}
