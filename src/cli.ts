import { readFile } from 'node:fs/promises';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { collectInput, parseInput, runId, wholeNumber } from './arguments.ts';
import { type Config, readConfig } from './config.ts';
import { connectors } from './connectors/index.ts';
import { describeConnectionFailure, isConnectionFailure, isDatabaseExhausted } from './database/connect.ts';
import { embeddedStatus, startEmbedded, stopEmbedded } from './database/embedded.ts';
import { type Engine, openEngine } from './engine.ts';
import { DatabaseUnavailableError, DefinitionError, messageOf, UsageError } from './errors.ts';
import type { RunDetails } from './inspect.ts';
import { createLog, type Log } from './log.ts';
import { type Display, runScreen, runsScreen } from './screens.ts';
import { painter, printable } from './terminal.ts';
import { workflows } from './workflows/index.ts';

/*
 * The commands. The only place that reads arguments and sets the exit code: 0 done, 1 the run failed, 2 the command was
 * wrong (nothing was started), 3 the database cannot be reached or used, 4 workflows or schema are not valid, 70 a bug.
 */

const program = new Command('npm run')
  .usage('<command> -- [arguments]')
  .description('Sluice: workflows in Postgres.')
  .showHelpAfterError('(add --help for what can be said)')
  .exitOverride();

command('demo', 'reads the sample order, writes its row and its alert, and shows what happened')
  .option('--input <key=value>', 'input of the run; may be repeated', collectInput, [])
  .action(async ({ input }: { input: string[] }) => {
    const engine = await openDatabase({ mayMigrate: true });
    await engine.register();
    const stop = new AbortController();
    const shutdown = onShutdown(stop);
    const running = engine.run({ signal: stop.signal });
    try {
      const id = await engine.startRun('po_demo', {
        input: parseInput(input, await engine.inputSchema('po_demo')),
      });
      const run = await Promise.race([engine.waitForRun(id, stop.signal), running.then(() => undefined)]);
      stop.abort();
      await running;
      if (!run) return;
      show('');
      show(runScreen(run, display()));
      await showAlert(run);
      show(`What next:
  npm run runs                                   what runs and what ran
  npm run runs -- ${run.id}${' '.repeat(Math.max(1, 31 - run.id.length))}this run again
  npm run runner                                 run tasks until Ctrl-C; and in another terminal:
  npm run start-run -- po_demo --input email=samples/sample_po_email.txt --wait
  psql "$(npm run -s db -- url)" -c 'select * from v_run_history'`);
      process.exitCode = exitCodeOf(run);
    } finally {
      shutdown[Symbol.dispose]();
    }
  });

command('runner', 'runs tasks until it is stopped')
  .option('--concurrency <slots>', 'how many tasks run at once', wholeNumber(1, 1000), 20)
  .option(
    '--grace <seconds>',
    'how long running tasks may take to end once it is stopped',
    wholeNumber(0, 3600),
    10,
  )
  .action(async ({ concurrency, grace }: { concurrency: number; grace: number }) => {
    const engine = await openDatabase();
    const stop = new AbortController();
    using _ = onShutdown(stop);
    await engine.waitForDatabase(stop.signal, (line) => log.warn({}, line));
    if (stop.signal.aborted) return;
    await engine.register();
    const onReady = (id: number) =>
      log.info(
        { runner: id, slots: concurrency },
        `runner ${id} is ready: ${concurrency} slots. Ctrl-C stops it`,
      );
    await engine.run({ slots: concurrency, graceMs: grace * 1000, signal: stop.signal, onReady });
  });

command('start-run', 'starts a run of a workflow')
  .argument('<workflow>', `one of: ${workflows.map(({ name }) => name).join(', ')}`)
  .option(
    '--input <key=value>',
    'input of the run; may be repeated. Also {"key": …} or @file.json',
    collectInput,
    [],
  )
  .option('--key <key>', 'starting again with the same key gives the same run')
  .option('--wait', 'wait until it has ended, and show it')
  .action(
    async (workflow: string, { input, key, wait }: { input: string[]; key?: string; wait?: boolean }) => {
      const engine = await openDatabase();
      await engine.register();
      const start = {
        input: parseInput(input, await engine.inputSchema(workflow)),
        ...(key !== undefined && { key }),
      };
      const id = await engine.startRun(workflow, start);
      if (!wait)
        return show(
          process.stdout.isTTY ? `run ${id} of ${workflow} is started. See it: npm run runs -- ${id}` : id,
        );
      const run = await engine.waitForRun(id);
      show(runScreen(run, display()));
      process.exitCode = exitCodeOf(run);
    },
  );

command('runs', 'shows what runs and what ran, or one run')
  .argument('[run]', 'the number of a run', runId)
  .option('--limit <count>', 'how many that have ended', wholeNumber(1, 10_000), 20)
  .option('--json', 'as JSON')
  .action(async (id: string | undefined, { limit, json }: { limit: number; json?: boolean }) => {
    const engine = await openDatabase();
    if (id !== undefined) {
      const run = await engine.readRun(id);
      if (!run) throw new UsageError(`RUN_NOT_FOUND there is no run ${id}. See: npm run runs`);
      return show(json ? JSON.stringify(run, undefined, 2) : runScreen(run, display()));
    }
    const [active, ended] = await Promise.all([
      engine.listRuns('active', 1000),
      engine.listRuns('ended', limit),
    ]);
    show(json ? JSON.stringify([...active, ...ended], undefined, 2) : runsScreen(active, ended, display()));
  });

command('migrate', 'brings the database up to date').action(async () => {
  const engine = await openDatabase({ migrates: false });
  const applied = await engine.migrate(say);
  show(applied.length > 0 ? `Done: ${applied.join(', ')}` : 'The database is up to date.');
});

const db = command('db', 'the embedded database: url, status, stop');
db.command('url')
  .description('prints its URL, and starts it if it is not running')
  .action(async () => show(config().databaseUrl ?? (await startEmbedded(config().dataFolder, { say })).url));
db.command('status')
  .description('says whether it runs, and where it lies')
  .action(async () => {
    const { state, folder, log: logFile } = await embeddedStatus(config().dataFolder);
    show(`${state} in ${folder}${logFile ? `, log in ${logFile}` : ''}`);
    if (config().databaseUrl !== undefined)
      show('DATABASE_URL is set, so the commands use that one instead.');
  });
db.command('stop')
  .description('stops it; refuses while others are connected')
  .option('--force', 'cut them off')
  .action(async ({ force = false }: { force?: boolean }) => {
    const stopped = await stopEmbedded(config().dataFolder, { force });
    show(stopped ? 'The embedded database is stopped.' : 'The embedded database was not running.');
  });

// Found when they are needed: a wrong command must not start, nor even look for, a database.
let read: Config | undefined;
function config(): Config {
  read ??= readConfig();
  return read;
}

let log: Log;
const opened: Engine[] = [];

/** Connects to DATABASE_URL, or starts the embedded database. That one is kept up to date by itself. */
async function openDatabase({ mayMigrate = false, migrates = true } = {}): Promise<Engine> {
  log = createLog({ level: config().logLevel, format: config().logFormat, color: hasColour(), write: show });
  const { databaseUrl, dataFolder } = config();
  const connectionString = databaseUrl ?? (await startEmbedded(dataFolder, { say })).url;
  const engine = openEngine({ connectionString, connectors, workflows, log });
  opened.push(engine);
  if (migrates && (mayMigrate || databaseUrl === undefined)) await engine.migrate(say);
  return engine;
}

function command(name: string, description: string): Command {
  return program.command(name).description(description).exitOverride();
}

/** The first Ctrl-C or SIGTERM stops in an orderly way, the second one at once. */
function onShutdown(stop: AbortController): Disposable {
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return { [Symbol.dispose]: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal) };
}

async function showAlert(run: RunDetails): Promise<void> {
  const written = run.tasks.find(({ name }) => name === 'write_alert')?.output;
  const path =
    typeof written === 'object' && written !== null && 'path' in written ? written.path : undefined;
  if (typeof path !== 'string') return show('Nothing needs attention: no alert was written.\n');
  const alert = await readFile(path, 'utf8');
  show(`${printable(path)}:\n${alert.split('\n').map(printable).join('\n')}`);
}

function exitCodeOf({ status }: RunDetails): number {
  return status === 'COMPLETED' ? 0 : 1;
}

function display(): Display {
  return { paint: painter(hasColour()), isTerminal: process.stdout.isTTY, now: new Date() };
}

function hasColour(): boolean {
  return process.stdout.isTTY && config().color;
}

function show(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** What takes its time, for people: not part of the result. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const line = (text: string) => say(text.split('\n').map(printable).join('\n'));
  if (error instanceof UsageError || error instanceof InvalidArgumentError) {
    line(error.message);
    return 2;
  }
  if (error instanceof DatabaseUnavailableError || isConnectionFailure(error) || isDatabaseExhausted(error)) {
    line(
      error instanceof DatabaseUnavailableError
        ? error.message
        : describeConnectionFailure(error, config().databaseUrl),
    );
    return 3;
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const hint =
    error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? ` ${error.hint}` : '';
  if (error instanceof DefinitionError) {
    line(error.message);
    return 4;
  }
  if (/^WF/.test(code)) {
    line(`${messageOf(error)}.${hint}`);
    return code === 'WF002' ? 4 : 2;
  }
  if (code === '3F000' || code === '42P01' || code === '42883') {
    line(`The database has no Sluice in it, or an older one: ${messageOf(error)}. Run: npm run migrate`);
    return 4;
  }
  say(
    error instanceof Error
      ? printable(error.stack ?? error.message).replaceAll('\\n', '\n')
      : printable(String(error)),
  );
  return 70;
}

// `… | head -1` closes our output; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 70));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = fail(error);
} finally {
  await Promise.all(opened.map((engine) => engine[Symbol.asyncDispose]()));
}
