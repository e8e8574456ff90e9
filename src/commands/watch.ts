import type { Engine } from '../engine.ts';
import type { RunOverview, RunSummary } from '../inspect.ts';
import type { Display } from '../screens/display.ts';
import { eventsScreen } from '../screens/events.ts';
import { LiveScreen } from '../screens/live.ts';
import { liveScreen, runScreen, runSentence } from '../screens/run.ts';
import { liveRunsScreen, type RunsPage, runsScreen } from '../screens/runs.ts';
import { printable, printableJson } from '../terminal.ts';
import { runId } from './arguments.ts';
import { exitCodeOf, noSuchRun, type Shell, say, show, showJson } from './shell.ts';
import { abortOnShutdown, INTERRUPTED } from './shutdown.ts';

interface WatchOptions {
  readonly json?: boolean | undefined;
  /** Into a pipe: no events, only the tasks at the end. */
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
        // Only a database that was there once is waited for.
        if (id === undefined) {
          await engine.countActiveRuns();
          return await watchAll(shell, engine, json);
        }
        if (!(await engine.readStatus(id))) noSuchRun(id);
        return await watchRun(shell, engine, id, { json });
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
  using stop = abortOnShutdown();
  const look = () => lookAtRun(engine, id);
  const hint = 'Ctrl-C stops watching; the run goes on.';
  let last: RunOverview | undefined;
  if (shell.canRedraw && !options.json)
    last = await redraw(shell, engine, look, liveScreen, hint, stop.signal);
  else if (options.quiet) last = await awaitRun(engine, id, stop.signal);
  else return await appendEvents(shell, engine, id, stop.signal, options.json);

  if (last && last.status !== 'RUNNING') {
    if (options.json) showJson({ run: id, ...(await engine.readRun(id)) });
    else {
      // Into a pipe go the tasks alone.
      if (!shell.isTerminal) say(runSentence(last, shell.display()));
      show(runScreen(last, shell.display()));
    }
    return exitCodeOf(last);
  }
  return interrupted(id);
}

/** What one look has found, and what a watcher has to know of it. */
interface Sight<Seen> {
  readonly seen: Seen;
  /** Why nothing goes on, if that is so. */
  readonly notice?: string;
  /** Nothing more will change. */
  readonly isLast?: boolean;
}

/** Draws in place whatever a look finds, until the last one or Ctrl-C; gives what was seen last. */
async function redraw<Seen>(
  shell: Shell,
  engine: Engine,
  look: () => Promise<Sight<Seen>>,
  draw: (seen: Seen, display: Display) => string,
  hint: string,
  signal: AbortSignal,
): Promise<Seen> {
  let sight = await look();
  if (sight.isLast) return sight.seen;
  let trouble: string | undefined;
  const drawAll = () => {
    const display = shell.display();
    const warning = trouble ?? sight.notice;
    const footer = display.paint(warning ?? hint, warning ? 'yellow' : 'dim');
    return `${draw(sight.seen, { ...display, height: display.height - 1 })}\n${footer}`;
  };
  using screen = new LiveScreen(process.stdout, drawAll, shell.config);
  const onTrouble = (line: string | undefined) => {
    trouble = line && waitingFor(line);
    screen.redraw();
  };
  screen.redraw();
  for await (sight of engine.follow(look, signal, onTrouble)) {
    if (sight.isLast) break;
    screen.redraw();
  }
  return sight.seen;
}

async function awaitRun(engine: Engine, id: string, signal: AbortSignal): Promise<RunOverview | undefined> {
  let told: string | undefined;
  for await (const { seen: run, notice } of engine.follow(() => lookAtRun(engine, id), signal, sayTrouble)) {
    if (run.status !== 'RUNNING') return run;
    if (notice && notice !== told) say(notice);
    told = notice;
  }
  return undefined;
}

/** The run, and what keeps it from going on as long as it lasts. */
async function lookAtRun(engine: Engine, id: string): Promise<Sight<RunOverview>> {
  const seen = (await engine.readOverview(id)) ?? noSuchRun(id);
  if (seen.status !== 'RUNNING') return { seen, isLast: true };
  return (await engine.hasRunner())
    ? { seen }
    : { seen, notice: 'No runner is alive. Start one: npm run runner' };
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
    const status = (await engine.readStatus(id)) ?? noSuchRun(id);
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

/** What runs and what ran, until Ctrl-C: redrawn in place on a terminal, a line for each thing that happens in a pipe. */
async function watchAll(shell: Shell, engine: Engine, json = false): Promise<number> {
  using stop = abortOnShutdown();
  const look = () => lookAtRuns(shell, engine);
  const hint = 'Ctrl-C stops watching.';
  if (shell.canRedraw && !json) await redraw(shell, engine, look, liveRunsScreen, hint, stop.signal);
  else await appendRuns(shell, engine, stop.signal, json);
  return 0;
}

async function lookAtRuns(shell: Shell, engine: Engine): Promise<Sight<RunsPage>> {
  const room = shell.display().height - 8;
  const active = await engine.listRuns('active', Math.max(3, room - 5));
  const ended = await engine.listRuns('ended', Math.max(3, room - active.length));
  return { seen: { active, activeTotal: await engine.countActiveRuns(), ended } };
}

/** How many of the runs that had ended before are told at the beginning. */
const EARLIER = 20;
const MOST_ACTIVE = 10_000;
/** How many of those that have ended are looked at: not so many begin and end between two looks. */
const MOST_ENDED = 1_000;

/** A line for each run that begins, moves or ends, from now on. */
async function appendRuns(shell: Shell, engine: Engine, signal: AbortSignal, json: boolean): Promise<void> {
  let active: readonly RunSummary[] = [];
  let told: ReadonlyMap<string, string> | undefined;
  const look = async () => {
    const former = active;
    const now = await engine.listRuns('active', MOST_ACTIVE);
    const ended = await engine.listRuns('ended', MOST_ENDED);
    const listed = new Set([...now, ...ended].map(({ id }) => id));
    // Those that were under way before and are not listed now: too old to be among the newest that have ended.
    const older = former.filter(({ id }) => !listed.has(id)).map(({ id }) => endedRun(engine, id));
    ended.push(...(await Promise.all(older)).flat());
    active = now;
    return { now, ended };
  };
  const line = (run: RunSummary) =>
    json
      ? printableJson(run)
      : runsScreen({ active: [run], ended: [] }, { ...shell.display(), isTerminal: false });
  for await (const { now, ended } of engine.follow(look, signal, sayTrouble)) {
    const fresh = told ? ended : ended.slice(0, EARLIER);
    const seen = new Map([...now, ...ended].map((run) => [run.id, printableJson(run)]));
    for (const run of [...fresh, ...now].reverse())
      if (told?.get(run.id) !== seen.get(run.id)) show(line(run));
    told = seen;
  }
}

/** The run with this id, if it has ended and was not pruned. */
async function endedRun(engine: Engine, id: string): Promise<RunSummary[]> {
  const found = await engine.listRuns('ended', 1, { before: String(BigInt(id) + 1n) });
  return found.filter((run) => run.id === id);
}

function interrupted(id: string): number {
  say(`No longer waiting for run ${id}, which goes on. See it: npm run runs -- ${id}`);
  return INTERRUPTED;
}

function sayTrouble(line: string | undefined): void {
  say(line ? waitingFor(line) : 'The database is back.');
}

function waitingFor(line: string): string {
  return `${printable(line)} Waiting for it.`;
}
