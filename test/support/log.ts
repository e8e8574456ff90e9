import type { Log } from '../../src/log.ts';

/** A log, and the phrases that it has been told: news as info, warnings as warn or error. */
export function keptLog(): { readonly log: Log; readonly news: string[]; readonly warnings: string[] } {
  const [news, warnings]: [string[], string[]] = [[], []];
  const info = (_: unknown, phrase: string) => void news.push(phrase);
  const warn = (_: unknown, phrase: string) => void warnings.push(phrase);
  return { log: { debug: () => {}, info, warn, error: warn }, news, warnings };
}
