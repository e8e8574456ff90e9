import type { RunDetails, RunSummary, TaskDetails } from './inspect.ts';
import { type Column, table } from './table.ts';
import { colourOf, duration, type Paint, printable } from './terminal.ts';

/** How and when a screen is drawn: its tests fix the time. */
export interface Display {
  readonly paint: Paint;
  readonly isTerminal: boolean;
  readonly now: Date;
}

/** What runs and what ran, newest first. */
export function runsScreen(
  active: readonly RunSummary[],
  ended: readonly RunSummary[],
  display: Display,
): string {
  const { paint, isTerminal } = display;
  if (active.length + ended.length === 0)
    return isTerminal ? 'No runs yet. Start one: npm run start-run -- po_demo\n' : '';
  return table([...active, ...ended], runColumns(display), paint, isTerminal);
}

/** One run: a sentence, its tasks, and what went wrong. */
export function runScreen(run: RunDetails, display: Display): string {
  const { paint, isTerminal, now } = display;
  const tasks = table(run.tasks, taskColumns(run, now), paint, isTerminal);
  if (!isTerminal) return tasks;
  const took = duration((run.finished_at ?? now).getTime() - run.created_at.getTime());
  const status = paint(run.status, colourOf(run.status));
  const progress = `${run.succeeded} of ${run.total} tasks succeeded`;
  const started = `started ${run.created_at.toISOString().replace('T', ' ').slice(0, 19)} UTC`;
  const head = `run ${run.id} of ${run.workflow} (version ${run.version}) is ${status}: ${progress}, ${started}, ${run.finished_at ? `took ${took}` : `${took} ago`}`;
  const reason =
    run.reason === null
      ? []
      : [
          paint(
            `${run.failed_task ? `${run.failed_task}: ` : ''}${printable(run.reason)}`,
            colourOf(run.status),
          ),
          '',
        ];
  return [head, '', ...reason, tasks].join('\n');
}

function runColumns({ now }: Display): Column<RunSummary>[] {
  return [
    { title: 'RUN', value: ({ id }) => id, align: 'right' },
    { title: 'WORKFLOW', value: ({ workflow }) => workflow },
    { title: 'STATUS', value: ({ status }) => status, colour: ({ status }) => colourOf(status) },
    { title: 'TASKS', value: ({ succeeded, total }) => `${succeeded}/${total}`, align: 'right' },
    { title: 'STARTED', value: ({ created_at }) => created_at.toISOString().replace('T', ' ').slice(0, 19) },
    {
      title: 'TOOK',
      value: ({ created_at, finished_at }) => duration((finished_at ?? now).getTime() - created_at.getTime()),
      align: 'right',
    },
    { title: 'NOTE', value: noteOfRun },
  ];
}

function noteOfRun({ status, running, failed_task, reason }: RunSummary): string {
  if (status === 'RUNNING')
    return running.length > 0
      ? `runs ${running.slice(0, 3).join(', ')}${running.length > 3 ? ', …' : ''}`
      : 'waits for a runner';
  return cut([failed_task, reason].filter((part) => part !== null).join(': '), 60);
}

function taskColumns(run: RunDetails, now: Date): Column<TaskDetails>[] {
  return [
    { title: 'TASK', value: ({ name }) => name },
    { title: 'CONNECTOR', value: ({ connector, operation }) => `${connector}.${operation}` },
    { title: 'STATE', value: ({ state }) => state, colour: ({ state }) => colourOf(state) },
    {
      title: 'ATTEMPT',
      value: ({ attempt, retries }) => (attempt > 0 ? `${attempt} of ${retries + 1}` : ''),
      align: 'right',
    },
    {
      title: 'TOOK',
      value: ({ started_at, finished_at }) =>
        started_at ? duration((finished_at ?? now).getTime() - started_at.getTime()) : '',
      align: 'right',
    },
    { title: 'NOTE', value: (task) => noteOfTask(run, task) },
  ];
}

function noteOfTask(run: RunDetails, { name, state, error, output, runner_id }: TaskDetails): string {
  if (error) return cut(error.message, 80);
  const before = run.attempts.filter(({ task }) => task === name).at(-1);
  const earlier = before ? `before: ${cut(before.error.message, 60)}` : '';
  if (state === 'PENDING' || state === 'READY') return run.status === 'RUNNING' ? '' : 'not run';
  if (state === 'RUNNING')
    return [runner_id === null ? 'waits for a runner' : `on runner ${runner_id}`, earlier]
      .filter(Boolean)
      .join('; ');
  const skipped =
    typeof output === 'object' && output !== null && 'skipped' in output ? output.skipped : undefined;
  return typeof skipped === 'string' ? `skipped: ${cut(skipped, 60)}` : earlier;
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
