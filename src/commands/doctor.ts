import { openClient } from '../database/connect.ts';
import { examine } from '../doctor.ts';
import { doctorScreen } from '../screens/doctor.ts';
import { type Shell, show, showJson } from './shell.ts';

/** Looks whether everything that the database holds fits together. */
export function addDoctorCommand(shell: Shell): void {
  shell
    .command('doctor', 'checks whether all that is stored fits together; shows what does not')
    .option('--json', 'as JSON')
    .action(
      shell.action(async ({ json }: { json?: boolean }) => {
        await shell.openDatabase();
        await using client = await openClient(await shell.databaseUrl(), { name: 'doctor' });
        const findings = await examine(client);
        if (json) showJson(findings);
        else show(doctorScreen(findings));
        return findings.every(({ rows }) => rows.length === 0) ? 0 : 1;
      }),
    );
}
