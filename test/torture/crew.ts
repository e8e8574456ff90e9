import { setTimeout as delay } from 'node:timers/promises';
import { TcpProxy } from '../support/proxy.ts';
import { RunnerProcess } from '../support/runner_process.ts';

export interface Kill {
  readonly pid: number;
  readonly at: number;
}

interface CrewOptions {
  readonly size: number;
  readonly slots: number;
  readonly startsUntil: number;
  readonly onLine: (line: string) => void;
}

/** One runner process, the proxy that it connects through, and what happens to it next. */
class Post {
  readonly proxy: TcpProxy;
  runner: RunnerProcess;
  /** Something is being done to it, so nothing else should be. */
  busy = false;

  constructor(proxy: TcpProxy, runner: RunnerProcess) {
    this.proxy = proxy;
    this.runner = runner;
  }
}

/** The runner processes, and all that can be done to them. */
export class Crew implements AsyncDisposable {
  readonly kills: Kill[] = [];
  /** The runs that runners have started themselves and whose start was answered. */
  readonly started: string[] = [];
  readonly #posts: Post[] = [];
  readonly #under: Promise<void>[] = [];
  readonly #url: string;
  readonly #options: CrewOptions;
  stops = 0;

  constructor(url: string, options: CrewOptions) {
    this.#url = url;
    this.#options = options;
  }

  async man(): Promise<void> {
    for (let n = 0; n < this.#options.size; n++) {
      const proxy = await TcpProxy.open(this.#url);
      this.#posts.push(new Post(proxy, this.#start(proxy)));
    }
  }

  get free(): Post[] {
    return this.#posts.filter(({ busy }) => !busy);
  }

  get proxies(): TcpProxy[] {
    return this.#posts.map(({ proxy }) => proxy);
  }

  /** kill -9, and another process after a while. */
  kill(post: Post, awayMs: number): void {
    this.#do(post, async () => {
      this.kills.push({ pid: post.runner.pid, at: Date.now() });
      await post.runner.kill();
      await delay(awayMs);
      post.runner = this.#start(post.proxy);
    });
  }

  /** SIGSTOP, and SIGCONT after a while. */
  freeze(post: Post, forMs: number): void {
    this.#do(post, async () => {
      post.runner.signal('SIGSTOP');
      await delay(forMs);
      post.runner.signal('SIGCONT');
    });
  }

  /** An orderly shutdown, and another process. */
  replace(post: Post): void {
    this.#do(post, async () => {
      await post.runner.ready();
      if (!(await post.runner.stop()))
        throw new Error(`runner ${post.runner.pid} did not stop when it was asked to`);
      post.runner = this.#start(post.proxy);
    });
  }

  /** The network says nothing for a while. */
  stall(post: Post, forMs: number): void {
    this.#do(post, async () => {
      post.proxy.stall();
      await delay(forMs);
      post.proxy.flow();
    });
  }

  /** Waits for what is under way, and has every process run undisturbed. */
  async calmDown(): Promise<void> {
    await Promise.all(this.#under);
    for (const { runner } of this.#posts) {
      if (!runner.isAlive)
        throw new Error(`a runner ended by itself:\n${runner.lines.slice(-20).join('\n')}`);
      await runner.ready();
    }
  }

  /** All stop in an orderly way. */
  async dismiss(): Promise<void> {
    const stopped = await Promise.all(this.#posts.map(({ runner }) => runner.stop()));
    if (stopped.includes(false)) throw new Error('a runner did not stop when it was asked to');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { proxy, runner } of this.#posts) {
      await runner[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    }
  }

  #start(proxy: TcpProxy): RunnerProcess {
    const onStarted = (run: string) => void this.started.push(run);
    return new RunnerProcess(proxy.url, { directUrl: this.#url, onStarted, ...this.#options });
  }

  #do(post: Post, act: () => Promise<void>): void {
    post.busy = true;
    this.stops++;
    const done = act().finally(() => {
      post.busy = false;
    });
    done.catch(() => {});
    this.#under.push(done);
  }
}
