import { existsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { EmailConnector } from '../connectors/email.ts';
import { propertiesOf } from '../declarations.ts';
import type { Engine } from '../engine.ts';
import { codeOf, messageOf, UsageError } from '../errors.ts';
import { isInside, makeFolder, whyNot } from '../files.ts';
import { runInbox, type Tally } from '../inbox/inbox.ts';
import type { JsonObject } from '../json.ts';
import type { Log } from '../log.ts';
import { counted, printable } from '../terminal.ts';
import { collectInput, parseInput, wholeNumber } from './arguments.ts';
import { loadDefinitions, noSuchWorkflow, type Shell, say, show } from './shell.ts';
import { abortOnShutdown, INTERRUPTED } from './shutdown.ts';

interface Options {
  readonly once?: boolean;
  readonly workflow: string;
  readonly input?: string[];
  readonly moveTo?: string;
  readonly alerts: string;
  readonly runner: boolean;
  readonly concurrency: number;
}

/** With a runner of our own. Runs that others start meanwhile wait behind these, and not behind ten thousand mails. */
const MOST_OPEN = 200;
/** What Ctrl-C interrupts runs again with the next command, so there is no need to wait long for it. */
const GRACE_MS = 2_000;

/** The command that starts a run for each mail in a folder. */
export function addInboxCommand(shell: Shell): void {
  shell
    .command(
      'inbox',
      'starts a run for every .txt and .eml in a folder, now and as they arrive, and runs them',
    )
    .argument('<folder>', 'where mails arrive')
    .option(
      '--once',
      'take what lies there, wait until it is done (not with --no-runner), and end; exits 1 if a run failed or a mail was left alone',
    )
    .option('--workflow <name>', 'the workflow to start; has to have an input "email"', 'po_demo')
    .option('--input <key=value>', 'further input of each run; may be repeated', collectInput)
    .option('--move-to <folder>', 'mails leave the inbox for this folder when their run has been started')
    .option('--alerts <folder>', 'where alerts are written to, each in a file of its own', 'alerts')
    .option('--no-runner', 'start runs only: a runner elsewhere runs them')
    .option('--concurrency <slots>', 'how many tasks run at once', wholeNumber(1, 1000), 20)
    .action(shell.action((folder: string, options: Options) => inbox(shell, folder, options)));
}

async function inbox(shell: Shell, given: string, options: Options): Promise<number> {
  const { workflow, once = false, runner, concurrency } = options;
  const folder = await existingFolder(given);
  const moveTo = options.moveTo === undefined ? undefined : await targetFolder(options.moveTo, folder);
  const alerts = alertFolder(options.alerts);
  const root = [process.cwd(), ...[folder, moveTo].filter((one) => one !== undefined)];
  const log = runner ? withoutTasks(shell.log) : shell.log;
  const { connectors, workflows } = await loadDefinitions();
  const engine = await shell.openDatabase({
    workflows,
    connectors: { ...connectors, email: new EmailConnector({ root }) },
    log,
  });
  // With --once, which may be started by cron, a database that is away is reported at once.
  if (once) await engine.countActiveRuns();
  using stop = abortOnShutdown();
  if (!once) await engine.waitForDatabase(stop.signal, (line) => log.warn({}, line));
  if (stop.signal.aborted) return 0;
  await engine.register();
  const input = await inputOf(engine, workflow, options.input ?? [], alerts);
  if (!once) log.info({ folder }, `waiting for mails in ${folder}. Ctrl-C stops it`);

  const end = new AbortController();
  const signal = AbortSignal.any([stop.signal, end.signal]);
  const running = runner ? engine.run({ slots: concurrency, graceMs: GRACE_MS, signal }) : Promise.resolve();
  // Should the runner fail, the inbox must not go on alone.
  running.catch(() => end.abort());
  const url = await shell.databaseUrl();
  const tally = await runInbox({
    url,
    folder,
    workflow,
    input,
    once,
    signal,
    log,
    moveTo,
    mostOpen: runner ? MOST_OPEN : undefined,
  }).finally(() => end.abort());
  await running;
  if (!once) return 0;
  if (stop.signal.aborted) {
    say(`Stopped; the same command goes on. ${summary(tally)}`);
    return INTERRUPTED;
  }
  show(summary(tally));
  return tally.failed + tally.refused > 0 ? 1 : 0;
}

/** What each run is started with, beside its mail. Checked now: a mistake must not show with the first mail. */
async function inputOf(
  engine: Engine,
  workflow: string,
  given: readonly string[],
  alerts: string,
): Promise<JsonObject> {
  const schema = (await engine.inputSchema(workflow)) ?? (await noSuchWorkflow(engine, workflow));
  const properties = propertiesOf(schema);
  if (!Object.hasOwn(properties, 'email'))
    throw new UsageError(`BAD_WORKFLOW ${workflow} has no input "email": it is not about mails.`);
  const further = parseInput(given, schema);
  if (Object.hasOwn(further, 'email'))
    throw new UsageError('BAD_INPUT email is the mail itself: each run gets its own. Leave it out.');
  const input = {
    ...(Object.hasOwn(properties, 'alert_path') && { alert_path: join(alerts, '{po_number}-{run}.json') }),
    ...further,
  };
  await engine.checkInputs(workflow, [{ ...input, email: 'a.eml' }]);
  return input;
}

/** A folder as runs are to be told of it: relative to the current one, if it lies in that. */
function fromHere(folder: string): string {
  const path = resolve(folder);
  return isInside(process.cwd(), path) ? relative(process.cwd(), path) || '.' : path;
}

async function existingFolder(given: string): Promise<string> {
  const found = await stat(given).catch((error) => {
    const what = codeOf(error) === 'ENOENT' ? `there is no folder ${printable(given)}` : messageOf(error);
    throw new UsageError(`INBOX_NOT_FOUND ${what}. Make it, or name another.`);
  });
  if (!found.isDirectory()) throw new UsageError(`INBOX_NOT_A_FOLDER ${printable(given)} is not a folder.`);
  return fromHere(given);
}

async function targetFolder(given: string, inbox: string): Promise<string> {
  const folder = fromHere(given);
  try {
    makeFolder(folder);
  } catch (error) {
    throw new UsageError(`BAD_MOVE_TO ${printable(given)} cannot be made: ${whyNot(error)}. Name another.`);
  }
  // Compared by device and inode, as a folder may have many names: links, mounts, disks that do not tell a from A.
  const [from, to] = await Promise.all([inbox, folder].map((one) => stat(one, { bigint: true })));
  if (from?.dev === to?.dev && from?.ino === to?.ino)
    throw new UsageError(`BAD_MOVE_TO ${printable(given)} is the inbox itself. Name another folder.`);
  return folder;
}

function alertFolder(given: string): string {
  const folder = fromHere(given);
  if (/[{}]/.test(folder))
    throw new UsageError(`BAD_ALERTS ${printable(given)} has a brace in it, which stands for a value there.`);
  if (isAbsolute(folder))
    throw new UsageError(`BAD_ALERTS ${printable(given)} has to be a folder inside ${process.cwd()}.`);
  // It is made with the first alert.
  let above = folder;
  while (!existsSync(above)) above = dirname(above);
  if (!statSync(above).isDirectory())
    throw new UsageError(`BAD_ALERTS ${printable(above)} is a file. Name another folder.`);
  return folder;
}

/** Tells of runs, of mails and of what goes wrong; not of every move of every task. */
function withoutTasks(log: Log): Log {
  return {
    quiet: log.quiet,
    debug: (fields, phrase) => log.debug(fields, phrase),
    info: (fields, phrase) => log[fields.task === undefined ? 'info' : 'debug'](fields, phrase),
    warn: (fields, phrase) => log.warn(fields, phrase),
    error: (fields, phrase) => log.error(fields, phrase),
  };
}

function summary({ started, known, refused, completed, failed }: Tally): string {
  const files = started + known + refused;
  const ends = completed + failed > 0 ? ` ${completed} COMPLETED, ${failed} FAILED.` : '';
  return `${counted(files, 'file')}: ${started} started a run, ${known} known before, ${refused} left alone.${ends} See: npm run runs`;
}
