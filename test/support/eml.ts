interface EmlPart {
  readonly type: string;
  readonly content: string | Buffer;
  /** Makes it an attachment. */
  readonly name?: string;
}

/** Writes an internet message of one or several parts, each in base64. */
export function writeEml(
  headers: Readonly<Record<string, string>>,
  parts: readonly EmlPart[],
  subtype = 'mixed',
): string {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bodies = parts.map(({ type, content, name }) => {
    const charset = typeof content === 'string' ? '; charset=utf-8' : '';
    const disposition = name === undefined ? '' : `Content-Disposition: attachment; filename="${name}"\r\n`;
    const base64 = Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\r\n');
    return `Content-Type: ${type}${charset}\r\n${disposition}Content-Transfer-Encoding: base64\r\n\r\n${base64}\r\n`;
  });
  if (bodies.length === 1 && parts[0]?.name === undefined)
    return `${head.join('')}MIME-Version: 1.0\r\n${bodies[0]}`;
  const boundary = '=_sluice_test';
  const opening = `MIME-Version: 1.0\r\nContent-Type: multipart/${subtype}; boundary="${boundary}"\r\n\r\n`;
  return `${head.join('')}${opening}${bodies.map((body) => `--${boundary}\r\n${body}`).join('')}--${boundary}--\r\n`;
}
