import { Command, CommanderError, Help, InvalidArgumentError } from 'commander';
import { addDatabaseCommands } from './commands/database.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addInboxCommand } from './commands/inbox.ts';
import { addLookCommands } from './commands/look.ts';
import { addRunCommands } from './commands/run.ts';
import { Shell, say, seeHelp } from './commands/shell.ts';
import { loseOutput } from './commands/shutdown.ts';
import { addSteerCommands } from './commands/steer.ts';
import { addWatchCommand } from './commands/watch.ts';
import { keptByNpm } from './config.ts';
import { describeConnectionFailure, isAway, isRefused } from './database/failures.ts';
import {
  codeOf,
  DatabaseUnavailableError,
  DefinitionError,
  messageOf,
  SchemaError,
  UsageError,
} from './errors.ts';
import { whyNot } from './files.ts';
import { printable, printableLines } from './terminal.ts';

/*
 * Where commands begin. The only place that reads arguments and sets the exit code: what each says stands in README.md.
 */

const program = new Command('npm run')
  .usage('<command> -- [arguments]')
  .description('Sluice: workflows in Postgres.')
  // As it has to be typed: npm keeps options that stand before "--".
  .configureHelp({
    commandUsage: (command) => new Help().commandUsage(command).replace(' [options]', ' -- [options]'),
  })
  .configureOutput({ outputError: (text, write) => write(printableLines(text)) })
  .showHelpAfterError(seeHelp('start-run'))
  .exitOverride();

const shell = new Shell(program);
addRunCommands(shell);
addInboxCommand(shell);
addLookCommands(shell);
addWatchCommand(shell);
addSteerCommands(shell);
addDatabaseCommands(shell);
addDoctorCommand(shell);

// Without "--" npm keeps options for itself, and the command would do something else than what was asked for.
program.hook('preAction', (_, command) => {
  for (const option of command.options) {
    const name = option.long?.replace(/^--(no-)?/, '') ?? '';
    if (!keptByNpm(name)) continue;
    const quoted = process.platform === 'win32' ? ` PowerShell takes -- for itself: write '--' there.` : '';
    throw new UsageError(
      `npm took ${option.long} for itself. Put -- before it: npm run ${command.name()} -- … ${option.long}${quoted}`,
    );
  }
});

/** Refused by our rules, by a trigger of somebody's own, as somebody else was in the way, or as somebody cancelled it. */
const REFUSED = /^(?:WF|P0001$|40001$|40P01$|55P03$|57014$)/;

function fail(error: unknown): number {
  const line = (text: string) => say(printableLines(text));
  if (error instanceof UsageError || error instanceof InvalidArgumentError) {
    line(error.message);
    return 2;
  }
  // Commander itself has told of its own errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof DatabaseUnavailableError || isAway(error) || isRefused(error)) {
    line(describeConnectionFailure(error, shell.config.databaseUrl));
    return 3;
  }
  if (error instanceof DefinitionError || error instanceof SchemaError) {
    line(error.message);
    return 4;
  }
  const code = codeOf(error);
  const hint =
    error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? ` ${error.hint}` : '';
  if (REFUSED.test(code)) {
    const text = `${messageOf(error)}.${hint}`;
    // A list of problems has several lines; where any other message has some, they come from what somebody typed.
    const isListOfProblems = code === 'WF002';
    say(isListOfProblems ? printableLines(text) : printable(text));
    return isListOfProblems ? 4 : 2;
  }
  if (code === '3F000' || code === '42P01' || code === '42703' || code === '42883') {
    line(`The database has no Sluice in it, or an older one: ${messageOf(error)}. Run: npm run migrate`);
    return 4;
  }
  line(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 70;
}

let isLost = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // EIO is a terminal that was closed: SIGHUP tells of that.
  if (isLost || error.code === 'EIO') return;
  isLost = true;
  const isClosed = error.code === 'EPIPE';
  if (!isClosed) say(`standard output cannot be written: ${whyNot(error)}`);
  // `runs | head -1` is no error.
  if (!loseOutput()) process.exit(isClosed ? 0 : 74);
  process.exitCode = isClosed ? 141 : 74;
});
// When standard error cannot be written either, there is still the exit code.
process.stderr.on('error', () => {});

// An error that nobody catches is a bug, and not the 1 of a run that failed. Where somebody listens, it is his.
process.on('uncaughtExceptionMonitor', () => {
  if (process.listenerCount('uncaughtException') > 0) return;
  process.on('exit', () => {
    process.exitCode = 70;
  });
});

try {
  await program.parseAsync();
  process.exitCode ??= shell.exitCode;
} catch (error) {
  process.exitCode = fail(error);
} finally {
  await shell[Symbol.asyncDispose]();
}
