import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { Connector, operation } from '../connector.ts';
import { ConnectorError } from '../errors.ts';
import { isInside, makeFolder, whyNot, writeWhole } from '../files.ts';
import { printable } from '../terminal.ts';
import { fillPath } from './file_name.ts';
import { json } from './json.ts';

/** Writes files, inside one folder only. */
export class FileConnector extends Connector {
  readonly #root: string;

  constructor({ root = process.cwd() }: { root?: string } = {}) {
    super();
    this.#root = resolve(root);
  }

  readonly operations = {
    /** Writes a value as a JSON file. Whoever reads it sees the former file or the whole new one. */
    writeJson: operation({
      parameters: z.strictObject({
        /** May contain `{name}` for each of `names`: their values become parts of a file name, whatever they hold. */
        path: z.string().min(1),
        names: z.record(z.string(), z.string().nullable()).default({}),
        content: json,
        /** Keys that come first wherever they occur, in this order: Postgres does not keep the order of keys. */
        keys: z.array(z.string()).default([]),
      }),
      run: async ({ path: template, names, content, keys }, { signal }) => {
        const path = fillPath(template, names);
        const target = await this.#locate(path).catch((error) => notWritten(path, error));
        const text = `${JSON.stringify(content, (_, value) => inOrder(value, keys), 2)}\n`;
        await writeWhole(target, text, signal).catch((error) => notWritten(path, error));
        return { path, bytes: Buffer.byteLength(text) };
      },
    }),
  };

  /** Where a path leads when links are followed. Makes the folder. */
  async #locate(path: string): Promise<string> {
    const shown = printable(path);
    if (/\p{Cc}|[/\\]$/u.test(path))
      throw new ConnectorError(
        'BAD_PATH',
        `${shown} is no name of a file: it ends with a slash, or holds control characters`,
      );
    const target = resolve(this.#root, path);
    const outside = new ConnectorError(
      'PATH_OUTSIDE_ROOT',
      `${shown} is outside the folder that files are written to; name a path inside it`,
    );
    if (!isInside(this.#root, target) || target === this.#root) throw outside;
    // Checked before folders are made, so that a link on the way cannot have them made elsewhere.
    let existing = dirname(target);
    while (!(await exists(existing))) existing = dirname(existing);
    const real = await realpath(existing).catch(() => undefined);
    if (real === undefined || !isInside(await realpath(this.#root), real)) throw outside;
    makeFolder(dirname(target));
    const found = await lstat(target).catch(() => undefined);
    if (found && !found.isFile())
      throw new ConnectorError(
        'FILE_IS_NO_FILE',
        `${shown} exists and is ${found.isDirectory() ? 'a folder' : 'a link or a device'}`,
      );
    return join(await realpath(dirname(target)), basename(target));
  }
}

function notWritten(path: string, error: unknown): never {
  if (error instanceof ConnectorError) throw error;
  throw new ConnectorError(
    'FILE_NOT_WRITTEN',
    `${printable(path)} could not be written: ${whyNot(error)}. Mend that, or name another path.`,
    { cause: error },
  );
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function inOrder(value: unknown, keys: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const rank = ([key]: [string, unknown]) => (keys.includes(key) ? keys.indexOf(key) : keys.length);
  return Object.fromEntries(Object.entries(value).toSorted((a, b) => rank(a) - rank(b)));
}
