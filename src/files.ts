import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';

/** Does a path lie inside a folder, or is it that folder? Both as they are written: links are not followed. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Writes a file aside and renames it: whoever reads it sees the former file or the whole new one, also after a crash. */
export async function writeWhole(
  path: string,
  content: string | Buffer,
  signal?: AbortSignal,
): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}.draft`);
  try {
    await using file = await open(draft, 'wx');
    await file.writeFile(content, { signal });
    await file.sync();
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}
