import { ConnectorError } from '../errors.ts';

const LONGEST = 40;

/** A path with values in place of `{name}`. A value never adds a folder to it, nor leads out of one. */
export function fillPath(template: string, values: Readonly<Record<string, string | null>>): string {
  const known = Object.keys(values);
  if (known.length === 0) return template;
  return template.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    if (!Object.hasOwn(values, name))
      throw new ConnectorError(
        'FILE_BAD_PATH',
        `{${name.slice(0, LONGEST)}} is not known; there are: ${known.map((one) => `{${one}}`).join(', ')}`,
      );
    return fileName(values[name] ?? '');
  });
}

/** Any text as a part of a file name: letters, digits, `_` and `.`, with `-` for everything else. */
export function fileName(text: string): string {
  const plain = text.normalize('NFC').replace(/[^\p{L}\p{N}_.]+/gu, '-');
  const short = Array.from(plain).slice(0, LONGEST).join('');
  return short.replace(/\.{2,}/g, '.').replace(/^[-.]+|[-.]+$/g, '') || 'unknown';
}
