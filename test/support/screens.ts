import type { AttemptDetails, RunOverview, TaskOverview, TaskState } from '../../src/inspect.ts';
import type { Display } from '../../src/screens/display.ts';
import { painter } from '../../src/terminal.ts';

const START = Date.parse('2026-11-22T20:05:00Z');
export const at = (ms: number) => new Date(START + ms);
export const terminal: Display = {
  paint: painter(false),
  isTerminal: true,
  unicode: true,
  width: 80,
  height: 30,
  now: at(4_000),
};
export const ascii: Display = { ...terminal, unicode: false };
export const pipe: Display = { ...terminal, isTerminal: false };

/** The screen without the indentation that it has in this file. */
export function screen(text: string): string {
  return text.replace(/^\n/, '').replace(/^ {4}/gm, '').replace(/ +$/, '');
}

let number = 0;
export function task(
  name: string,
  after: readonly string[],
  state: TaskState,
  [ready, started, finished]: readonly (number | null)[] = [],
  more: Partial<TaskOverview> = {},
): TaskOverview {
  const time = (ms: number | null | undefined) => (ms === null || ms === undefined ? null : at(ms));
  return {
    task_no: ++number,
    name,
    connector: 'mail',
    operation: 'send',
    state,
    stopped: false,
    attempt: state === 'PENDING' || state === 'READY' ? 0 : 1,
    retries: 0,
    runner_id: state === 'PENDING' || state === 'READY' ? null : 3,
    ready_at: time(ready),
    started_at: time(started),
    finished_at: time(finished),
    error: null,
    skipped: null,
    reused_from: null,
    after,
    ...more,
  };
}

export function run(tasks: readonly TaskOverview[], more: Partial<RunOverview> = {}): RunOverview {
  return {
    id: '42',
    workflow: 'invoice-intake',
    version: 3,
    subject: null,
    status: 'RUNNING',
    key: null,
    created_at: at(0),
    finished_at: null,
    took_ms: more.finished_at ? +more.finished_at - +(more.created_at ?? at(0)) : null,
    succeeded: tasks.filter(({ state }) => state === 'SUCCESS').length,
    total: tasks.length,
    running: tasks.filter(({ state }) => state === 'RUNNING').map(({ name }) => name),
    dead_runners: [],
    waiting_for: null,
    failed_task: null,
    reason: null,
    input: { file: 'invoice.pdf' },
    rerun_of: null,
    from_failed: false,
    reruns: [],
    tasks,
    attempts: [],
    ...more,
  };
}

export const refused: AttemptDetails = {
  task: 'totals',
  attempt: 1,
  outcome: 'FAILED',
  runner_id: 3,
  started_at: at(400),
  ended_at: at(1_300),
  error: { code: 'BROKEN', message: 'connection refused by 127.0.0.1:1025' },
};

export const underWay = run(
  [
    task('read', [], 'SUCCESS', [0, 5, 400]),
    task('classify', ['read'], 'SUCCESS', [400, 400, 1_000]),
    task('pages', ['read'], 'RUNNING', [400, 1_000]),
    task('totals', ['read'], 'RUNNING', [400, 1_300], { attempt: 2, retries: 2 }),
    task('match', ['classify', 'pages', 'totals'], 'PENDING'),
    task('notify', ['match'], 'PENDING'),
  ],
  { key: 'invoice 17', attempts: [refused] },
);
