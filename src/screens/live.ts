import { cut, glyphs } from '../terminal.ts';

/** Where a screen is drawn: a terminal or, in tests, something that behaves like one. */
interface Canvas {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const END_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

/**
 * A screen that is drawn over and over in the same place. It uses the terminal's alternate screen, so that what was shown
 * before comes back when it is disposed of. What does not fit is cut: a line that wraps would push the others down.
 */
export class LiveScreen implements Disposable {
  readonly #canvas: Canvas;
  readonly #draw: () => string;
  readonly #ellipsis: string;
  #shown = '';
  readonly #onResize = () => {
    this.#shown = '';
    this.redraw();
  };
  readonly #leave = () => void this.#canvas.write(LEAVE);

  /** `draw` is asked again after the terminal's size has changed. */
  constructor(canvas: Canvas, draw: () => string, { unicode = true }: { readonly unicode?: boolean } = {}) {
    this.#ellipsis = glyphs({ unicode }).ellipsis;
    this.#canvas = canvas;
    this.#draw = draw;
    canvas.write(ENTER);
    canvas.on('resize', this.#onResize);
    // A second Ctrl-C ends the process without disposing of anything.
    process.once('exit', this.#leave);
  }

  /** Writes nothing when nothing has changed. */
  redraw(): void {
    const { width, height } = sizeOf(this.#canvas);
    const lines = this.#draw().trimEnd().split('\n').slice(0, height);
    const text = `${HOME}${lines.map((line) => cut(line, width, this.#ellipsis) + END_OF_LINE).join('\r\n')}${REST_OF_SCREEN}`;
    if (text === this.#shown) return;
    this.#shown = text;
    this.#canvas.write(text);
  }

  [Symbol.dispose](): void {
    this.#canvas.off('resize', this.#onResize);
    process.off('exit', this.#leave);
    this.#leave();
  }
}

/** A terminal that does not know its size, or says something absurd, is taken for a small one. */
export function sizeOf({ columns, rows }: Pick<Canvas, 'columns' | 'rows'>): {
  width: number;
  height: number;
} {
  return { width: Math.min(400, Math.max(20, columns || 80)), height: Math.max(5, rows || 24) };
}
