import { convert, type HtmlToTextOptions } from 'html-to-text';

const LENGTH = 1_000_000;
const OPTIONS: HtmlToTextOptions = {
  wordwrap: false,
  limits: { maxDepth: 200, maxInputLength: LENGTH, ellipsis: '' },
  selectors: [
    {
      selector: 'table',
      format: 'dataTable',
      options: { uppercaseHeaderCells: false, maxColumnWidth: 200, colSpacing: 3 },
    },
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'img', format: 'skip' },
    { selector: '[hidden]', format: 'skip' },
    { selector: '[style*="display:none"]', format: 'skip' },
    { selector: '[style*="display: none"]', format: 'skip' },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
};

/** The visible text of HTML. The columns of its tables stay apart, so that they read like those of a text. */
export function htmlToText(html: string): string {
  return convert(html.slice(0, LENGTH), OPTIONS);
}

/** Whether HTML has a table with at least three columns: plain-text versions rarely keep those apart. */
export function hasTable(html: string): boolean {
  return /<t[dh]\b[^>]{0,500}>(?:(?!<\/tr\b)[\s\S]){0,2000}?<t[dh]\b[^>]{0,500}>(?:(?!<\/tr\b)[\s\S]){0,2000}?<t[dh]\b/i.test(
    html,
  );
}
