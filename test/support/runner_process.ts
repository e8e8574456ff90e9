import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from './until.ts';

export interface RunnerProcessOptions {
  /** The database without anything in between. */
  readonly directUrl?: string;
  readonly slots?: number;
  readonly graceMs?: number;
  /** Until when it starts runs itself. */
  readonly startsUntil?: number;
  /** Told every run that it has started itself. */
  readonly onStarted?: (run: string) => void;
  /** Told every line that it logs. */
  readonly onLine?: (line: string) => void;
}

/** A runner in a process of its own: one that can be killed, stopped and woken. */
export class RunnerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly lines: string[] = [];
  readyAt: number | undefined;
  /** Its identity when it became ready; it may have taken on another one since. */
  runnerId: number | undefined;

  constructor(url: string, options: RunnerProcessOptions = {}) {
    const { directUrl = url, slots = 8, graceMs = 3_000, startsUntil = 0, onStarted, onLine } = options;
    const program = join(import.meta.dirname, '..', 'torture', 'runner.ts');
    const args = ['--import', 'tsx', program, url, directUrl, ...[slots, graceMs, startsUntil].map(String)];
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (!stream) continue;
      createInterface(stream).on('line', (line) => {
        const ready = line.match(/^ready (\d+)$/)?.[1];
        const started = line.match(/^started (\d+)$/)?.[1];
        if (started) {
          onStarted?.(started);
        } else if (ready) {
          this.readyAt = Date.now();
          this.runnerId = Number(ready);
        } else {
          this.lines.push(line);
          onLine?.(`${this.pid} ${line}`);
        }
      });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Ready to claim. */
  async ready(): Promise<this> {
    await until(() => this.runnerId !== undefined || !this.isAlive, 'a runner to be ready', 30_000);
    if (this.runnerId === undefined)
      throw new Error(`a runner ended before it was ready:\n${this.lines.join('\n')}`);
    return this;
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#ended;
  }

  /** Asks it to stop and waits until it has; kills it when that takes too long. */
  async stop(patienceMs = 20_000): Promise<boolean> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    await this.#ended;
    clearTimeout(timer);
    return this.#child.signalCode === null;
  }

  /** Waits for a line that it logs. */
  async says(pattern: RegExp, patienceMs = 20_000): Promise<string> {
    const found = () => this.lines.find((line) => pattern.test(line));
    await until(() => found() !== undefined, `a runner to say ${pattern}`, patienceMs);
    return found() ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT');
    await this.kill();
  }
}
