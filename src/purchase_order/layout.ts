import { cellsOf, readHeading } from './headings.ts';
import { cellOf, type Found, isMoneyField } from './labels.ts';
import type { Line } from './regions.ts';

/** The lines of a document, and the labels found in each. */
export interface Labelled {
  readonly line: Line;
  readonly labels: readonly Found[];
}

const RULE = /^[\s|+=_*-]*$/;
const ADDRESS_LINES = 6;
/** What stands in a mail between its values: a greeting, or six words and more up to a full stop. */
const SENTENCE =
  /^\s*(?:thanks?|thank you|(?:best|kind) regards|regards|sincerely|hello|hi|dear|please)\b|^\s*(?:\S+\s+){5,40}\S+[.!?]$/i;
/** "Priority: high", which begins something else, unless it is a part of an address. */
const ENTRY = /^\p{L}[^:\d]{1,30}(?:\d{4})?:\s+\S/u;
const OF_ADDRESS =
  /^(?:attn|att|attention|c\/o|fao|(?:company |contact )?name|company|street|address|addr|city|town|state|county|zip|post(?:al)? ?code|country|dock|gate|building|floor|suite|unit)\b/i;
/** A value below its label may begin this much further left. */
const SLACK = 2;

/** What stands for an empty cell between pipes. */
export const EMPTY = '–';

/** Columns however they are drawn: tabs, pipes and dot leaders become gaps, marks of emphasis go. */
export function withPlainColumns(line: string): string {
  return line
    .replace(/(?<=\|)[ ]*(?=\|)/g, ` ${EMPTY} `)
    .replace(/\t|\s*\|\s*|\s?\.{4,}\s?/g, '   ')
    .replace(/\*\*|__/g, '')
    .replace(/(?<![\p{L}\p{N}*])\*(?=\S)([^*]{1,200})(?<=\S)\*(?![\p{L}\p{N}*])/gu, '$1')
    .trimEnd();
}

/** The text of a value: beside its label, else below it in the same column; an address goes on below. */
export function valueText(lines: readonly Labelled[], index: number, label: Found): string {
  const inGrid = cellInGrid(lines, index, label);
  if (label.field === 'ship_to') {
    const first = inGrid === undefined ? cellOf(label.value) : '';
    return below(lines, index, label, first, ADDRESS_LINES).join(', ').replace(/,\s*,/g, ',');
  }
  if (inGrid !== undefined) return inGrid;
  const beside = isMoneyField(label.field) ? label.value : cellOf(label.value);
  if (beside !== '' || !label.strong) return beside;
  // Above the name of a supplier, its number may stand.
  const names = below(lines, index, label, '', label.field === 'vendor' ? 2 : 1);
  return names.find((text) => label.field !== 'vendor' || /\p{L}/u.test(text)) ?? '';
}

/**
 * The cell below a label in a row of labels, some of which we may not know: the next line has as many cells, and no label.
 */
function cellInGrid(lines: readonly Labelled[], index: number, label: Found): string | undefined {
  const { line, labels } = lines[index] ?? { line: { text: '' }, labels: [] };
  const values = lines.slice(index + 1, index + 4).find((next) => !RULE.test(next.line.text));
  if (labels.length < 2 || labels.some(({ colon }) => colon) || !values) return undefined;
  if (values.labels.length > 0 || readHeading(values.line.text)) return undefined;
  const [heads, cells] = [cellsOf(line.text), cellsOf(values.line.text)];
  const column = heads.findIndex(({ start }) => start === label.start);
  return heads.length > 2 && heads.length === cells.length ? cells[column]?.text : undefined;
}

/** A value and what stands below it in its column, up to a blank line, a label, a heading or a rule. */
function below(
  lines: readonly Labelled[],
  index: number,
  label: Found,
  beside: string,
  count: number,
): string[] {
  const labels = lines[index]?.labels ?? [];
  const column = labels.indexOf(label);
  // Where the next column begins, which may have a name that we do not know.
  const right = cellsOf(lines[index]?.line.text ?? '').find(
    ({ start }) => start >= (beside === '' ? label.valueStart : label.end),
  );
  const parts = beside === '' ? [] : [beside];
  for (let next = index + 1; next < lines.length && parts.length < count; next += 1) {
    const { line, labels: others } = lines[next] ?? { line: { text: '' }, labels: [] };
    const isFirst = parts.length === 0;
    // A label may be followed by a rule, or alone on its line by a blank one.
    if (isFirst && (line.text === '' ? labels.length === 1 && next === index + 1 : RULE.test(line.text)))
      continue;
    if (RULE.test(line.text) || readHeading(line.text)) break;

    const cells = cellsOf(line.text);
    const mine =
      isFirst && labels.length > 1 && cells.length === labels.length
        ? cells.slice(column, column + 1)
        : cells.filter(
            ({ start }) => start >= label.start - SLACK && (!right || start < right.start - SLACK),
          );
    const [first, last] = [mine[0], mine.at(-1)];
    if (!first || !last) break;
    if (others.some(({ start }) => start >= first.start && start <= last.start + last.text.length)) break;
    // A label alone has one cell below it, and that is no sentence.
    if (isFirst && labels.length === 1 && (mine.length > 1 || SENTENCE.test(line.text))) break;
    if (!isFirst && first.start === 0 && isFinished(parts.join(', '), line.text)) break;
    const text = mine.map((cell) => cell.text).join(' ');
    // The next entry of a form, or of a list whose values stand beside their names.
    if (ENTRY.test(text) && !OF_ADDRESS.test(text)) break;
    if (beside !== '' && mine.length > 1 && first.start < label.valueStart - SLACK) break;
    parts.push(text);
  }
  return parts;
}

/** An address that has its postal code is complete, and a sentence is no part of one. */
function isFinished(address: string, next: string): boolean {
  return /\b\d{5}(?:-\d{4})?$/.test(address) || next.length > 60 || /[.!?:]$/.test(next);
}
