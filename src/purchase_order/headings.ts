import { CURRENCY } from './money.ts';

/** The heading of an item table says which columns it has, and in which order. */
export interface Heading {
  readonly columns: readonly Column[];
  /** How much of the line the heading takes; in a run-together table the rows follow on it. */
  readonly length: number;
}

export type Column = 'item' | 'description' | 'unit' | 'discount' | 'other' | NumberColumn;
export type NumberColumn = (typeof NUMBER_COLUMNS)[number];

const NUMBER_COLUMNS = ['quantity', 'unit_price', 'total'] as const;
const NO = String.raw`(?:no\b\.?|numbers?|nr\b\.?|#|code|id)`;

// Tried from the top: a longer name stands before the shorter one that it begins with.
// biome-ignore format: a table
const NAMES: readonly (readonly [Column, string])[] = [
  ['total',       String.raw`(?:line |ext(?:ended|\.)? ?|item |net )(?:total|amount|price|value|cost)|total(?: (?:price|amount|value|cost))?|amount|extension|ext\b\.?|value`],
  ['unit_price',  String.raw`(?:unit|each|list|net) ?(?:price|cost|rate)|price(?: ?(?:\/|per) ?(?:unit|each|ea|pc|piece))?(?: each)?|rate|each|cost`],
  ['quantity',    String.raw`(?:order(?:ed)? )?(?:qty\b\.?|quantity|quant\b\.?)(?: ordered)?|pcs\b\.?|hours`],
  ['unit',        String.raw`u\/?o?\/?m\b|units?(?: of measure)?|measure|pack(?: size)?`],
  ['item',        String.raw`(?:item|line|part|product|article|material|catalog(?:ue)?|stock|vendor part) ?${NO}|line item|pos(?:ition)?\b\.?|sku|ln\b\.?|line|${NO}|item(?= {2,}| +(?:desc|article|product|part|name|details|goods|sku|qty|quantity|code))|ref\b\.?`],
  ['description', `(?:item |product |goods |article )?description(?: of (?:goods|items?|work|services?))?|items?|article|product|part|material|service|goods|details|particulars|name`],
  ['discount',    String.raw`disc(?:ount|\b\.)?(?: ?%)?|rebate`],
  ['other',       `(?:sales )?(?:tax|vat|gst)(?: ?(?:%|rate|code))?|(?:delivery|due|need|required|ship) ?(?:date|by)?|currency`],
];
const SUFFIX = String.raw`(?![\p{L}\p{N}])(?:\s?\(?(?:in )?${CURRENCY}(?![\d.])\)?|\s?\([^()\d]{1,20}\))?`;
const NAMED = NAMES.map(([column, words]) => `(?<${column}>${words})`).join('|');
const NEXT = new RegExp(String.raw`[\s*_:]*(?:${NAMED})${SUFFIX}`, 'iuy');
const CELLS = NAMES.map(([column, words]) => ({
  column,
  pattern: new RegExp(String.raw`^(?:${words})${SUFFIX}[\s:.]*$`, 'iu'),
}));

/** Reads the column names that a line begins with; null when they make no heading of an item table. */
export function readHeading(line: string): Heading | null {
  const spaced = cellsOf(line).map((cell) => cell.text);
  const columns = spaced.length >= 3 ? spaced.map(columnOf) : [];
  if (isTable(columns)) return { columns: withoutRepeats(columns), length: line.length };

  const run: Column[] = [];
  let length = 0;
  NEXT.lastIndex = 0;
  for (let match = NEXT.exec(line); match?.groups; match = NEXT.exec(line)) {
    const column = NAMES.find(([name]) => match?.groups?.[name] !== undefined)?.[0] ?? 'other';
    if (run.includes(column) && column !== 'other' && column !== 'item') break;
    run.push(column);
    length = NEXT.lastIndex;
  }
  return isTable(run) ? { columns: run, length } : null;
}

/** What one cell of a heading names; a word we do not know is some other column. */
export function columnOf(cell: string): Column {
  return CELLS.find(({ pattern }) => pattern.test(`${cell}  `))?.column ?? 'other';
}

/** Of two columns with the same kind of number, the first is the one we mean. */
function withoutRepeats(columns: readonly Column[]): Column[] {
  return columns.map((column, index) =>
    isNumeric(column) && columns.indexOf(column) < index ? 'other' : column,
  );
}

/** Whether these are the columns of an item table. */
export function isTable(columns: readonly Column[]): boolean {
  const numbers = NUMBER_COLUMNS.filter((column) => columns.includes(column)).length;
  const others = columns.filter((column) => column === 'other').length;
  return numbers >= 2 && others <= 3 && columns.some(isNaming);
}

export function isNumeric(column: Column): column is NumberColumn {
  return (NUMBER_COLUMNS as readonly Column[]).includes(column);
}

/** Whether a column says in words what is ordered. */
export function isNaming(column: Column): boolean {
  return column === 'description' || column === 'item';
}

/** The parts of a line that two spaces or more keep apart, and where each begins. */
export function cellsOf(line: string): { readonly text: string; readonly start: number }[] {
  return Array.from(line.matchAll(/\S+(?: \S+)*/g), (match) => ({ text: match[0], start: match.index }));
}
