import { runId } from '../arguments.ts';
import type { Engine } from '../engine.ts';
import type { RunOverview } from '../inspect.ts';
import { LiveScreen } from '../live.ts';
import { eventsScreen } from '../screens/events.ts';
import { liveScreen, runScreen } from '../screens/run.ts';
import { type RunsPage, runsScreen } from '../screens/runs.ts';
import { exitCodeOf, INTERRUPTED, noSuchRun, onShutdown, type Shell, say, show, showJson } from '../shell.ts';
import { printableJson } from '../terminal.ts';

interface WatchOptions {
  readonly json?: boolean | undefined;
  /** Into a pipe: nothing until the end, and then the tasks. */
  readonly quiet?: boolean;
}

export function addWatchCommand(shell: Shell): void {
  shell
    .command('watch', 'shows a run while it goes on, or all of them; ends with the run’s exit code')
    .argument('[run]', 'the number of a run', runId)
    .option('--json', 'one JSON object a line')
    .action(
      shell.action(async (id: string | undefined, { json }: { json?: boolean }) => {
        const engine = await shell.openDatabase();
        return id === undefined
          ? await watchAll(shell, engine, json)
          : await watchRun(shell, engine, id, { json });
      }),
    );
}

/** Until the run has ended: redrawn in place on a terminal, one line for each thing that happens in a pipe. */
export async function watchRun(
  shell: Shell,
  engine: Engine,
  id: string,
  options: WatchOptions,
): Promise<number> {
  const stop = new AbortController();
  using _ = onShutdown(stop);
  let last: RunOverview | undefined;
  if (shell.canRedraw && !options.json) last = await redrawRun(shell, engine, id, stop.signal);
  else if (options.quiet) last = await awaitRun(engine, id, stop.signal);
  else return await appendEvents(shell, engine, id, stop.signal, options.json);

  if (last && last.status !== 'RUNNING') {
    if (options.json) showJson(await engine.readRun(id));
    else show(runScreen(last, shell.display()));
    return exitCodeOf(last);
  }
  return interrupted(id);
}

async function redrawRun(
  shell: Shell,
  engine: Engine,
  id: string,
  signal: AbortSignal,
): Promise<RunOverview | undefined> {
  let { run: seen, notice } = await look(engine, id);
  if (seen.status !== 'RUNNING') return seen;
  let trouble: string | undefined;
  const draw = () => {
    const display = shell.display();
    const warning = trouble ?? notice;
    const footer = display.paint(
      warning ?? 'Ctrl-C stops watching; the run goes on.',
      warning ? 'yellow' : 'dim',
    );
    return `${liveScreen(seen, { ...display, height: display.height - 1 })}\n${footer}`;
  };
  using screen = new LiveScreen(process.stdout, draw);
  const onTrouble = (line: string | undefined) => {
    trouble = line && `${line} Waiting for it.`;
    screen.redraw();
  };
  screen.redraw();
  for await (const now of engine.follow(() => look(engine, id), signal, onTrouble)) {
    ({ run: seen, notice } = now);
    if (seen.status !== 'RUNNING') return seen;
    screen.redraw();
  }
  return seen;
}

async function awaitRun(engine: Engine, id: string, signal: AbortSignal): Promise<RunOverview | undefined> {
  let told: string | undefined;
  for await (const { run, notice } of engine.follow(() => look(engine, id), signal, sayTrouble)) {
    if (run.status !== 'RUNNING') return run;
    if (notice && notice !== told) say(notice);
    told = notice;
  }
  return undefined;
}

/** The run, and what keeps it from going on as long as it lasts. */
async function look(engine: Engine, id: string): Promise<{ run: RunOverview; notice?: string }> {
  const run = (await engine.readOverview(id)) ?? absent(id);
  return run.status !== 'RUNNING' || (await engine.hasRunner())
    ? { run }
    : { run, notice: 'No runner is alive. Start one: npm run runner' };
}

async function appendEvents(
  shell: Shell,
  engine: Engine,
  id: string,
  signal: AbortSignal,
  json?: boolean,
): Promise<number> {
  const told = new Set<string>();
  // The status first: what had happened by then is among the events.
  const look = async () => {
    const status = (await engine.readStatus(id)) ?? absent(id);
    return { status, events: await engine.listEvents(id) };
  };
  for await (const { status, events } of engine.follow(look, signal, sayTrouble)) {
    const fresh = events.filter((event) => {
      const key = JSON.stringify(event);
      return !told.has(key) && told.add(key);
    });
    if (json) for (const event of fresh) show(printableJson({ run: id, ...event }));
    else show(eventsScreen(fresh, { ...shell.display(), isTerminal: false }));
    if (status !== 'RUNNING') return exitCodeOf({ status });
  }
  return interrupted(id);
}

/** What runs and what ran, until Ctrl-C. */
async function watchAll(shell: Shell, engine: Engine, json = false): Promise<number> {
  const stop = new AbortController();
  using _ = onShutdown(stop);
  const look = async (): Promise<RunsPage> => {
    const room = shell.display().height - 8;
    const active = await engine.listRuns('active', Math.max(3, room - 5));
    const ended = await engine.listRuns('ended', Math.max(3, room - active.length));
    return { active, activeTotal: await engine.countActiveRuns(), ended };
  };
  if (!shell.canRedraw || json) {
    const told = new Map<string, string>();
    for await (const { active, ended } of engine.follow(look, stop.signal, sayTrouble)) {
      for (const run of [...ended, ...active].reverse()) {
        const line = printableJson(run);
        if (told.get(run.id) === line) continue;
        told.set(run.id, line);
        show(
          json ? line : runsScreen({ active: [run], ended: [] }, { ...shell.display(), isTerminal: false }),
        );
      }
    }
    return 0;
  }
  let page: RunsPage = await look();
  let trouble: string | undefined;
  const draw = () => {
    const display = shell.display();
    const footer = display.paint(trouble ?? 'Ctrl-C stops watching.', trouble ? 'yellow' : 'dim');
    return `${runsScreen(page, display)}\n${footer}`;
  };
  using screen = new LiveScreen(process.stdout, draw);
  screen.redraw();
  for await (const seen of engine.follow(look, stop.signal, (line) => {
    trouble = line && `${line} Waiting for it.`;
    screen.redraw();
  })) {
    page = seen;
    screen.redraw();
  }
  return 0;
}

function interrupted(id: string): number {
  say(`No longer waiting for run ${id}, which goes on. See it: npm run runs -- ${id}`);
  return INTERRUPTED;
}

function sayTrouble(line: string | undefined): void {
  say(line ? `${line} Waiting for it.` : 'The database is back.');
}

function absent(id: string): never {
  throw noSuchRun(id);
}
