import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reason, RunEvent } from '../src/explain.ts';
import { eventsScreen } from '../src/screens/events.ts';
import { outputsScreen, taskScreen } from '../src/screens/task.ts';
import { whyScreen, whyTaskScreen } from '../src/screens/why.ts';
import { painter, withoutColour } from '../src/terminal.ts';
import { at, pipe, refused, run, screen, task, terminal, underWay } from './support/screens.ts';

test('a task is shown with every attempt, its error and its output', () => {
  const done = {
    ...task('totals', ['read'], 'SUCCESS', [400, 1_300, 2_000], { attempt: 2, retries: 2 }),
    output: { total: '19350.25' },
  };
  const details = { ...run([]), tasks: [done], attempts: [refused] };

  assert.equal(
    taskScreen(details, done, terminal),
    screen(`
    task totals of run 42 is SUCCESS: mail.send
    after read

    ATTEMPT  OUTCOME  RUNNER  STARTED (UTC)          TOOK  NOTE
          1  FAILED        3  2026-11-22 20:05:00  900 ms  connection refused by 12…
          2  SUCCESS       3  2026-11-22 20:05:01  700 ms

    output:
    {
      "total": "19350.25"
    }
    `),
  );
  assert.equal(taskScreen(details, done, pipe), '{"total":"19350.25"}\n');
  assert.equal(outputsScreen(details, pipe), 'totals\t{"total":"19350.25"}\n');
});

test('an error is shown whole, in colour too, however long its words are', () => {
  const message = `no such file: /${'long/'.repeat(30)}end`;
  const failed = {
    ...task('read', [], 'FAILED', [0, 0, 10]),
    error: { code: 'FILE', message },
    output: null,
  };
  const display = { ...terminal, paint: painter(true) };

  const shown = taskScreen({ ...run([]), tasks: [failed], attempts: [] }, failed, display);

  assert.ok(
    withoutColour(shown)
      .replaceAll('\n', '')
      .includes(message.split(': ')[1] ?? ''),
    shown,
  );
});

test('everything that happened is a line each', () => {
  const events: RunEvent[] = [
    { at: at(0), task: null, what: 'RUNNING', attempt: null, runner: null, note: null },
    { at: at(5), task: 'read', what: 'READY → RUNNING', attempt: 1, runner: 3, note: null },
    {
      at: at(1_300),
      task: 'totals',
      what: 'attempt FAILED',
      attempt: 1,
      runner: 3,
      note: 'connection refused',
    },
  ];

  assert.equal(
    eventsScreen(events, terminal),
    screen(`
    AT (UTC)      TASK    WHAT             ATTEMPT  RUNNER  NOTE
    20:05:00.000  (run)   RUNNING
    20:05:00.005  read    READY → RUNNING        1       3
    20:05:01.300  totals  attempt FAILED         1       3  connection refused
    `),
  );
  assert.equal(
    eventsScreen(events.slice(2), pipe),
    '2026-11-22 20:05:01.300\ttotals\tattempt FAILED\t1\t3\tconnection refused\n',
  );
});

test('where the terminal is narrow, a reason stands below its task; what is long is not said of each', () => {
  const reason = 'the run stopped when read failed: there is no file "nope.txt". Check the path.';
  const reasons: Reason[] = ['classify', 'pages'].map((name) => ({
    task: name,
    state: 'PENDING',
    code: 'RUN_STOPPED',
    reason,
  }));

  assert.equal(
    whyScreen({ ...underWay, status: 'FAILED' }, reasons, { ...terminal, width: 40 }),
    screen(`
    run 42 of invoice-intake is FAILED. Not
    run, or not to the end: 2 of 2 tasks.

    classify  PENDING
      the run stopped when read failed:
      there is no file "nope.txt". Check the
      path.
    pages     PENDING
      as the one above
    `),
  );
});

test('why is answered in whole sentences, broken where the terminal ends', () => {
  const reasons: Reason[] = [
    { task: 'read', state: 'SUCCESS', code: 'SUCCEEDED', reason: 'it has succeeded, in 395 ms' },
    {
      task: 'match',
      state: 'PENDING',
      code: 'WAITS_FOR_PARENTS',
      reason: 'it waits for classify (RUNNING), pages (READY), totals (RUNNING) and 12 more',
    },
  ];

  assert.equal(
    whyScreen(underWay, reasons, terminal),
    screen(`
    run 42 of invoice-intake is RUNNING. Not run, or not to the end: 1 of 2 tasks.

    match  PENDING  it waits for classify (RUNNING), pages (READY), totals (RUNNING)
                    and 12 more
    `),
  );
  const blocker: Reason = {
    task: 'read',
    state: 'READY',
    code: 'NO_RUNNER',
    reason: 'it could run, but no runner is alive',
  };
  assert.equal(
    whyTaskScreen(
      { task: 'match', state: 'PENDING', code: 'WAITS_FOR_PARENTS', reason: 'it waits for pages (PENDING)' },
      [blocker],
      terminal,
    ),
    screen(`
    match (PENDING): it waits for pages (PENDING).
    In the end it waits for read (READY): it could run, but no runner is alive.
    `),
  );
});
