import { type IMeta, Logger } from 'tslog';
import type { LogFormat, LogLevel } from './config.ts';
import { colourOf, painter, printable, printableJson, withArrows } from './terminal.ts';

/** What a line is about, for programs; its phrase is for people. Never parameters, outputs or connection strings. */
export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** debug: nothing happened · info: something moved · warn: it will mend itself · error: somebody has to act */
export interface Log {
  debug(fields: Fields, phrase: string): void;
  info(fields: Fields, phrase: string): void;
  warn(fields: Fields, phrase: string): void;
  error(fields: Fields, phrase: string): void;
  /** Nobody reads debug and info, so that the lines which come with every task need not even be made. */
  readonly quiet?: boolean | undefined;
}

/** Says nothing. */
export const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, quiet: true };

interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly color: boolean;
  /** The terminal shows more than ASCII. */
  readonly unicode?: boolean;
  /** Gets whole lines. */
  readonly write: (line: string) => void;
}

/** One line per thing that happened: aligned for people, or JSON. */
export function createLog({ level, format, color, unicode = true, write }: LogOptions): Log {
  if (level === 'silent') return SILENT;
  const log = new Logger<Record<string, unknown>>({
    type: 'hidden',
    strictConfig: true,
    stack: { capture: 'off' },
    minLevel: level.toUpperCase() as Uppercase<typeof level>,
  });
  const paint = painter(color);
  log.attachTransport((record) => {
    const fields = (record as { 0?: unknown })[0] as Fields;
    const phrase = printable(String((record as { 1?: unknown })[1]));
    const { date, logLevelName } = record._logMeta as IMeta;
    const time = new Date(date).toISOString();
    write(
      format === 'json'
        ? printableJson({ time, level: logLevelName.toLowerCase(), ...fields, message: phrase })
        : prettyLine(time, logLevelName, fields, phrase),
    );
  });
  return Object.assign(log, { quiet: !['debug', 'info'].includes(level) });

  function prettyLine(time: string, levelName: string, { run, task }: Fields, phrase: string): string {
    const clock = paint(time.slice(11, 23), 'dim');
    const where = task ? `${`run ${run}`.padEnd(7)}  ${printable(String(task)).padEnd(16)}` : '';
    const coloured = withArrows(phrase, { unicode }).replace(
      /\b(PENDING|READY|RUNNING|SUCCESS|COMPLETED|FAILED|CANCELLED)\b/g,
      (state) => paint(state, colourOf(state)),
    );
    const marks: Record<string, string> = {
      ERROR: paint('error: ', 'red'),
      WARN: paint('warning: ', 'yellow'),
    };
    return [clock, where, (marks[levelName] ?? '') + coloured].filter(Boolean).join('  ');
  }
}
