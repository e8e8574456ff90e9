import { isAlive } from '../../src/database/process.ts';
import type { Folder } from './embedded.ts';
import { until } from './until.ts';

/** As `pg_ctl restart -m fast` and `-m immediate`: at once, with goodbyes; or as in a crash. */
type StopMode = 'fast' | 'immediate';

export async function stopServer(folder: Folder, mode: StopMode): Promise<void> {
  const pid = folder.pid();
  process.kill(pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
  await until(() => !isAlive(pid), 'the server to end', 60_000);
}

export async function restartServer(folder: Folder, mode: StopMode): Promise<string> {
  await stopServer(folder, mode);
  return (await folder.start()).url;
}
