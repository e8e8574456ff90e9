import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { addressOf } from '../database/url.ts';
import type { RunDetails } from '../inspect.ts';
import { runScreen } from '../screens/run.ts';
import { printable, printableLines } from '../terminal.ts';
import { collectInput, parseInput, runKey, wholeNumber } from './arguments.ts';
import { exitCodeOf, loadDefinitions, noSuchWorkflow, type Shell, say, show, showJson } from './shell.ts';
import { abortOnShutdown, INTERRUPTED } from './shutdown.ts';
import { watchRun } from './watch.ts';

interface RunnerOptions {
  readonly concurrency: number;
  readonly grace: number;
}

interface StartOptions {
  readonly input?: string[];
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** Commands that make something run: demo, runner, start-run. */
export function addRunCommands(shell: Shell): void {
  shell
    .command('demo', 'reads the sample order, writes its row and its alert, and shows what happened')
    .option('--input <key=value>', 'input of the run; may be repeated', collectInput)
    .action(shell.action(({ input }: { input?: string[] }) => demo(shell, input)));

  shell
    .command('runner', 'runs tasks until it is stopped')
    .option('--concurrency <slots>', 'how many tasks run at once', wholeNumber(1, 1000), 20)
    .option(
      '--grace <seconds>',
      'how long running tasks may take to end once it is stopped',
      wholeNumber(0, 3600),
      10,
    )
    .action(shell.action((options: RunnerOptions) => runTasks(shell, options)));

  shell
    .command('start-run', 'starts a run of a workflow')
    .argument('<workflow>', 'its name')
    .option(
      '--input <key=value>',
      'input of the run; may be repeated. Also {"key": …} or @file.json',
      collectInput,
    )
    .option('--idempotency-key <key>', 'starting again with the same key gives the same run', runKey)
    .option('--wait', 'wait until it has ended, and show it')
    .option('--json', 'as JSON')
    .action(shell.action((workflow: string, options: StartOptions) => startRun(shell, workflow, options)));
}

async function demo(shell: Shell, input: string[] = []): Promise<number> {
  const engine = await shell.openDatabase({ migrate: 'always', ...(await loadDefinitions()) });
  await engine.register();
  const given = parseInput(input, await engine.inputSchema('po_demo'));
  // Before there is a runner, which would begin with what others have started.
  await engine.checkInputs('po_demo', [given]);
  using stop = abortOnShutdown();
  let onReady: (runnerId: number) => void = () => {};
  const ready = new Promise<number>((resolve) => {
    onReady = resolve;
  });
  const running = engine.run({ signal: stop.signal, onReady });
  const stopped = running.then(() => undefined);
  // A runner that is ready claims the run as it starts it, so that what happens is told on this console.
  const runner = await Promise.race([ready, stopped]);
  if (runner === undefined) {
    say('Stopped before a run was started.');
    return INTERRUPTED;
  }
  const id = await engine.startRun('po_demo', { input: given });
  const ended = engine.waitForRun(id, stop.signal).catch((error) => {
    if (!stop.signal.aborted) throw error;
  });
  const run = await Promise.race([ended, stopped]);
  stop.abort();
  await running;
  if (!run) {
    say(`Stopped. Run ${id} goes on when somebody runs it: npm run runner. See it: npm run runs -- ${id}`);
    return INTERRUPTED;
  }
  show(`${ranElsewhere(run, runner)}\n`);
  show(runScreen(run, shell.display()));
  await showAlert(run);
  show(whatNext(run.id, shell.config.databaseUrl === undefined));
  return exitCodeOf(run);
}

async function runTasks(shell: Shell, { concurrency, grace }: RunnerOptions): Promise<number> {
  const engine = await shell.openDatabase(await loadDefinitions());
  using stop = abortOnShutdown();
  await engine.waitForDatabase(stop.signal, (line) => shell.log.warn({}, line));
  if (stop.signal.aborted) return 0;
  const registered = await engine.register();
  const url = new URL(await shell.databaseUrl());
  const { host, port } = addressOf(url);
  const database = `${host}:${port}${decodeURIComponent(url.pathname)}`;
  const names = registered.map(({ workflow, version }) => `${workflow} (version ${version})`).join(', ');
  const onReady = (id: number) =>
    shell.log.info(
      { runner: id, slots: concurrency, database },
      `runner ${id} is ready: ${concurrency} slots. Ctrl-C stops it. Database ${database}, workflows ${names}`,
    );
  await engine.run({ slots: concurrency, graceMs: grace * 1000, signal: stop.signal, onReady });
  return 0;
}

async function startRun(
  shell: Shell,
  workflow: string,
  { input = [], idempotencyKey: key, wait, json }: StartOptions,
): Promise<number> {
  const engine = await shell.openDatabase(await loadDefinitions());
  await engine.register();
  const schema = (await engine.inputSchema(workflow)) ?? (await noSuchWorkflow(engine, workflow));
  const id = await engine.startRun(workflow, { input: parseInput(input, schema), key });
  if (wait) return await watchRun(shell, engine, id, { json, quiet: true });
  if (json) showJson({ run: id, workflow });
  else if (shell.isTerminal) {
    const what = key === undefined ? 'is started' : `is the one with the key "${printable(key)}"`;
    show(`run ${id} of ${workflow} ${what}. See it: npm run runs -- ${id}`);
  } else show(id);
  return 0;
}

/** Says which tasks were run by other runners of the database, as those told of them on their consoles. */
function ranElsewhere({ tasks }: RunDetails, runner: number): string {
  const others = tasks.filter(({ runner_id }) => runner_id !== null && runner_id !== runner);
  if (others.length === 0) return '';
  const runners = new Set(others.map(({ runner_id }) => runner_id));
  return `Told elsewhere, by runner ${[...runners].join(', ')}: ${others.map(({ name }) => name).join(', ')}.\n`;
}

function whatNext(id: string, isEmbedded: boolean): string {
  return `What next:
  npm run runs                                   what runs and what ran
  npm run runs -- ${id}${' '.repeat(Math.max(1, 31 - id.length))}this run again
  npm run runner                                 run tasks until Ctrl-C; and in another terminal:
  npm run start-run -- po_demo --input email=samples/sample_po_email.txt --wait
  psql "$(npm run -s db -- url)" -c 'select * from v_run_history'${isEmbedded ? '\n  npm run db -- stop                             the database goes on until then' : ''}`;
}

async function showAlert(run: RunDetails): Promise<void> {
  const written = run.tasks.find(({ name }) => name === 'write_alert')?.output;
  const path =
    typeof written === 'object' && written !== null && 'path' in written ? written.path : undefined;
  if (typeof path !== 'string') {
    const why = run.status === 'COMPLETED' ? 'Nothing needs attention' : 'The run did not come to that';
    return show(`${why}: no alert was written.\n`);
  }
  // Any runner of the database may have written it, in the folder that it was started in.
  if (!existsSync(path)) return show(`A runner in another folder wrote ${printable(path)}.\n`);
  const alert = await readFile(path, 'utf8');
  show(`${printable(path)}:\n${printableLines(alert)}`);
}
