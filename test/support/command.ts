import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CHECKOUT } from '../../src/config.ts';

export interface Spoken {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Undefined: no DATABASE_URL, so the command would start the embedded database. */
  readonly url?: string | undefined;
  /** What it reads and writes files in. */
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The file that standard output goes to. */
  readonly output?: string;
  /** Whose command it is. */
  readonly checkout?: string;
}

const TSX = import.meta.resolve('tsx');

/** Runs `npm run <command> -- <arguments>` without npm, into a pipe, and waits for its end. */
export async function command(args: readonly string[], options: CommandOptions): Promise<Spoken> {
  const child = spawnCommand(args, options);
  const [code, stdout, stderr] = await Promise.all([endOf(child), text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

/** The same, under way. */
interface Going {
  /** So far, on both. */
  readonly said: string;
  readonly ended: Promise<number | null>;
  interrupt(): void;
  /** Nobody hears any more what goes wrong. */
  closeErrors(): void;
  /** Nobody reads any more what it shows. */
  closeOutput(): void;
}

export function startCommand(args: readonly string[], options: CommandOptions): Going {
  const child = spawnCommand(args, options);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  return {
    get said() {
      return said;
    },
    ended: endOf(child),
    interrupt: () => void child.kill('SIGINT'),
    closeErrors: () => void child.stderr.destroy(),
    closeOutput: () => void child.stdout.destroy(),
  };
}

function spawnCommand(args: readonly string[], options: CommandOptions) {
  const { url, folder = CHECKOUT, env = {}, output, checkout = CHECKOUT } = options;
  const node = [process.execPath, '--import', TSX, join(checkout, 'src', 'cli.ts'), ...args];
  const [program = '', ...rest] =
    output === undefined ? node : ['sh', '-c', `exec "$0" "$@" > ${output}`, ...node];
  return spawn(program, rest, {
    cwd: folder,
    env: { PATH: process.env.PATH, ...(url !== undefined && { DATABASE_URL: url }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
}

/** A folder with the samples in it, deleted when it goes out of scope. */
export function workFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sluice work '));
  cpSync(join(CHECKOUT, 'samples'), join(path, 'samples'), { recursive: true });
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
