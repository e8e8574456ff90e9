import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InboxOptions, runInbox, type Tally } from '../../src/inbox/inbox.ts';
import type { Log } from '../../src/log.ts';
import { fileDatabase } from './scene.ts';
import { until } from './until.ts';

let opened = 0;

/** A folder and a workflow of the test's own; inboxes are opened on it as often as it likes. */
export class Desk implements AsyncDisposable {
  readonly root: string;
  readonly folder: string;
  readonly workflow: string;
  /** What inboxes have said, as `warn left alone: …`. */
  readonly said: string[] = [];
  readonly #stops: AbortController[] = [];
  readonly #inboxes: Promise<Tally>[] = [];

  private constructor(root: string, workflow: string) {
    this.root = root;
    this.folder = join(root, 'in');
    this.workflow = workflow;
  }

  static async open(): Promise<Desk> {
    const { pool } = await fileDatabase();
    const desk = new Desk(await mkdtemp(join(tmpdir(), 'sluice-inbox-')), `desk_${++opened}`);
    await mkdir(desk.folder);
    const tasks = [{ name: 'read', connector: 'none', operation: 'none' }];
    const input = { properties: { email: { type: 'string' } }, required: ['email'] };
    await pool.query('select from sluice.register_workflow($1, $2, $3, $4)', [
      desk.workflow,
      JSON.stringify(tasks),
      JSON.stringify(input),
      JSON.stringify([{ $input: ['email'] }]),
    ]);
    return desk;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Lets a file arrive as careful programs do: written elsewhere, then renamed into place. */
  async drop(name: string, content: string | Buffer): Promise<void> {
    const draft = join(this.root, 'draft');
    await writeFile(draft, content);
    await rename(draft, this.path(name));
  }

  /** Looks into the folder until `stop`. */
  async watch(options: Partial<InboxOptions> = {}): Promise<void> {
    const stop = new AbortController();
    this.#stops.push(stop);
    this.#inboxes.push(runInbox(await this.#options({ signal: stop.signal, ...options })));
  }

  async once(options: Partial<InboxOptions> = {}): Promise<Tally> {
    return runInbox(await this.#options({ once: true, ...options }));
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop.abort();
    await Promise.all(this.#inboxes.splice(0));
  }

  /** What has become of files, oldest first: `[name, run]`. */
  async files(): Promise<[string, string][]> {
    const { pool } = await fileDatabase();
    const { rows } = await pool.query(
      'select path, run_id from sluice.inbox_files where workflow = $1 order by run_id, path',
      [this.workflow],
    );
    return rows.map(({ path, run_id }) => [path.slice(this.folder.length + 1), run_id]);
  }

  /** Where the runs were told that their mails lie, oldest first. */
  async runs(): Promise<string[]> {
    const { pool } = await fileDatabase();
    const { rows } = await pool.query(
      `select input ->> 'email' as email from sluice.runs where workflow = $1 order by id`,
      [this.workflow],
    );
    return rows.map(({ email }) => email);
  }

  untilRuns(count: number): Promise<void> {
    return until(async () => (await this.runs()).length >= count, `${count} runs of ${this.workflow}`);
  }

  untilSaid(words: RegExp): Promise<void> {
    return until(() => this.said.some((line) => words.test(line)), `the inbox to say ${words}`);
  }

  async #options(options: Partial<InboxOptions>): Promise<InboxOptions> {
    const { url } = await fileDatabase();
    const log: Log = {
      debug: () => {},
      info: (_, phrase) => void this.said.push(`info ${phrase}`),
      warn: (_, phrase) => void this.said.push(`warn ${phrase}`),
      error: (_, phrase) => void this.said.push(`error ${phrase}`),
    };
    const { folder, workflow } = this;
    const signal = new AbortController().signal;
    return { url, folder, workflow, input: {}, settleMs: 30, signal, log, ...options };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.root, { recursive: true, force: true });
  }
}
