import { constants } from 'node:fs';
import { allows } from '../files.ts';

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const;
/** Has a comma between the password, if there is one, and the path. */
const SEVERAL_HOSTS = /^[^:]+:\/\/(?:[^/]*@)?[^/@]*,[^/@]*(?:\/|$)/;
/** What stands in the place of a port. URL cannot read a string in which that is no port. */
const PORT = /^([^:]+:\/\/(?:[^/]*@)?[^/?#@]*):[^/?#@:\]]*(?=[/?#]|$)/;

/** What is wrong with a connection string, without ever repeating it: it holds a password. */
export function databaseUrlProblems(value: string): string[] {
  const hidden = '(value hidden)';
  const encode =
    'Percent-encode special characters in user and password: @ is %40, # is %23, / is %2F, % is %25.';
  if (value.trim() === '') return ['is blank. Give a postgres:// URL.'];
  if (!/^postgres(ql)?:\/\//.test(value)) return [`scheme must be postgres:// or postgresql:// ${hidden}.`];
  if (SEVERAL_HOSTS.test(value)) return [`names several hosts ${hidden}. Name one.`];
  if (!isDecodable(value)) return [`has a % that encodes nothing ${hidden}. ${encode}`];

  const readable = [value, value.replace(PORT, '$1:0')].find((one) => URL.canParse(one));
  if (!readable) return [`is no URL ${hidden}: its host cannot be read. ${encode}`];
  const url = new URL(readable);
  const database = url.pathname.slice(1);
  // After a ? in the password, the rest of the string is taken for options.
  const isCut = database === '' && url.search.includes('@');
  if (url.hash || /[/@]/.test(database) || isCut) {
    return [`has an unescaped character in the password ${hidden}. ${encode}`];
  }

  const { host, port } = addressOf(url);
  const sslmode = url.searchParams.get('sslmode') ?? 'disable';
  const problems: string[] = [];
  if (!host) problems.push(`names no host ${hidden}.`);
  if (!(Number(port) >= 1 && Number(port) <= 65_535)) problems.push('port must be between 1 and 65535.');
  if (!database) problems.push(`names no database ${hidden}. Add it after the host: …/name.`);
  if (!SSL_MODES.some((mode) => mode === sslmode)) {
    problems.push(`sslmode must be one of: ${SSL_MODES.join(', ')}.`);
  }
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) {
    const file = url.searchParams.get(name);
    if (file && !allows(file, constants.R_OK))
      problems.push(`${name} names a file that cannot be read: ${JSON.stringify(file)}.`);
  }
  return problems;
}

/** Where pg connects to: host and port among the options win. */
export function addressOf({ hostname, port, searchParams }: URL): { host: string; port: string } {
  return { host: searchParams.get('host') || hostname, port: searchParams.get('port') || port || '5432' };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
