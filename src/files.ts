import { randomUUID } from 'node:crypto';
import { accessSync, mkdirSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { codeOf, messageOf } from './errors.ts';

/** Whether a path lies inside a folder or is that folder, going by the names alone: links are not followed. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/**
 * Makes a folder and those above it; gives the topmost one that it made. Not by Node's own `recursive`, which never returns
 * where a file system answers ENOENT for ever, as /proc does.
 */
export function makeFolder(path: string): string | undefined {
  if (isFolder(path)) return undefined;
  // At the root there is nothing above, even where it is no folder: on a drive that is not there.
  const above = dirname(path) === path ? undefined : makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Somebody else may have made it in this moment.
    if (!isFolder(path)) throw error;
  }
  return above ?? path;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Whether a path is there and we may use it in that way: `constants.R_OK`, `W_OK` or `X_OK`. */
export function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** Why the system did not do something with a file: its message without the code, and without paths, which may be private. */
export function whyNot(error: unknown): string {
  if (/^(EEXIST|ENOTDIR)$/.test(codeOf(error))) return 'there is a file where a folder has to be';
  return messageOf(error).replace(/^E[A-Z]+: ([^,]*),.*/s, '$1');
}

/** Writes a file under another name and renames it: readers see the former file or the whole new one, also after a crash. */
export async function writeWhole(
  path: string,
  content: string | Buffer,
  signal?: AbortSignal,
): Promise<void> {
  const draft = join(dirname(path), `.${randomUUID()}.draft`);
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
