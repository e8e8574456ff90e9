import { type Attachment, type EmailMessage, shown } from '../mail/message.ts';
import { toUnits } from './decimal.ts';
import { type Document, readDocument, type Statement } from './document.ts';
import { isDateField, isMoneyField, type LabelField, type Revision } from './labels.ts';
import { postalCodesIn } from './layout.ts';
import { same } from './reconcile.ts';
import { cutRegions, wholeText } from './regions.ts';

/** What of an email the order is read from. */
export type Mail = Pick<
  EmailMessage,
  'subject' | 'sent_on' | 'text' | 'html_used' | 'attachments' | 'warnings'
>;

/** Notes something that a person should know. */
export type Warn = (code: string, field: string | null, message: string) => void;

/**
 * The documents of an email that speak of its order, the most trusted first: the own message, attachments that name an
 * order, those that name none, and only if none of these has an order, the first message below that has one.
 */
export function chooseDocuments(mail: Mail, warn: Warn): Document[] {
  const [own, ...below] = cutRegions(mail.text, mail.subject);
  const body = own ? [readDocument(own, mail.html_used ? 'html' : 'body', mail.sent_on)] : [];
  const attached: Document[] = [];
  for (const attachment of mail.attachments) {
    if (attachment.error) warn('ATTACHMENT_UNREADABLE', null, attachmentProblem(attachment));
    if (attachment.text === null) continue;
    const document = readDocument(
      wholeText(attachment.text),
      `attachment ${attachment.name ?? attachment.index + 1}`,
      mail.sent_on,
    );
    const isRead = document.tables.rows.length > 0 || hasOrder(document);
    if (!isAnother(document, [...body, ...attached], warn) && isRead) attached.push(document);
  }
  // Terms and quotations speak of amounts, too.
  const isUnnamed = (document: Document) => Number(numberOf(document) === undefined);
  const documents = [...body, ...attached.sort((a, b) => isUnnamed(a) - isUnnamed(b))];

  const isWanted = !documents.some(hasOrder);
  const older = below
    .filter(({ kind }) => isWanted || kind === 'forwarded')
    .map((region) => ({ kind: region.kind, document: readDocument(region, 'forwarded message', null) }));
  const forwarded = isWanted ? older.find(({ document }) => hasOrder(document)) : undefined;
  if (forwarded) documents.push(forwarded.document);
  if (forwarded?.kind === 'quoted') {
    const message = 'the order was read from a quoted message: the sender may not be placing it again';
    warn('ORDER_IS_QUOTED', null, message);
  }
  for (const { kind, document } of older) if (kind === 'forwarded') isAnother(document, documents, warn);
  return documents;
}

/** Whether a document is about another order than those before it. If so, that is said. */
function isAnother(document: Document, others: readonly Document[], warn: Warn): boolean {
  const number = numberOf(document);
  const known = others.map(numberOf).find((other) => other !== undefined);
  if (!number || !known || isSameNumber(number, known)) return false;
  const message = `the ${document.source} is about order ${shown(number)}, not ${shown(known)}, and was left out`;
  warn('OTHER_ORDER', 'po_number', message);
  return true;
}

function hasOrder(document: Document): boolean {
  return document.statements.some(({ field }) => field === 'po_number' || field === 'total');
}

/** Whether two order numbers are the same but for capitals and a "PO" in front. */
function isSameNumber(a: string, b: string): boolean {
  const bare = (number: string) => number.toUpperCase().replace(/^P\.?O\.?[-_ #]?(?=\S*\d)/, '');
  return bare(a) === bare(b);
}

/** The order that a document is about. */
export function numberOf(document: Document): string | undefined {
  return candidates(document, 'po_number')[0]?.value;
}

/**
 * What a document states for a field under its best label: as it was changed, if it says so; within sentences, or as it was
 * before, only if nowhere else.
 */
function candidates(document: Document, field: LabelField): readonly Statement[] {
  const stated = document.statements.filter((statement) => statement.field === field);
  const of = (revision: Revision) => stated.filter((statement) => statement.revision === revision);
  const all = [of('new'), of(null), of('old')].find(({ length }) => length > 0) ?? [];
  const strong = all.filter((statement) => statement.strong);
  const placed = strong.length > 0 ? strong : all;
  // A vendor may have a number beside its name.
  const named = field === 'vendor' ? placed.filter(({ value }) => /\p{L}/u.test(value)) : [];
  const best = named.length > 0 ? named : placed;
  const rank = Math.min(...best.map((statement) => statement.rank));
  return best.filter((statement) => statement.rank === rank);
}

/** Of several statements, the one that adds up to what is expected unless another is larger, else the last amount, else the first text. */
export function pick(
  document: Document,
  field: LabelField,
  expected: string | null,
  warn: Warn,
): Statement | undefined {
  const stated = document.statements.filter(
    (statement) => statement.field === field && statement.strong && statement.revision !== 'old',
  );
  const all = candidates(document, field);
  const isRevised = all[0]?.revision === 'new';
  const fitting = expected === null ? undefined : stated.findLast(({ value }) => same(value, expected));
  const isLargest = stated.every(({ value }) => !fitting || toUnits(value) <= toUnits(fitting.value));
  if (fitting && isLargest && !isRevised) return fitting;
  const first = all[0]?.value ?? '';
  // Another number is another order, whatever it is called; what fits may be the sum of a part. What is delivered on one day and
  // "due" on another is perhaps paid then.
  const areRivals = fitting || isRevised || field === 'po_number';
  const days = field === 'due_date' ? stated.filter(({ rank }) => rank <= WHEN_NEEDED) : [];
  const rivals = areRivals ? [...all, ...stated] : [...all, ...days];
  const others = rivals.map(({ value }) => value).filter((value) => contradict(field, first, value));
  if (others.length > 0) {
    const listed = [...new Set([first, ...others])].slice(0, 5).join(', ');
    warn('SEVERAL_VALUES', field, `the ${document.source} states several values for ${field}: ${listed}`);
  }
  return isMoneyField(field) ? all.at(-1) : all[0];
}

/** The labels of a due date up to this rank say when goods are needed, others when they may come. */
const WHEN_NEEDED = 2;

/** Whether two values of a field cannot both be right. */
export function contradict(field: LabelField, a: string, b: string): boolean {
  if (field === 'po_number') return !isSameNumber(a, b);
  if (isDateField(field) || isMoneyField(field)) return a !== b;
  // Two texts may say the same in other words, unless they have nothing in common that matters.
  const [these = [], those = []] = [a, b].map((text) => WHAT_MATTERS[field]?.(text) ?? []);
  return these.length > 0 && those.length > 0 && !these.some((each) => those.includes(each));
}

const WHAT_MATTERS: Partial<Record<LabelField, (text: string) => readonly string[]>> = {
  vendor: (name) => name.toLowerCase().match(/\p{L}{2,}/gu) ?? [],
  ship_to: postalCodesIn,
  payment_terms: (terms) => terms.match(/\d+/g) ?? [],
};

/** Why an attachment was not read, in one sentence. */
function attachmentProblem({ index, name, error }: Attachment): string {
  return `attachment ${name === null ? index + 1 : shown(name)} could not be read: ${error?.message ?? 'no reason given'}`;
}
