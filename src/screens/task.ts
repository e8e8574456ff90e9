import type { RunDetails, TaskDetails } from '../inspect.ts';
import { colourOf, printable, printableJson, wrap } from '../terminal.ts';
import { type Display, elapsed, lacksRunner, someOf, succeededOrRuns, timestamp } from './display.ts';
import { type Column, table } from './table.ts';

interface Execution {
  readonly attempt: number;
  readonly outcome: string;
  readonly runner_id: number | null;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly note: string;
}

/** One task of a run: every execution, its error whole, its output. Into a pipe: the output alone, as JSON. */
export function taskScreen(run: RunDetails, task: TaskDetails, display: Display): string {
  if (!display.isTerminal) return `${printableJson(task.output)}\n`;
  const { paint } = display;
  const state = paint(task.state, colourOf(task.state));
  const head = `task ${task.name} of run ${run.id} is ${state}: ${printable(`${task.connector}.${task.operation}`)}`;
  const executions = executionsOf(run, task);
  const facts = [];
  if (task.after.length > 0) facts.push(`after ${someOf(task.after)}`);
  if (task.skipped !== null) facts.push(`skipped: ${printable(task.skipped)}`);
  if (task.reused_from !== null) facts.push(`its output is taken over from run ${task.reused_from}`);
  const lines = facts.map((fact) => wrap(fact, display.width));
  if (task.error)
    lines.push(
      paint(wrap(`${printable(task.error.code)}: ${printable(task.error.message)}`, display.width), 'red'),
    );
  const parts = [[wrap(head, display.width), ...lines].join('\n')];
  if (executions.length > 0) parts.push(table(executions, columns(display), display).trimEnd());
  if (task.state === 'SUCCESS') parts.push(`output:\n${printableJson(task.output, 2)}`);
  return `${parts.join('\n\n')}\n`;
}

/** The outputs of all tasks that have one. Into a pipe: the task, a tab, and JSON. */
export function outputsScreen({ tasks }: RunDetails, { isTerminal, paint }: Display): string {
  const done = tasks.filter(({ state }) => state === 'SUCCESS');
  if (!isTerminal) return done.map(({ name, output }) => `${name}\t${printableJson(output)}\n`).join('');
  if (done.length === 0) return 'No task has an output yet.\n';
  return done.map(({ name, output }) => `${paint(name, 'bold')}\n${printableJson(output, 2)}\n`).join('\n');
}

function executionsOf(run: RunDetails, task: TaskDetails): Execution[] {
  const failed = run.attempts
    .filter((attempt) => attempt.task === task.name)
    .map(({ error, ...attempt }) => ({ ...attempt, note: error.message }));
  const { attempt, state: outcome, runner_id, started_at, finished_at: ended_at } = task;
  if (!started_at || !succeededOrRuns(task)) return failed;
  return [...failed, { attempt, outcome, runner_id, started_at, ended_at, note: lacksRunner(run, task) }];
}

function columns({ now }: Display): Column<Execution>[] {
  return [
    { title: 'ATTEMPT', value: ({ attempt }) => String(attempt), align: 'right' },
    { title: 'OUTCOME', value: ({ outcome }) => outcome, colour: ({ outcome }) => colourOf(outcome) },
    { title: 'RUNNER', value: ({ runner_id }) => String(runner_id ?? ''), align: 'right' },
    { title: 'STARTED (UTC)', value: ({ started_at }) => timestamp(started_at) },
    {
      title: 'TOOK',
      value: ({ started_at, ended_at }) => elapsed(started_at, ended_at, now),
      align: 'right',
    },
    { title: 'NOTE', value: ({ note }) => note, shrinks: true },
  ];
}
