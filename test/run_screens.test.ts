import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveScreen, runScreen } from '../src/screens/run.ts';
import { runsScreen } from '../src/screens/runs.ts';
import { taskScreen } from '../src/screens/task.ts';
import { width } from '../src/terminal.ts';
import { ascii, at, pipe, refused, run, screen, task, terminal, underWay } from './support/screens.ts';

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

test('of a task whose runner is dead, and of its run, it is said that nobody runs them', () => {
  const orphan = task('totals', [], 'RUNNING', [0, 5], { runner_id: 7 });
  const left = run([task('pages', [], 'RUNNING', [0, 5]), orphan], { running: ['pages'], dead_runners: [7] });

  assert.match(
    runScreen(left, terminal),
    / pages .* runner 3\n.* totals .* runner 7 {3}its runner is dead\n/,
  );
  assert.match(runsScreen({ active: [left], ended: [] }, terminal), / runs pages; runner 7 is dead\n/);
  const details = { ...left, tasks: [] };
  assert.match(taskScreen(details, { ...orphan, output: null }, terminal), / its runner is dead\n/);
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

  for (const columns of [80, 50, 40]) {
    const narrow = { ...terminal, width: columns };
    for (const text of [runScreen(failed, narrow), runsScreen({ active: [], ended: [failed] }, narrow)])
      for (const line of text.split('\n')) assert.ok(width(line) <= columns, `${width(line)}: ${line}`);
  }
});

test('where the terminal is narrow, who ran a task is left out, and not what came of it', () => {
  const text = runScreen(underWay, { ...terminal, width: 50 });

  assert.match(text, /totals +2 of 3 +2\.7 s {2}before: connect…$/m);
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
      attempts: [{ ...refused, task: 'post', started_at: at(10), ended_at: at(910) }],
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
    post    ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒      900 ms

    Longest chain: check → post. It ran for 905 ms and waited for 5 ms.
    `),
  );
});

test('time in which nobody ran a task that had begun is shown, and counted, as waiting', () => {
  const lost = {
    ...refused,
    task: 'pages',
    outcome: 'LOST',
    started_at: at(0),
    ended_at: at(1_000),
  } as const;
  const waits = task('pages', [], 'RUNNING', [0, 0], { runner_id: null });
  const left = run([waits], { attempts: [lost], running: [], waiting_for: 'a runner' });
  const goesOn = run([task('pages', [], 'RUNNING', [0, 3_000])], { attempts: [lost] });

  assert.match(runScreen(left, terminal), /pages +1 of 1 +waits for a runner; before: /);
  assert.match(runScreen(left, terminal), /^pages +▒{15,16}·{45,46} +1\.0 s$/m);
  assert.match(runScreen(goesOn, terminal), /^pages +▒{15,16}·{30,31}█{15,16} +2\.0 s$/m);
  assert.match(runScreen(goesOn, terminal), /It ran for 2\.0 s and waited for 2\.0 s/);
});

test('of a run of which nothing runs it is said what it waits for', () => {
  const waits = run([], { running: [], waiting_for: 'a slot' });

  assert.match(runsScreen({ active: [waits], ended: [] }, terminal), / waits for a slot$/m);
});

test('what ran before its run began is shown at the beginning: the clock went back', () => {
  const done = run(
    [
      task('a', [], 'SUCCESS', [0, 0, 1_000]),
      task('b', ['a'], 'SUCCESS', [-3_600_000, -3_600_000, -3_590_000]),
    ],
    { status: 'COMPLETED', finished_at: at(1_000) },
  );

  const bar = runScreen(done, terminal).match(/^b +(\S.*?) +10\.0 s$/m)?.[1];

  assert.equal(bar, '█');
});

test('into a pipe a run is its tasks, tab-separated, without titles', () => {
  assert.equal(
    runScreen(underWay, pipe),
    screen(`
    read\tmail.send\tSUCCESS\t1 of 1\t395 ms\t3\t
    classify\tmail.send\tSUCCESS\t1 of 1\t600 ms\t3\t
    pages\tmail.send\tRUNNING\t1 of 1\t3.0 s\t3\t
    totals\tmail.send\tRUNNING\t2 of 3\t2.7 s\t3\tbefore: connection refused by 127.0.0.1:1025
    match\tmail.send\tPENDING\t\t\t\tafter classify, pages, totals
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

test('what runs or has failed, and what leads to it, is shown beside however many branches', () => {
  const branches = Array.from({ length: 16 }, (_, index) => [
    task(`branch${index}`, ['start'], 'SUCCESS'),
    task(`twig${index}`, [`branch${index}`], index === 14 ? 'RUNNING' : 'SUCCESS'),
  ]);
  const wide = run([
    task('start', [], 'SUCCESS'),
    ...branches.flat(),
    ...Array.from({ length: 13 }, (_, index) => task(`broken${index}`, ['start'], 'FAILED')),
  ]);

  const names = runScreen(wide, terminal).match(/(?<=[✗●] )\w+|\d+ more.*/g);

  assert.deepEqual(names, [
    'twig14',
    ...Array.from({ length: 13 }, (_, index) => `broken${index}`),
    '15 more: 15 SUCCESS',
  ]);
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
