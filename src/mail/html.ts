import { convert, type HtmlToTextOptions } from 'html-to-text';

const LENGTH = 1_000_000;
/** Stands where something was left out. No mail has it: it is a character for private use. */
const LEFT_OUT = '\u{f8fff}';
/** What begins a line of its own, too. */
const BLOCKS = [
  'dl',
  'dt',
  'dd',
  'address',
  'center',
  'fieldset',
  'legend',
  'figure',
  'figcaption',
  'summary',
];
/** Outlook sets its paragraphs without space between them. */
const CLOSE = ['p[class^="Mso"]', 'p[style*="margin-bottom:0"]'];
/** What nobody sees, and what was struck out. */
const NOT_SHOWN = [
  '[hidden]',
  '[style*="display:none"]',
  '[style*="visibility:hidden"]',
  's',
  'strike',
  'del',
  '[style*="line-through"]',
  '[data-line-through]',
];
/** The classes that a style sheet within the mail strikes out. */
const STRUCK_CLASS = /\.([\w-]{1,60})\s{0,9}\{[^{}]{0,500}line-through/gi;
const CLASSES = /\bclass\s{0,9}=\s{0,9}(?:"([^"<>]{0,500})"|'([^'<>]{0,500})'|([\w-]{1,60}))/gi;

/** The converter of tables looks at no style of their rows and cells. */
const UNSEEN = '[^<>]{0,900}(?:display:none|visibility:hidden|line-through)[^<>]{0,900}>';
const ROW = new RegExp(String.raw`<tr\b${UNSEEN}(?:(?!<\/?(?:tr|table)\b)[\s\S])*<\/tr>`, 'gi');
const TABLE_CELL = new RegExp(
  String.raw`(<t[dh]\b)${UNSEEN}(?:(?!<\/?(?:t[rdh]|table)\b)[\s\S])*(?=<\/t[dh]>)`,
  'gi',
);
/** A quotation has a border; without one, mail programs only indent. Outlook sets none before it sets one. */
const INDENTED = 'blockquote[style*="border:none"]';
const QUOTED = `${INDENTED}[style*="border-"]`;
const INLINE = '(?:span|b|strong|label|em|i|font)';
/** The words that a block begins with, up to the end of their markup, and what begins right behind it: a style keeps them apart. */
const TOUCHING = new RegExp(
  String.raw`(?<=<(?!\/?${INLINE}\b)[^<>]{1,500}>\s{0,99}(?:<${INLINE}\b[^<>]{0,500}>){1,9}(?:[^<>]{0,80}[:)#]|[^<>]{2,80}(?:\p{Ll}|\p{L}\.)))` +
    String.raw`((?:<\/${INLINE}>){1,9})(?=(?:<${INLINE}\b[^<>]{0,500}>){0,9}[\p{Lu}\d\p{Sc}])`,
  'gu',
);
const OPTIONS: HtmlToTextOptions = {
  wordwrap: false,
  baseElements: { selectors: [] }, // a mail may have text outside its body, and several bodies
  limits: { maxDepth: 200, maxInputLength: LENGTH, ellipsis: LEFT_OUT },
  selectors: [
    {
      selector: 'table',
      format: 'dataTable',
      options: { uppercaseHeaderCells: false, maxColumnWidth: 200, colSpacing: 3 },
    },
    ...[...BLOCKS, INDENTED].map((selector) => ({ selector, format: 'block' })),
    ...CLOSE.map((selector) => ({
      selector,
      format: 'block',
      options: { leadingLineBreaks: 1, trailingLineBreaks: 1 },
    })),
    { selector: QUOTED, format: 'blockquote' },
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'img', format: 'skip' },
    { selector: 'title', format: 'skip' },
    ...NOT_SHOWN.map((selector) => ({ selector, format: 'skip' })),
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
};

/** The visible text of HTML. The columns of its tables stay apart, so that they read like those of a text. */
export function htmlToText(html: string): { readonly text: string; readonly isCut: boolean } {
  const bare = html.replace(/\bdata:[^"'\s>)]{1000,}/g, ''); // pictures
  const struck = new Set(Array.from(bare.matchAll(STRUCK_CLASS), ([, name]) => name));
  const plain = bare
    .slice(0, LENGTH)
    .replace(CLASSES, (classes, ...names: (string | undefined)[]) => {
      const all = names.slice(0, 3).join('').split(/\s+/);
      return all.some((name) => struck.has(name)) ? `data-line-through=1 ${classes}` : classes;
    })
    .replace(/\bstyle\s{0,9}=\s{0,9}(?:"[^"]{0,5000}"|'[^']{0,5000}')/gi, (style) =>
      style.replace(/\s+/g, '').toLowerCase(),
    )
    .replace(ROW, '')
    .replace(TABLE_CELL, '$1>')
    .replace(/\u200b|&(?:#8203|#x200b|ZeroWidthSpace);/gi, '') // would count as a blank
    .replace(TOUCHING, '$1&nbsp;&nbsp;&nbsp;')
    .replace(/<sup\b[^<>]{0,200}>\s{0,9}(?=\d)/gi, '$&^'); // $10^00, A-100^1: no digits of what they stand behind
  const text = convert(plain, OPTIONS);
  return { text: text.replaceAll(LEFT_OUT, ''), isCut: bare.length > LENGTH || text.includes(LEFT_OUT) };
}

/** Whether HTML has a table with at least three columns: plain-text versions rarely keep those apart. */
export function hasTable(html: string): boolean {
  return /<t[dh]\b[^>]{0,500}>(?:(?!<\/tr\b)[\s\S]){0,2000}?<t[dh]\b[^>]{0,500}>(?:(?!<\/tr\b)[\s\S]){0,2000}?<t[dh]\b/i.test(
    html,
  );
}
