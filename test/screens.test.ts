import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph, Reason, RunEvent, WorkflowStatistics } from '../src/explain.ts';
import type { AttemptDetails, RunOverview, RunSummary, TaskOverview, TaskState } from '../src/inspect.ts';
import type { Display } from '../src/screens/display.ts';
import { eventsScreen } from '../src/screens/events.ts';
import { graphScreen } from '../src/screens/graph.ts';
import { liveScreen, runScreen } from '../src/screens/run.ts';
import { runsScreen } from '../src/screens/runs.ts';
import { outputsScreen, taskScreen } from '../src/screens/task.ts';
import { whyScreen, whyTaskScreen } from '../src/screens/why.ts';
import { workflowsScreen } from '../src/screens/workflows.ts';
import { painter, width } from '../src/terminal.ts';

const START = Date.parse('2026-11-22T20:05:00Z');
const at = (ms: number) => new Date(START + ms);
const terminal: Display = {
  paint: painter(false),
  isTerminal: true,
  unicode: true,
  width: 80,
  height: 30,
  now: at(4_000),
};
const ascii: Display = { ...terminal, unicode: false };
const pipe: Display = { ...terminal, isTerminal: false };

/** The screen without the indentation that it has in this file. */
function screen(text: string): string {
  return text.replace(/^\n/, '').replace(/^ {4}/gm, '').replace(/ +$/, '');
}

let number = 0;
function task(
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

function run(tasks: readonly TaskOverview[], more: Partial<RunOverview> = {}): RunOverview {
  return {
    id: '42',
    workflow: 'invoice-intake',
    version: 3,
    subject: null,
    status: 'RUNNING',
    key: null,
    created_at: at(0),
    finished_at: null,
    succeeded: tasks.filter(({ state }) => state === 'SUCCESS').length,
    total: tasks.length,
    running: tasks.filter(({ state }) => state === 'RUNNING').map(({ name }) => name),
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

const refused: AttemptDetails = {
  task: 'totals',
  attempt: 1,
  outcome: 'FAILED',
  runner_id: 3,
  started_at: at(400),
  ended_at: at(1_300),
  error: { code: 'BROKEN', message: 'connection refused by 127.0.0.1:1025' },
};

const underWay = run(
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

test('a run is shown with its tasks as they follow each other, and with where the time went', () => {
  assert.equal(
    runScreen(underWay, terminal),
    screen(`
    run 42 of invoice-intake (version 3) is RUNNING: 2 of 6 tasks succeeded, started
    2026-11-22 20:05:00 UTC, 4.0 s ago

    key      invoice 17
    input    {"file":"invoice.pdf"}

    ✓ read         1 of 1     395 ms  runner 3
    ├─✓ classify   1 of 1     600 ms  runner 3
    ├─● pages      1 of 1      3.0 s  runner 3
    ├─● totals     2 of 3      2.7 s  runner 3   before: connection refused by 127.…
    ○ match                                      after classify, pages, totals
    ○ notify

              0                                                    4.0 s
    read      ██████                                                          395 ms
    classify        █████████                                                 600 ms
    totals          ▒▒▒▒▒▒▒▒▒▒▒▒▒███████████████████████████████████████       3.6 s
    pages           ·········███████████████████████████████████████████       3.0 s

    Longest chain: read → pages. It ran for 3.4 s and waited for 605 ms.
    `),
  );
});

test('a terminal without Unicode gets the same screen in ASCII', () => {
  const text = runScreen(underWay, ascii);

  assert.match(text, /^[\n\x20-\x7e]*$/);
  assert.ok(
    text.includes('|-> totals     2 of 3      2.7 s  runner 3   before: connection refused by 12...\n'),
  );
  assert.ok(
    text.includes('totals          xxxxxxxxxxxxx#######################################       3.6 s\n'),
  );
});

test('no screen is wider than the terminal', () => {
  const long =
    'ä very long messäge, ßo long that it cannot fit 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字 '.repeat(3);
  const failed = run(
    [task(`a${'b'.repeat(60)}`, [], 'FAILED', [0, 1, 2], { error: { code: 'E', message: long } })],
    {
      status: 'FAILED',
      finished_at: at(2),
      input: { long },
    },
  );
  const narrow = { ...terminal, width: 50 };

  for (const text of [runScreen(failed, narrow), runsScreen({ active: [], ended: [failed] }, narrow)])
    for (const line of text.split('\n')) assert.ok(width(line) <= 50, `${width(line)}: ${line}`);
});

test('a run that was taken up from where it failed shows what it reused, skipped and did not run', () => {
  const stopped = run(
    [
      task('read', [], 'SUCCESS', [null, -90_000, -80_000], { reused_from: '41' }),
      task('check', ['read'], 'SUCCESS', [0, 5, 10], { skipped: 'input mood is "fine"' }),
      task('post', ['check'], 'FAILED', [10, 10, 910], {
        error: { code: 'BROKEN', message: 'no route to host' },
      }),
      task('notify', ['post'], 'PENDING'),
    ],
    {
      status: 'FAILED',
      finished_at: at(910),
      failed_task: 'post',
      reason: 'no route to host',
      rerun_of: '41',
      from_failed: true,
      reruns: ['44', '45'],
    },
  );

  assert.equal(
    runScreen(stopped, terminal),
    screen(`
    run 42 of invoice-intake (version 3) is FAILED: 2 of 4 tasks succeeded, started
    2026-11-22 20:05:00 UTC, took 910 ms

    input    {"file":"invoice.pdf"}
    rerun of run 41, from where it failed
    rerun by run 44, 45

    post: no route to host

    ↺ read                                   reused from run 41
    ↷ check    1 of 1       5 ms  runner 3   skipped: input mood is "fine"
    ✗ post     1 of 1     900 ms  runner 3   no route to host
    ○ notify                                 not run

           0                                                      910 ms
    check  █                                                                    5 ms
    post    ████████████████████████████████████████████████████████████      900 ms

    Longest chain: check → post. It ran for 905 ms and waited for 5 ms.
    `),
  );
});

test('into a pipe a run is its tasks, tab-separated, without titles', () => {
  assert.equal(
    runScreen(underWay, pipe),
    screen(`
    read\tmail.send\tSUCCESS\t1 of 1\t395 ms\t\t3
    classify\tmail.send\tSUCCESS\t1 of 1\t600 ms\t\t3
    pages\tmail.send\tRUNNING\t1 of 1\t3.0 s\t\t3
    totals\tmail.send\tRUNNING\t2 of 3\t2.7 s\tbefore: connection refused by 127.0.0.1:1025\t3
    match\tmail.send\tPENDING\t\t\tafter classify, pages, totals\t
    notify\tmail.send\tPENDING\t\t\t\t
    `),
  );
});

test('a wide run is folded, but for what runs or has failed', () => {
  const parts = Array.from({ length: 1_000 }, (_, index) =>
    index === 700
      ? task('broken', ['start'], 'FAILED', [0, 10, 20], { error: { code: 'E', message: 'out of paper' } })
      : task(`part${index}`, ['start'], index < 900 ? 'SUCCESS' : 'READY', index < 900 ? [0, 10, 20] : [0]),
  );
  const wide = run([
    task('start', [], 'SUCCESS', [0, 0, 10]),
    ...parts,
    task(
      'end',
      parts.map(({ name }) => name),
      'PENDING',
    ),
  ]);

  const tree = runScreen(wide, terminal).split('\n\n')[2];
  assert.equal(
    `${tree}\n`,
    screen(`
    ✓ start      1 of 1      10 ms  runner 3
    ├─✓ part0    1 of 1      10 ms  runner 3
    ├─✓ part1    1 of 1      10 ms  runner 3
    ├─✓ part2    1 of 1      10 ms  runner 3
    ├─✓ part3    1 of 1      10 ms  runner 3
    ├─✓ part4    1 of 1      10 ms  runner 3
    ├─✓ part5    1 of 1      10 ms  runner 3
    ├─✓ part6    1 of 1      10 ms  runner 3
    ├─✓ part7    1 of 1      10 ms  runner 3
    ├─✓ part8    1 of 1      10 ms  runner 3
    ├─✓ part9    1 of 1      10 ms  runner 3
    ├─✓ part10   1 of 1      10 ms  runner 3
    ├─✗ broken   1 of 1      10 ms  runner 3   out of paper
    ├─988 more: 888 SUCCESS, 100 READY
    ○ end                                      after part0, part1, part2 and 997 mo…
    `),
  );
});

test('a live screen is never higher than the terminal, and keeps what runs', () => {
  const parts = Array.from({ length: 200 }, (_, index) =>
    index % 2
      ? task(`a${index}`, ['start'], 'RUNNING', [0, 10])
      : task(`a${index}`, [`a${index - 1}`], 'PENDING'),
  );
  const wide = run([task('start', [], 'SUCCESS', [0, 0, 10]), ...parts]);

  for (const height of [8, 12, 24]) {
    const lines = liveScreen(wide, { ...terminal, height }).split('\n');
    assert.ok(lines.length < height, `${lines.length} lines of ${height}`);
    assert.ok(
      lines.some((line) => line.includes('● a')),
      lines.join('\n'),
    );
  }
});

test('active runs come first, with their progress; then those that have ended', () => {
  const summary = (id: string, more: Partial<RunSummary>): RunSummary => ({
    ...run([]),
    id,
    succeeded: 3,
    total: 4,
    ...more,
  });
  const page = {
    active: [summary('42', { running: ['pages', 'totals'] })],
    activeTotal: 1_001,
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
    older: 'npm run runs -- --before 9',
  };

  assert.equal(
    runsScreen(page, terminal),
    screen(`
    RUN  WORKFLOW        PROGRESS          AGE  NOW
     42  invoice-intake  ███████░░░ 3/4  4.0 s  runs pages, totals
    and 1,000 more under way

    RUN  WORKFLOW        STATUS     TASKS  STARTED            TOOK  NOTE
     41  invoice-intake  FAILED       3/4  20:04:00          4.0 s  post: connectio…
      9  invoice-intake  COMPLETED    4/4  2026-11-21 19:05  1.0 s

    Older ones: npm run runs -- --before 9
    `),
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

const graph: Graph = {
  workflow: 'invoice-intake',
  version: 3,
  run: null,
  tasks: underWay.tasks.map((one) => ({ ...one, state: null })),
};

test('a workflow is drawn as a tree, for Mermaid and for Graphviz', () => {
  assert.equal(
    graphScreen(graph, 'tree', ascii),
    screen(`
    invoice-intake (version 3)

    * read        mail.send
    |-* classify  mail.send
    |-* pages     mail.send
    |-* totals    mail.send
    * match       mail.send  after classify, pages, totals
    * notify      mail.send
    `),
  );
  assert.equal(
    graphScreen({ ...graph, tasks: graph.tasks.slice(0, 2) }, 'mermaid', pipe),
    screen(`
    graph TD
      t1["read"]
      t2["classify"]
      t1 --> t2
    `),
  );
  assert.equal(
    graphScreen({ ...graph, tasks: graph.tasks.slice(0, 2) }, 'dot', pipe),
    screen(`
    digraph "invoice-intake" {
      node [shape=box, style=rounded];
      "read";
      "classify";
      "read" -> "classify";
    }
    `),
  );
});

test('branches that come together inside others are drawn where they belong', () => {
  const tasks = [
    task('a', [], 'PENDING'),
    task('b', [], 'PENDING'),
    task('b1', ['b'], 'PENDING'),
    task('b2', ['b'], 'PENDING'),
    task('b3', ['b1', 'b2'], 'PENDING'),
    task('c', [], 'PENDING'),
    task('ab', ['a', 'b3'], 'PENDING'),
    task('end', ['ab', 'c'], 'PENDING'),
  ];

  assert.equal(
    graphScreen({ ...graph, tasks: tasks.map((one) => ({ ...one, state: null })) }, 'tree', ascii).split(
      '\n\n',
    )[1],
    screen(`
    |-* a     mail.send
    |-* b     mail.send
    | |-* b1  mail.send
    | |-* b2  mail.send
    | * b3    mail.send  after b1, b2
    |-* c     mail.send
    |-* ab    mail.send  after a, b3
    * end     mail.send  after ab, c
    `),
  );
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

test('ten thousand tasks in one chain are drawn', () => {
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    task(`t${index}`, index ? [`t${index - 1}`] : [], 'PENDING'),
  );

  assert.equal(graphScreen({ ...graph, tasks: chain }, 'tree', ascii).split('\n').length, 10_003);
});
