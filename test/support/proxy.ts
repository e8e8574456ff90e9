import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The statement as it is sent, and not the "read committed" of another one. */
export const COMMIT = 'Q\0\0\0\x0bcommit\0';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

interface Trap {
  readonly text: string;
  readonly when: 'before' | 'after';
  readonly sprung: () => void;
}

/** Stands between a client and Postgres, and does what networks do. */
export class TcpProxy implements AsyncDisposable {
  readonly #server = createServer((client) => this.#accept(client));
  readonly #pairs = new Set<Pair>();
  readonly #target: URL;
  readonly #traps: Trap[] = [];
  #stalled = false;
  #refusing = false;
  /** How long every piece of data takes, in either direction. */
  delayMs = 0;
  /** Swallows every NOTIFY, as a pooler in transaction mode does. */
  dropsNotifications = false;

  private constructor(url: string) {
    this.#target = new URL(url);
  }

  static async open(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(url);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** What to connect to. */
  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Breaks all connections, or some. */
  cut(which: (index: number) => boolean = () => true): void {
    for (const [index, pair] of [...this.#pairs].entries()) if (which(index)) this.#end(pair);
  }

  /** Breaks the next connection that sends this text: before the server hears of it, or after it has answered. */
  cutOn(text: string, when: 'before' | 'after'): Promise<void> {
    return new Promise((sprung) => this.#traps.push({ text, when, sprung }));
  }

  /** Nothing gets through any more, and nobody is told; newcomers may be spared. */
  stall({ newcomers = true } = {}): void {
    this.#stalled = newcomers;
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) socket.pause();
  }

  flow(): void {
    this.#stalled = false;
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) socket.resume();
  }

  /** New connections are refused. */
  set refusing(refuses: boolean) {
    this.#refusing = refuses;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const pair = { client, server };
    this.#pairs.add(pair);
    let swallows: Trap | undefined;
    const strip = this.dropsNotifications ? withoutNotifications() : (data: Buffer) => data;
    client.on('data', (data) => {
      const trap = this.#traps.find(({ text }) => data.includes(text));
      if (trap) this.#traps.splice(this.#traps.indexOf(trap), 1);
      if (trap?.when === 'before') this.#spring(trap, pair);
      else {
        swallows ??= trap;
        this.#pass(data, server);
      }
    });
    server.on('data', (data) => {
      if (swallows) this.#spring(swallows, pair);
      else this.#pass(strip(data), client);
    });
    for (const socket of [client, server])
      socket
        .setNoDelay(true)
        .on('error', () => {})
        .on('close', () => this.#end(pair));
    if (this.#stalled) client.pause();
  }

  #pass(data: Buffer, to: Socket): void {
    if (data.length === 0) return;
    if (this.delayMs > 0) setTimeout(() => to.write(data), this.delayMs);
    else to.write(data);
  }

  #spring({ sprung }: Trap, pair: Pair): void {
    this.#end(pair);
    sprung();
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    for (const socket of [pair.client, pair.server]) socket.resetAndDestroy();
  }
}

/** Takes the messages of type A out of what a server sends. */
function withoutNotifications(): (data: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    const kept: Buffer[] = [];
    while (rest.length >= 5) {
      const length = 1 + rest.readUInt32BE(1);
      if (rest.length < length) break;
      if (rest[0] !== 'A'.charCodeAt(0)) kept.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    return Buffer.concat(kept);
  };
}
