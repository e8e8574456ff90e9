import * as z from 'zod';
import { Connector, operation } from '../connector.ts';
import { readEmail } from '../mail/read.ts';

/** Reads emails that were saved as files: a simulated inbox. */
export class EmailConnector extends Connector {
  readonly #roots: readonly string[];

  /** Emails are read from inside these folders only; a relative path starts from the first. */
  constructor({ root = process.cwd() }: { root?: string | readonly string[] } = {}) {
    super();
    this.#roots = typeof root === 'string' ? [root] : root;
  }

  readonly operations = {
    read: operation({
      parameters: z.strictObject({ path: z.string().min(1) }),
      run: ({ path }, { signal }) => readEmail(this.#roots, path, signal),
    }),
  };
}
