import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../src/database/connect.ts';
import { createDatabase } from './support/database.ts';
import { finish } from './support/finish.ts';
import { fileDatabase, registerRunner, running, type Scene, serverIsUpForAWhile } from './support/scene.ts';

const { pool, superuserUrl } = await fileDatabase();

/**
 * What a view says, a line a row. Marks are of times that nobody can wait for, so a superuser writes them without the
 * guards, looks, and undoes it.
 */
async function look(question: string, marks: readonly string[] = [], url = superuserUrl): Promise<string[]> {
  const client = await openClient(url);
  try {
    await client.query('begin; set local session_replication_role = replica');
    for (const mark of marks) await client.query(mark);
    const { rows } = await client.query({ text: question, rowMode: 'array' });
    return rows.map((row) => row.map((value) => value ?? 'nothing').join(' | '));
  } finally {
    await client.end();
  }
}

/** What it says of one run. */
function says(view: string, columns: string, { run }: { run: string }, marks: readonly string[] = []) {
  return look(`select ${columns} from ${view} where run = ${run}`, marks);
}

const markRun = ({ run }: Scene, marks: string) => `update sluice.runs set ${marks} where id = ${run}`;
const markTask = (scene: Scene, name: string, marks: string) =>
  `update sluice.tasks set ${marks} where run_id = ${scene.run} and task_no = ${scene.number(name)}`;
const markAttempts = ({ run }: Scene, marks: string, further = '') =>
  `update sluice.attempts set ${marks} where run_id = ${run} ${further}`;

/** So many seconds after noon of a day. */
const noon = (seconds: number) => `timestamptz '2026-01-05 12:00:00Z' + interval '${seconds} s'`;
const ago = (seconds: number) => `clock_timestamp() - interval '${seconds} s'`;

/** Its `a` has failed and then succeeded, its `b` runs, its `c` could. */
async function underWay(retries = 1): Promise<[Scene, marks: string[]]> {
  const scene = await running({ a: [], b: [], c: [] }, { retries: { a: retries } });
  for (let again = 0; again < retries; again++) {
    await scene.fail('a');
    await scene.claim(1);
  }
  await scene.succeed('a');
  await scene.take('b');
  const marks = [
    markAttempts(scene, `started_at = ${noon(0.7)}, ended_at = ${noon(1.95)}`),
    markTask(scene, 'a', `started_at = ${noon(5)}, finished_at = ${noon(7.5)}`),
    markTask(scene, 'b', `started_at = ${ago(7500)}`),
  ];
  return [scene, marks];
}

test('nothing lasts for less than no time, where the clock has gone back', async () => {
  const { rows } = await pool.query(
    'select sluice.duration(-3600) as past, sluice.duration(null) as unknown',
  );

  assert.deepEqual(rows, [{ past: '0 ms', unknown: null }]);
});

test('v_tasks says where each task stands, in which attempt of how many, and with whom', async () => {
  await using scene = await running({ a: [], b: [], c: [], d: ['c'] }, { retries: { b: 2 } });
  await scene.succeed('a');
  await scene.fail('b');
  const [lost, other] = [await registerRunner(), await registerRunner()];
  await scene.claim(1, lost);
  await scene.sql(`select sluice.end_runner($1, 'lost')`, [lost]);
  await scene.claim(1, other);

  assert.deepEqual(await says('v_tasks', 'no, task, state, attempt, runner', scene), [
    `1 | a | SUCCESS | 1/1 | ${scene.runner}`,
    `2 | b | RUNNING | 2/3 | ${other}`,
    '3 | c | READY | nothing | nothing',
    '4 | d | PENDING | nothing | nothing',
  ]);
});

test('v_tasks says which operation of which connector does a task', async () => {
  const tasks = '[{"name": "a", "connector": "mail", "operation": "read"}]';
  const start = [`select sluice.register_workflow('named', '${tasks}')`, `select sluice.start_run('named')`];

  assert.deepEqual(await look('select connector from v_tasks limit 1', start), ['mail.read']);
});

test('v_tasks says how long a task took in its last attempt, or has been taking', async () => {
  const [scene, marks] = await underWay();
  await using _ = scene;

  assert.deepEqual(await says('v_tasks', 'task, took', scene, marks), [
    'a | 2.5 s',
    'b | 2 h 5 min',
    'c | nothing',
  ]);
});

test('v_tasks says nothing of how long a task takes that waits to be tried again', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 1 } });
  await scene.fail('a');

  assert.deepEqual(await says('v_tasks', 'state, took', scene), ['RUNNING | nothing']);
});

test('v_attempts says when each attempt began, in the time zone of the session, and how long it took', async () => {
  const [scene, marks] = await underWay();
  await using _ = scene;
  const since = `case when outcome = 'RUNNING' then 'just now' else started::text end`;

  assert.deepEqual(
    await says('v_attempts', `${since}, took`, scene, [...marks, `set local time zone 'Asia/Tokyo'`]),
    ['2026-01-05 21:00:00 | 1.3 s', '2026-01-05 21:00:05 | 2.5 s', 'just now | 2 h 5 min'],
  );
});

test('v_attempts says of every attempt how it ended, who made it, and why it did not succeed', async () => {
  await using scene = await running({ a: [], b: [], c: [] }, { retries: { a: 1, c: 1 } });
  const [first, second, third] = [scene.runner, await registerRunner(), await registerRunner()];
  await scene.fail('a');
  // It waits to be tried again, which is no attempt yet.
  await scene.fail('c');
  await scene.claim(1);
  await scene.sql(`select sluice.end_runner($1, 'lost')`, [first]);
  await scene.claim(1, second);
  await scene.sql(`select sluice.end_runner($1, 'stopped')`, [second]);
  await scene.claim(1, third);
  await scene.succeed('a');
  await scene.claim(1, third);

  const why = `split_part(error, ' while', 1)`;
  assert.deepEqual(await says('v_attempts', `task, attempt, outcome, runner, ${why}`, scene), [
    `a | 1 | FAILED | ${first} | a broke`,
    `c | 1 | FAILED | ${first} | c broke`,
    `a | 2 | LOST | ${first} | runner ${first} was lost`,
    `a | 2 | GIVEN BACK | ${second} | runner ${second} gave the task back`,
    `a | 2 | SUCCESS | ${third} | nothing`,
    `b | 1 | RUNNING | ${third} | nothing`,
  ]);
});

for (const [view, column] of [
  ['v_tasks', 'note'],
  ['v_attempts', 'error'],
] as const) {
  test(`${view} says why a task failed on one line of at most 40 characters`, async () => {
    await using scene = await running({ a: [] });
    await scene.take('a');
    const message = `one\ntwo\rthree\tfour ${'and so on '.repeat(5)}`;
    await scene.report([{ ...(await scene.claimOf('a')), error: { code: 'X', message } }]);

    const [line = ''] = await says(view, column, scene);

    assert.equal(line, 'one two three four and so on and so on …');
  });
}

test('v_tasks says that a task was skipped, and why; an output that only says so is none of this', async () => {
  const task = { name: 'a', connector: 'none', operation: 'none' };
  const tasks = [
    task,
    { ...task, name: 'b', when: { value: 1, is: 2 } },
    { ...task, name: 'c', when: { value: 1, is: 1 } },
  ];
  await pool.query(`select from sluice.register_workflow('skips', $1)`, [JSON.stringify(tasks)]);
  const run = (await pool.query(`select sluice.start_run('skips') as run`)).rows[0];
  await finish(pool, run.run, await registerRunner(), [
    { skipped: 'x' },
    { skipped: '1 is not 2' },
    { imported: 5, skipped: 2 },
  ]);

  assert.deepEqual(await says('v_tasks', 'note', run), ['nothing', 'skipped: 1 is not 2', 'nothing']);
});

test('v_events tells what happened in one moment in the order in which it did, and why', async () => {
  await using scene = await running({ a: [] });
  await scene.fail('a');
  // As they come, not as a join happens to leave them.
  const marks = ['set local enable_hashjoin = off; set local enable_mergejoin = off'];

  assert.deepEqual(await says('v_events', 'task, what, note', scene, marks), [
    'nothing | RUNNING | nothing',
    'a | PENDING → READY | nothing',
    'a | READY → RUNNING | nothing',
    'a | attempt FAILED | a broke',
    'a | RUNNING → FAILED | a broke',
    'nothing | FAILED | a broke',
  ]);
});

test('v_events tells that a task runs again, and where', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 1 } });
  await scene.fail('a');
  await scene.sql(`select sluice.end_runner($1, 'stopped')`, [scene.runner]);
  const other = await registerRunner();
  await scene.sql('select from sluice.report_and_claim($1, $2, 1)', [other, '[]']);

  const events = await says('v_events', 'what, attempt, runner', scene);

  assert.deepEqual(events.slice(2), [
    `READY → RUNNING | 1 | ${scene.runner}`,
    `attempt FAILED | 1 | ${scene.runner}`,
    `RUNNING again | 2 | ${other}`,
  ]);
});

test('time in which nobody ran a task is no time that it took', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await scene.sql(`select sluice.end_runner($1, 'stopped')`, [scene.runner]);
  const marks = [
    markTask(scene, 'a', `started_at = ${ago(7500)}`),
    markAttempts(scene, `started_at = ${ago(7500)}, ended_at = ${ago(7497)}`),
  ];

  assert.deepEqual(await says('v_timeline', 'took', scene, marks), ['3.0 s']);
});

test('a result that was taken over took no time and no attempt, and says where it is from', async () => {
  await using scene = await running({ a: [], b: [], c: ['b'], d: ['c'] });
  await scene.succeed('a');
  await scene.fail('b');
  const [again] = await scene.sql('select sluice.rerun($run, true) as run');
  await scene.claim(1);
  await scene.report([{ run_id: again.run, task_no: scene.number('b'), token: 1, output: 1 }]);

  assert.deepEqual(await says('v_tasks', 'task, state, took is null, note', again), [
    `a | SUCCESS | true | reused from run ${scene.run}`,
    'b | SUCCESS | false | nothing',
    'c | READY | true | nothing',
    'd | PENDING | true | nothing',
  ]);
  assert.deepEqual(await says('v_timeline', 'task, state', again), ['b | SUCCESS']);
  assert.deepEqual(await says('v_attempts', 'task, outcome', again), ['b | SUCCESS']);
});

for (const [view, order] of [
  ['v_tasks', 'a b c'],
  ['v_timeline', 'c a b'],
  ['v_attempts', 'c a1 a2 a3 b'],
] as const) {
  test(`${view} shows the newest run first, and of each what is first: ${order}`, async () => {
    await using older = await running({ a: [], b: [], c: [] }, { retries: { a: 2 } });
    await using newer = await running({ a: [] });
    await newer.succeed('a');
    await older.succeed('b', 'c');
    await older.fail('a');
    await older.claim(1);
    await older.fail('a');
    await older.claim(1);
    await older.succeed('a');
    // What is written anew lies behind the others, and is read so: where a row lies says nothing.
    const marks = [
      'set local enable_indexscan = off; set local enable_bitmapscan = off',
      markAttempts(older, `started_at = ${noon(2)}`),
      markAttempts(older, `started_at = ${noon(2)}`, 'and token = 1'),
      markTask(older, 'c', `started_at = ${noon(1)}`),
      markTask(older, 'b', `started_at = ${noon(2)}`),
      markTask(older, 'a', `started_at = ${noon(2)}`),
    ];

    const which =
      view === 'v_attempts' ? `task || case task when 'a' then attempt::text else '' end` : 'task';
    const rows = await look(
      `select run, ${which} from ${view} where run in (${older.run}, ${newer.run})`,
      marks,
    );

    assert.match(rows[0] ?? '', new RegExp(`^${newer.run} `));
    assert.deepEqual(
      rows.slice(1),
      order.split(' ').map((name) => `${older.run} | ${name}`),
    );
  });
}

/** From and to which of the 40 characters. */
const bar = (from: number, to: number) => ' '.repeat(from) + '#'.repeat(to - from);

test('v_timeline shows in 40 characters when each task was under way, first attempt to last, and how long it ran meanwhile', async () => {
  const [scene] = await underWay(2);
  await using _ = scene;
  await scene.succeed('b', 'c');
  const marks = [
    markRun(scene, `created_at = ${noon(0)}, finished_at = ${noon(40)}`),
    markAttempts(
      scene,
      `started_at = ${noon(10)} + token * interval '2 s', ended_at = ${noon(10.5)} + token * interval '2 s'`,
    ),
    // Of another run.
    `insert into sluice.attempts values (0, 2, 1, 1, 'LOST', 1, ${noon(0)}, ${noon(0)}, '{"message": "x"}')`,
    markTask(scene, 'a', `ready_at = ${noon(9.5)}, started_at = ${noon(20)}, finished_at = ${noon(40)}`),
    markTask(scene, 'b', `ready_at = ${noon(1)}, started_at = ${noon(2.6)}, finished_at = ${noon(9.2)}`),
    markTask(scene, 'c', `ready_at = ${noon(0)}, started_at = ${noon(15)}, finished_at = ${noon(15)}`),
  ];

  assert.deepEqual(
    await says('v_timeline', 'task, state, ready_after, waited, took, timeline', scene, marks),
    [
      `b | SUCCESS | 1.0 s | 1.6 s | 6.6 s | ${bar(2, 10)}`,
      `a | SUCCESS | 9.5 s | 2.5 s | 21.0 s | ${bar(12, 40)}`,
      `c | SUCCESS | 0 ms | 15.0 s | 0 ms | ${bar(15, 16)}`,
    ],
  );
});

test('v_timeline ends with the run, whatever goes on after it', async () => {
  await using scene = await running({ a: [], b: [], c: [] });
  await scene.succeed('a', 'b', 'c');
  const marks = [
    markRun(scene, `created_at = ${noon(0)}, finished_at = ${noon(40)}`),
    markTask(scene, 'a', `started_at = ${noon(38)}, finished_at = ${noon(50)}`),
    markTask(scene, 'b', `started_at = ${noon(40)}, finished_at = ${noon(40)}`),
    markTask(scene, 'c', `started_at = ${noon(45)}, finished_at = ${noon(50)}`),
  ];

  const bars = [bar(38, 40), bar(39, 40), bar(39, 40)];
  assert.deepEqual(await says('v_timeline', 'timeline', scene, marks), bars);
});

test('v_timeline shows a run under way up to now', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  const marks = [
    markRun(scene, `created_at = ${ago(7500)}`),
    markTask(scene, 'a', `started_at = ${ago(3720)}`),
  ];

  assert.deepEqual(await says('v_timeline', 'took, timeline', scene, marks), [`1 h 2 min | ${bar(20, 40)}`]);
});

test('v_timeline shows a run that took no time', async () => {
  await using scene = await running({ a: [] });
  await scene.succeed('a');
  const marks = [
    markRun(scene, `created_at = ${noon(0)}, finished_at = ${noon(0)}`),
    markTask(scene, 'a', `started_at = ${noon(0)}, finished_at = ${noon(0)}`),
  ];

  assert.deepEqual(await says('v_timeline', 'took, trim(timeline)', scene, marks), ['0 ms | #']);
});

test('v_timeline keeps to its 40 characters, though a task ran long before its run began: the clock went back', async () => {
  await using scene = await running({ a: [] });
  await scene.succeed('a');
  const marks = [
    markRun(scene, `created_at = ${noon(0)}, finished_at = ${noon(0.000001)}`),
    markTask(scene, 'a', `started_at = ${noon(-3600)}, finished_at = ${noon(0)}`),
  ];

  assert.deepEqual(await says('v_timeline', 'timeline', scene, marks), ['#']);
});

test('v_throughput counts what happened in each minute of the last hour, newest first', async () => {
  await using db = await createDatabase();
  const first = `date_trunc('minute', now()) - interval '59 min'`;
  const last = `date_trunc('minute', now()) - interval '1 min'`;
  const before = `${first} - interval '1 s'`;
  const history = [
    `set local time zone 'Asia/Kathmandu'`,
    `insert into sluice.runs (id, workflow_id, workflow, status, waiting_for, input, created_at, finished_at) overriding system value
     values (1, 1, 'w', 'FAILED',    1, '{}', ${first},  ${last}),
            (2, 1, 'w', 'RUNNING',   1, '{}', ${before}, null),
            (3, 1, 'w', 'COMPLETED', 0, '{}', ${last},   ${last}),
            (4, 1, 'w', 'COMPLETED', 0, '{}', ${before}, ${first})`,
    `insert into sluice.tasks (run_id, task_no, state, ready_at, started_at, finished_at, workflow_id, waiting_for, is_sink)
     select run, no, state::sluice.task_state, ready, started, finished, 1, 0, true
       from (select 1, n, 'SUCCESS', ${first}, ${first}, ${first} + interval '59.9 s' from generate_series(1, 8) as n
              union all
             values (1, 9,  'FAILED',  ${before}, ${before}, ${last}),
                    (1, 10, 'FAILED',  ${before}, ${before}, ${last}),
                    (2, 1,  'SUCCESS', ${before}, ${before}, ${last}),
                    (2, 2,  'RUNNING', ${before}, ${last},   null),
                    (2, 3,  'READY',   ${last} - interval '1 min', null, null),
                    (3, 1,  'SUCCESS', null,      ${before}, ${before}),
                    (4, 1,  'SUCCESS', ${before}, ${before}, ${first})) as task(run, no, state, ready, started, finished)`,
  ];
  const minutesAgo = 'floor(extract(epoch from now()::timestamp - minute) / 60)';
  const columns = `${minutesAgo}, runs_started, tasks_started, succeeded, failed, tasks_per_s`;

  assert.deepEqual(await look(`select ${columns} from v_throughput`, history, db.superuserUrl), [
    '1 | 1 | 1 | 1 | 2 | 0.1',
    '59 | 1 | 8 | 9 | 0 | 0.2',
  ]);
});

test('v_runners says who is alive, dead or has ended, and what they run, newest first', async () => {
  await using scene = await running({ a: [], b: [], c: [] });
  const [stopped, lost, idle] = [await registerRunner(1), await registerRunner(2), await registerRunner(3)];
  await using lock = await scene.transaction();
  await lock.sql('select pg_advisory_xact_lock(sluice.runner_lock(), $1)', [idle]);
  await scene.take('a', 'b');
  await scene.succeed('c');
  await scene.sql(`select sluice.end_runner($1, 'stopped'), sluice.end_runner($2, 'lost')`, [stopped, lost]);
  await scene.sql(`update sluice.runners set beat_at = now() - interval '16 s' where id = $runner`);
  await serverIsUpForAWhile();

  const rows = await look('select runner, host, pid, state, running, slots from v_runners limit 4');

  assert.deepEqual(rows, [
    `${idle} | test | 1 | alive | 0 | 3`,
    `${lost} | test | 1 | lost | nothing | 2`,
    `${stopped} | test | 1 | stopped | nothing | 1`,
    `${scene.runner} | test | 1 | dead | 2 | 100`,
  ]);
});

test('v_runners says since when a runner is up, or was, and when it gave its last sign of life', async () => {
  const marks = [
    `set local time zone 'Asia/Tokyo'`,
    `insert into sluice.runners (id, host, pid, slots, started_at, beat_at, ended_at, ending) overriding system value
     values (1002, 'h', 1, 1, ${ago(7500)}, ${ago(3720)}, null, null),
            (1001, 'h', 1, 1, ${noon(0.7)}, clock_timestamp() + interval '1 h', ${noon(3.2)}, 'lost')`,
  ];

  const since = `case state when 'lost' then started::text end`;
  assert.deepEqual(await look(`select ${since}, up, last_beat from v_runners where runner > 1000`, marks), [
    'nothing | 2 h 5 min | 1 h 2 min',
    '2026-01-05 21:00:00 | 2.5 s | 0 ms',
  ]);
});

test('v_throughput divides the minute that is not over by what there has been of it', async () => {
  await using db = await createDatabase();
  const history = [
    `insert into sluice.runs (id, workflow_id, workflow, status, waiting_for, input, created_at, finished_at) overriding system value
     values (1, 1, 'w', 'COMPLETED', 0, '{}', now(), now())`,
    `insert into sluice.tasks (run_id, task_no, state, ready_at, started_at, finished_at, workflow_id, waiting_for, is_sink)
     select 1, n, 'SUCCESS', now(), now(), now(), 1, 0, true from generate_series(1, 600) as n`,
  ];
  const rateBy = (moment: string) =>
    `round(600 / greatest(1, least(60, extract(epoch from ${moment} - date_trunc('minute', now())))), 1)`;

  // It looks at the clock between these two moments.
  const isBetween = `tasks_per_s between ${rateBy('clock_timestamp()')} and ${rateBy('now()')}`;
  assert.deepEqual(await look(`select ${isBetween} from v_throughput`, history, db.superuserUrl), ['true']);
});

test('v_workflows says how long runs take that are COMPLETED, however long others took', async () => {
  await using scene = await running({ a: [] });
  await scene.succeed('a');
  const [{ failed }] = await scene.sql('select sluice.start_run($1) as failed', [scene.workflow]);
  await scene.sql('select sluice.cancel_run($1)', [failed]);

  const took = await look(`select success, p50, p95 from v_workflows where workflow = '${scene.workflow}'`, [
    markRun(scene, `created_at = ${noon(0)}, finished_at = ${noon(2)}`),
    `update sluice.runs set created_at = ${noon(0)}, finished_at = ${noon(7500)} where id = ${failed}`,
  ]);

  assert.deepEqual(took, ['50.0 % | 2.0 s | 2.0 s']);
});
