import { deflateSync } from 'node:zlib';
import { writeObjects } from './pdf.ts';

const FONT = '<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>';
const PAGE =
  '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents 4 0 R >>';

/** A page whose content is these instructions, packed as small as possible. */
export function packedPdf(content: Buffer, trailer?: string): Buffer {
  const packed = deflateSync(content);
  const stream = `<< /Length ${packed.length} /Filter /FlateDecode >>\nstream\n${packed.toString('latin1')}\nendstream`;
  const pages = '<< /Type /Pages /Count 1 /Kids [5 0 R] >>';
  return writeObjects(['<< /Type /Catalog /Pages 2 0 R >>', pages, FONT, stream, PAGE], trailer);
}

/** A page that needs a password: RC4 of 40 bits, or AES of 128 or 256. */
export function encryptedPdf(method: 'RC4' | 'AESV2' | 'AESV3'): Buffer {
  const versions = { RC4: '/V 1 /R 2', AESV2: '/V 4 /R 4 /Length 128', AESV3: '/V 5 /R 6 /Length 256' };
  const hex = (bytes: number) => `<${'5a'.repeat(bytes)}>`;
  const length = method === 'AESV3' ? 48 : 32;
  const filter =
    method === 'RC4'
      ? ''
      : `/CF << /StdCF << /CFM /${method} >> >> /StmF /StdCF /StrF /StdCF /Perms ${hex(16)}`;
  const keys = `/O ${hex(length)} /U ${hex(length)} /OE ${hex(32)} /UE ${hex(32)}`;
  const encrypt = `<< /Filter /Standard ${versions[method]} /P -4 ${keys} ${filter} >>`;
  return packedPdf(Buffer.from('BT ET'), `/Encrypt ${encrypt} /ID [<00> <00>]`);
}
