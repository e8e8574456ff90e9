import { embeddedStatus, stopEmbedded } from '../database/embedded.ts';
import { type Shell, say, show, showJson } from './shell.ts';

/** Commands about the database itself: migrate, and db for the embedded one. */
export function addDatabaseCommands(shell: Shell): void {
  shell
    .command('migrate', 'brings the database up to date')
    .option('--json', 'as JSON')
    .action(
      shell.action(async ({ json }: { json?: boolean }) => {
        const engine = await shell.openDatabase({ migrate: 'never' });
        const applied = await engine.migrate(say);
        if (json) showJson({ applied });
        else show(applied.length > 0 ? `Done, up to ${applied.at(-1)}.` : 'The database is up to date.');
      }),
    );

  const db = shell.command('db', 'the embedded database: url, status, stop');
  db.command('url')
    .description('prints its URL, and starts it if it is not running')
    .option('--json', 'as JSON')
    .action(
      shell.action(async ({ json }: { json?: boolean }) => {
        const url = await shell.databaseUrl();
        if (json) showJson({ url });
        else show(url);
      }),
    );
  db.command('status')
    .description('says whether it runs, and where it lies')
    .option('--json', 'as JSON')
    .action(
      shell.action(async ({ json }: { json?: boolean }) => {
        const { dataFolder: folder, databaseUrl } = shell.config;
        const { state, log } = await embeddedStatus(folder);
        const used = databaseUrl === undefined;
        if (json) return showJson({ state, folder, log: log ?? null, used });
        show(`${state} in ${folder}${log ? `, log in ${log}` : ''}`);
        if (!used) show('DATABASE_URL is set, so the commands use that one instead.');
      }),
    );
  db.command('stop')
    .description('stops it; refuses while others are connected')
    .option('--force', 'cut them off')
    .option('--json', 'as JSON')
    .action(
      shell.action(async ({ force = false, json }: { force?: boolean; json?: boolean }) => {
        const stopped = await stopEmbedded(shell.config.dataFolder, { force });
        if (json) showJson({ stopped });
        else show(stopped ? 'The embedded database is stopped.' : 'The embedded database was not running.');
      }),
    );
}
