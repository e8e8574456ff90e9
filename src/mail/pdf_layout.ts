/**
 * Turns the texts of a PDF page, which come in any order and often letter by letter, into lines as a reader
 * sees them: columns apart, and about where they stand on the page. A unit is 16 points.
 */

interface PageText {
  readonly x: number;
  readonly y: number;
  /** The width, in a unit that differs between producers. */
  readonly w: number;
  readonly text: string;
}

export interface Page {
  readonly width: number;
  readonly height: number;
  readonly texts: readonly PageText[];
}

const SAME_LINE = 0.25;
/** Less than any lines below each other are apart, and half of what most are. */
const HALF_LINE = 0.42;
/** Lines of one cell may be so much farther from each other than its first two. */
const NEAR = 1.15;
const WORD_GAP = 0.06;
const COLUMN_GAP = 0.6;
const CHARACTERS_PER_UNIT = 3;
const POINTS_TO_UNITS = 1 / 16;

/** The text of a page, line by line; a wider space between lines is a blank line. */
export function layoutPage({ width, height, texts }: Page): string {
  const visible = texts.filter(
    ({ x, y, text }) => text.trim() !== '' && x > -1 && x < width + 1 && y > -1 && y < height + 1,
  );
  const drawn = groupLines(visible);
  const scale = widthScale(drawn);
  const lines = raiseRows(joinHalfLines(drawn, scale), scale);
  const gaps = gapsAbove(lines).slice(1);
  const usual = gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
  return lines
    .map(
      (line, index) =>
        (index > 0 && (gaps[index - 1] ?? 0) > usual * 1.6 ? '\n' : '') + joinLine(line, scale),
    )
    .join('\n');
}

/** Texts whose baselines are close to that of the line's first; drawn twice to look bold, they count once. */
function groupLines(texts: readonly PageText[]): PageText[][] {
  const lines: PageText[][] = [];
  for (const text of texts.toSorted((a, b) => a.y - b.y)) {
    const line = lines.at(-1);
    if (line?.[0] && text.y - line[0].y <= SAME_LINE) line.push(text);
    else lines.push([text]);
  }
  return lines.map((line) => {
    const sorted = line.toSorted((a, b) => a.x - b.x);
    return sorted.filter(
      (text, index) => !sorted.slice(Math.max(0, index - 3), index).some((other) => isDouble(other, text)),
    );
  });
}

function isDouble(a: PageText, b: PageText): boolean {
  return a.text === b.text && Math.abs(a.x - b.x) < 0.1 && Math.abs(a.y - b.y) < 0.1;
}

/** Lines too near to stand below each other, which share no column: cells of one row, some of them centred. */
function joinHalfLines(lines: readonly PageText[][], scale: number): PageText[][] {
  const joined: PageText[][] = [];
  for (const line of lines) {
    const above = joined.at(-1) ?? [];
    const isNear = (line[0]?.y ?? 0) - (above[0]?.y ?? Number.NEGATIVE_INFINITY) < HALF_LINE;
    const row = isNear ? [...above, ...line].sort((a, b) => a.x - b.x) : [];
    const own = new Set(line);
    const isApart = row.slice(1).every((text, index) => {
      const left = row[index] ?? text;
      return own.has(left) === own.has(text) || left.x + left.w * scale <= text.x;
    });
    if (isNear && isApart) joined[joined.length - 1] = row;
    else joined.push(line);
  }
  return joined;
}

/**
 * Where a long cell is on several lines, and the others of its row beside the middle one or the last, these are raised to
 * the first, so that every row begins with its numbers. Its lines are nearer to each other than to those around.
 */
function raiseRows(lines: readonly PageText[][], scale: number): PageText[][] {
  const raised = [...lines];
  const cells = lines.map((line) => cellsIn(line, scale));
  const gaps = gapsAbove(lines);
  for (const [index, row] of cells.entries()) {
    if (row.filter(isNumber).length < 2) continue;
    const near = (gaps[index] ?? 0) * NEAR;
    const belongs = (at: number, gap: number) => cells[at]?.length === 1 && (gaps[gap] ?? 0) <= near;
    let [first, last] = [index, index];
    while (belongs(first - 1, first)) first -= 1;
    while (belongs(last + 1, last + 1)) last += 1;
    const isApart = (gaps[first] ?? 0) > near && (gaps[last + 1] ?? Number.POSITIVE_INFINITY) > near;
    const long = [...cells.slice(first, index).flat(), ...cells.slice(index + 1, last + 1).flat()];
    const own = row.findIndex((cell) =>
      long.every((part) => Math.abs(leftOf(part) - leftOf(cell)) < WORD_GAP),
    );
    // A title may stand above a row that begins with words.
    const isTitle = own === 0 && last - index !== index - first;
    if (first === index || !isApart || own < 0 || isTitle) continue;
    const parts = [...long.slice(0, index - first), row[own] ?? []];
    const others = row.filter((_, at) => at !== own);
    for (const [offset, part] of parts.entries()) {
      const y = lines[first + offset]?.[0]?.y ?? 0;
      const line = offset === 0 ? [...others.slice(0, own), part, ...others.slice(own)].flat() : part;
      raised[first + offset] = line.map((text) => ({ ...text, y }));
    }
  }
  return raised;
}

/** How far each line is below the one above. */
function gapsAbove(lines: readonly PageText[][]): number[] {
  return lines.map(
    (line, index) => (line[0]?.y ?? 0) - (lines[index - 1]?.[0]?.y ?? Number.NEGATIVE_INFINITY),
  );
}

/** The texts of a line between wide gaps. */
function cellsIn(line: readonly PageText[], scale: number): PageText[][] {
  const cells: PageText[][] = [];
  let right = Number.NEGATIVE_INFINITY;
  for (const text of line) {
    if (text.x - right > COLUMN_GAP) cells.push([]);
    cells.at(-1)?.push(text);
    right = text.x + text.w * scale;
  }
  return cells;
}

function leftOf(cell: readonly PageText[]): number {
  return cell[0]?.x ?? 0;
}

function isNumber(cell: readonly PageText[]): boolean {
  return /^\P{N}{0,4}\d[\d.,]*\P{N}{0,4}$/u.test(cell.map(({ text }) => text).join(''));
}

/** What makes a width comparable to x: usually points; less where the producer scales its page. */
function widthScale(lines: readonly PageText[][]): number {
  const ratios = lines
    .flatMap((line) =>
      line.slice(1).map((text, index) => (text.x - (line[index]?.x ?? 0)) / (line[index]?.w || Number.NaN)),
    )
    .filter((ratio) => ratio > 0)
    .sort((a, b) => a - b);
  const low = ratios[Math.floor(ratios.length / 10)];
  return low !== undefined && low < 0.05 ? low : POINTS_TO_UNITS;
}

function joinLine(line: readonly PageText[], scale: number): string {
  let joined = '';
  let right = Number.NEGATIVE_INFINITY;
  for (const { x, w, text } of line) {
    const gap = x - right;
    if (gap > COLUMN_GAP) {
      if (joined !== '') joined += '   ';
      joined = joined.padEnd(Math.round(x * CHARACTERS_PER_UNIT));
    } else if (gap > WORD_GAP && !joined.endsWith(' ')) joined += ' ';
    joined += text;
    right = x + w * scale;
  }
  return joined.trimEnd();
}
