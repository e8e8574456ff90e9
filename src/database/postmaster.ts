import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { codeOf } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { createClient } from './connect.ts';
import { isConnectionFailure } from './failures.ts';
import { isAlive } from './process.ts';

/** How a cluster was found. Busy: its server is starting, recovering, stopping or hanging. */
type Seen =
  | { readonly state: 'stopped' }
  | { readonly state: 'busy' | 'running'; readonly pid: number; readonly url: string };

/** What a look at the process and a connection tell about a cluster. Removes what a crash left behind. */
export async function look(cluster: Cluster): Promise<Seen> {
  const file = join(cluster.data, 'postmaster.pid');
  const found = readPidFile(file);
  if (!found || !isAlive(found.pid)) return { state: 'stopped' };
  if (!isPostmaster(found, cluster.data)) {
    // After a crash or a reboot the file names a process that has nothing to do with it, which Postgres would take for a
    // running server. Nothing was awaited since the file was read, so no server has written another one meanwhile.
    rmSync(file, { force: true });
    return { state: 'stopped' };
  }
  const url = urlOf(cluster, found.port);
  return { state: found.ready && (await answers(url)) ? 'running' : 'busy', pid: found.pid, url };
}

/** Whether a server answers. A refusal is an answer, too: whoever connects will be told of it. */
async function answers(url: string): Promise<boolean> {
  await using client = createClient(url);
  try {
    await client.connect();
    return true;
  } catch (error) {
    return !isConnectionFailure(error);
  }
}

/** Whether the process is the server of this data directory, and not of one that this is a copy of. */
function isPostmaster({ pid, data: recorded }: PidFile, data: string): boolean {
  if (process.platform === 'linux' && existsSync('/proc/self')) {
    try {
      // A postmaster works in its data directory, also after the folder was moved.
      return readlinkSync(`/proc/${pid}/cwd`) === data;
    } catch (error) {
      return codeOf(error) === 'EACCES';
    }
  }
  if (resolve(recorded) !== data) return false;
  if (process.platform === 'win32') return true;
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.includes('postgres') ?? true;
}

interface PidFile {
  readonly pid: number;
  readonly data: string;
  readonly port: number;
  readonly ready: boolean;
}

/** Undefined when there is none, or while it is being written. */
function readPidFile(path: string): PidFile | undefined {
  try {
    const [pid, data = '', , port, , , , state] = readFileSync(path, 'utf8').split('\n');
    if (!(Number(pid) > 0)) return undefined;
    return { pid: Number(pid), data, port: Number(port), ready: state?.trim() === 'ready' };
  } catch {
    return undefined;
  }
}

/** With sslmode, as PGSSLMODE of the environment shall not apply; loopback needs no TLS. */
function urlOf({ server }: Cluster, port: number): string {
  return `postgres://sluice:${server.password}@127.0.0.1:${port}/sluice?sslmode=disable`;
}
