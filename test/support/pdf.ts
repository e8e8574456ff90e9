/** A text on a page: its distance from the left and from the top, in points. */
export interface Placed {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly size?: number;
}

const HEIGHT = 792;

/** Writes a minimal PDF, uncompressed, in Courier: one list of texts per page. */
export function writePdf(pages: readonly (readonly Placed[])[]): Buffer {
  const objects = ['<< /Type /Catalog /Pages 2 0 R >>', '', FONT];
  const kids: string[] = [];
  for (const texts of pages) {
    const content = texts.map(drawn).join('\n');
    objects.push(`<< /Length ${Buffer.byteLength(content, 'latin1')} >>\nstream\n${content}\nendstream`);
    const stream = objects.length;
    const resources = '<< /Font << /F1 3 0 R >> >>';
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 ${HEIGHT}] /Resources ${resources} /Contents ${stream} 0 R >>`,
    );
    kids.push(`${objects.length} 0 R`);
  }
  objects[1] = `<< /Type /Pages /Count ${kids.length} /Kids [${kids.join(' ')}] >>`;
  return writeObjects(objects);
}

/** Puts objects, the first of which is the catalog, into a file with a correct cross-reference table. */
export function writeObjects(objects: readonly string[], trailer = ''): Buffer {
  let file = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const size = objects.length + 1;
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${offsets.join('')}`;
  const end = `trailer\n<< /Size ${size} /Root 1 0 R ${trailer} >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file + table + end, 'latin1');
}

/** Lays text out as it is, one line below the other, columns where the spaces put them. */
export function placeLines(
  lines: readonly string[],
  { left = 40, top = 60, leading = 15, perCharacter = 5.4 } = {},
): Placed[] {
  return lines.flatMap((line, row) =>
    Array.from(line.matchAll(/\S+(?: \S+)*/g), (cell) => ({
      x: left + cell.index * perCharacter,
      y: top + row * leading,
      text: cell[0],
    })),
  );
}

const FONT = '<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>';

function drawn({ x, y, text, size = 9 }: Placed): string {
  const escaped = text.replace(/[\\()]/g, '\\$&');
  return `BT /F1 ${size} Tf 1 0 0 1 ${x.toFixed(2)} ${(HEIGHT - y).toFixed(2)} Tm (${escaped}) Tj ET`;
}
