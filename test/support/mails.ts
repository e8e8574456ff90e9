import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmailConnector } from '../../src/connectors/email.ts';
import type { EmailMessage } from '../../src/mail/message.ts';
import { placeLines, writePdf } from './pdf.ts';
import { taskContext } from './task_context.ts';

export const ORDER = 'Subject: order\nFrom: a@b.example\n\nPO Number: 1\n';
export const PDF = writePdf([placeLines(['PO Number: 7', 'Total: $5.00'])]);

/** A folder with an inbox in it, from which emails may be read. */
export class Mails {
  readonly folder: string;
  readonly inbox: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.inbox = join(folder, 'inbox');
  }

  static async open(): Promise<Mails> {
    const mails = new Mails(await mkdtemp(join(tmpdir(), 'sluice-mail-')));
    await mkdir(mails.inbox);
    return mails;
  }

  /** Reads an email as a task would. */
  async read(path: string, root: string | readonly string[] = this.inbox): Promise<EmailMessage> {
    return (await new EmailConnector({ root }).execute('read', { path }, taskContext())) as EmailMessage;
  }

  /** Puts an email into the inbox, and reads it. */
  async given(name: string, content: string | Buffer): Promise<EmailMessage> {
    await writeFile(join(this.inbox, name), content);
    return this.read(name);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }
}
