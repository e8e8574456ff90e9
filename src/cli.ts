import { callsOf, messageOf } from './errors.ts';
import { printableLines } from './terminal.ts';

/*
 * Where commands begin. With the commands, all workflows and connectors are loaded: of a file that cannot be, only the error
 * is told.
 */
try {
  await import('./commands/program.ts');
} catch (error) {
  const place = callsOf(error)
    .find((call) => !/node:|node_modules|\bcli\.ts/.test(call))
    ?.replace(/^.* \(|\)$/g, '');
  const said = place === undefined ? messageOf(error) : `${messageOf(error)}, at ${place}`;
  process.stderr.write(`${printableLines(said)}\n`);
  process.exitCode = 4;
}
