export const CATALOG = '<< /Type /Catalog /Pages 2 0 R >>';
export const PAGES = '<< /Type /Pages /Count 1 /Kids [5 0 R] >>';
export const FONT = '<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>';
export const PAGE =
  '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents 4 0 R >>';

export function stream(content: string, more = ''): string {
  return `<< /Length ${content.length} ${more} >>\nstream\n${content}\nendstream`;
}

/** The content of a page with one line on it. */
export function shows(text: string): string {
  return stream(`BT /F1 9 Tf 1 0 0 1 40 700 Tm (${text}) Tj ET`);
}

/** The five objects of a document with one line on one page, in the order of their numbers. */
export function pageOf(text: string): readonly string[] {
  return [CATALOG, PAGES, FONT, shows(text), PAGE];
}

/** A PDF in the making, for those whose parts stand in no usual order. */
export class PdfFile {
  readonly offsets = new Map<number, number>();
  readonly #known: ReadonlyMap<number, number>;
  #text: string;

  /** Tables name objects that are already there, or those `known` from elsewhere. */
  constructor(known: ReadonlyMap<number, number> = new Map(), head = '%PDF-1.5\n') {
    this.#known = known;
    this.#text = head;
  }

  /** Objects numbered from 1, the first of which is the catalog, and a table of them. */
  static of(objects: readonly string[], trailer = '', head?: string): Buffer {
    const file = new PdfFile(new Map(), head);
    for (const [index, object] of objects.entries()) file.add(index + 1, object);
    file.end(file.table([0, ...objects.map((_, index) => index + 1)], trailer));
    return file.bytes();
  }

  get length(): number {
    return this.#text.length;
  }

  add(number: number, object: string): void {
    this.offsets.set(number, this.length);
    this.#text += `${number} 0 obj\n${object}\nendobj\n`;
  }

  /** Writes where these objects are; gives the place of the table. */
  table(numbers: readonly number[], trailer: string): number {
    const place = this.length;
    const entries = numbers.map((number) => {
      const offset = this.offsets.get(number) ?? this.#known.get(number) ?? 0;
      const entry = number === 0 ? '0000000000 65535 f' : `${String(offset).padStart(10, '0')} 00000 n`;
      return `${number} 1\n${entry} \n`;
    });
    this.#text += `xref\n${entries.join('')}trailer\n<< /Size 11 /Root 1 0 R ${trailer} >>\n`;
    return place;
  }

  end(table: number): void {
    this.#text += `startxref\n${table}\n%%EOF\n`;
  }

  bytes(): Buffer {
    return Buffer.from(this.#text, 'latin1');
  }
}
