import { readHeading } from './headings.ts';
import type { Line } from './regions.ts';

/** What stands for an empty cell between pipes. */
export const EMPTY = '–';

/** "__Total:__", "__PO-77__", and not "__proto__", which is a name. */
const EMPHASIS =
  /(?<![\p{L}\p{N}_])__(?!\p{Ll}[\p{L}\p{N}_]*__(?!\s?:))(?=[^\s_])(.{1,200}?)(?<=[^\s_])__(?![\p{L}\p{N}_])/gu;

/** Columns however they are drawn: tabs, pipes and dot leaders become gaps, marks of emphasis go. */
export function withPlainColumns(line: string): string {
  return line
    .replace(/\u2212(?=\s?[\p{Sc}\d])/gu, '-')
    .replace(/[│┃║]/g, '|')
    .replace(/[\u2500-\u257f]/g, '-')
    .replace(/(?<=\|)[ ]*(?=\|)/g, ` ${EMPTY} `)
    .replace(/\t|\s*\|\s*|\s?\.{4,}\s?|(?<=\p{L}\p{L})\.{2,3}\s(?=\s*\d)/gu, '   ')
    .replace(/(?<![\p{L}\p{N}])\*\*(?=\S)|(?<=\S)\*\*(?![\p{L}\p{N}])/gu, '')
    .replace(/(?<![\p{L}\p{N}_])_{3,}|(?<!_)_{3,}(?![\p{L}\p{N}_])/gu, '') // lines to write on
    .replace(EMPHASIS, '$1')
    .replace(/(?<![\p{L}\p{N}*])\*(?=\S)([^*]{1,200})(?<=\S)\*(?![\p{L}\p{N}*])/gu, '$1')
    .trimEnd();
}

const MOST_CELLS = 20;
const WIDEST_CELL = 60;

/**
 * Cells between tabs or pipes stand below each other: lines that follow a full one, and have as many cells or fewer. Where
 * tabs are many, they draw columns themselves.
 */
export function withAlignedCells(lines: readonly Line[]): Line[] {
  const aligned: Line[] = [];
  for (let at = 0; at < lines.length; ) {
    const head = cellsBetween(lines[at]?.text ?? '');
    const isFull = head.length > 1 && head.length <= MOST_CELLS && !head.includes('');
    const length = isFull ? lines.slice(at).findIndex(({ text }) => cellsBetween(text).length < 2) : 1;
    const block = lines.slice(at, length < 0 ? undefined : at + length);
    aligned.push(...(isFull ? align(block, head.length) : block));
    at += block.length;
  }
  return aligned;
}

function align(block: readonly Line[], columns: number): readonly Line[] {
  const rows = block.map(({ text }) => cellsBetween(text));
  if (rows.length === 1 || rows.some((cells) => cells.length > columns)) return block;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.min(WIDEST_CELL, Math.max(...rows.map((cells) => (cells[column] ?? '').length))),
  );
  let isTable = false;
  return rows.map((cells, at) => {
    isTable ||= readHeading(cells.join('   ')) !== null;
    const padded = cells.map((cell, column) => (cell || (isTable ? EMPTY : '')).padEnd(widths[column] ?? 0));
    return { number: block[at]?.number ?? 0, text: padded.join('   ').trimEnd() };
  });
}

function cellsBetween(line: string): string[] {
  const cells = line.includes('\t')
    ? line.split('\t')
    : line
        .trim()
        .replace(/^\||\|$/g, '')
        .split('|');
  return cells.map((cell) => cell.trim());
}

const SEPARATED = [
  /(?<=^|,) ?(?:"((?:[^"]|""){0,500})"(?=,|$)|([^,]*))/g,
  /(?<=^|;) ?(?:"((?:[^"]|""){0,500})"(?=;|$)|([^;]*))/g,
];

/** "Ship to: Acme, 12 Road" */
const LABELLED = /^[^:,;]{1,40}:\s/;
const NUMERIC = /^\s*\P{N}{0,3}\d[\d.,]*\s*$/u;

/**
 * Values separated by commas or semicolons become columns: lines below a heading of them, up to one with a label, that have
 * as many, or as rows do several numbers.
 */
export function withSeparatedColumns(lines: readonly Line[]): Line[] {
  let form: RegExp | undefined;
  let count = 0;
  return lines.map((line) => {
    const heading = SEPARATED.find((each) => readHeading(inColumns(fieldsOf(line.text, each))));
    if (heading && !readHeading(line.text)) [form, count] = [heading, fieldsOf(line.text, heading).length];
    if (LABELLED.test(line.text)) form = undefined;
    const fields = form ? fieldsOf(line.text, form) : [];
    const isRow = fields.length === count || fields.filter((field) => NUMERIC.test(field)).length > 1;
    return form && isRow ? { ...line, text: inColumns(fields) } : line;
  });
}

function fieldsOf(line: string, form: RegExp): string[] {
  return Array.from(line.matchAll(form), ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '');
}

function inColumns(fields: readonly string[]): string {
  return fields.map((field) => field.trim().replace(/\s+/g, ' ') || EMPTY).join('   ');
}
