import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { childEnvironment } from '../config.ts';
import { codeOf, DatabaseUnavailableError, messageOf } from '../errors.ts';
import type { Account } from './account.ts';

/** Runs a program of Postgres to its end. Fails with what it said. */
export async function runProgram(file: string, args: string[], account?: Account, input = ''): Promise<void> {
  const child = spawn(file, args, {
    env: childEnvironment(),
    cwd: dirname(file),
    stdio: 'pipe',
    windowsHide: true,
    ...account,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  }
  child.stdin.on('error', () => {}).end(input);
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `it ended with ${signal ?? code}`),
    );
  });
  if (failure) throw new DatabaseUnavailableError(`Cannot run ${file}: ${failure}\n${said}`.trimEnd());
}

/** Whether a process has this id, whosever it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Outside the range from which systems take the ports of outgoing connections, so that it stays free. */
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
