import { link, lstat, open, readFile, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ConnectorError, codeOf } from '../errors.ts';
import { whyNot, writeWhole } from '../files.ts';
import { shown } from '../mail/message.ts';
import { examine, type File } from './folder.ts';

/**
 * Puts a file into another folder as well and gives its name there: its own or, when that is taken, one with a part of its
 * hash. Never replaces another file; one that is there already with the same content will do.
 */
export async function place(
  from: File & { readonly folder: string },
  to: string,
  bytes: Buffer,
  sha256: string,
): Promise<string> {
  const extension = extname(from.name);
  const other = `${from.name.slice(0, -extension.length)}-${sha256.slice(0, 8)}${extension}`;
  for (const name of [from.name, other]) {
    const target = join(to, name);
    try {
      if (await holds(target, bytes)) return name;
      await linkOrCopy(join(from.folder, from.name), target, bytes);
      if (await holds(target, bytes)) return name;
      // The file was replaced meanwhile: what we have put there is another mail, for which no run is started.
      await rm(target);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue;
      throw new ConnectorError(
        'INBOX_NOT_MOVED',
        `${shown(from.name)} cannot be put into ${shown(to)}: ${whyNot(error)}.`,
        { cause: error },
      );
    }
    throw new ConnectorError('EMAIL_CHANGED', `${shown(from.name)} changed while it was moved.`);
  }
  throw new ConnectorError(
    'INBOX_NOT_MOVED',
    `${shown(from.name)} cannot be put into ${shown(to)}: there are others of its name.`,
  );
}

/** Removes a file, if it still is what it was. */
export async function remove(folder: string, { name, stamp }: File): Promise<void> {
  const entry = await examine(folder, name);
  if (entry && 'stamp' in entry && entry.stamp === stamp) await rm(join(folder, name), { force: true });
}

/** Makes a link, which is there whole or not at all; a copy where links are not possible. */
async function linkOrCopy(source: string, target: string, bytes: Buffer): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    // The name is taken first, by an empty file, so that no other mail of that name is replaced.
    await open(target, 'wx').then((file) => file.close());
    await writeWhole(target, bytes).catch(async (failure) => {
      await rm(target, { force: true });
      throw failure;
    });
  }
}

/** Whether a file has this content; false when it cannot be read. */
async function holds(path: string, bytes: Buffer): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isFile() || stats.size !== bytes.length) return false;
  const found = await readFile(path).catch(() => undefined);
  return found?.equals(bytes) ?? false;
}
