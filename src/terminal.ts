/*
 * Text on its way to a terminal. What comes from outside (mails, errors, arguments) is escaped first: an escape sequence
 * could recolour, overwrite or retitle whatever the reader sees.
 */

/** Control characters (C0, C1), line separators, characters without width, those that turn text around, half surrogates. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2065\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** A text on one line, with the characters that a terminal acts on escaped: `\x1b[31m`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : escaped(character);
  });
}

/** The same, line by line. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** A value as JSON, with the characters that a terminal acts on escaped, so that it means the same. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(UNPRINTABLE, (character) =>
    character === '\n' ? character : escaped(character),
  );
}

function escaped(character: string): string {
  return character.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const COLOURS = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export type Colour = keyof typeof COLOURS;
export type Paint = (text: string, colour: Colour) => string;

/** Colours text, each line by itself, or leaves it alone. */
export function painter(enabled: boolean): Paint {
  return (text, colour) => (enabled ? text.replace(/.+/g, `\x1b[${COLOURS[colour]}m$&\x1b[0m`) : text);
}

/** The colour in which a task's state or a run's status is shown. */
export function colourOf(state: string): Colour {
  if (state === 'SUCCESS' || state === 'COMPLETED') return 'green';
  if (state === 'FAILED') return 'red';
  if (state === 'RUNNING') return 'cyan';
  return state === 'CANCELLED' || state === 'READY' ? 'yellow' : 'dim';
}

/** The characters that things are drawn with. Marks, and those of bars, are one column wide. */
const UNICODE = {
  branch: '├─',
  last: '└─',
  trunk: '│ ',
  full: '█',
  failed: '▒',
  waiting: '·',
  empty: '░',
  ellipsis: '…',
  arrow: '→',
  /** How a task stands. */
  marks: {
    PENDING: '○',
    READY: '◎',
    RUNNING: '●',
    SUCCESS: '✓',
    FAILED: '✗',
    skipped: '↷',
    reused: '↺',
    defined: '•',
  },
};
const ASCII: typeof UNICODE = {
  branch: '|-',
  last: '`-',
  trunk: '| ',
  full: '#',
  failed: 'x',
  waiting: '.',
  empty: '.',
  ellipsis: '...',
  arrow: '>',
  marks: {
    PENDING: '.',
    READY: 'o',
    RUNNING: '>',
    SUCCESS: '+',
    FAILED: 'x',
    skipped: '-',
    reused: '=',
    defined: '*',
  },
};

/** What the terminal can show. */
export function glyphs({ unicode }: { readonly unicode: boolean }): typeof UNICODE {
  return unicode ? UNICODE : ASCII;
}

/** A text with the arrow of `READY → RUNNING` as the terminal can show it. Nothing else in it is changed. */
export function withArrows(text: string, terminal: { readonly unicode: boolean }): string {
  return text.replace(/(?<=[A-Z] )→(?= [A-Z])/, glyphs(terminal).arrow);
}

/** Milliseconds in words: 84 ms, 1.2 s, 3 min 20 s, 2 h 5 min; as sluice.duration() does it. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return '1 min 0 s';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `1 task`, `2 tasks` */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** Takes no column of its own: joins the character before it. */
const NO_WIDTH = /[\p{Mn}\p{Me}]/u;
/** Takes two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
const COLOUR = /\x1b\[\d+m/g;
const COLOUR_OR_CHARACTER = new RegExp(`${COLOUR.source}|.`, 'gsu');

/** How many columns a terminal needs for a text. Colours need none. */
export function width(text: string): number {
  let columns = 0;
  for (const character of withoutColour(text))
    columns += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

/** A text cut to so many columns, the last one an ellipsis if something had to go. Colours that begin in it end in it. */
export function cut(text: string, columns: number, ellipsis = '…'): string {
  if (width(text) <= columns) return text;
  let room = columns - width(ellipsis);
  if (room < 0) return '';
  let kept = '';
  let isFull = false;
  for (const [token] of text.matchAll(COLOUR_OR_CHARACTER)) {
    room -= width(token);
    if (token.length > 2 && token.startsWith('\x1b')) kept += token;
    else if (!isFull) kept += room < 0 ? ellipsis : token;
    isFull ||= room < 0;
  }
  return kept;
}

export function pad(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, columns - width(text)));
  return align === 'right' ? space + text : text + space;
}

/** A text without the colours that `painter` has added. */
export function withoutColour(text: string): string {
  return text.replace(COLOUR, '');
}

/** Spaces at which a line may be broken: not those of `npm run …`, which people copy. */
const BETWEEN_WORDS = /(?<!\bnpm)(?<!\bnpm run) /;

/** A text broken into lines between words, and within a word that is longer than a line, which must not be coloured yet. */
export function wrap(text: string, columns: number): string {
  const lines = [''];
  for (const word of text.split(BETWEEN_WORDS)) {
    const line = lines.at(-1) ?? '';
    if (line && width(line) + 1 + width(word) > columns) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
    for (let last = lines.at(-1) ?? ''; width(last) > columns; last = lines.at(-1) ?? '') {
      const start = cut(last, columns, '');
      lines.splice(-1, 1, start, last.slice(start.length));
    }
  }
  return lines.join('\n');
}
