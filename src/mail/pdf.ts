import { Worker } from 'node:worker_threads';
import { type Notice, shown } from './message.ts';
import { layoutPage, type Page } from './pdf_layout.ts';
import { clean } from './text.ts';

interface PdfLimits {
  readonly bytes: number;
  readonly pages: number;
  readonly texts: number;
  readonly milliseconds: number;
  /** Of objects. */
  readonly heapMegabytes: number;
  /** Of everything, unpacked streams among it: what the process may grow by meanwhile. */
  readonly memoryMegabytes: number;
}

export const PDF_LIMITS: PdfLimits = {
  bytes: 10 * 1024 * 1024,
  pages: 50,
  texts: 200_000,
  milliseconds: 10_000,
  heapMegabytes: 256,
  memoryMegabytes: 512,
};

/** The text of a PDF, or why it has none. `note` says that not all of it was read. */
type PdfResult =
  | { readonly text: string; readonly error: null; readonly note: string | null }
  | { readonly text: null; readonly error: Notice; readonly note: null };

type FromWorker =
  | { readonly page: Page }
  | { readonly done: true; readonly fields: readonly { readonly id: string; readonly value: string }[] }
  | { readonly error: string };

/** Whether bytes are a PDF, whatever they are called: the mark may stand a little way in. */
export function isPdf(bytes: Uint8Array): boolean {
  return markOf(bytes) >= 0;
}

function markOf(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1024)).indexOf('%PDF-');
}

/** Reads the text of a PDF. Never fails because of the PDF: that is a result. Rejects only when aborted. */
export async function readPdf(
  bytes: Uint8Array,
  signal: AbortSignal,
  limits: PdfLimits = PDF_LIMITS,
): Promise<PdfResult> {
  if (bytes.length === 0) return failed('PDF_EMPTY', 'it has no bytes');
  if (bytes.length > limits.bytes)
    return failed('PDF_TOO_LARGE', `it has ${bytes.length} bytes; the limit is ${limits.bytes}`);
  const mark = markOf(bytes);
  if (mark < 0) {
    return failed(
      'PDF_NOT_A_PDF',
      `it is no PDF: it starts with ${shown(Buffer.from(bytes.slice(0, 20)).toString('latin1'))}`,
    );
  }
  const result = await queued(() => parse(bytes.subarray(mark), signal, limits));
  // With something before its mark, a PDF may also count its places from there.
  if (mark === 0 || result.error?.code !== 'PDF_DAMAGED') return result;
  return queued(() => parse(bytes, signal, limits));
}

const WEIGH_MS = 50;

let last: Promise<unknown> = Promise.resolve();

/** One PDF at a time: each may take up to its limit of memory. */
async function queued<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => undefined);
  return mine;
}

async function parse(bytes: Uint8Array, signal: AbortSignal, limits: PdfLimits): Promise<PdfResult> {
  signal.throwIfAborted();
  const settled = new AbortController();
  const before = process.memoryUsage.rss();
  let timer: NodeJS.Timeout | undefined;
  let scales: NodeJS.Timeout | undefined;
  const worker = new Worker(new URL('./pdf_worker.js', import.meta.url), {
    workerData: new Uint8Array(bytes),
    execArgv: [],
    env: { PDF2JSON_DISABLE_LOGS: '1' }, // it prints to stdout all the same: that is caught and thrown away
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: limits.heapMegabytes },
  });
  try {
    return await new Promise<PdfResult>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: settled.signal });
      timer = setTimeout(() => {
        resolve(failed('PDF_TIMEOUT', `it could not be read within ${limits.milliseconds / 1000} s`));
      }, limits.milliseconds);
      // A thread's own limit does not count what it unpacks. One PDF is read at a time, so the growth is its own.
      scales = setInterval(() => {
        if (process.memoryUsage.rss() - before > limits.memoryMegabytes * 2 ** 20)
          resolve(tooMuchMemory(limits.memoryMegabytes));
      }, WEIGH_MS);
      const pages: Page[] = [];
      let texts = 0;
      worker.on('message', (message: FromWorker) => {
        if ('error' in message) resolve(unreadable(message.error));
        else if ('done' in message) resolve(finished(pages, message.fields, null));
        else if (pages.length === limits.pages)
          resolve(finished(pages, [], `only the first ${limits.pages} pages were read`));
        else {
          pages.push(message.page);
          texts += message.page.texts.length;
          if (texts > limits.texts)
            resolve(failed('PDF_TOO_LARGE', `it has more than ${limits.texts} pieces of text`));
        }
      });
      worker.on('error', (error: NodeJS.ErrnoException) => {
        const outOfMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
        resolve(outOfMemory ? tooMuchMemory(limits.heapMegabytes) : unreadable(String(error)));
      });
      worker.on('exit', () =>
        resolve(failed('PDF_DAMAGED', 'it is damaged: it has no pages that can be read')),
      );
    });
  } finally {
    settled.abort();
    clearTimeout(timer);
    clearInterval(scales);
    await worker.terminate();
  }
}

function finished(
  pages: readonly Page[],
  fields: readonly { id: string; value: string }[],
  note: string | null,
): PdfResult {
  const filledIn = fields
    .filter(({ value }) => value.trim() !== '')
    .map(({ id, value }) => `${id}: ${value}`);
  const text = clean([...pages.map(layoutPage), ...filledIn].join('\n\n'));
  if (text.trim() === '') return failed('PDF_NO_TEXT', 'it has no text that stands upright (a scan?)');
  return { text, error: null, note };
}

function unreadable(problem: string): PdfResult {
  if (/password/i.test(problem) || /encrypt/i.test(problem)) {
    return failed('PDF_ENCRYPTED', 'it is protected by a password or by an encryption that is not supported');
  }
  return failed('PDF_DAMAGED', `it is damaged (${shown(problem.replace(/^(?:Error: )+/, ''))})`);
}

function tooMuchMemory(megabytes: number): PdfResult {
  return failed('PDF_TOO_LARGE', `it needs more than ${megabytes} MB of memory`);
}

function failed(code: string, message: string): PdfResult {
  return { text: null, error: { code, message }, note: null };
}
