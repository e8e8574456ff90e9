import { cellsOf, isNumeric, nameOf, RULE } from './headings.ts';
import type { Mark } from './money.ts';
import type { Line } from './regions.ts';
import { hasMoney } from './rows.ts';

/**
 * A table of something that we do not know: names, one of them that of an amount, and two rows or more below. Its first
 * line names the columns. Empty when there is none.
 */
export function foreignTable(lines: readonly Line[], index: number, mark: Mark): readonly Line[] {
  const names = cellsOf(lines[index]?.text ?? '').map(({ text }) => text);
  const priced = names.findIndex((name) => isNumeric(nameOf(name)));
  if (names.length < 3 || priced < 0 || names.some((name) => /[:\d]/.test(name))) return [];
  const isRow = (text: string) => {
    const cells = cellsOf(text);
    return cells.length === names.length && hasMoney(cells[priced]?.text ?? '', mark);
  };
  const end = lines.findIndex(
    ({ text }, at) => at > index && !isRow(text) && (text === '' || !RULE.test(text)),
  );
  const found = lines.slice(index, end < 0 ? undefined : end).filter(({ text }) => !RULE.test(text));
  return found.length > 2 ? found : [];
}
