/**
 * Reads one PDF in a thread of its own, which can be killed: some files of a few hundred bytes keep pdf2json
 * busy for ever. Plain JavaScript, so that the thread starts without a compiler. Posts a message for every
 * page as it comes, then one for the end; a thread that ends without either could not read the file.
 */
import { parentPort, workerData } from 'node:worker_threads';
import PDFParser from 'pdf2json';

// One parser per document: a second document would be reported twice.
const parser = new PDFParser(null, false);
const post = (message) => parentPort.postMessage(message);

parser.on('data', (page) => {
  if (page === null) return;
  post({
    page: {
      width: page.Width,
      height: page.Height,
      texts: page.Texts.filter((text) => !text.R.some((run) => run.RA)).map((text) => ({
        x: text.x,
        y: text.y,
        w: text.w,
        text: text.R.map((run) => run.T).join(''),
      })),
    },
  });
});
parser.on('pdfParser_dataReady', () => {
  const fields = parser
    .getAllFieldsTypes()
    .map(({ id, value }) => ({ id: String(id), value: String(value ?? '') }));
  post({ done: true, fields });
});
// What arrives is an object around a string, a string, or an error.
parser.on('pdfParser_dataError', (error) => post({ error: String(error?.parserError ?? error) }));

// pdf2json ignores where in its memory a Buffer begins: this one is all of it, not a copy in the shared pool.
parser.parseBuffer(Buffer.from(workerData.buffer), 0);
