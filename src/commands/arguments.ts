import { readFileSync, statSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { keyProblem, propertiesOf } from '../declarations.ts';
import { didYouMean } from '../errors.ts';
import { whyNot } from '../files.ts';
import { RUN_STATUSES, type RunStatus } from '../inspect.ts';
import { type Json, type JsonObject, own } from '../json.ts';
import { counted, printable } from '../terminal.ts';

/*
 * Values from what is typed on a command line. Each function throws an InvalidArgumentError that names what is wrong.
 */

/** A whole number from `low` to `high`. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high))
      throw new InvalidArgumentError(
        `It has to be a whole number from ${low} to ${high}, not "${printable(text)}".`,
      );
    return value;
  };
}

/** The number of a run, as text: it may be larger than a JavaScript number holds. */
export function runId(text: string): string {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) > 9_223_372_036_854_775_807n || BigInt(text) === 0n) {
    throw new InvalidArgumentError(
      `BAD_RUN_ID "${printable(text)}" is not the number of a run. See: npm run runs`,
    );
  }
  return text;
}

/** The key of a start. */
export function runKey(text: string): string {
  const problem = keyProblem(text);
  if (problem) throw new InvalidArgumentError(`BAD_KEY ${problem}.`);
  return text;
}

/** Collects `--input key=value`, `--input '{…}'` and `--input @file.json`; later ones win. */
export function collectInput(text: string, former: readonly string[] = []): string[] {
  return [...former, text];
}

/** The input of a run from what was typed. A value becomes what the schema says its property is. */
export function parseInput(given: readonly string[], schema: JsonObject | undefined): JsonObject {
  const properties = propertiesOf(schema);
  let input: JsonObject = {};
  for (const text of given) {
    if (text.startsWith('{') || text.startsWith('@')) {
      input = { ...input, ...parseObject(text) };
      continue;
    }
    const [, name, value] = text.match(/^([^=]+)=(.*)$/s) ?? [];
    if (name === undefined || value === undefined)
      throw new InvalidArgumentError(
        `BAD_INPUT "${printable(text)}" is neither key=value nor {"key": …} nor @file.json.`,
      );
    const property = own(properties, name);
    if (!property && Object.keys(properties).length > 0) {
      throw new InvalidArgumentError(
        `BAD_INPUT there is no input "${printable(name)}".${didYouMean(name, Object.keys(properties))}`,
      );
    }
    input = { ...input, [name]: property?.type === 'string' ? value : parseValue(name, value) };
  }
  return input;
}

const LARGEST_INPUT = 16 * 1024 * 1024;

function readInput(path: string): string {
  const stats = statSync(path);
  if (!stats.isFile()) throw new Error('it is not a regular file');
  if (stats.size > LARGEST_INPUT)
    throw new Error(`it has ${stats.size} bytes, the limit is ${LARGEST_INPUT}`);
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
}

/** The object that was typed as `{…}`, or stands in the file that was typed as `@file`. */
function parseObject(given: string): JsonObject {
  const isFile = given.startsWith('@');
  try {
    const text = isFile ? readInput(given.slice(1)) : given;
    const value = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error('it has to be a JSON object: {"key": …}');
    // JSON.parse would silently keep the last one.
    if (keysIn(value) < keysWritten(text)) throw new Error('a key stands there twice');
    return value;
  } catch (error) {
    const where = isFile ? printable(given) : 'this input';
    throw new InvalidArgumentError(`BAD_INPUT ${where} cannot be used: ${printable(whyNot(error))}`);
  }
}

/** How many keys stand in a JSON text: each is in quotes and before a colon. */
function keysWritten(text: string): number {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon).length;
}

/** How many keys the objects in a value have. */
function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const here = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, item) => sum + keysIn(item), here);
}

function parseValue(name: string, value: string): Json {
  try {
    return JSON.parse(value);
  } catch {
    throw new InvalidArgumentError(
      `BAD_INPUT ${printable(name)}: ${printable(value)} is not a JSON value (a number, true, false, null, "text", …).`,
    );
  }
}

const UNITS: Record<string, readonly [name: string, seconds: number]> = {
  s: ['second', 1],
  m: ['minute', 60],
  min: ['minute', 60],
  h: ['hour', 3600],
  d: ['day', 86_400],
  w: ['week', 604_800],
};
const CENTURY = 36_525 * 86_400;

/** Undefined when it is no age, or one of more than a century, which may be more than Postgres can count back. */
function readAge(text: string): { number: number; unit: string; seconds: number } | undefined {
  const [, digits, letters = ''] = text.match(/^(\d{1,10})\s*(s|m|min|h|d|w)$/) ?? [];
  const [unit, size] = UNITS[letters] ?? ['', 0];
  const number = Number(digits);
  const seconds = number * size;
  return seconds <= CENTURY ? { number, unit, seconds } : undefined;
}

/** An age such as 90d, 12h or 30min, as an interval of Postgres that people can read: 90 days. */
export function age(text: string): string {
  const found = readAge(text);
  if (!found)
    throw new InvalidArgumentError(
      `BAD_AGE "${printable(text)}" is no age, or one of more than a century. Write 90d, 2w, 12h, 30min or 45s.`,
    );
  return counted(found.number, found.unit);
}

/** A point in time: an age counted back from now, or a date with or without a time (in UTC unless it says otherwise). */
export function pointInTime(text: string): Date {
  const ago = readAge(text);
  if (ago) return new Date(Date.now() - ago.seconds * 1000);
  const [, day, clock, zone] =
    text.match(/^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/) ?? [];
  const time = new Date(`${text.replace(' ', 'T')}${clock && !zone ? 'Z' : ''}`);
  // Date takes 30 February for 2 March.
  const exists = day !== undefined && new Date(day).toJSON()?.startsWith(day);
  if (!exists || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError(
      `BAD_TIME "${printable(text)}" is no point in time. Write 2h (ago), 2026-11-22 or 2026-11-22T20:05.`,
    );
  return time;
}

/** Collects `--status failed,cancelled`. */
export function collectStatuses(text: string, former: readonly RunStatus[] = []): RunStatus[] {
  const found = text.split(',').map((name) => {
    const status = RUN_STATUSES.find((one) => one === name.trim().toUpperCase());
    if (!status)
      throw new InvalidArgumentError(
        `BAD_STATUS "${printable(name)}" is no status.${didYouMean(name.toUpperCase(), RUN_STATUSES)}`,
      );
    return status;
  });
  return [...former, ...found];
}

/** One of a few words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (!found)
      throw new InvalidArgumentError(`"${printable(text)}" is not known.${didYouMean(text, words)}`);
    return found;
  };
}
