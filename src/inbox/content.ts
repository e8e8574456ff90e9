import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { ConnectorError } from '../errors.ts';
import { readInside } from '../mail/file.ts';
import { shown } from '../mail/message.ts';
import { largestEmail, pdfsBeside } from '../mail/read.ts';
import { examine, type File } from './folder.ts';
import { place } from './place.ts';

/** What is known of a file that was read. */
export interface Content {
  readonly sha256: string;
  /** Where its run will find it. If that is elsewhere, it can leave the inbox once its run has been started. */
  readonly email: string;
}

/**
 * Reads a file that has not changed for a while and, if it is to be moved, puts it into that folder as well. Throws a
 * ConnectorError when it cannot be taken.
 */
export async function readContent(folder: string, file: File, moveTo?: string): Promise<Content> {
  const { name, stamp } = file;
  const bytes = await readInside([folder], name, largestEmail(name));
  const after = await examine(folder, name);
  if (!after || 'problem' in after || after.stamp !== stamp)
    throw new ConnectorError('EMAIL_CHANGED', `${shown(name)} changed while it was read.`);
  if (bytes.length === 0)
    throw new ConnectorError('EMAIL_EMPTY', `${shown(name)} is empty; waiting for its content.`);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  // A mail that names files beside it stays with them.
  if (moveTo === undefined || namesFiles(bytes, name)) return { sha256, email: join(folder, name) };
  const placed = await place({ folder, ...file }, moveTo, bytes, sha256);
  return { sha256, email: join(moveTo, placed) };
}

/** Whether there is nothing to tell: the file has gone, or is changing and will be looked at again. */
export function comesAgain(error: ConnectorError): boolean {
  return ['EMAIL_CHANGED', 'EMAIL_NOT_FOUND'].includes(error.code);
}

function namesFiles(bytes: Buffer, name: string): boolean {
  try {
    return pdfsBeside(bytes, name).length > 0;
  } catch (error) {
    // It cannot be read as text: its run will say so.
    if (error instanceof ConnectorError) return false;
    throw error;
  }
}
