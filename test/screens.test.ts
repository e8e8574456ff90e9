import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowStatistics } from '../src/explain.ts';
import type { RunSummary } from '../src/inspect.ts';
import { graphScreen } from '../src/screens/graph.ts';
import { runScreen } from '../src/screens/run.ts';
import { liveRunsScreen, runsScreen } from '../src/screens/runs.ts';
import { taskScreen } from '../src/screens/task.ts';
import { workflowsScreen } from '../src/screens/workflows.ts';
import { at, run, screen, task, terminal } from './support/screens.ts';

test('active runs come first, with their progress; then those that have ended', () => {
  const summary = (id: string, more: Partial<RunSummary>): RunSummary =>
    run([], { id, succeeded: 3, total: 4, ...more });
  const page = {
    active: [summary('42', { running: ['pages', 'totals'] })],
    activeTotal: 1_001,
    olderActive: 'npm run runs -- --status running --before-run 42',
    ended: [
      summary('41', {
        status: 'FAILED',
        created_at: at(-60_000),
        finished_at: at(-56_000),
        failed_task: 'post',
        reason: 'connection refused by 127.0.0.1:1025',
      }),
      summary('9', {
        status: 'COMPLETED',
        succeeded: 4,
        created_at: at(-90_000_000),
        finished_at: at(-89_999_000),
      }),
    ],
    older: 'npm run runs -- --before-run 9',
  };

  assert.equal(
    runsScreen(page, terminal),
    screen(`
    RUN  WORKFLOW        PROGRESS          AGE  NOW
     42  invoice-intake  ███████░░░ 3/4  4.0 s  runs pages, totals
    and 1,000 more under way: npm run runs -- --status running --before-run 42

    RUN  WORKFLOW        STATUS     TASKS  STARTED            TOOK  NOTE
     41  invoice-intake  FAILED       3/4  20:04:00          4.0 s  post: connectio…
      9  invoice-intake  COMPLETED    4/4  2026-11-21 19:05  1.0 s

    Older ones: npm run runs -- --before-run 9
    `),
  );
});

const failed = run([], {
  status: 'FAILED',
  finished_at: at(2_000),
  succeeded: 3,
  total: 4,
  subject: 'mails/order.txt, PO-1',
  failed_task: 'post',
  reason: 'connection refused by 127.0.0.1:1025',
});

test('where the terminal is too narrow for a table, its last columns go on below', () => {
  const fine: RunSummary = { ...failed, id: '41', status: 'COMPLETED', failed_task: null, reason: null };

  assert.equal(
    runsScreen({ active: [], ended: [failed, fine] }, { ...terminal, width: 44 }),
    screen(`
    RUN  WORKFLOW     STATUS     TASKS  STARTED
       TOOK  SUBJECT            NOTE
     42  invoice-in…  FAILED       3/4  20:05:00
      2.0 s  mails/order.txt,…  post: connectio…
     41  invoice-in…  COMPLETED    3/4  20:05:00
      2.0 s  mails/order.txt,…
    `),
  );
});

test('what is watched is shorter than the terminal: of those that have ended, the oldest are left out', () => {
  const ended = ['42', '41', '40', '39'].map((id) => ({ ...failed, id }));
  const low = { ...terminal, width: 44, height: 7 };

  assert.equal(
    liveRunsScreen({ active: [], ended }, low),
    runsScreen({ active: [], ended: ended.slice(0, 2) }, low),
  );
});

test('what comes from outside cannot act on the terminal', () => {
  const hostile = run([], {
    status: 'FAILED',
    finished_at: at(1),
    failed_task: 'a',
    reason: 'no\x1b[2J\nmore\u202e',
    input: { a: '\x1b]0;x\x07\u009b' },
  });

  const text = runScreen(hostile, terminal) + runsScreen({ active: [], ended: [hostile] }, terminal);
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
  assert.ok(text.includes('a: no\\x1b[2J\\nmore\\u202e'));
});

test('the names of connectors and operations cannot act on the terminal', () => {
  const named = { connector: 'a\x1b[2J', operation: 'b\u202e' };
  const hostile = { ...task('only', [], 'PENDING', [], named), output: null };
  const details = { ...run([]), tasks: [hostile] };

  for (const text of [
    taskScreen(details, hostile, terminal),
    graphScreen({ ...details, run: details.id }, 'tree', terminal),
  ])
    assert.ok(text.includes('a\\x1b[2J.b\\u202e'), text);
});

test('workflows are shown with how they have been going', () => {
  const statistics: WorkflowStatistics = {
    workflow: 'invoice-intake',
    version: 3,
    registered_at: at(0),
    tasks: 6,
    runs: '1234567',
    active: 1,
    ended: 999,
    completed: 990,
    p50_ms: 456.4,
    p95_ms: 1_234.5,
    last_run: '1234567',
    last_status: 'RUNNING',
    last_started_at: at(0),
  };

  assert.equal(
    workflowsScreen([statistics], terminal),
    screen(`
    WORKFLOW        VERSION  TASKS       RUNS  SUCCESS     P50    P95  LAST RUN
    invoice-intake        3      6  1,234,567   99.1 %  456 ms  1.2 s  1234567, 20:…

    Success, p50 and p95: of the last 1,000 runs of each.
    `),
  );
});
