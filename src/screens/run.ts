import type { RunOverview, TaskOverview } from '../inspect.ts';
import { colourOf, cut, glyphs, pad, printable, width, wrap } from '../terminal.ts';
import {
  brief,
  causeOf,
  type Display,
  elapsed,
  lacksRunner,
  mark,
  progressBar,
  someOf,
  succeededOrRuns,
  timestamp,
  tookOf,
} from './display.ts';
import { type Column, table } from './table.ts';
import { timelineScreen } from './timeline.ts';
import { drawTree, type Line, summarise } from './tree.ts';

/** One run: a sentence and what is known of it, its tasks as they follow each other, and where the time went. */
export function runScreen(run: RunOverview, display: Display): string {
  if (!display.isTerminal) return table(run.tasks, plainColumns(run, display.now), display);
  const timeline = timelineScreen(run, display);
  return [runHead(run, display), runTree(run, display), ...(timeline ? [timeline] : [])].join('\n');
}

/** The same while it is under way: never longer than the terminal, so that it can be redrawn in place. */
export function liveScreen(run: RunOverview, display: Display): string {
  const { paint, height } = display;
  const isLow = height < 16;
  const head = (isLow ? runSentence : runHead)(run, display).split('\n');
  const bar = `${paint(progressBar(run.succeeded, run.total, Math.min(40, display.width - 20), display), 'cyan')} ${run.succeeded}/${run.total}`;
  const room = Math.max(2, height - head.length - (isLow ? 3 : 4));
  let tree: string[] = [];
  // Folded more and more until it fits. What runs or has failed is never folded: when that is too much, see underWay.
  for (const siblings of [12, 6, 3]) {
    tree = runTree(run, display, siblings).trimEnd().split('\n');
    if (tree.length <= room) break;
  }
  if (tree.length > room) tree = underWay(run, display, room);
  const lines = [...head, bar, '', ...tree, ''];
  const left = height - lines.length - 6;
  const timeline = left >= 3 ? timelineScreen(run, display, left).split('\n') : [];
  return [...lines, ...timeline].slice(0, height - 1).join('\n');
}

/** Which run it is, and how it stands. */
export function runSentence(run: RunOverview, { paint, now, width: columns }: Display): string {
  const took = tookOf(run, now);
  const status = paint(run.status, colourOf(run.status));
  const progress = `${run.succeeded} of ${run.total} tasks succeeded`;
  const when = `started ${timestamp(run.created_at)} UTC, ${run.finished_at ? `took ${took}` : `${took} ago`}`;
  const sentence = `run ${run.id} of ${run.workflow} (version ${run.version}) is ${status}: ${progress}, ${when}`;
  return wrap(sentence, columns);
}

function runHead(run: RunOverview, display: Display): string {
  const { paint, width: columns } = display;
  const fact = (name: string, value: string) =>
    `${paint(pad(name, 9), 'dim')}${brief(value, columns - 9, display)}`;
  const facts = [];
  if (run.key !== null) facts.push(fact('key', run.key));
  if (run.subject !== null) facts.push(fact('about', run.subject));
  facts.push(fact('input', JSON.stringify(run.input)));
  if (run.rerun_of !== null)
    facts.push(fact('rerun of', `run ${run.rerun_of}${run.from_failed ? ', from where it failed' : ''}`));
  if (run.reruns.length > 0) facts.push(fact('rerun by', `run ${run.reruns.join(', ')}`));
  if (run.finished_at && run.status === 'CANCELLED')
    facts.push(fact('stopped', `${timestamp(run.finished_at)} UTC`));
  const cause = paint(wrap(printable(causeOf(run)), columns), colourOf(run.status));
  return [runSentence(run, display), '', ...facts, ...(run.reason === null ? [] : ['', cause]), ''].join(
    '\n',
  );
}

function runTree(run: RunOverview, display: Display, siblings?: number): string {
  const lines = drawTree(run.tasks, display, siblings);
  const label = (line: Line<TaskOverview>) => ('task' in line ? `${line.prefix}  ${line.task.name}` : '');
  const names = Math.max(...lines.map((line) => width(label(line))), 4);
  return `${lines.map((line) => treeLine(run, line, names, display)).join('\n')}\n`;
}

/** A line of the drawing. The name and what stands before it have `widest` columns, but half of the terminal at the most. */
function treeLine(run: RunOverview, line: Line<TaskOverview>, widest: number, display: Display): string {
  const { paint, now, width: columns } = display;
  if ('folded' in line) return paint(`${line.prefix}${summarise(line.folded)}`, 'dim');
  const { prefix, task } = line;
  const names = Math.min(widest, Math.floor(columns / 2));
  // Branches that are too deep for the terminal lose their beginnings.
  const branches = prefix.slice(Math.max(0, width(prefix) + 2 + Math.min(8, width(task.name)) - names));
  const room = names - width(branches) - 2;
  const facts = [pad(duringAttempt(task), 7, 'right'), pad(ranFor(task, now), 9, 'right')];
  const runner = task.runner_id === null || task.reused_from !== null ? '' : `runner ${task.runner_id}`;
  // On a narrow terminal there is no room for it: what happened matters more than who did it.
  if (columns >= 60) facts.push(pad(runner, 9));
  const name = pad(brief(task.name, room, display), room);
  const left = `${paint(branches, 'dim')}${mark(task, display)} ${name}  ${facts.join('  ')}`;
  const note = brief(noteOfTask(run, task), Math.max(0, columns - width(left) - 2), display);
  const drawn = `${left}  ${task.state === 'FAILED' ? paint(note, 'red') : note}`;
  return cut(drawn.trimEnd(), columns, glyphs(display).ellipsis);
}

/** When the tree is too long for the terminal: what runs or has failed, and how many of the others there are. */
function underWay(run: RunOverview, display: Display, room: number): string[] {
  const matters = run.tasks.filter(({ state }) => state === 'RUNNING' || state === 'FAILED');
  const shown = matters.slice(-(room - 1));
  const rest = run.tasks.filter((task) => !shown.includes(task));
  const names = Math.max(...shown.map(({ name }) => width(name) + 2), 4);
  return [
    ...shown.map((task) => treeLine(run, { prefix: '', task }, names, display)),
    display.paint(summarise(rest), 'dim'),
  ];
}

function plainColumns(run: RunOverview, now: Date): Column<TaskOverview>[] {
  return [
    { title: 'TASK', value: ({ name }) => name },
    { title: 'CONNECTOR', value: ({ connector, operation }) => `${connector}.${operation}` },
    { title: 'STATE', value: ({ state }) => state },
    { title: 'ATTEMPT', value: duringAttempt },
    { title: 'TOOK', value: (task) => ranFor(task, now) },
    { title: 'RUNNER', value: ({ runner_id }) => (runner_id === null ? '' : String(runner_id)) },
    { title: 'NOTE', value: (task) => noteOfTask(run, task) },
  ];
}

function duringAttempt({ attempt, retries, reused_from }: TaskOverview): string {
  return attempt > 0 && reused_from === null ? `${attempt} of ${retries + 1}` : '';
}

function ranFor(task: TaskOverview, now: Date): string {
  const { started_at, finished_at, state } = task;
  return started_at && (state === 'FAILED' || succeededOrRuns(task))
    ? elapsed(started_at, finished_at, now)
    : '';
}

function noteOfTask(run: RunOverview, task: TaskOverview): string {
  if (task.reused_from !== null) return `reused from run ${task.reused_from}`;
  if (task.error) return task.error.message;
  if (task.skipped !== null) return `skipped: ${task.skipped}`;
  if (task.state === 'PENDING' || task.state === 'READY') {
    if (run.status !== 'RUNNING') return 'not run';
    return task.after.length > 1 && task.state === 'PENDING' ? `after ${someOf(task.after)}` : '';
  }
  const before = run.attempts.findLast((attempt) => attempt.task === task.name);
  const earlier = before ? `before: ${before.error.message}` : '';
  const waits = lacksRunner(run, task);
  const joins = task.after.length > 1 && !earlier && !waits ? `after ${someOf(task.after)}` : '';
  return [waits, earlier, joins].filter(Boolean).join('; ');
}
