import { ConnectorError } from '../errors.ts';
import { beginningOf } from '../json.ts';
import { shown } from './message.ts';

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: removing them is the purpose.
const ESCAPE_SEQUENCES =
  /\u001b(?:\][^\u0007\u001b]{0,2000}(?:\u0007|\u001b\\)?|\[[0-?]{0,64}[ -/]{0,8}[@-~]|[@-_])/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: see above.
// What Windows-1252 has at 80 to 9F: some decoders, Node's among them, leave control characters there.
const WINDOWS = '€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ';
const INVISIBLE = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;
const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
const COMPATIBLE = /[\ufb00-\ufb06\uff01-\uff5e\uffe1\uffe5\uffe6]/g;

/**
 * Makes any text harmless and uniform: line feeds only, no control characters, escape sequences or text
 * direction marks, every kind of space a plain one, full-width letters and currencies, and ligatures, spelled out, no half
 * surrogate pairs. What is left can be stored in Postgres and shown on a console.
 */
export function clean(text: string): string {
  return text
    .replace(ESCAPE_SEQUENCES, '')
    .replace(/\r\n?|[\u2028\u2029\f\v]/g, '\n')
    .replace(/[\u0080-\u009f]/g, (character) => WINDOWS[character.charCodeAt(0) - 0x80] ?? '')
    .replace(CONTROLS, '')
    .replace(INVISIBLE, '')
    .replace(SPACES, ' ')
    .replace(COMPATIBLE, (character) => character.normalize('NFKC'))
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .normalize('NFC');
}

/** A header's value on one line, so many characters of it; null when there is nothing in it. */
export function cleanLine(text: string | null | undefined, length = 1000): string | null {
  const line = clean(text ?? '').replace(/\s+/g, ' ');
  return beginningOf(line.trim(), length) || null;
}

/**
 * Bytes to text: by the byte order mark, else UTF-8, and where that fails Windows-1252, unless most of it is UTF-8. Throws a
 * ConnectorError when it is no text.
 */
export function decode(bytes: Uint8Array, source: string): string {
  const text = decodeBytes(bytes);
  const head = text.slice(0, 100_000);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they tell text from something else.
  const strange = head.match(/[\u0000-\u0008\u000e-\u001a\u001c-\u001f\ufffd]/g)?.length ?? 0;
  if (bytes.subarray(0, 1024).includes(0x25) && /%PDF-\d/.test(text.slice(0, 1024))) {
    throw new ConnectorError(
      'EMAIL_NOT_TEXT',
      `${shown(source)} is a PDF, not an email. Name it in an "Attachment:" line of a .txt beside it.`,
    );
  }
  if (strange > 2 + head.length / 50) {
    throw new ConnectorError(
      'EMAIL_NOT_TEXT',
      `${shown(source)} is not a text file. Save the email as .txt or .eml.`,
    );
  }
  return text;
}

function decodeBytes(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const damaged = new TextDecoder('utf-8').decode(bytes);
    const lost = damaged.match(/\ufffd/g)?.length ?? 0;
    const kept = damaged.match(/[^\0-\x7f\ufffd]/g)?.length ?? 0;
    return kept > lost ? damaged : new TextDecoder('windows-1252').decode(bytes);
  }
}

/** UTF-8 that was taken for Windows-1252, as in "GrÃ¶ÃŸe", is read again; any other text stays what it is. */
export function undoMisreading(text: string): string {
  const single = text.replace(/[^\0-\xff]/g, (character) => {
    const index = WINDOWS.indexOf(character);
    return index < 0 ? character : String.fromCharCode(0x80 + index);
  });
  if (!/[\x80-\xff]/.test(single) || /[^\0-\xff]/.test(single)) return text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(single, 'latin1'));
  } catch {
    return text;
  }
}

const HEADER_NAMES = 'subject|from|to|cc|bcc|date|sent|reply-to|message-id|attachments?|importance|priority';
const HEADER_START = new RegExp(String.raw`^(${HEADER_NAMES})[ \t]*:`, 'i');
const NEXT_HEADER = new RegExp(String.raw`[ \t]+(?=(?:${HEADER_NAMES})[ \t]*:)`, 'gi');

/**
 * Splits a plain-text email into headers and body. People and converters write them in every way, so the
 * header ends at a blank line or at the first line that is none, and one line may hold several headers
 * (`From: … To: … Date: …`). Without any header, everything is body. The first of a name counts.
 */
export function readHeaders(text: string): { headers: Map<string, string>; body: string } {
  const lines = text.split('\n');
  const headers = new Map<string, string>();
  let next = lines.findIndex((line) => line.trim() !== '');
  let last = '';
  for (; next >= 0 && next < lines.length; next += 1) {
    const line = (lines[next] ?? '').slice(0, 10_000);
    if (/^[ \t]+\S/.test(line) && last) {
      headers.set(last, `${headers.get(last)} ${line.trim()}`);
      continue;
    }
    if (!HEADER_START.test(line)) break;
    for (const part of splitHeaders(line)) {
      const name = (HEADER_START.exec(part)?.[1] ?? '').toLowerCase();
      const key = name === 'sent' ? 'date' : name.replace(/s$/, '');
      if (!headers.has(key)) headers.set(key, part.slice(part.indexOf(':') + 1).trim());
      last = key;
    }
  }
  return { headers, body: lines.slice(Math.max(next, 0)).join('\n') };
}

/** A subject may well say "from: Monday", so it is only split where an address follows. */
function splitHeaders(line: string): string[] {
  return /^subject/i.test(line) && !/\sfrom[ \t]*:[^@]{0,200}@/i.test(line)
    ? [line]
    : line.split(NEXT_HEADER);
}

/** Whether the text is an internet message: a header block, up to a blank line, that speaks of MIME. */
export function isMime(text: string): boolean {
  const head = text.slice(0, 20_000).split(/\r?\n[ \t]*\r?\n/, 1)[0] ?? '';
  const lines = head.split(/\r?\n/);
  return (
    lines.every((line) => /^(?:[!-9;-~]+:|[ \t])/.test(line)) &&
    /^(?:mime-version|content-type):/im.test(head)
  );
}
