import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError, messageOf, UsageError } from '../errors.ts';
import { whyNot } from '../files.ts';
import type { JsonObject } from '../json.ts';
import type { Log } from '../log.ts';
import { shown } from '../mail/message.ts';
import { type Content, comesAgain, readContent } from './content.ts';
import { type File, FolderBell, listFolder, type Other } from './folder.ts';
import { remove } from './place.ts';
import { type Mail, Records } from './records.ts';

export interface InboxOptions {
  /** Of the database that holds everything. */
  readonly url: string;
  /** Where mails arrive, written as runs are to be told of it. */
  readonly folder: string;
  readonly workflow: string;
  /** What every run is started with, beside its `email`. */
  readonly input: JsonObject;
  /** Files whose runs have been started leave the inbox for this folder. */
  readonly moveTo?: string | undefined;
  /** How many runs of mails may be under way: further ones are started when some of them have ended. */
  readonly mostOpen?: number | undefined;
  /** Ends when all that lies there has been taken and, if `mostOpen` is set, the runs of mails have ended. */
  readonly once?: boolean;
  /** How long a file has to be unchanged before it is taken for complete. */
  readonly settleMs?: number;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** What has become of the files. */
export interface Tally {
  readonly started: number;
  /** Their content had its run already. */
  readonly known: number;
  /** Left alone: each has been told about. */
  readonly refused: number;
  readonly completed: number;
  readonly failed: number;
}

/** A mail that was read, and the file that it came from. */
type ReadMail = Mail & File;

/** A file that was seen: since when it has had this stamp, and whether it is done with. */
interface Seen {
  readonly stamp: string;
  readonly since: number;
  taken: boolean;
}

const AT_A_TIME = 100;
const SETTLE_MS = 1_000;
const POLL_MS = 2_000;
/** After a look there is a pause of so many times as long as it took, however often it rings. */
const SHARE = 4;

/** Starts one run for every mail in a folder, until the signal aborts. */
export async function runInbox(options: InboxOptions): Promise<Tally> {
  const { url, workflow, log, signal } = options;
  await using records = new Records(url, workflow, log, signal);
  return await new Inbox(records, options).run();
}

class Inbox {
  readonly #records: Records;
  readonly #options: InboxOptions;
  readonly #seen = new Map<string, Seen>();
  /** What is left alone, by name, so that each is told once. */
  readonly #others = new Map<string, Other>();
  /** The folder cannot be read at the moment. */
  #absent = false;
  /**
   * The newest run before ours. Later ones count as ours, also where we are told that a mail is known: the answer that it had
   * started a run may have been lost.
   */
  #lastRun = 0n;
  /** Our runs, with `once`: how they have ended is told. */
  readonly #runs = new Set<string>();
  #started = 0;
  #known = 0;

  constructor(records: Records, options: InboxOptions) {
    this.#records = records;
    this.#options = options;
  }

  async run(): Promise<Tally> {
    const { folder, once, mostOpen, settleMs = SETTLE_MS, signal } = this.#options;
    using bell = new FolderBell(folder);
    try {
      this.#lastRun = await this.#records.lastRun();
      while (!signal.aborted) {
        bell.answer();
        const began = performance.now();
        const waiting = await this.#look(bell);
        if (once && waiting === 0) break;
        const took = performance.now() - began;
        await delay(Math.min(settleMs, took * SHARE), undefined, { signal });
        await bell.nextWithin(waiting > 0 ? settleMs : POLL_MS, signal);
      }
      if (mostOpen !== undefined) await this.#records.room(0);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return this.#tally();
  }

  /** One look at everything; says how many files are not complete yet. */
  async #look(bell: FolderBell): Promise<number> {
    const { folder, once, settleMs = SETTLE_MS, log } = this.#options;
    const present = new Set<string>();
    let waiting = 0;
    try {
      await bell.renew();
      for await (const entries of listFolder(folder, AT_A_TIME)) {
        const settled: File[] = [];
        for (const entry of entries) {
          present.add(entry.name);
          if ('problem' in entry) {
            this.#refuse(entry);
            continue;
          }
          const { taken, since } = this.#see(entry);
          if (taken) continue;
          if (performance.now() - since >= settleMs) settled.push(entry);
          else waiting++;
        }
        if (settled.length > 0) waiting += await this.#take(settled);
      }
    } catch (error) {
      if (!isFileError(error)) throw error;
      const problem = `${shown(folder)} cannot be read: ${messageOf(error)}.`;
      if (once) throw new UsageError(`INBOX_NOT_READ ${problem}`);
      if (!this.#absent) log.warn({}, `${problem} Waiting for it.`);
      this.#absent = true;
      return 1;
    }
    if (this.#absent) log.info({}, `${shown(folder)} is back`);
    this.#absent = false;
    for (const name of this.#seen.keys()) if (!present.has(name)) this.#seen.delete(name);
    for (const name of this.#others.keys()) if (!present.has(name)) this.#others.delete(name);
    return waiting;
  }

  #see({ name, stamp }: File): Seen {
    const former = this.#seen.get(name);
    if (former?.stamp === stamp) return former;
    const seen = { stamp, since: performance.now(), taken: false };
    this.#seen.set(name, seen);
    return seen;
  }

  /** Starts runs for those of these files that are new; says how many have to be looked at again. */
  async #take(files: readonly File[]): Promise<number> {
    const { folder, moveTo, input, signal } = this.#options;
    const pathOf = ({ name }: File) => join(folder, name);
    const stamps = await this.#records.stamps(files.map(pathOf));
    const mails: ReadMail[] = [];
    let again = 0;
    for (const file of files) {
      signal.throwIfAborted();
      const path = pathOf(file);
      if (moveTo === undefined && stamps.get(path) === file.stamp) {
        this.#settle(file);
        this.#known++;
        continue;
      }
      const content = await this.#read(file);
      if (content === 'again') again++;
      else if (content !== 'refused') {
        const { sha256, email } = content;
        mails.push({ ...file, path, sha256, input: { ...input, email } });
      }
    }
    if (mails.length > 0) await this.#start(mails);
    return again;
  }

  /** Starts a run for each mail that has none yet, and takes out of the inbox what was put elsewhere. */
  async #start(mails: readonly ReadMail[]): Promise<void> {
    const { folder, mostOpen } = this.#options;
    if (mostOpen !== undefined) await this.#records.room(Math.max(0, mostOpen - mails.length));
    const runs = await this.#records.take(mails);
    for (const [index, mail] of mails.entries()) {
      const { name, path } = mail;
      const { runId = '', isNew = false, email } = runs[index] ?? {};
      this.#settle(mail);
      this.#others.delete(name);
      this.#tell(path, runId, isNew);
      if (mail.input.email === path) continue;
      if (email === path) {
        const problem = `${shown(name)} stays here, where run ${runId} reads it`;
        this.#refuse({ name, problem, isHarmless: true });
        continue;
      }
      await remove(folder, mail).catch((error) => {
        const problem = `${shown(name)} cannot be removed from here: ${whyNot(error)}. Run ${runId} does not read it here, so remove it yourself.`;
        this.#refuse({ name, problem });
      });
    }
  }

  async #read(file: File): Promise<Content | 'again' | 'refused'> {
    try {
      return await readContent(this.#options.folder, file, this.#options.moveTo);
    } catch (error) {
      if (error instanceof ConnectorError && comesAgain(error)) return 'again';
      if (!(error instanceof ConnectorError || isFileError(error))) throw error;
      this.#refuse({ name: file.name, problem: messageOf(error) });
      return 'refused';
    }
  }

  #settle({ name }: File): void {
    const seen = this.#seen.get(name);
    if (seen) seen.taken = true;
  }

  #tell(path: string, run: string, isNew: boolean): void {
    const { log, once, workflow } = this.#options;
    if (once && BigInt(run) > this.#lastRun) this.#runs.add(run);
    if (isNew) this.#started++;
    else this.#known++;
    const line = isNew ? `${path} started run ${run} of ${workflow}` : `${path} is known: see run ${run}`;
    log[once ? 'debug' : 'info']({ file: path, run, is_new: isNew }, line);
  }

  #refuse(other: Other): void {
    const { name, problem, isHarmless = false } = other;
    if (this.#others.get(name)?.problem === problem) return;
    this.#others.set(name, other);
    if (isHarmless) this.#options.log.info({ file: name }, `passed over: ${problem}`);
    else this.#options.log.warn({ file: name }, `left alone: ${problem}`);
  }

  async #tally(): Promise<Tally> {
    const refused = [...this.#others.values()].filter(({ isHarmless }) => !isHarmless).length;
    const ended =
      this.#runs.size === 0 || this.#options.signal.aborted
        ? { completed: 0, failed: 0 }
        : await this.#records.ended([...this.#runs]);
    return { started: this.#started, known: this.#known, refused, ...ended };
  }
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}
