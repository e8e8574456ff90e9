import { type FSWatcher, watch } from 'node:fs';
import { lstat, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Doorbell } from '../doorbell.ts';
import { shown } from '../mail/message.ts';

/** A file that may be a mail. Its stamp tells, without reading it, whether it is still what it was. */
export interface File {
  readonly name: string;
  readonly stamp: string;
}

/** A file that starts no run, and why. Somebody has to look at it, unless it is harmless: it may well lie beside mails. */
export interface Other {
  readonly name: string;
  readonly problem: string;
  readonly isHarmless?: boolean;
}

const MAIL = /\.(?:txt|eml)$/i;
/** What programs call files that they have not finished, and what systems leave in folders. */
const UNFINISHED =
  /^[.~]|~$|\.(?:part|partial|filepart|tmp|temp|crdownload|download|draft|swp|lock)$|^(?:thumbs\.db|desktop\.ini)$/i;

/** The entries of a folder, in batches, as there may be very many. */
export async function* listFolder(folder: string, atATime: number): AsyncGenerator<(File | Other)[]> {
  let names: string[] = [];
  for await (const { name } of await opendir(folder, { bufferSize: atATime })) {
    if (UNFINISHED.test(name)) continue;
    names.push(name);
    if (names.length < atATime) continue;
    yield await examineAll(folder, names);
    names = [];
  }
  yield await examineAll(folder, names);
}

async function examineAll(folder: string, names: readonly string[]): Promise<(File | Other)[]> {
  const entries = await Promise.all(names.map((name) => examine(folder, name)));
  return entries.filter((entry) => entry !== undefined);
}

/** Looks at one entry; undefined when it has gone or is a folder. */
export async function examine(folder: string, name: string): Promise<File | Other | undefined> {
  const stats = await lstat(join(folder, name), { bigint: true }).catch(() => undefined);
  if (!stats) {
    const unnameable = name.includes('\ufffd') && `${shown(name)} is not UTF-8; give it another name.`;
    return unnameable ? { name, problem: unnameable } : undefined;
  }
  if (stats.isDirectory()) return undefined;
  if (stats.isSymbolicLink()) return { name, problem: `${shown(name)} is a link; put the file itself here.` };
  if (!stats.isFile()) return { name, problem: `${shown(name)} is not a regular file.` };
  if (!MAIL.test(name))
    return { name, problem: `${shown(name)} starts no run: only .txt and .eml do.`, isHarmless: true };
  return { name, stamp: `${stats.size} ${stats.mtimeNs} ${stats.ino}` };
}

/** Rings when something happens in the folder of this name, also when that is replaced by another one. Rings may get lost. */
export class FolderBell extends Doorbell implements Disposable {
  readonly #folder: string;
  #watcher: FSWatcher | undefined;
  #watched: bigint | undefined;

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  /** Watches the folder that has the name now. Where the system cannot watch, polling has to do. */
  async renew(): Promise<void> {
    const { ino } = await stat(this.#folder, { bigint: true });
    if (ino === this.#watched) return;
    this.#watcher?.close();
    this.#watched = ino;
    try {
      this.#watcher = watch(this.#folder, () => this.ring()).on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
