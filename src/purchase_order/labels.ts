import { CURRENCY, MEASURE } from './money.ts';

/**
 * The words that introduce a value, and where in a line they count. A value reaches from its label to the next
 * label, to a column gap, or to the end of the line; that one rule reads natural and run-together layouts.
 */

type DateField = 'order_date' | 'due_date';
type MoneyField = (typeof MONEY_FIELDS)[number];
type TextField = 'po_number' | 'vendor' | 'ship_to' | 'payment_terms' | 'currency';
export type LabelField = DateField | MoneyField | TextField;

export const MONEY_FIELDS = ['subtotal', 'shipping', 'discount', 'tax', 'charge', 'total'] as const;

interface Label {
  /** Null for words that end the value before them, and whose own value we do not want. */
  readonly field: LabelField | null;
  /** The lower, the more specific: a value under a better label is preferred. */
  readonly rank: number;
  readonly pattern: RegExp;
}

const PO = String.raw`(?:l?p\.?\s?\/?o\b\.?|purch(?:ase|\b\.?)[ -]ord(?:er|\b\.?))`;
const NUMBER = String.raw`(?:numbers?|num\b\.?|no\b\.?|nbr\b\.?|nr\b\.?|id\b|ref(?:erence)?\b\.?|code|n[°º]|№|#)`;

const AND_DATE = String.raw`(?: ?(?:\/|&|and) ?date)?`;
const WHOSE = String.raw`(?:cust(?:omer|\.)? |ref\.? |blanket |standing |release |call-?off |your |our )?`;
export const TAX = String.raw`(?:tax(?:es)?|vat|v\.a\.t\b\.?|tva|iva|[cis]?gst(?:\d{1,2}(?=\s\())?|[hpq]st)`;
const CARRIAGE = '(?:shipping|freight|postage|carriage|transport(?:ation)?|haulage|courier|delivery)';
const PACKING = '(?:handling|insurance|pack(?:ag)?ing|install(?:ation)?|set-?up)';
const CHARGED =
  '(?:fuel|energy|environmental|hazmat|hazardous(?: materials?)?|handling|expedit(?:e|ing)|rush|pallet|crat(?:e|ing)|pack(?:ag)?ing|set-?up|tooling|service|processing|(?:minimum|small) order|cutting|liftgate)';
const SUM = '(?:amount|value|price)';
/** "CIF Yokohama" */
const INCOTERM = String.raw`(?:exw|fca|fas|fob|cfr|cif|cpt|cip|dap|dpu|ddp)(?: \p{L}{4,30})?`;
/** An amount behind words that may be said of anything, as in "Net 30". */
const PRICED = String.raw`(?=[^\p{L}]{0,100}(?:[A-Z]{2,3})?[^\p{L}]{0,20}\d[.,]\d\d(?!\d))`;
export const WITH = String.raw`(?:inc(?:l)?\b\.?|including|inclusive|with|w\/|after)(?: of)?`;
export const BEFORE = String.raw`(?:ex(?:cl?)?\b\.?|excluding|exclusive|without|w\/o|before|not ${WITH})(?: of)?`;

export const RATE = String.raw`\d{1,2}(?:[.,]\d{1,3})?\s?%`;
/** "20% VAT", "7% sales tax" */
const LEVY = `(?:${RATE} )?(?:(?:sales(?: (?:&|and) use)?|state|local|city|county) )?${TAX}`;
const NEEDED = String.raw`(?:required|requested|req(?:\.|['’]?d)?|need(?:ed)?)`;
const DISCOUNTED =
  '(?:trade|volume|wholesale|quantity|special|dealer|contract|settlement|(?:early|prompt)(?: payment)?)';
const AT_LAST = '(?:(?:no|not) later than|on or before)';
const WHOLE = `(?:(?:(?:grand|order) )?total(?: ${SUM})?|amount|value|sum)(?: ${CURRENCY})?,?`;

// biome-ignore format: a table
const TABLE: readonly (readonly [LabelField | null, ...string[]])[] = [
  ['po_number',     `${WHOSE}${PO}[ -]?${NUMBER}(?: ?#)?${AND_DATE}`, `${WHOSE}${PO}`, `${WHOSE}ord(?:er|\\b\\.?) ?${NUMBER}${AND_DATE}`, `order|purchase ?${NUMBER}`],
  ['vendor',        '(?:buy-from )?(?:vendor|supplier|seller)(?:[ -]name(?: (?:&|and) address)?)?|sold by|purchased? from', '(?:vendor|supplier|seller) (?:company|details|info(?:rmation)?)|supplied by|ordered from|(?:po |order )?(?:issued to|placed with)|name of (?:vendor|supplier)'],
  ['ship_to',       '(?:(?:drop[ -]?)?ship(?:ping|ped)?|deliver(?:ed|y)?)(?: all)?(?: (?:goods|items|material))?[ -]?(?:to|at)(?: (?:address|location))?|shipping address|delivery (?:address|location)|place of delivery', 'consignee|destination|(?:receiving|shipping) location|delivery (?:point|site)|point of delivery|(?:receiving|job ?site|site|installation) address'],
  ['order_date',    `order(?:ed)?[ -](?:date|on)|${PO} (?:issue )?date|date (?:of (?:order|${PO})|ordered)|ordered`, 'issued?(?: date| on)?|date (?:issued|of issue)', String.raw`date (?:placed|raised|created)|(?<!\p{L} )date|doc(?:ument|\.)? date|(?:order )?(?:placed|raised|created|submitted)(?: on| date)?|(?:creation|purchase|today['’]s) date`, String.raw`(?<!\p{L} )dated(?=\s*:|\s{2})`],
  ['due_date',      '(?:(?:po|order) )?due[ -]?(?:date|by(?:[ -]date)?|on)|date due|due',
                    `(?:${NEEDED}|receive|arrive)[ -]by(?:[ -]date)?|${NEEDED}[ -](?:date|(?<!requested.)on(?: site)?|(?:delivery|del\\b\\.?|arrival|receipt)(?: date| by)?)|date (?:required|needed)|must arrive by|required|needed|req['’]?d`,
                    `(?!delivered on)(?:deliver(?:y|ed)?|del(?:iv|v)?\\b\\.?)[ -](?:date|day|time|${AT_LAST}|by(?:[ -]date)?|until|on|due(?: date)?|(?:required|needed)(?: by)?)|expected(?: (?:delivery|arrival|receipt))?(?: date)?|(?:date|day) of delivery|eta|in[ -]hands?(?: date| by)?|(?:completion|dock) date|delivery?|(?<=be )delivered on`,
                    '(?:promised?|est(?:imated|\\.)?)(?: (?:delivery|arrival))?[ -](?:date|on)|est(?:imated|\\.)? (?:delivery|arrival)|ship by(?: date)?|promised|date (?:promised|scheduled)|(?:latest|scheduled|planned|target|desired|preferred|agreed) (?:delivery|arrival|receipt)(?: date)?|arrival date|delivery (?:deadline|requested|req[\'’]d)'],
  ['payment_terms', 'pay(?:ment)?[ -](?:terms?|conditions?)(?: code)?|pa?y?mt\\b\\.? terms|(?:terms?|conditions) of (?:payment|pa?ym?t\\.)', '(?:credit |discount )?terms', 'payment'],
  ['currency',      '(?:order )?currency'],
  ['subtotal',      `(?:order |items? |goods |merchandise )?sub[ -]?total(?: ${BEFORE} ${LEVY})?|untaxed amount|(?:nett?|goods|net goods|basic|merchandise|(?:line )?items?|lines?) (?:total|amount|(?:order )?value)|${WHOLE} ${BEFORE} ${LEVY}|total net(?: item)?(?: ${SUM})?(?:,? ${BEFORE} ${LEVY})?|net order|taxable ${SUM}|total ${SUM} net`, `(?:nett?|merchandise|goods)${PRICED}|${WHOLE} before discount`],
  ['tax',           `(?!(?:${WITH}|${BEFORE}) )\\p{L}{2,14} sales tax|(?:(?:sales(?: (?:&|and) use)?|state|local|city|county|use|consumption|plus|total|order|applicable|est(?:imated|\\.)|incl(?:\\.|uding|udes)?) (?:${RATE} )?)?(?:gst ?\\/ ?hst|${TAX}|m\\.?w\\.?st\\b\\.?)(?: (?:amount|total))?`],
  ['shipping',      `(?:plus |(?:order |total |inbound |air |ocean |est(?:imated|\\.) )(?!delivery))?(?:${PACKING} ?(?:&|and|\\+|\\/) ?)?${CARRIAGE}(?: ?(?:&|and|\\+|\\/) ?${PACKING})?(?: (?:charges?|costs?|fees?|amount|total|net(?= {2})))?|(?:s ?[&/] ?h|p ?& ?p)\\b`],
  ['discount',      `(?:less )?(?:(?:${DISCOUNTED}|order|total) )?(?:${RATE} )?(?:${DISCOUNTED} )?(?:discount|rebate)`],
  ['charge',        `(?:(?:${CHARGED} )?(?:sur)?charge|${CHARGED} fee)s?${PRICED}|(?:${PACKING}|crating)${PRICED}`],
  ['total',         `${WHOLE} ${WITH} (?:${LEVY}|${CARRIAGE})|(?:grand|order|release) total|(?:(?:total|net) )?amount payable|net payable|gross (?:amount|value)|total (?:(?:payment )?due|payable|to (?:pay|be paid)|gross|amount(?: due)?|(?:for this )?(?:po|order)(?: (?:value|amount))?)|gross total|(?:po|purchase order) (?:(?:grand )?total(?: amount)?|amount|value)|total,? not to exceed`, `total (?:cost|price|value)|totals?(?: ${INCOTERM})?|(?:total )?order (?:value|amount)`, `gross${PRICED}`, 'total after discount|(?:amount|balance) due'],
  [null,            'bill(?:ing)?[ -]?to|billing address|invoice (?:to|address|number|no\\b\\.?|date)|remit to|sold to|buyer(?: name)?|customer(?: (?:name|id|no\\b\\.?|number))?|requested by|ordered by|requisitioner|approved by',
                    'contact(?: (?:name|person))?|phone|tel(?:ephone)?|fax|mobile|e-?mail|web(?:site)?',
                    `(?:(?:buy-from )?vendor|supplier|customer|account|quot(?:e|ation)|contract|project|job|requisition|invoice|tracking|tax|vat|gst) ?${NUMBER}`,
                    'quot(?:e|ation)|ship(?:ping)? (?:via|method|mode|terms|date|instructions)|ship(?:ped)? (?:via|by)|carrier|f\\.?o\\.?b\\b\\.?(?: point)?|incoterms?|(?:delivery|freight) terms|(?:tax|vat) rate|payment (?:due|method)(?: date)?|valid (?:until|to)|delivery (?:instructions|method|notes?)',
                    `(?:${WHOLE} (?:${BEFORE}|plus)|${BEFORE}) (?:${LEVY}|${CARRIAGE})`,
                    'delivered on', // in the past
                    'date', // of something else
                    'notes?|comments?|remarks?|(?:special )?instructions|department|cost cent(?:er|re)|subject|from|to|cc|sent|line items|items'],
];

/** In front of a label: what holds now that the order was changed. */
const REVISED = '(?<new>new|revised|updated|amended|corrected)';

const LABELS: readonly Label[] = TABLE.flatMap(([field, ...patterns]) =>
  patterns.map((words, rank) => ({
    field,
    rank,
    pattern: new RegExp(
      String.raw`(?<![\p{L}\p{N}.#/_-])(?:${REVISED}\s)?(?<label>${words})(?:(?<=\.)(?=\S*\d)|(?![\p{L}\p{N}_]))`,
      'giu',
    ),
  })),
);

/** The words of the labels that a test lets pass, as one pattern. */
export function wordsOf(isMeant: (field: LabelField | null) => boolean): string {
  return TABLE.flatMap(([field, ...patterns]) => (isMeant(field) ? patterns : []))
    .map((words) => `(?:${words})`)
    .join('|');
}

export type Revision = 'old' | 'new' | null;

/** A label in a line, with the value that follows it there. */
export interface Found {
  readonly field: LabelField | null;
  readonly rank: number;
  readonly label: string;
  /** Where the label and its value begin in the line. */
  readonly start: number;
  readonly valueStart: number;
  /** Where the next label begins; the end of the line if there is none. */
  readonly end: number;
  readonly value: string;
  /** Stands where labels stand, not within a sentence. */
  readonly strong: boolean;
  /** Stands behind a word, as in "invoice due date": perhaps it is about something else. */
  readonly qualified: boolean;
  /** Says what held before the order was changed, or what holds since. */
  readonly revision: Revision;
  /** What stands between the label and its colon: "(USD)", "19 %". */
  readonly addendum: string;
  readonly colon: boolean;
}

/** Words of a label, wherever they stand. */
type Candidate = Pick<Found, 'field' | 'rank' | 'label' | 'start' | 'revision'> & { readonly end: number };

/** "Fournisseur / Vendor:" */
const TRANSLATED = /^\W*\p{L}[\p{L}.'’ -]{0,30} \/ $/u;
/** Words that say nothing of the label behind them. */
const ARTICLE =
  /(?<![\p{L}\p{N}])(?<!\b(?:for|of|to)\s)(?:the|our|your|this|my|its|which|final|correct|and|with|under|see|is|please|note|as|a|est\.?)\s$/iu;
const CODE = String.raw`\s{1,3}(?:in\s)?[A-Z]{3}(?=\s*:|\s{2})`;
const behindLabel = (addendum: string) =>
  new RegExp(
    String.raw`^(?<addendum>${addendum})?(?<colon>\s{0,40}(?::|=(?!=)|\s[-–—](?=\s)))?(?<hash>\s?#(?=\s?\w))?(?<gap>\s*)`,
    'u',
  );
/** "Vendor / Proveedor:", "Total / Brutto-Summe (EUR):", "Subtotal / Sous-total   5.00" */
const TRANSLATION = String.raw`\s?\/\s?\p{L}(?:[\p{L}.'’-]| (?! )){0,30}(?:\s?\([^()\n]{0,40}\))?(?=\s*:|\s{2}|\s${RATE})`;
const AFTER = behindLabel(String.raw`\s?\([^()\n]{0,40}\)(?:${CODE})?|${CODE}|${TRANSLATION}`);
/** Only what is money has a rate: in "Terms 2% 10 Net 30" it is a part of the value. */
const AFTER_MONEY = behindLabel(
  String.raw`\s?\([^()\n]{0,40}\)(?:${CODE})?|\s?(?:@|at(?=\s))?\s?${RATE}(?:\s?\([^()\n]{0,40}\))?|${CODE}|${TRANSLATION}(?:\s${RATE})?`,
);

/** What may stand before the first label of a line: a bullet, a number, a rate. */
const OPENING = new RegExp(String.raw`^[\s\p{P}\p{S}]*(?:[\da-z]{1,2}[.)]\s+)?(?:${RATE}\s)?`, 'iu');
const OUTDATED = /(?<!\p{L})(?:previous|original|old|prior|former|last)\b\W*$/iu;
const BEHIND_WORD = /[\p{L}\p{N}]['’]?\s$|^\W*(?:\p{L}{2,4}\.\s){1,3}$/u;
/** What a total says that does not contain the tax: beside its label, or behind its amount. */
const IS_NET = new RegExp(String.raw`\b(?:net|${BEFORE})(?![\p{L}\p{N}])`, 'iu');
const ENDS_NET = new RegExp(
  String.raw`\d\D{0,12}?(?:\bnet(?:to)?|(?:\+|\bplus|\b${BEFORE}) ?${LEVY})\)?\.?$`,
  'iu',
);

/** "/ unit" */
const PER = new RegExp(String.raw`^\s?\/\s?${MEASURE}$`, 'i');

/** No line of an order has more. */
const MOST_LABELS = 40;

/** Finds the labels of a line. `isValue` says whether a text without a colon before it is what a field looks like. */
export function findLabels(line: string, isValue: (field: LabelField, text: string) => boolean): Found[] {
  const opensWith = OPENING.exec(line)?.[0].length ?? 0;
  const found: Found[] = [];
  let lineIsLabelled = false;
  let from = 0;
  const all = candidates(line);
  for (const first of all) {
    if (first.start < from) continue;
    if (found.length === MOST_LABELS) break;
    const after = (first.field === null || isMoneyField(first.field) ? AFTER_MONEY : AFTER).exec(
      line.slice(first.end),
    );
    const addendum = after?.groups?.addendum ?? '';
    const isInTwo = /^\s?\//.test(addendum);
    if (PER.test(addendum) || (isInTwo && all.some((other) => saysElse(other, first, addendum.length))))
      continue;
    const colon = after?.groups?.colon !== undefined;
    const valueStart = first.end + (after?.[0].length ?? 0);
    const rest = line.slice(valueStart);
    // "Delivery" may be a day or an amount: what follows decides.
    const rivals = all.filter((other) => other.start === first.start && other.end === first.end);
    const fitting = rivals.find(({ field }) => field !== null && isValue(field, cellOf(rest)));
    const isNet = first.field === 'total' && (IS_NET.test(addendum) || ENDS_NET.test(cellOf(rest)));
    const candidate = isNet ? { ...first, field: 'subtotal' as const } : (fitting ?? first);

    const isTranslation =
      TRANSLATED.test(line.slice(0, candidate.start)) &&
      !all.some((other) => other.start < candidate.start && other.field !== candidate.field);
    const atStart = candidate.start <= opensWith || isTranslation;
    const placed = atStart || /\s{2}$/.test(line.slice(0, candidate.start));
    const gap = (after?.groups?.gap ?? '').length >= 2;
    const hash = after?.groups?.hash !== undefined;
    const bare = rest === '' || gap || hash || fitting !== undefined;
    if (!colon && !(placed && bare)) continue;
    const strong = placed || lineIsLabelled;
    const before = line.slice(0, candidate.start);
    const revision = OUTDATED.test(before) || OUTDATED.test(addendum) ? 'old' : candidate.revision;
    const isTail = !strong && found.length === 0 && BEHIND_WORD.test(before) && !ARTICLE.test(before);
    const qualified = isTail || revision === 'old';
    lineIsLabelled ||= atStart;
    from = valueStart;
    found.push({
      ...candidate,
      valueStart,
      strong,
      qualified,
      revision,
      addendum,
      colon,
      end: line.length,
      value: '',
    });
  }
  const named = found.map((label, index) => {
    const end = found[index + 1]?.start ?? line.length;
    return { ...label, end, value: line.slice(label.valueStart, end).trim() };
  });
  // Behind several names, there stands another one.
  const areNames =
    named.length > 2 &&
    named.every(({ colon, value }, index) => !colon && (value === '' || index === named.length - 1));
  return areNames ? named.map((label) => (/\d/.test(label.value) ? label : { ...label, value: '' })) : named;
}

/** Whether a label behind another one says something else: "Order / Quote No.", and not "Ship to / bill to". */
function saysElse(other: Candidate, { field, end }: Candidate, reach: number): boolean {
  const isBehind = other.start > end && other.start < end + reach;
  return isBehind && other.field !== field && (other.field !== null || field !== 'ship_to');
}

/** Every place where a label's words stand, from the left, the longest first. */
export function candidates(line: string): Candidate[] {
  return LABELS.flatMap(({ field, rank, pattern }) =>
    Array.from(line.matchAll(pattern), (match) => ({
      field,
      rank,
      label: match.groups?.label ?? match[0],
      revision: match.groups?.new === undefined ? null : ('new' as const),
      start: match.index,
      end: match.index + match[0].length,
    })),
  ).sort((a, b) => a.start - b.start || b.end - a.end);
}

/** The text up to the next column. */
export function cellOf(text: string): string {
  return text.split(/\s{3,}/, 1)[0]?.trim() ?? '';
}

export function isDateField(field: LabelField | null): field is DateField {
  return field === 'order_date' || field === 'due_date';
}

export function isMoneyField(field: LabelField | null): field is MoneyField {
  return (MONEY_FIELDS as readonly (LabelField | null)[]).includes(field);
}
