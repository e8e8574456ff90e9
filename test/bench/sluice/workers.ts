import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What a worker cost from its start to its end. */
export interface WorkerCost {
  readonly cpu_ms: number;
  readonly rss_mb: number;
}

interface Workers {
  /** Ends them all, and says what each cost. */
  stop(): Promise<WorkerCost[]>;
}

const WORKER = join(import.meta.dirname, 'worker.ts');
/** As `npm run runner` has them. */
const FLAGS = ['--max-semi-space-size=2', '--heap-growing-percent=50'];

/** Runners in processes of their own, in a folder that connectors may use; they are ready when this resolves. */
export async function startWorkers(
  url: string,
  count: number,
  slots: number,
  folder = process.cwd(),
): Promise<Workers> {
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker(url, slots, folder)));
  return { stop: () => Promise.all(workers.map((stop) => stop())) };
}

async function startWorker(url: string, slots: number, cwd: string): Promise<() => Promise<WorkerCost>> {
  const child = spawn(
    process.execPath,
    [...FLAGS, '--import', import.meta.resolve('tsx'), WORKER, url, String(slots)],
    {
      cwd,
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const lines = linesOf(child);
  await lines.next();
  return async () => {
    child.stdin.write('stop\n');
    const { value } = await lines.next();
    return JSON.parse(value);
  };
}

async function* linesOf(child: ChildProcess): AsyncGenerator<string, never> {
  if (child.stdout) for await (const line of createInterface({ input: child.stdout })) yield line;
  throw new Error('a worker has ended unexpectedly');
}
