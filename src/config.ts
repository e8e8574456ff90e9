import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { databaseUrlProblems } from './database/url.ts';
import { UsageError } from './errors.ts';
import { allows } from './files.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
const LOG_FORMATS = ['pretty', 'json'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];
type Environment = Readonly<Record<string, string | undefined>>;

export interface Config {
  /** Undefined: the embedded database in `dataFolder`. */
  readonly databaseUrl: string | undefined;
  readonly dataFolder: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly color: boolean;
  /** The terminal shows more than ASCII. */
  readonly unicode: boolean;
  /** The terminal can draw over what it shows. */
  readonly redraws: boolean;
}

/** The folder that holds package.json. */
export const CHECKOUT = resolve(import.meta.dirname, '..');

/** Reports every wrong value at once. Blank is wrong too: it is what a misspelt `$VARIABLE` leaves behind. */
export function readConfig(env: Environment = process.env): Config {
  const problems: string[] = [];
  const config = {
    databaseUrl: env.DATABASE_URL,
    dataFolder: resolve(env.SLUICE_DATA_DIR ?? defaultDataFolder()),
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: oneOf('LOG_FORMAT', LOG_FORMATS, 'pretty'),
    color: !env.NO_COLOR && env.TERM !== 'dumb',
    redraws: env.TERM !== 'dumb',
    unicode:
      env.TERM !== 'dumb' &&
      (process.platform === 'win32' || /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '')),
  };

  if (env.DATABASE_URL?.trim() === '') {
    problems.push(
      'BAD_DATABASE_URL is blank. Unset it to use the embedded database, or give a postgres:// URL.',
    );
  } else if (env.DATABASE_URL !== undefined) {
    problems.push(...databaseUrlProblems(env.DATABASE_URL).map((problem) => `BAD_DATABASE_URL ${problem}`));
  }
  if (env.SLUICE_DATA_DIR?.trim() === '') {
    problems.push('BAD_SLUICE_DATA_DIR is blank. Unset it, or name a folder.');
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  return config;

  function oneOf<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const value = env[name] ?? fallback;
    const found = allowed.find((one) => one === value);
    if (!found) problems.push(`BAD_${name} ${JSON.stringify(value)} is not one of: ${allowed.join(', ')}.`);
    return found ?? fallback;
  }
}

/** Options that npm has as well, and that somebody may have set in .npmrc: finding them set says nothing. */
const OF_NPM = new Set(['json', 'force']);

/**
 * Whether npm has kept an option for itself, as it does where `--` does not stand before it. Of some of its own options
 * (`--key`, `--before`) it tells scripts nothing: one of ours that was called so would get lost in silence.
 */
export function keptByNpm(option: string, env: Environment = process.env): boolean {
  return !OF_NPM.has(option) && env[`npm_config_${option.replaceAll('-', '_')}`] !== undefined;
}

/**
 * The environment for the programs we start: without what would make Postgres, its clients or Node behave
 * differently because of a variable that was meant for something else.
 */
export function childEnvironment(env: Environment = process.env): Record<string, string | undefined> {
  const foreign = /^(PG|GM_|NODE_OPTIONS$|DATABASE_URL$|ROOT_DATABASE_URL$|SHADOW_DATABASE_URL$|LC_|LANG)/;
  const kept = Object.entries(env).filter(([name]) => !foreign.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC', FORCE_COLOR: '0' };
}

/**
 * `.sluice` in the checkout. Root's Postgres runs as an account without privileges, which may not be allowed to
 * enter the checkout; its data lies where every account can go, in a folder of its own for each checkout.
 */
export function defaultDataFolder(checkout = CHECKOUT, root = process.getuid?.() === 0): string {
  if (!root) return join(checkout, '.sluice');
  const parent = ['/var/lib', '/var/tmp'].find((folder) => allows(folder, constants.W_OK)) ?? '/tmp';
  const key = createHash('sha256').update(checkout).digest('hex').slice(0, 8);
  return join(parent, 'sluice', `${basename(checkout)}-${key}`);
}
