/*
 * Text on its way to a terminal. What comes from outside (mails, errors, arguments) is escaped first: an escape sequence
 * could recolour, overwrite or retitle whatever the reader sees.
 */

/** Control characters, the C1 set, what turns text around, and what has no width. */
const UNPRINTABLE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

/** On one line and without a character that a terminal acts on: `\x1b[31m`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const COLOURS = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;

export type Colour = keyof typeof COLOURS;
export type Paint = (text: string, colour: Colour) => string;

/** Colours text, or leaves it alone. */
export function painter(enabled: boolean): Paint {
  return (text, colour) => (enabled && text ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text);
}

/** The colour in which states and statuses are shown everywhere. */
export function colourOf(state: string): Colour {
  if (state === 'SUCCESS' || state === 'COMPLETED') return 'green';
  if (state === 'FAILED') return 'red';
  if (state === 'RUNNING') return 'cyan';
  return state === 'CANCELLED' || state === 'READY' ? 'yellow' : 'dim';
}

/** Milliseconds in words: 84 ms, 1.2 s, 3 min 20 s, 2 h 5 min; as sluice.duration() does it. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
