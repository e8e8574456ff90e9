import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { childEnvironment } from '../config.ts';
import { codeOf, DatabaseUnavailableError, messageOf } from '../errors.ts';
import type { Account } from './account.ts';

interface Settings {
  readonly cwd: string;
  readonly env: Record<string, string | undefined>;
  readonly input?: string | undefined;
  readonly account?: Account | undefined;
}

/** Runs a program to its end: what it said, and why it failed if it did. */
export async function run(
  file: string,
  args: readonly string[],
  { cwd, env, input = '', account }: Settings,
): Promise<{ readonly said: string; readonly failure: string | undefined }> {
  const child = spawn(file, args, { cwd, env, stdio: 'pipe', windowsHide: true, ...account });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  }
  child.stdin.on('error', () => {}).end(input);
  const failure = await once(child, 'close').then(
    ([code, signal]) => (code === 0 ? undefined : `it ended with ${signal ?? code}`),
    messageOf,
  );
  return { said, failure };
}

/** Runs a program of Postgres to its end. Fails with what it said. */
export async function runProgram(
  file: string,
  args: readonly string[],
  account?: Account,
  input?: string,
): Promise<void> {
  const settings = { cwd: dirname(file), env: childEnvironment(), account, input };
  const { said, failure } = await run(file, args, settings);
  if (!failure) return;
  // ENOENT for a program that is there means that its loader is not: on Alpine, that of glibc.
  const isForeign = /ENOENT/.test(failure) && existsSync(file);
  const hint = isForeign
    ? '. This system, as Alpine, lacks what it is made for (glibc): set DATABASE_URL.'
    : '';
  throw new DatabaseUnavailableError(`Cannot run ${file}: ${failure}${hint}\n${said}`.trimEnd());
}

/** Whether there is a process with this id, of whatever user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** A port that is free, and stays so: not of the range from which systems take ports for outgoing connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
