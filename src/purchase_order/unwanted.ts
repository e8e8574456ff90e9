import { shown } from '../mail/message.ts';
import { type Mail, numberOf } from './choose.ts';
import type { Document } from './document.ts';
import { readHeading } from './headings.ts';
import type { OrderFields, OrderWarning } from './order.ts';

/** Something is cancelled, and not only may be. */
const CANCELLED =
  /(?<!\bbe\s)\bcancell?ed(?:\W*$|\s{2})|\b(?:please|kindly)\scancel\b|\b(?:is|are|was|were|been)\s(?:now\s|hereby\s)?cancell?ed\b/i;
/** Another number or day holds than what is written down: "increase item 1 to 60", "by 23 June instead of the 30th". */
const CHANGED = new RegExp(
  [
    String.raw`\b(?:increased?|reduced?|decreased?|changed?|amend(?:ed)?|revised?)\b.{0,60}\bto\s.{0,15}\d`,
    String.raw`\b(?:delivery|date|qty|quantity|price)\b.{0,40}\b(?:(?:is|are) now|moved?|postponed|brought forward)\b.{0,15}\d`,
    String.raw`\bmake (?:it|that) \d`,
    String.raw`\d\S*(?:\s\S{1,20}){0,3}\s(?:instead of|rather than)\s(?:\S{1,20}\s){0,3}\S{0,9}\d`,
  ].join('|'),
  'i',
);
/** What stands above a table of other items: "Not ordered, for information only:", "Items of our last order:" */
const TITLE_OF_OTHERS =
  /\b(?:not ordered|not (?:a )?part of|for (?:information|reference)|(?:last|previous|earlier) orders?)\b.{0,60}$/i;
/** "Stand (optional)", "Alternative to 1: Pump" */
const UNORDERED = /\bnot (?:yet )?ordered\b|\(optional\b|^(?:optional|option|alternative)\b.{0,20}:/i;
/** What names an order, and is none. */
const OTHER =
  '(?:draft|(?:(?:pro[- ]?forma|tax|commercial|sales) )?invoice|quotation|credit (?:note|memo)|(?:sales )?order (?:confirmation|acknowledge?ment)|delivery note|packing (?:slip|list)|request for quot(?:e|ation))';
const OTHER_TITLE = new RegExp(String.raw`^\W*${OTHER}\W*$`, 'i');
const OTHER_SUBJECT = new RegExp(
  String.raw`^(?:(?:re|fwd?|aw|wg):\s*)*${OTHER}\b(?! (?:request(?:ed)?|required|needed))`,
  'i',
);
/** A title stands among the first lines. */
const TITLE_LINES = 15;

/** What is not wanted any more, or never was, is read all the same. */
export function findUnwanted(
  mail: Mail,
  documents: readonly Document[],
  { line_items }: OrderFields,
): OrderWarning[] {
  const subject = mail.subject ?? '';
  const warning = (code: string, what: string, source: string, text: string) => ({
    code,
    field: null,
    message: `${what}: the ${source} says ${shown(text.trim())}`,
  });
  const cancelled = (source: string, text: string) =>
    warning('CANCELLED', 'something may have been cancelled', source, text);
  const changed = (source: string, text: string) =>
    warning('CHANGED', 'something may have been changed in words', source, text);
  const unordered = (source: string, text: string) =>
    warning('ROW_NOT_ORDERED', 'a table may hold what is not ordered', source, text);
  const other = (source: string, text: string) =>
    warning('NOT_A_PURCHASE_ORDER', 'this may be no purchase order', source, text);
  return [
    ...(/\bcancel/i.test(subject) ? [cancelled('subject', subject)] : []),
    ...(OTHER_SUBJECT.test(subject) ? [other('subject', subject)] : []),
    ...documents.flatMap((document) => {
      const lines = document.text.split('\n');
      const title = lines.slice(0, TITLE_LINES).find((line) => OTHER_TITLE.test(line));
      const line = lines.find((each) => CANCELLED.test(each));
      const change = lines.find((each) => CHANGED.test(each));
      const table = lines.find((each, index) => {
        if (!TITLE_OF_OTHERS.test(each)) return false;
        const next = lines.slice(index + 1).find((below) => below.trim() !== '');
        return next !== undefined && readHeading(next) !== null;
      });
      return [
        ...(table === undefined ? [] : [unordered(document.source, table)]),
        ...(change === undefined ? [] : [changed(document.source, change)]),
        ...(line === undefined ? [] : [cancelled(document.source, line)]),
        ...(title === undefined || !numberOf(document) ? [] : [other(document.source, title)]),
      ];
    }),
    ...line_items
      .filter(({ description }) => UNORDERED.test(description))
      .slice(0, 1)
      .map(({ description }) => ({
        code: 'ROW_NOT_ORDERED',
        field: 'line_items',
        message: `a line item may not be ordered: ${shown(description)}`,
      })),
  ];
}
