import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, unprivileged } from '../../src/database/account.ts';
import { startEmbedded, stopEmbedded } from '../../src/database/embedded.ts';

/** A folder below one with a name that shells, URLs and careless code trip over. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** Its server, which need not be kept safe from power cuts. */
  start(): Promise<{ url: string; started: boolean }>;
  /** The same from another process. */
  startElsewhere(options?: { env?: Record<string, string>; account?: Account }): ChildProcess;
  pid(): number;
}

/** A data folder for a cluster of the test's own; stopped and deleted when it goes out of scope. */
export function createFolder(): Folder {
  const root = mkdtempSync(join(tmpdir(), 'sluice-'));
  chmodSync(root, 0o777);
  const path = join(root, 'Käse $HOME "`\'& co');
  return {
    path,
    start: () => startEmbedded(path, { settings: { fsync: 'off' } }),
    startElsewhere: ({ env = {}, account } = {}) =>
      spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'start.ts'), path], {
        env: { PATH: process.env.PATH, ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
        ...account,
      }),
    pid: () => Number.parseInt(readFileSync(join(path, 'cluster', 'data', 'postmaster.pid'), 'utf8'), 10),
    [Symbol.asyncDispose]: async () => {
      await stopEmbedded(path, { force: true }).catch(() => {});
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Resolves when the process has ended and nobody holds its output any more. */
export async function outputOf(child: ChildProcess): Promise<string> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  return output;
}

export const isRoot = process.getuid?.() === 0;

/** Somebody who may do nothing, to be while we are root. */
export function nobody(): Account {
  return unprivileged(readFileSync('/etc/passwd', 'utf8').replace(/^postgres:.*$/m, ''));
}
