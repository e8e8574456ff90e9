import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { ConnectorError, codeOf } from '../errors.ts';
import { isInside, whyNot } from '../files.ts';
import { shown } from './message.ts';

/**
 * Reads one regular file inside one of the root folders, as it was at one moment. Whatever the path leads
 * to, links included, has to lie inside, and nothing but a regular file is ever opened: no pipe, no device.
 * A relative path starts from the first root. A hard link is a file like any other: it could as well be a copy.
 */
export async function readInside(roots: readonly string[], path: string, maxBytes: number): Promise<Buffer> {
  if (path.includes('\0')) throw new ConnectorError('EMAIL_NOT_FOUND', `${shown(path)} is not a file name.`);
  const target = resolve(roots[0] ?? '.', path);
  if (!roots.some((root) => isInside(resolve(root), target))) throw outside(path, roots);

  const file = await realpath(target).catch((error) => refuse(path, error, roots));
  const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => resolve(root))));
  if (!realRoots.some((root) => isInside(root, file))) throw outside(path, roots);
  assertRegular(path, await lstat(file).catch((error) => refuse(path, error)));

  // Should the file be swapped for a pipe in this moment: O_NONBLOCK returns at once, and fstat looks again.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0);
  const handle = await open(file, flags).catch((error) => refuse(path, error));
  try {
    return await snapshot(handle, path, file, maxBytes);
  } finally {
    await handle.close();
  }
}

async function snapshot(handle: FileHandle, path: string, file: string, maxBytes: number): Promise<Buffer> {
  const before = await handle.stat();
  assertRegular(path, before);
  if (before.size > maxBytes) {
    throw new ConnectorError(
      'EMAIL_TOO_LARGE',
      `${shown(path)} has ${before.size} bytes; the limit is ${maxBytes}. Save it without its large attachments.`,
    );
  }

  // One byte more than expected, so that a file that grows is noticed.
  const bytes = Buffer.allocUnsafeSlow(before.size + 1);
  let length = 0;
  for (let read = -1; read !== 0 && length < bytes.length; length += read) {
    ({ bytesRead: read } = await handle
      .read(bytes, length, bytes.length - length, length)
      .catch((error) => refuse(path, error)));
  }

  const after = await handle.stat();
  const unmoved = await stat(file).catch(() => undefined);
  if (length !== before.size || after.mtimeMs !== before.mtimeMs || unmoved?.ino !== before.ino) {
    throw new ConnectorError(
      'EMAIL_CHANGED',
      `${shown(path)} changed while it was read. Try again when it is complete.`,
    );
  }
  return bytes.subarray(0, length);
}

function assertRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? 'a directory' : 'not a regular file';
  throw new ConnectorError(
    'EMAIL_NOT_A_FILE',
    `${shown(path)} is ${kind}. Name a saved email, .txt or .eml.`,
  );
}

function outside(path: string, [root = '.']: readonly string[]): ConnectorError {
  return new ConnectorError(
    'PATH_OUTSIDE_ROOT',
    `${shown(path)} is outside of ${resolve(root)}, where this runner reads emails. Put the file inside, or start a runner above it.`,
  );
}

function refuse(path: string, error: unknown, [root = '.']: readonly string[] = []): never {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') {
    const from = isAbsolute(path) ? '' : `, seen from ${resolve(root)}`;
    throw new ConnectorError('EMAIL_NOT_FOUND', `there is no file ${shown(path)}${from}. Check the path.`, {
      cause: error,
    });
  }
  if (code === 'ELOOP') {
    throw new ConnectorError('EMAIL_NOT_A_FILE', `${shown(path)} is a link that leads nowhere.`, {
      cause: error,
    });
  }
  throw new ConnectorError('EMAIL_UNREADABLE', `${shown(path)} cannot be read: ${whyNot(error)}.`, {
    cause: error,
  });
}
