import { basename, dirname, join } from 'node:path';
import { ConnectorError } from '../errors.ts';
import { beginningOf } from '../json.ts';
import { sentOn } from './dates.ts';
import { readInside } from './file.ts';
import { type Attachment, type EmailMessage, type Notice, shown } from './message.ts';
import type { MimeMessage, MimePart } from './mime.ts';
import { isPdf, PDF_LIMITS, readPdf } from './pdf.ts';
import { clean, cleanLine, decode, isMime, readHeaders } from './text.ts';

const TEXT_BYTES = 10 * 1024 * 1024;
const MIME_BYTES = 25 * 1024 * 1024;
const TEXT_LENGTH = 200_000;
const TEXT_LINES = 5_000;
/** So much is looked at to see whether a file begins with headers and a blank line. */
const HEAD_LENGTH = 256 * 1024;
const HEADERS = /^\s*(?:From .*\n)?(?:[^\s:]+[ \t]*:.*\n(?:[ \t].*\n)*)+(?:\n|$)/;
const KNOWN_HEADER = /^(?:from|to|subject|date|received|return-path|message-id|content-\S+)[ \t]*:/im;
/** So many PDFs are read, and so many HTML files: some programs put empty ones between the others. */
const PARSED_COUNT = 5;
const ATTACHMENT_COUNT = 100;
/** What comes along with mails and holds no order: logos, voices, signatures, cards, appointments. */
const DECORATION = /^(?:image|audio|video)\/|signature$|^text\/(?:calendar|(?:x-)?vcard)$/i;

/** An attachment: its bytes, or why there are none. */
type Part = MimePart | (Pick<MimePart, 'name' | 'type'> & { readonly error: Notice });

/** Reads an email from a file: headers, text, and the text of its PDFs. */
export async function readEmail(
  roots: readonly string[],
  path: string,
  signal: AbortSignal,
): Promise<EmailMessage> {
  const bytes = await readInside(roots, path, largestEmail(path));
  signal.throwIfAborted();
  const text = decode(bytes, path);
  if (text.trim() === '')
    throw new ConnectorError('EMAIL_EMPTY', `${shown(path)} is empty. Save the email again.`);

  // Its parsers take 12 MB, and a runner that reads no .eml does without.
  const { readMime } = isMessage(path, text) ? await import('./mime.ts') : { readMime: undefined };
  const mime = readMime ? await readMime(withoutMark(bytes, text), path) : null;
  const { headers, text: body, htmlUsed } = mime ?? plainMessage(text);
  const parts = mime?.parts ?? (await partsBeside(roots, path, headers.get('attachment')));
  const warnings: Notice[] = [...(mime?.warnings ?? [])];
  const header = (name: string) => {
    const value = cleanLine(headers.get(name));
    if (value !== null) noteLoss(value, `the header "${name}"`, warnings);
    return value;
  };
  const message = {
    source: path,
    subject: header('subject'),
    from: header('from'),
    to: header('to'),
    cc: header('cc'),
    message_id: header('message-id'),
    ...dateOf(headers, warnings),
    text: readable(body, 'the text', warnings).trim(),
    html_used: htmlUsed,
    attachments: await readAttachments(parts, warnings, signal),
    warnings,
  };
  if (message.text === '' && parts.length === 0 && !mime?.warnings.length) {
    throw new ConnectorError(
      'EMAIL_NO_BODY',
      `${shown(path)} has headers, but no text. Save the email again.`,
    );
  }
  return message;
}

/** How many bytes an email of that name may have. */
export function largestEmail(path: string): number {
  return isEml(path) ? MIME_BYTES : TEXT_BYTES;
}

/** The PDFs that have to lie beside an email, because it only names them. */
export function pdfsBeside(bytes: Uint8Array, path: string): string[] {
  const text = decode(bytes, path);
  return isMessage(path, text) ? [] : pdfNames(plainMessage(text).headers.get('attachment'));
}

function isEml(path: string): boolean {
  return /\.eml$/i.test(path);
}

/** An internet message and no plain text: what it holds counts before what it is called. */
function isMessage(path: string, text: string): boolean {
  if (isMime(text)) return true;
  if (!isEml(path)) return false;
  const head = text.slice(0, HEAD_LENGTH).replace(/\r\n?/g, '\n');
  // Headers without end are for the parser to refuse.
  const isEndless = text.length > HEAD_LENGTH && !head.includes('\n\n');
  return isEndless || KNOWN_HEADER.test(HEADERS.exec(head)?.[0] ?? '');
}

function plainMessage(text: string): Omit<MimeMessage, 'parts' | 'warnings'> {
  const { headers, body } = readHeaders(clean(text));
  return { headers, text: body, htmlUsed: false };
}

/** The parser takes bytes, for the sake of their character sets; a byte order mark or a blank line would hide the headers. */
function withoutMark(bytes: Uint8Array, text: string): Uint8Array {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isUtf16) return new TextEncoder().encode(text.trimStart());
  const bare = bytes[0] === 0xef && bytes[1] === 0xbb ? bytes.subarray(3) : bytes;
  return bare.subarray(
    Math.max(
      0,
      bare.findIndex((byte) => byte !== 0x0a && byte !== 0x0d),
    ),
  );
}

function dateOf(
  headers: ReadonlyMap<string, string>,
  warnings: Notice[],
): Pick<EmailMessage, 'date' | 'sent_on'> {
  const date = cleanLine(headers.get('date'));
  const sent_on = date === null ? null : sentOn(date);
  if (date !== null && sent_on === null) {
    warnings.push({
      code: 'DATE_UNREADABLE',
      message: `the Date header ${shown(date)} names no day of the calendar`,
    });
  }
  return { date, sent_on };
}

/** The text without what does harm. What gets lost is said. */
function readable(text: string, what: string, warnings: Notice[]): string {
  const pdf = text.search(/^%PDF-\d\.\d/m);
  if (pdf >= 0) {
    const message = `${what} holds a PDF as if it were text, which was not read: it has to be attached as a file`;
    warnings.push({ code: 'PDF_CUT', message });
  }
  const cleaned = clean(text.slice(0, pdf < 0 ? 2 * TEXT_LENGTH : pdf));
  noteLoss(cleaned, what, warnings);
  const lines = cleaned.split('\n', TEXT_LINES + 1);
  if (cleaned.length <= TEXT_LENGTH && lines.length <= TEXT_LINES) return cleaned;
  const message = `only the first ${TEXT_LENGTH} characters or ${TEXT_LINES} lines of ${what} were read`;
  warnings.push({ code: 'TEXT_CUT', message });
  return beginningOf(lines.slice(0, TEXT_LINES).join('\n'), TEXT_LENGTH);
}

function noteLoss(text: string, what: string, warnings: Notice[]): void {
  if (!text.includes('\ufffd')) return;
  warnings.push({
    code: 'CHARACTERS_LOST',
    message: `some characters of ${what} could not be decoded; \ufffd stands for them`,
  });
}

function pdfNames(header = ''): string[] {
  const names = header.split(/[,;]/).map((name) => basename(name.trim().replaceAll('\\', '/')));
  return names.filter((name) => /\.pdf$/i.test(name)).slice(0, ATTACHMENT_COUNT);
}

/** The PDFs that an `Attachment:` line of a .txt names. They lie beside it, whatever folder the line says. */
async function partsBeside(roots: readonly string[], path: string, header?: string): Promise<Part[]> {
  return Promise.all(
    pdfNames(header).map(async (name): Promise<Part> => {
      const type = 'application/pdf';
      try {
        const bytes = await readInside(roots, join(dirname(path), name), PDF_LIMITS.bytes);
        return { name, type, bytes, text: null };
      } catch (error) {
        if (!(error instanceof ConnectorError)) throw error;
        const code = error.code.replace(/^EMAIL_/, 'ATTACHMENT_');
        return { name, type, error: { code, message: error.message.replace(/\.$/, '') } };
      }
    }),
  );
}

/** One after the other, so that one email never takes more than one thread. What is neither text nor PDF is only listed. */
async function readAttachments(
  parts: readonly Part[],
  warnings: Notice[],
  signal: AbortSignal,
): Promise<Attachment[]> {
  if (parts.length > ATTACHMENT_COUNT) {
    const message = `only the first ${ATTACHMENT_COUNT} of ${parts.length} attachments were looked at`;
    warnings.push({ code: 'ATTACHMENTS_CUT', message });
  }
  const attachments: Attachment[] = [];
  let pdfs = 0;
  let pages = 0;
  for (const [index, part] of parts.slice(0, ATTACHMENT_COUNT).entries()) {
    const name = cleanLine(part.name, 200);
    const listed = {
      index,
      name,
      type: cleanLine(part.type) ?? 'unknown',
      size: 'bytes' in part ? part.bytes.length : 0,
    };
    const what = `attachment ${name === null ? index + 1 : shown(name)}`;
    if ('error' in part) {
      attachments.push({ ...listed, text: null, error: part.error });
    } else if (part.text !== null) {
      attachments.push({ ...listed, text: readable(part.text, what, warnings), error: null });
    } else if (claimsToBePdf(part) && pdfs >= PARSED_COUNT) {
      const error = { code: 'PDF_TOO_MANY', message: `only ${PARSED_COUNT} PDFs of an email are read` };
      attachments.push({ ...listed, text: null, error });
    } else if (claimsToBePdf(part)) {
      pdfs += 1;
      const { text, error, note } = await readPdf(part.bytes, signal);
      if (note !== null) warnings.push({ code: 'TEXT_CUT', message: `${note} of ${what}` });
      attachments.push({ ...listed, text: text === null ? null : readable(text, what, warnings), error });
    } else if (part.type === 'text/plain' || /\.txt$/i.test(name ?? '')) {
      attachments.push({ ...listed, ...readText(part.bytes, what, warnings) });
    } else if (isHtml(part) && pages < PARSED_COUNT) {
      pages += 1;
      const { htmlToText } = await import('./html.ts');
      const asText = (html: string) => {
        const { text, isCut } = htmlToText(html);
        if (isCut)
          warnings.push({
            code: 'HTML_CUT',
            message: `some of ${what} was left out: it is too long or too deep`,
          });
        return text;
      };
      attachments.push({ ...listed, ...readText(part.bytes, what, warnings, asText) });
    } else {
      attachments.push({ ...listed, text: null, error: null });
      if (!DECORATION.test(part.type))
        warnings.push({ code: 'ATTACHMENT_NOT_READ', message: `${what} is not read: ${whyNotRead(part)}` });
    }
  }
  return attachments;
}

function claimsToBePdf({ name, type, bytes }: MimePart): boolean {
  return isPdf(bytes) || type === 'application/pdf' || /\.pdf$/i.test(name ?? '');
}

function isHtml({ name, type }: MimePart): boolean {
  return type === 'text/html' || /\.html?$/i.test(name ?? '');
}

function readText(
  bytes: Uint8Array,
  what: string,
  warnings: Notice[],
  asText = (text: string) => text,
): Pick<Attachment, 'text' | 'error'> {
  try {
    return { text: readable(asText(decode(bytes, what)), what, warnings), error: null };
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return { text: null, error: { code: 'ATTACHMENT_NOT_TEXT', message: 'it is no text' } };
  }
}

function whyNotRead(part: MimePart): string {
  const { name, type } = part;
  if (isHtml(part)) return `only ${PARSED_COUNT} HTML files of an email are`;
  if (type === 'message/rfc822') return 'it is attached to an attached message; forward it alone';
  return /ms-tnef/i.test(type) || /^winmail\.dat$/i.test(name ?? '')
    ? 'Outlook has packed the real attachments into it; ask for the mail as HTML or plain text'
    : 'only PDFs, plain text, HTML and messages are; ask for a PDF';
}
