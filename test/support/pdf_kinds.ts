import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { CATALOG, FONT, PAGE, PAGES, PdfFile, pageOf, shows, stream } from './pdf_file.ts';

/** Saved three times: every time the new object and a table of it were appended. */
export function savedAgain(...texts: readonly string[]): Buffer {
  const file = new PdfFile();
  let last: number | undefined;
  for (const text of texts) {
    const objects = pageOf(text);
    const changed = last === undefined ? [1, 2, 3, 4, 5] : [4];
    for (const number of changed) file.add(number, objects[number - 1] ?? '');
    last = file.table([0, ...changed], last === undefined ? '' : `/Prev ${last}`);
    file.end(last);
  }
  return file.bytes();
}

/** The first page and its table stand in front, for readers that load it from afar. */
export function linearised(text: string): Buffer {
  let offsets: ReadonlyMap<number, number> = new Map();
  let [main, length] = [0, 0];
  // What stands in front tells where the rest is: the second time around it is known.
  for (;;) {
    const file = new PdfFile(offsets);
    const padded = (number: number) => String(number).padStart(6);
    file.add(6, `<< /Linearized 1 /L ${padded(length)} /O 5 /N 1 /T ${padded(main)} /E ${padded(main)} >>`);
    const front = file.table([3, 4, 5, 6], `/Prev ${padded(main)}`);
    file.end(0);
    for (const number of [3, 4, 5, 1, 2]) file.add(number, pageOf(text)[number - 1] ?? '');
    const found = file.table([0, 1, 2], '');
    file.end(front);
    if (found === main && file.bytes().length === length) return file.bytes();
    [offsets, main, length] = [file.offsets, found, file.bytes().length];
  }
}

/** Most objects are packed into a stream, and so is the table: as nearly every program writes them. */
export function packed(text: string, head = '%PDF-1.5\n'): Buffer {
  const file = new PdfFile(new Map(), head);
  file.add(4, shows(text));
  file.add(5, PAGE);
  file.add(6, objectStream({ 1: CATALOG, 2: PAGES, 3: FONT }));
  const place = file.length;
  const entries = [
    [0, 0, 0],
    ...[0, 1, 2].map((index) => [2, 6, index]),
    ...[4, 5, 6].map((number) => [1, file.offsets.get(number) ?? 0, 0]),
    [1, place, 0],
  ];
  file.add(7, tableStream(entries, '/Size 8 /Root 1 0 R'));
  file.end(place);
  return file.bytes();
}

/** A plain table, and a packed one with what old readers can do without. */
export function hybrid(text: string): Buffer {
  const file = new PdfFile();
  for (const number of [1, 2, 4, 5]) file.add(number, pageOf(text)[number - 1] ?? '');
  file.add(6, objectStream({ 3: FONT }));
  const place = file.length;
  file.add(7, tableStream([[2, 6, 0]], '/Size 8 /Index [3 1]'));
  file.end(file.table([0, 1, 2, 4, 5, 6], `/XRefStm ${place}`));
  return file.bytes();
}

function objectStream(objects: Readonly<Record<string, string>>): string {
  let index = '';
  let content = '';
  for (const [number, object] of Object.entries(objects)) {
    index += `${number} ${content.length} `;
    content += `${object} `;
  }
  const count = Object.keys(objects).length;
  return deflated(Buffer.from(index + content), `/Type /ObjStm /N ${count} /First ${index.length}`);
}

function tableStream(entries: readonly (readonly number[])[], more: string): string {
  const bytes = entries.flatMap(([kind = 0, place = 0, index = 0]) => [kind, place >> 8, place & 255, index]);
  return deflated(Buffer.from(bytes), `/Type /XRef /W [1 2 1] ${more}`);
}

function deflated(content: Buffer, more: string): string {
  return stream(deflateSync(content).toString('latin1'), `/Filter /FlateDecode ${more}`);
}

/** Full of what must not happen: scripts, programs to start, files inside, pages to fetch, an XFA form. */
export function active(text: string, url: string): Buffer {
  const [, , , content = ''] = pageOf(text);
  const script = '<< /S /JavaScript /JS (app.alert\\(1\\); process.exit\\(3\\); for\\(;;\\);) >>';
  const form = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "${url}">]><xdp:xdp>&e;</xdp:xdp>`;
  const names =
    '<< /JavaScript << /Names [(a) 6 0 R] >> /EmbeddedFiles << /Names [(b) << /F (b.exe) /EF << /F 7 0 R >> >>] >> >>';
  return PdfFile.of([
    `<< /Type /Catalog /Pages 2 0 R /OpenAction 6 0 R /AcroForm << /XFA 7 0 R /Fields [8 0 R] >> /Names ${names} >>`,
    PAGES,
    FONT,
    content,
    PAGE.replace('/Contents', '/AA << /O 9 0 R >> /Annots [8 0 R 10 0 R] /Contents'),
    script,
    stream(form),
    '<< /Type /Annot /Subtype /Widget /FT /Tx /T (note) /V (filled in) /Rect [0 0 10 10] /A 6 0 R >>',
    '<< /S /Launch /F (/bin/sh) /Win << /F (cmd.exe) >> >>',
    `<< /Type /Annot /Subtype /Link /Rect [0 0 10 10] /A << /S /URI /URI (${url}) >> >>`,
  ]);
}

/** Encrypted, but only changing it needs a password: RC4 of 40 bits, without a user password. */
export function ownerProtected(text: string): Buffer {
  const owner = rc4(
    md5(Buffer.concat([Buffer.from('owner'), PADDING]).subarray(0, 32)).subarray(0, 5),
    PADDING,
  );
  const rights = Buffer.from([0xfc, 0xff, 0xff, 0xff]); // -4
  const key = md5(Buffer.concat([PADDING, owner, rights])).subarray(0, 5);
  const ofObject = (number: number) =>
    md5(Buffer.concat([key, Buffer.from([number, 0, 0, 0, 0])])).subarray(0, 10);
  const drawing = Buffer.from(/stream\n(.*)\nendstream/s.exec(shows(text))?.[1] ?? '');
  const content = stream(rc4(ofObject(4), drawing).toString('latin1'));
  const hex = (bytes: Buffer) => `<${bytes.toString('hex')}>`;
  const encrypt = `<< /Filter /Standard /V 1 /R 2 /P -4 /O ${hex(owner)} /U ${hex(rc4(key, PADDING))} >>`;
  return PdfFile.of([CATALOG, PAGES, FONT, content, PAGE], `/Encrypt ${encrypt} /ID [<> <>]`);
}

const PADDING = Buffer.from('28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a', 'hex');

function md5(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest();
}

function rc4(key: Buffer, bytes: Buffer): Buffer {
  const state = Array.from({ length: 256 }, (_, index) => index);
  const swap = (a: number, b: number) => ([state[a], state[b]] = [state[b] ?? 0, state[a] ?? 0]);
  for (let i = 0, j = 0; i < 256; i += 1) {
    j = (j + (state[i] ?? 0) + (key[i % key.length] ?? 0)) & 255;
    swap(i, j);
  }
  let [i, j] = [0, 0];
  return bytes.map((byte) => {
    i = (i + 1) & 255;
    j = (j + (state[i] ?? 0)) & 255;
    swap(i, j);
    return byte ^ (state[((state[i] ?? 0) + (state[j] ?? 0)) & 255] ?? 0);
  }) as Buffer;
}
