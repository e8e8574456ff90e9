import PostalMime, { type Address, decodeWords, type Email } from 'postal-mime';
import { ConnectorError, messageOf } from '../errors.ts';
import { hasTable, htmlToText } from './html.ts';
import { type Notice, shown } from './message.ts';
import { isMime, undoMisreading } from './text.ts';

/** A message taken apart: headers by lower-case name, one text, and the bytes of its attachments. */
export interface MimeMessage {
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
  readonly htmlUsed: boolean;
  readonly parts: readonly MimePart[];
  readonly warnings: readonly Notice[];
}

export interface MimePart {
  readonly name: string | null;
  readonly type: string;
  readonly bytes: Uint8Array;
  /** What an attached message says; its own attachments follow it in the list. */
  readonly text: string | null;
}

const MESSAGE = 'message/rfc822';
const BOUNDARIES = 1_000;
const PARSER_LINES = 50_000;
const HEADER_BYTES = 256 * 1024;

/** Takes an internet message apart, and messages attached to it; the first of repeated headers counts. */
export async function readMime(bytes: Uint8Array, source: string, isAttached = false): Promise<MimeMessage> {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  refuseFloods(raw, source);
  const email = await PostalMime.parse(bytes, { maxNestingDepth: 20, maxHeadersSize: HEADER_BYTES }).catch(
    (error) => {
      throw new ConnectorError(
        'EMAIL_DAMAGED',
        `${shown(source)} is not a readable email: ${messageOf(error)}.`,
        { cause: error },
      );
    },
  );
  const { text, htmlUsed, isCut } = chooseText(email);
  const warnings: Notice[] = [];
  if (isCut)
    warnings.push({ code: 'HTML_CUT', message: 'some of the HTML was left out: it is too long or too deep' });
  if (!hasEnd(email, raw))
    warnings.push({ code: 'MESSAGE_CUT', message: 'the end of the message is missing: it was cut off' });
  const guessed = guessedCharset(email, raw);
  if (guessed !== undefined)
    warnings.push({
      code: 'CHARACTERS_LOST',
      message: `some characters of the mail may be others: the character set ${shown(guessed)} is not known`,
    });
  const parts: MimePart[] = [];
  for (const { filename: name, mimeType, content } of email.attachments) {
    const own = typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content);
    const type = isSavedMessage(name, own) ? MESSAGE : mimeType;
    const inner = type === MESSAGE && !isAttached ? await readMime(own, source, true) : null;
    parts.push({ name, type, bytes: own, text: inner?.text ?? null }, ...(inner?.parts ?? []));
    warnings.push(...(inner?.warnings ?? []));
  }
  return { headers: headersOf(email), text, htmlUsed, parts, warnings };
}

/** A message may come as a mere file. */
function isSavedMessage(name: string | null, bytes: Uint8Array): boolean {
  return (
    /\.eml$/i.test(name ?? '') && isMime(Buffer.from(bytes.subarray(0, HEADER_BYTES)).toString('latin1'))
  );
}

const PARTS = /^--\S/gm;
/** Lines that are not base64. */
const LINES = /(?<![^\n])(?![A-Za-z0-9+/=]{60,100}\r?\n)[^\n]*\n/g;

/** The parser needs 10 µs for a line and 60 µs for a part, on our thread: hundreds of thousands would stop the runner. */
function refuseFloods(raw: string, source: string): void {
  if (isMore(raw, PARTS, BOUNDARIES)) {
    throw new ConnectorError(
      'EMAIL_TOO_MANY_PARTS',
      `${shown(source)} has more than ${BOUNDARIES} parts. Forward the order alone.`,
    );
  }
  if (isMore(raw, LINES, PARSER_LINES)) {
    throw new ConnectorError(
      'EMAIL_TOO_LARGE',
      `${shown(source)} has more than ${PARSER_LINES} lines of text. Forward the order alone.`,
    );
  }
}

/** Does the pattern occur more often than that? Counts no further. */
function isMore(text: string, pattern: RegExp, most: number): boolean {
  let found = 0;
  for (const _ of text.matchAll(pattern)) if (++found > most) return true;
  return false;
}

/** A message of several parts says where it ends. */
function hasEnd({ headers }: Email, raw: string): boolean {
  const type = headers.find(({ key }) => key === 'content-type')?.value ?? '';
  const boundary = /^multipart\/.{0,500}?;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/is.exec(type);
  return boundary === null || raw.includes(`--${boundary[1] ?? boundary[2]}--`);
}

/** A character set that the parser does not know, so that it has taken Windows-1252, where that matters. */
function guessedCharset({ text = '', html = '', subject = '' }: Email, raw: string): string | undefined {
  const isPlain = (part: string) => /^[\0-\x7f]*$/.test(part) || undoMisreading(part) !== part;
  if ([text, html, subject].every(isPlain)) return undefined;
  const names = new Set(Array.from(raw.matchAll(CHARSET), ([, name = '']) => name.toLowerCase()));
  return [...names].slice(0, CHARSETS).find((name) => !isKnown(name));
}

const CHARSET = /(?:\bcharset\s{0,9}=\s{0,9}["']?|=\?(?=[^?\s]{1,40}\?[qb]\?))([\w.:-]{1,40})/gi;
const CHARSETS = 100;

function isKnown(charset: string): boolean {
  try {
    new TextDecoder(charset);
    return true;
  } catch {
    return decodeWords(`=?${charset}?Q?=A4=FC?=`) !== '¤ü'; // names that the parser knows besides
  }
}

/** The plain text, unless the HTML has what the plain text has not: a table, or most of the letters. */
function chooseText(email: Email): { text: string; htmlUsed: boolean; isCut: boolean } {
  const text = undoMisreading(email.text ?? '');
  if (email.html === undefined) return { text, htmlUsed: false, isCut: false };
  const html = undoMisreading(email.html);
  const { text: fromHtml, isCut } = htmlToText(html);
  const isPoor = letters(text) * 2 < letters(fromHtml) || letters(text) === 0;
  return isPoor || (hasTable(html) && letters(fromHtml) > 0)
    ? { text: fromHtml, htmlUsed: true, isCut }
    : { text, htmlUsed: false, isCut: false };
}

function letters(text: string): number {
  return text.match(/[\p{L}\p{N}]/gu)?.length ?? 0;
}

function headersOf(email: Email): Map<string, string> {
  const headers = new Map<string, string>();
  for (const { key, value } of email.headers) if (!headers.has(key)) headers.set(key, value);
  const decoded = {
    subject: email.subject,
    from: email.from && addressText(email.from),
    to: addresses(email.to),
    cc: addresses(email.cc),
  };
  for (const [name, value] of Object.entries(decoded)) if (value) headers.set(name, value);
  return headers;
}

function addresses(list: readonly Address[] = []): string {
  return list.map(addressText).join(', ');
}

function addressText({ name, address }: Address): string {
  if (!address) return name;
  return name && name !== address ? `${name} <${address}>` : address;
}
