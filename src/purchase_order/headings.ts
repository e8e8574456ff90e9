import { BEFORE, TAX, WITH } from './labels.ts';
import { CURRENCY } from './money.ts';

/** The heading of an item table says which columns it has, and in which order. */
export interface Heading {
  readonly columns: readonly Column[];
  /** How much of the line the heading takes; in a run-together table the rows follow on it. */
  readonly length: number;
}

export type Column = 'item' | 'description' | 'unit' | 'discount' | 'other' | NumberColumn;
/** What a column is called: "Article" may hold a description, or a code beside one; "Units" and "Net" may be numbers. */
export type ColumnName = Column | 'goods' | 'maybe_quantity' | 'maybe_total';
export type NumberColumn = (typeof NUMBER_COLUMNS)[number];

export const NUMBER_COLUMNS = ['quantity', 'unit_price', 'total'] as const;
const NO = String.raw`(?:no\b\.?|numbers?|nr\b\.?|#|code|id)`;

// Tried from the top: a longer name stands before the shorter one that it begins with.
// biome-ignore format: a table
const NAMES: readonly (readonly [ColumnName, string])[] = [
  ['total',       String.raw`(?:line |ext(?:ended|\.)? ?|item )(?:total|am(?:oun)?t\b\.?|price|value|cost)|net (?:total|amount|value)|sub-?total|total(?! ?q'?ty| ?quant)(?: (?:price|amount|value|cost))?|am(?:oun)?t\b\.?|extension|extended|ext\b\.?|value`],
  ['unit_price',  String.raw`(?:unit|each|case|list|net|gross|u\/) ?(?:price|cost|rate)|price(?: ?(?:\/|per) ?(?:unit|each|ea|pc|piece))?(?: each)?|rate|each|cost|unit(?=\s(?:${WITH}|${BEFORE}) ?${TAX}|\s?\(?(?:in )?${CURRENCY})`],
  ['quantity',    String.raw`(?:order(?:ed)? |new |total |req(?:uired|\.)? )?(?:q'?ty\b\.?|quantity|quant\b\.?)(?: (?:ord(?:ered)?|req(?:uired)?)\b\.?)?|pcs\b\.?|hours`],
  ['maybe_quantity', `ordered|units(?! of)|cases|boxes|cartons`],
  ['unit',        String.raw`u\/?o?\/?m\b|units?(?: of measure)?|measure|pack(?: size)?`],
  ['item',        String.raw`(?:item|line|part|product|article|material|catalog(?:ue)?|stock|vendor part) ?${NO}|(?:s|sr|sl)\b\.? ?no\b\.?|[sp]\/n|art\.?[- ]?n[or]\b\.?|line item|pos(?:ition)?\b\.?|(?:supplier|vendor|seller|mfr|mfg|manufacturer|customer|buyer|your|our)\b[.'’]?s? (?:(?:part|item|material|product|article)(?: ?${NO})?|sku|ref(?:erence)?\b\.?)|cat\b\.? ?${NO}|mpn|nsn|sku|(?:isbn|upc|ean|style|model|s[rl]\b\.?)(?= {2,})|ln\b\.?|line|${NO}|item(?= {2,}| +(?:desc|article|product|part|name|details|goods|sku|qty|quantity|code))|ref\b\.?`],
  ['description', `(?:(?:item|product|goods|article|part|material|service) ?(?:&|and|\\/)? ?)?desc(?:ription|\\b\\.?)(?: of (?:goods|items?|work|services?))?|details|particulars|name`],
  ['goods',       `(?:item|article|product|part|material|service|goods) (?:name|title)|title|items?|article|products?(?: ?\\/ ?service)?|part|material|services?|goods|activity`],
  ['maybe_total', `(?:net|gross|sum)(?! ?(?:price|cost|weight|wt))`],
  ['discount',    String.raw`disc(?:ount|\b\.)?(?: ?%| percent(?:age)?| amount)?|rebate`],
  ['other',       `(?:sales )?(?:tax|vat|gst)(?: ?(?:%|rate|code))?|(?:deliver(?:y|ed)?|due|need(?:ed)?|required|ship) ?(?:date|by)?|currency`],
];
const SUFFIX = String.raw`(?![\p{L}\p{N}])(?:\s(?:${WITH}|${BEFORE}) ?${TAX}(?![\p{L}\p{N}]))?(?:\s?\(?(?:in )?${CURRENCY}(?![\d.])\)?|\s?\([^()\d]{1,20}\))?`;
const NAMED = NAMES.map(([column, words]) => `(?<${column}>${words})`).join('|');
const NEXT = new RegExp(String.raw`[\s*_:]*(?:${NAMED})${SUFFIX}`, 'iuy');
const CELLS = NAMES.map(([column, words]) => ({
  column,
  pattern: new RegExp(String.raw`^(?:${words})${SUFFIX}[\s:.]*$`, 'iu'),
}));

/** The most columns of a table. */
const COLUMNS = 20;
/** What goods are known by if not by words. */
export const CODE = /^(?=\S*\d|[^\p{Ll}]*$)\S+$/u;
/** A line that is drawn, and says nothing. */
export const RULE = /^[\s|+=_*.:-]*$/;

/** Reads the column names that a line begins with; null when they make no heading of an item table. */
export function readHeading(line: string): Heading | null {
  const spaced = cellsOf(line).map((cell) => cell.text);
  const inCells = spaced.length >= 3 ? (columnsOf(withGoods(spaced)) ?? withoutPrices(spaced)) : null;
  if (inCells) return { columns: inCells, length: line.length };

  const run: ColumnName[] = [];
  let length = 0;
  NEXT.lastIndex = 0;
  for (let match = NEXT.exec(line); match?.groups && run.length < COLUMNS; match = NEXT.exec(line)) {
    const column = NAMES.find(([name]) => match?.groups?.[name] !== undefined)?.[0] ?? 'other';
    if (run.includes(column) && column !== 'other' && column !== 'item') break;
    run.push(column);
    length = NEXT.lastIndex;
  }
  const columns = columnsOf(run);
  // Rows on the same line have numbers; words alone name a column that we do not know.
  const behind = line.slice(length);
  if (!columns || /\d/.test(behind)) return columns && { columns, length };
  return { columns: /\p{L}/u.test(behind) ? [...columns, 'other'] : columns, length: line.length };
}

/** The names of columns; beside all three numbers, a single one that we do not know says what is ordered if it is the first. */
function withGoods(cells: readonly string[]): ColumnName[] {
  const [first, ...others] = cells.map(nameOf);
  const isGoods =
    first === 'other' &&
    !isKnown(cells[0] ?? '') &&
    !/\b(?:date|day|week|month|year|period)\b/i.test(cells[0] ?? '') &&
    others.every(isNumeric) &&
    NUMBER_COLUMNS.every((column) => others.includes(column));
  return isGoods ? ['goods', ...others] : [first ?? 'other', ...others];
}

/** The columns of a table that says how many of what, and no more; every name has to be one that we know. */
function withoutPrices(cells: readonly string[]): Column[] | null {
  const names = cells.map(nameOf);
  const areKnown = cells.every((cell, index) => names[index] !== 'other' || isKnown(cell));
  const columns = areKnown ? columnsOf(names, 1) : null;
  return columns?.includes('quantity') ? columns : null;
}

export function hasPrices(columns: readonly Column[]): boolean {
  return columns.includes('unit_price') || columns.includes('total');
}

/** Whether a line names columns of items, be they too few for a table that we read, or kept apart by other signs. */
export function looksLikeHeading(line: string): boolean {
  const known = line.split(/\s{2,}|[,;]/, 20).filter((name) => isKnown(name.trim()));
  const names = known.map((name) => nameOf(name.trim()));
  const isTable =
    names.some((name) => NAMING.has(name)) || NUMBER_COLUMNS.every((name) => names.includes(name));
  return names.length > 2 && names.includes('quantity') && isTable;
}

export const NAMING: ReadonlySet<ColumnName> = new Set(['description', 'goods', 'item'] as const);

/** What one cell of a heading names; a word we do not know is some other column. */
export function nameOf(cell: string): ColumnName {
  if (/[/&] ?desc(?:ription|\.)?$/i.test(cell)) return 'description'; // "Part Number / Description"
  return columnOf(cell) ?? 'other';
}

/** Whether a cell of a heading is a name that we know. */
export function isKnown(cell: string): boolean {
  return columnOf(cell) !== undefined;
}

function columnOf(cell: string): ColumnName | undefined {
  const name = cell.replace(/(?<=q'?ty\b.{0,9}) ?[/&]? ?u\/?o?\/?m$/i, ''); // "Qty UOM"
  return CELLS.find(({ pattern }) => pattern.test(`${name}  `))?.column;
}

/**
 * The columns of an item table; null when these are none. Of two columns with the same kind of number, the first is the one
 * we mean. What is ordered is said by the description, else by the name of the goods, else by the last of its codes; what
 * else names it is a code.
 */
export function columnsOf(called: readonly ColumnName[], leastNumbers = 2): Column[] | null {
  const names = called.map((name) => {
    if (name === 'maybe_quantity') return called.includes('quantity') ? 'other' : 'quantity';
    if (name === 'maybe_total') return called.includes('total') ? 'other' : 'total';
    return name;
  });
  const numbers = NUMBER_COLUMNS.filter((column) => names.includes(column)).length;
  const others = names.filter((name) => name === 'other').length;
  const described = (['description', 'goods'] as const).find((name) => names.includes(name));
  const naming = described ? names.indexOf(described) : names.lastIndexOf('item');
  if (naming < 0 || numbers < leastNumbers || (numbers < 3 && others > 3)) return null;
  return names.map((name, index) => {
    if (index === naming) return 'description';
    if (name === 'description' || name === 'goods') return 'item';
    return isNumeric(name) && names.indexOf(name) < index ? 'other' : name;
  });
}

export function isNumeric(name: ColumnName): name is NumberColumn {
  return (NUMBER_COLUMNS as readonly ColumnName[]).includes(name);
}

/** Whether a column says in words what is ordered. */
export function isNaming(column: Column): boolean {
  return column === 'description' || column === 'item';
}

/** A part of a line that two spaces or more keep apart from others, and where it begins. */
export interface Cell {
  readonly text: string;
  readonly start: number;
}

export function cellsOf(line: string): Cell[] {
  return Array.from(line.matchAll(/\S+(?: \S+)*/g), (match) => ({ text: match[0], start: match.index }));
}
