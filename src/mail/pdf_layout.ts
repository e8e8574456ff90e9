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
const WORD_GAP = 0.06;
const COLUMN_GAP = 0.6;
const CHARACTERS_PER_UNIT = 3;
const POINTS_TO_UNITS = 1 / 16;

/** The text of a page, line by line; a wider space between lines is a blank line. */
export function layoutPage({ width, height, texts }: Page): string {
  const visible = texts.filter(
    ({ x, y, text }) => text.trim() !== '' && x > -1 && x < width + 1 && y > -1 && y < height + 1,
  );
  const lines = groupLines(visible);
  const scale = widthScale(lines);
  const gaps = lines.slice(1).map((line, index) => (line[0]?.y ?? 0) - (lines[index]?.[0]?.y ?? 0));
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
