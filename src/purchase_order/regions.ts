import { beginningOf } from '../json.ts';

/**
 * An email is more than its own message: below it may stand what it answers or forwards, and a signature.
 * Only the own message is the sender's order; the others are looked at when it holds none.
 */

export interface Line {
  readonly number: number;
  readonly text: string;
}

export interface Region {
  readonly kind: 'own' | 'forwarded' | 'quoted';
  readonly lines: Line[];
}

const LINE_LENGTH = 10_000;
// As mail programs write them in English, German, French, Dutch, Spanish, Italian and Portuguese.
const FORWARDED =
  /^[\s*-]*(?:begin forwarded message|forwarded (?:message|by)|weitergeleitete nachricht|mensaje reenviado|messaggio inoltrato|mensagem encaminhada)\b/i;
const ORIGINAL =
  /^\s*-{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine|oorspronkelijk bericht|mensaje original|messaggio originale|mensagem original)\s*-{2,}/i;
const ATTRIBUTION =
  /^\s*(?:On|Am|Le|Op|El|Il|Em)\s.{4,300}(?:wrote|schrieb|écrit|schreef|escribió|scritto|escreveu).{0,100}:$/;
const WROTE_ON = /^\s*\S.{0,100}\swrote on\s.{4,100}:$/;
const header = (names: string) => new RegExp(String.raw`^[\s*]*(?:${names})[\s*]*:`, 'i');
const [FROM_NAMES, SENT_NAMES, SUBJECT_NAMES] = [
  'from|von|de|van|da',
  'sent|date|gesendet|datum|envoyé|verzonden|enviado(?: el)?|inviato|data|fecha',
  'subject|betreff|objet|onderwerp|asunto|oggetto|assunto',
];
const [FROM, SENT, SUBJECT] = [header(FROM_NAMES), header(SENT_NAMES), header(SUBJECT_NAMES)];
const MAIL_HEADER = header(
  `${FROM_NAMES}|${SENT_NAMES}|${SUBJECT_NAMES}|to|an|à|aan|a|para|cc|reply-to|importance|attachments?`,
);
const HEADER_LINES = 12;
const SIGNATURE = /^-- ?$/;

/** Cuts a text into its own message and the messages below it, without the marks of quoting. */
export function cutRegions(text: string, subject: string | null): Region[] {
  const lines = text.split('\n').map((line) => beginningOf(line, LINE_LENGTH));
  const own: Region = { kind: 'own', lines: [] };
  const regions = [own];
  let region = own;
  let marked = false; // the region's lines carry a ">"
  let inHeader = false; // of a forwarded message
  let signed = false;

  const open = (kind: Region['kind']) => {
    region = { kind, lines: [] };
    regions.push(region);
    [marked, inHeader, signed] = [false, true, false];
  };

  for (const [index, line] of lines.entries()) {
    const isQuote = /^\s?>/.test(line);
    const bare = isQuote ? line.replace(/^(?:\s?>){1,50} ?/, '') : line;
    const kind = inHeader ? null : opensMessage(lines, index, bare, subject);
    if (kind) {
      // With nothing above it, it is what the sender wants to be read.
      open(own.lines.some(({ text }) => text.trim() !== '') ? kind : 'forwarded');
      continue;
    }
    if (isQuote && region === own) open('quoted');
    if (isQuote) marked = true;
    else if (marked && bare.trim() !== '') {
      [region, marked, inHeader, signed] = [own, false, false, false];
    }
    if (inHeader && MAIL_HEADER.test(bare)) continue;
    if (bare.trim() !== '') inHeader = false;
    if (SIGNATURE.test(bare)) signed = true;
    if (!signed) region.lines.push({ number: index + 1, text: bare });
  }
  return regions;
}

/** What kind of message begins at a line, if any does. */
function opensMessage(lines: readonly string[], index: number, bare: string, subject: string | null) {
  if (FORWARDED.test(bare)) return 'forwarded';
  const block = lines.slice(index, index + HEADER_LINES).map((line) => line.replace(/^(?:\s?>){1,50} ?/, ''));
  const isHeader =
    FROM.test(bare) && block.some((line) => SENT.test(line)) && block.some((line) => SUBJECT.test(line));
  if (ORIGINAL.test(bare) || isHeader) return /^\s*fwd?\b/i.test(subject ?? '') ? 'forwarded' : 'quoted';
  // "On … wrote:" may go over three lines.
  const blank = block.findIndex((line) => line.trim() === '');
  const paragraph = blank < 0 ? block : block.slice(0, blank);
  const isAttributed = [1, 2, 3].some((count) =>
    ATTRIBUTION.test(paragraph.slice(0, count).join(' ').trimEnd()),
  );
  return isAttributed || WROTE_ON.test(bare.trimEnd()) ? 'quoted' : null;
}

/** A document of its own, such as an attachment. */
export function wholeText(text: string): Region {
  return {
    kind: 'own',
    lines: text
      .split('\n')
      .map((line, index) => ({ number: index + 1, text: beginningOf(line, LINE_LENGTH) })),
  };
}
