import { CODE, type ColumnName, cellsOf, columnsOf, nameOf } from './headings.ts';
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
const NUMBERED = /^\s*(?:line item|item|line|pos(?:ition)?\.?) #?(\d{1,3})\s*[:.]?\s*$/i;

/** Rows turned on their side: `Item: …`, `Qty: …`, `Unit price: …`, below each other or on one line. */
export function readBlocks(
  lines: readonly Line[],
  mark: Mark,
  labelledAs: (line: string) => unknown,
): { readonly rows: readonly Row[]; readonly used: ReadonlyMap<number, string> } {
  const blocks: Block[] = [];
  let cells: Cell[] = [];
  const titleAbove = (block: readonly Cell[]) => {
    const index = block[0] ? lines.indexOf(block[0].line) - 1 : -1;
    const above = lines[index];
    return above && !labelledAs(above.text) ? titleIn(above, mark) : null;
  };
  const close = () => {
    const row = readBlock(cells, mark);
    if (row) blocks.push({ row, cells, title: titleAbove(cells) });
    cells = [];
  };
  for (const line of lines) {
    const found = cellsIn(line);
    if (found.length === 0) close();
    for (const cell of found) {
      const row = cell.plainTotal ? readBlock([...cells, cell], mark) : null;
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
  return {
    rows: titled.map(({ row }) => row),
    used: new Map(
      [...inRows.map(({ line }) => line), ...titled.flatMap(({ title }) => title ?? [])].map((line) => [
        line.number,
        line.text,
      ]),
    ),
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
function cellsIn(line: Line): Cell[] {
  const number = NUMBERED.exec(line.text)?.[1];
  if (number) return [{ column: 'item', text: number, line, plainTotal: false }];
  const [name, value, more] = cellsOf(line.text).map(({ text }) => text);
  const pairs =
    name && value && !more && !line.text.includes(':')
      ? [[name, value]]
      : line.text.split(NEXT_CELL).map((piece) => CELL.exec(piece)?.slice(1) ?? []);
  const cells = pairs.map(([name = '', text = '']) => ({
    column: nameOf(name.trim()),
    text: text.trim().replace(/\s+/g, ' '),
    line,
    plainTotal: /^(?:total|net|gross|sum)$/i.test(name),
  }));
  return cells.every(({ column }) => column !== 'other') ? cells : [];
}
