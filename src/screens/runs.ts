import type { RunSummary } from '../inspect.ts';
import { colourOf } from '../terminal.ts';
import { causeOf, type Display, grouped, progressBar, shownTime, someOf, tookOf } from './display.ts';
import { type Column, table } from './table.ts';

export interface RunsPage {
  readonly active: readonly RunSummary[];
  /** How many are under way, also those that are not shown; undefined when all are. */
  readonly activeTotal?: number | undefined;
  /** The command that shows those that are not. */
  readonly olderActive?: string | undefined;
  readonly ended: readonly RunSummary[];
  /** The command that shows older ones; undefined when there are none. */
  readonly older?: string | undefined;
  /** A filter is set. */
  readonly filtered?: boolean;
}

/** What runs, with its progress, then what ran; newest first. */
export function runsScreen(page: RunsPage, display: Display): string {
  const { active, ended } = page;
  const { isTerminal, paint } = display;
  if (!isTerminal) return table([...active, ...ended], withSubject(endedColumns(display)), display);
  if (active.length + ended.length === 0) {
    return page.filtered
      ? 'No runs match. See all: npm run runs\n'
      : 'No runs yet. Start one: npm run start-run -- po_demo\n';
  }
  const hidden = (page.activeTotal ?? 0) - active.length;
  const parts = [];
  if (active.length > 0) {
    const rest = page.olderActive === undefined ? '' : `: ${page.olderActive}`;
    const more = hidden > 0 ? paint(`and ${grouped(hidden)} more under way${rest}\n`, 'dim') : '';
    parts.push(drawn(active, activeColumns(display), display) + more);
  }
  if (ended.length > 0) parts.push(drawn(ended, endedColumns(display), display));
  if (page.older !== undefined) parts.push(paint(`Older ones: ${page.older}\n`, 'dim'));
  return parts.join('\n');
}

/** The same, and shorter than the terminal: the oldest of those that have ended go first. */
export function liveRunsScreen(page: RunsPage, display: Display): string {
  const text = runsScreen(page, display);
  const { active, ended } = page;
  if (active.length + ended.length <= 1 || text.split('\n').length <= display.height) return text;
  const fewer = ended.length > 0 ? { ended: ended.slice(0, -1) } : { active: active.slice(0, -1) };
  return liveRunsScreen({ ...page, ...fewer }, display);
}

function activeColumns(display: Display): Column<RunSummary>[] {
  return [
    { title: 'RUN', value: ({ id }) => id, align: 'right' },
    { title: 'WORKFLOW', value: ({ workflow }) => workflow, shrinks: true },
    {
      title: 'PROGRESS',
      value: ({ succeeded, total }) => `${progressBar(succeeded, total, 10, display)} ${succeeded}/${total}`,
      colour: () => 'cyan',
    },
    { title: 'AGE', value: (run) => tookOf(run, display.now), align: 'right' },
    { title: 'NOW', value: noteOfRun, shrinks: true },
  ];
}

function endedColumns(display: Display): Column<RunSummary>[] {
  return [
    { title: 'RUN', value: ({ id }) => id, align: 'right' },
    { title: 'WORKFLOW', value: ({ workflow }) => workflow, shrinks: true },
    { title: 'STATUS', value: ({ status }) => status, colour: ({ status }) => colourOf(status) },
    { title: 'TASKS', value: ({ succeeded, total }) => `${succeeded}/${total}`, align: 'right' },
    { title: 'STARTED', value: ({ created_at }) => shownTime(created_at, display) },
    { title: 'TOOK', value: (run) => tookOf(run, display.now), align: 'right' },
    { title: 'NOTE', value: noteOfRun, shrinks: true },
  ];
}

const SUBJECT: Column<RunSummary> = {
  title: 'SUBJECT',
  value: ({ subject }) => subject ?? '',
  shrinks: true,
};

/** What runs are about stands before the note. */
function withSubject(columns: readonly Column<RunSummary>[]): Column<RunSummary>[] {
  return [...columns.slice(0, -1), SUBJECT, ...columns.slice(-1)];
}

/** On a terminal there is room for that only where one of these runs says so. */
function drawn(
  runs: readonly RunSummary[],
  columns: readonly Column<RunSummary>[],
  display: Display,
): string {
  const areAboutSomething = runs.some(({ subject }) => subject !== null);
  return table(runs, areAboutSomething ? withSubject(columns) : columns, display);
}

function noteOfRun(run: RunSummary): string {
  if (run.status !== 'RUNNING') return causeOf(run);
  const runs = run.running.length > 0 ? [`runs ${someOf(run.running)}`] : [];
  const dead = run.dead_runners.map((id) => `runner ${id} is dead`);
  if (runs.length + dead.length > 0) return [...runs, ...dead].join('; ');
  return run.waiting_for === null ? '' : `waits for ${run.waiting_for}`;
}
