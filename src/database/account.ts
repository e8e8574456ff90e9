import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseUnavailableError } from '../errors.ts';

/** The account that Postgres runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account that Postgres has to run as because it refuses to run as root; undefined when we are not root and
 * it can run as ourselves. Data that exist keep the account they were made by.
 */
export function serverAccount(data?: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (!data) return unprivileged(readFileSync('/etc/passwd', 'utf8'));
  const { uid, gid } = statSync(data);
  return { uid, gid };
}

/** `postgres` when there is one, else `nobody`. */
export function unprivileged(passwd: string): Account {
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] = passwd.match(new RegExp(`^${wanted}:.*$`, 'm'))?.[0].split(':') ?? [];
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new DatabaseUnavailableError(
    'Postgres refuses to run as root, and there is no account "postgres" or "nobody" to run it as. ' +
      'Add one (useradd --system postgres), run as an ordinary user, or set DATABASE_URL.',
  );
}

/** Whether the account may enter every folder on the way to the path, and open or execute what is there. */
export function canReach(path: string, account: Account): boolean {
  let at = realpathSync(path);
  while (mayExecute(at, account)) {
    if (at === dirname(at)) return true;
    at = dirname(at);
  }
  return false;
}

function mayExecute(path: string, account: Account): boolean {
  const { mode, uid, gid } = statSync(path);
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode & bit) !== 0;
}
