import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunStatus, TaskState } from '../src/inspect.ts';
import { draw, registerRunner, running, type Scene } from './support/scene.ts';

const STATES: readonly TaskState[] = ['PENDING', 'READY', 'RUNNING', 'SUCCESS', 'FAILED'];

/** Moves that anybody may make. PENDING → READY is made by the parents' success alone. */
const OPEN_TO_ALL = ['READY → RUNNING', 'RUNNING → SUCCESS', 'RUNNING → FAILED'];

const UNCLAIMED = {
  waiting_for: '0',
  token: '0',
  attempt: '0',
  runner_id: 'null',
  started_at: 'null',
  finished_at: 'null',
  output: 'null',
  error: 'null',
};
const CLAIMED = { ...UNCLAIMED, token: '1', attempt: '1', runner_id: '$runner', started_at: 'now()' };

/** Everything that a row in this state has to say, so that nothing but the move itself can be wrong with it. */
const WHOLE: Readonly<Record<TaskState, Readonly<Record<string, string>>>> = {
  PENDING: { ...UNCLAIMED, waiting_for: '1' },
  READY: UNCLAIMED,
  RUNNING: CLAIMED,
  SUCCESS: { ...CLAIMED, finished_at: 'now()', output: `'{}'` },
  FAILED: { ...CLAIMED, finished_at: 'now()', error: `'{"message": "by hand"}'` },
};

/** An update that says all that the state implies; when an attempt began stays as it is when it ends. */
function become(state: TaskState): string {
  const { started_at, ...others } = WHOLE[state];
  const said = state === 'SUCCESS' || state === 'FAILED' ? others : { ...others, started_at };
  const columns = Object.entries(said).map(([name, value]) => `, ${name} = ${value}`);
  return `update sluice.tasks set state = '${state}'${columns.join('')}`;
}

/** A run whose task `it` is in this state, with a sibling that keeps the run going. */
async function withTaskIn(state: TaskState): Promise<Scene> {
  const scene = await running({ parent: [], it: ['parent'], sibling: [] });
  if (state !== 'PENDING') await scene.succeed('parent');
  if (state === 'RUNNING') await scene.take('it');
  if (state === 'SUCCESS') await scene.succeed('it');
  if (state === 'FAILED') await scene.fail('it');
  assert.equal(await scene.state('it'), state);
  return scene;
}

for (const from of STATES) {
  for (const to of STATES) {
    if (OPEN_TO_ALL.includes(`${from} → ${to}`)) continue;
    const name =
      from === to ? `a task that is ${from} cannot be rewritten as ${to}` : `${from} → ${to} is refused`;
    test(`${name}, however plain SQL puts it, and the error says what is allowed`, async () => {
      await using scene = await withTaskIn(from);
      const before = await scene.task('it');

      for (const update of [`update sluice.tasks set state = '${to}'`, become(to)]) {
        const move = scene.sql(`${update} where run_id = $run and task_no = $1`, [scene.number('it')]);
        await assert.rejects(move, {
          code: 'WF001',
          hint: /PENDING -> READY -> RUNNING -> SUCCESS \| FAILED/,
        });
      }

      assert.deepEqual(await scene.task('it'), before);
    });
  }
}

for (const move of OPEN_TO_ALL) {
  const [from, to] = move.split(' → ') as [TaskState, TaskState];
  test(`${move} may be made by anybody, in plain SQL`, async () => {
    await using scene = await withTaskIn(from);

    await scene.sql(`${become(to)} where run_id = $run and task_no = $1`, [scene.number('it')]);

    assert.equal(await scene.state('it'), to);
    assert.equal((await scene.transitions('it')).at(-1), move);
  });
}

for (const [what, move] of [
  [
    'a claim',
    `state = 'RUNNING', token = 1, attempt = 1, runner_id = $runner, started_at = now() - interval '1 s'`,
  ],
  [
    'a claim',
    `state = 'RUNNING', token = 1, attempt = 1, runner_id = $runner, started_at = now() + interval '1 min'`,
  ],
  ['a claim', `state = 'RUNNING', token = 1, attempt = 1, runner_id = $runner`],
  ['the moment at which a task was READY', `ready_at = now() - interval '1 s'`],
]) {
  test(`${what} cannot be dated otherwise than it is: ${move}`, async () => {
    await using scene = await running({ a: [] });

    await assert.rejects(scene.sql(`update sluice.tasks set ${move} where run_id = $run`), { code: 'WF001' });
  });
}

for (const [what, before, late] of [
  ['an end', 'RUNNING', `state = 'SUCCESS', output = '1', finished_at = now()`],
  ['a claim', 'READY', `state = 'RUNNING', token = 1, attempt = 1, runner_id = $runner, started_at = now()`],
] as const) {
  test(`${what} is not dated before what it follows, in a transaction that began before that`, async () => {
    await using scene = await running({ first: [], a: ['first'] });
    await using session = await scene.transaction();
    await session.sql('select now()');
    await scene.succeed('first');
    if (before === 'RUNNING') await scene.take('a');

    const move = session.sql(`update sluice.tasks set ${late} where run_id = $run and task_no = $1`, [
      scene.number('a'),
    ]);

    await assert.rejects(move, { code: 'WF001' });
  });
}

test('nobody’s task succeeds: what was taken from its runner has to be claimed again', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);

  const move = scene.sql(
    `update sluice.tasks set state = 'SUCCESS', output = '1', finished_at = now() where run_id = $run`,
  );

  await assert.rejects(move, { code: 'WF001' });
});

test('neither who ran a task nor when it began or ended can be changed by its result', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');

  for (const lie of [
    `finished_at = now() - interval '1 s'`,
    'finished_at = now(), started_at = now()',
    'finished_at = now(), runner_id = $runner + 1',
    'finished_at = now(), attempt = 2',
  ])
    await assert.rejects(
      scene.sql(`update sluice.tasks set state = 'SUCCESS', output = '1', ${lie} where run_id = $run`),
      { code: 'WF001' },
      lie,
    );
});

test('nobody takes a task from its runner without leaving that attempt on record', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');

  await assert.rejects(scene.sql('update sluice.tasks set token = 2, runner_id = null where run_id = $run'), {
    code: 'WF001',
    hint: /sluice.attempts/,
  });
});

test('an illegal move is refused with the task, the run and both states in the message', async () => {
  await using scene = await running({ a: [], b: ['a'] });

  const move = scene.sql(`update sluice.tasks set state = 'SUCCESS' where run_id = $run and task_no = 2`);

  await assert.rejects(move, { message: `task 2 of run ${scene.run} cannot move from PENDING to SUCCESS` });
});

test('nothing of a finished task can be changed', async () => {
  await using scene = await running({ a: [], b: [], more: ['a'] });
  await scene.succeed('a');
  await scene.fail('b');

  for (const change of [
    'output = output',
    `output = '{"other": 1}'`,
    'error = error',
    'attempt = attempt + 1',
    'token = token + 1',
    'crashes = crashes + 1',
    'runner_id = runner_id + 1',
    'started_at = now()',
    'finished_at = now()',
    'task_no = 9',
  ]) {
    for (const name of ['a', 'b']) {
      const statement = `update sluice.tasks set ${change} where run_id = $run and task_no = ${scene.number(name)}`;
      await assert.rejects(scene.sql(statement), { code: /^WF001$|^23/ }, statement);
    }
  }
  await assert.rejects(
    scene.sql(`update sluice.tasks set output = '{"other": 1}' where run_id = $run and task_no = 1`),
    {
      message: `task 1 of run ${scene.run} is finished (SUCCESS) and cannot change any more`,
    },
  );
});

test('a task belongs to its run, its workflow and its number for ever', async () => {
  for (const change of ['run_id = run_id + 1000', 'workflow_id = workflow_id + 1000', 'task_no = 99']) {
    await using scene = await running({ a: [] });

    await assert.rejects(
      scene.sql(`${become('RUNNING')}, ${change} where run_id = $run`),
      { code: /^WF001$|^23503$/ },
      change,
    );
  }
});

test('a READY task cannot be put aside by hand', async () => {
  await using scene = await running({ a: [] });

  // The refusal is told before its transaction has let go of the row, and a claim would pass that over.
  await using session = await scene.transaction();
  await assert.rejects(session.sql('update sluice.tasks set stopped = true where run_id = $run'), {
    code: 'WF001',
  });
  await session.rollback();

  assert.deepEqual(await scene.claim(1), ['a']);
});

test('a PENDING task cannot be made to wait for fewer parents by hand', async () => {
  await using scene = await running({ a: [], b: [], both: ['a', 'b'] });

  await assert.rejects(
    scene.sql(`update sluice.tasks set waiting_for = 1 where run_id = $run and state = 'PENDING'`),
    {
      code: 'WF001',
    },
  );
});

test('a RUNNING task keeps its token unless it is taken over', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');

  for (const change of ['token = 0', 'runner_id = 4711', 'attempt = 2', 'started_at = now()']) {
    await assert.rejects(
      scene.sql(`update sluice.tasks set ${change} where run_id = $run`),
      { code: /^WF001$|^23514$/ },
      change,
    );
  }
});

for (const table of ['tasks', 'runs', 'attempts', 'workflows', 'workflow_tasks', 'workflow_edges']) {
  test(`rows of ${table} cannot be deleted, nor the table truncated`, async () => {
    await using scene = await running({ a: [], b: ['a'] });

    for (const statement of [`delete from sluice.${table}`, `truncate sluice.${table} cascade`]) {
      await assert.rejects(scene.sql(statement), { code: 'WF007', hint: /prune/ });
    }
  });
}

for (const table of ['attempts', 'workflows', 'workflow_tasks', 'workflow_edges']) {
  test(`rows of ${table} never change`, async () => {
    await using scene = await running({ a: [], b: ['a'] });
    const [column] = await scene.sql(
      `select attname as name from pg_attribute where attrelid = 'sluice.${table}'::regclass and attnum > 0 and attidentity = '' limit 1`,
    );

    await assert.rejects(scene.sql(`update sluice.${table} set ${column.name} = ${column.name}`), {
      code: 'WF007',
    });
  });
}

test('the audit cannot be written to', async () => {
  await using scene = await running({ a: [] });

  for (const statement of [
    'update sluice.transitions set at = now()',
    'delete from sluice.transitions',
    `insert into sluice.transitions values ($run, 1, 'READY', 'RUNNING', 1, 1, now())`,
  ])
    await assert.rejects(scene.sql(statement), { code: '55000' });
});

test('every move leaves one row of audit, with its time, attempt and runner', async () => {
  await using scene = await running({ a: [], b: ['a'] });

  await scene.succeed('a');
  await scene.fail('b');

  assert.deepEqual(
    await scene.sql(
      `select task_no, from_state || ' → ' || to_state as move, attempt, runner_id = $runner as by_us, at between now() - interval '1 min' and now() as timely
         from sluice.transitions where run_id = $run order by task_no, to_state`,
    ),
    [
      { task_no: 1, move: 'PENDING → READY', attempt: 0, by_us: null, timely: true },
      { task_no: 1, move: 'READY → RUNNING', attempt: 1, by_us: true, timely: true },
      { task_no: 1, move: 'RUNNING → SUCCESS', attempt: 1, by_us: true, timely: true },
      { task_no: 2, move: 'PENDING → READY', attempt: 0, by_us: null, timely: true },
      { task_no: 2, move: 'READY → RUNNING', attempt: 1, by_us: true, timely: true },
      { task_no: 2, move: 'RUNNING → FAILED', attempt: 1, by_us: true, timely: true },
    ],
  );
});

test('a move by plain SQL leaves the same row of audit as a runner does', async () => {
  await using scene = await running({ a: [], b: ['a'] });

  await scene.take('a');
  await scene.sql(
    `update sluice.tasks set state = 'SUCCESS', output = '1', finished_at = now() where run_id = $run and task_no = 1`,
  );

  assert.deepEqual(await scene.transitions('a'), ['PENDING → READY', 'READY → RUNNING', 'RUNNING → SUCCESS']);
  assert.deepEqual(await scene.transitions('b'), ['PENDING → READY']);
});

test('the audit says who took a task first, and when, however often it was taken on again', async () => {
  await using scene = await running({ a: [] }, { retries: { a: 2 } });
  await scene.claim(1);
  const { started_at: at } = await scene.task('a');
  for (const heir of [await registerRunner(), await registerRunner()]) {
    await scene.fail('a');
    await scene.claim(1, heir);
  }

  assert.deepEqual(
    await scene.sql(
      `select runner_id, attempt, at from sluice.transitions where run_id = $run and to_state = 'RUNNING'`,
    ),
    [{ runner_id: scene.runner, attempt: 1, at }],
  );
});

test('the audit tells the state of a run as of any moment', async () => {
  await using scene = await running({ a: [], b: ['a'], c: ['b'] });
  await scene.succeed('a');
  const [{ then }] = await scene.sql('select clock_timestamp()::text as then');
  await scene.succeed('b');
  await scene.succeed('c');

  const asOf = await scene.sql(
    `select task_no, max(to_state)::text as state from sluice.transitions where run_id = $run and at <= $1 group by task_no order by task_no`,
    [then],
  );

  assert.deepEqual(asOf, [
    { task_no: 1, state: 'SUCCESS' },
    { task_no: 2, state: 'READY' },
  ]);
});

test('a statement that makes an illegal move makes none of its legal ones', async () => {
  await using scene = await running({ a: [], b: [], c: ['a'] });

  await assert.rejects(scene.sql(`${become('RUNNING')} where run_id = $run`), { code: 'WF001' });

  assert.equal(await scene.states(), 'a READY, b READY, c PENDING');
});

const FALSE_STARTS: readonly (readonly [TaskState, string, Readonly<Record<string, string>>])[] = [
  ['SUCCESS', '', {}],
  ['FAILED', '', {}],
  ['RUNNING', ' of nobody', { runner_id: 'null' }],
  ['RUNNING', ' for the second time', { attempt: '2' }],
  ['RUNNING', ' under a later token', { token: '2' }],
  ['RUNNING', ' since an hour ago', { started_at: `now() - interval '1 hour'` }],
];

for (const [state, how, marks] of FALSE_STARTS) {
  test(`a task cannot begin its life as ${state}${how}`, async () => {
    await using scene = await running({ a: [] });
    const place = { run_id: '$run', task_no: '2', state: `'${state}'`, workflow_id: '1' };
    const columns = { ...WHOLE[state], ...place, ...marks };

    const insert = scene.sql(
      `insert into sluice.tasks (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`,
    );

    await assert.rejects(insert, {
      code: 'WF001',
      message: `task 2 of run ${scene.run} cannot begin as ${state}`,
    });
  });
}

const STATUSES: readonly RunStatus[] = ['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'];
const WHOLE_RUN: Readonly<Record<RunStatus, string>> = {
  RUNNING: 'waiting_for = 1, finished_at = null, failed_task_no = null, reason = null',
  COMPLETED: 'waiting_for = 0, finished_at = now(), failed_task_no = null, reason = null',
  FAILED: `waiting_for = 1, finished_at = now(), failed_task_no = 1, reason = 'by hand'`,
  CANCELLED: `waiting_for = 1, finished_at = now(), failed_task_no = null, reason = 'by hand'`,
};

async function withRunThatIs(status: RunStatus): Promise<Scene> {
  const scene = await running({ a: [] });
  if (status === 'COMPLETED') await scene.succeed('a');
  if (status === 'FAILED') await scene.fail('a');
  if (status === 'CANCELLED') await scene.sql('select sluice.cancel_run($run)');
  assert.equal(await scene.status(), status);
  return scene;
}

for (const from of STATUSES) {
  for (const to of STATUSES) {
    if (from === 'RUNNING' && (to === 'CANCELLED' || to === 'RUNNING')) continue;
    test(`a run that is ${from} cannot be made ${to} by hand`, async () => {
      await using scene = await withRunThatIs(from);

      await assert.rejects(
        scene.sql(`update sluice.runs set status = '${to}', ${WHOLE_RUN[to]} where id = $run`),
        {
          code: 'WF001',
          hint: /RUNNING -> COMPLETED \| FAILED \| CANCELLED/,
        },
      );

      assert.equal(await scene.status(), from);
    });
  }
}

test('a run keeps its version, its input, its key and its beginning', async () => {
  await using scene = await running({ a: [] });

  const other = await draw({ a: [] });
  const [{ next }] = await scene.sql('select workflow_id as next from sluice.register_workflow($1, $2)', [
    scene.workflow,
    JSON.stringify([{ name: 'b', connector: 'none', operation: 'none' }]),
  ]);

  for (const change of [
    `(workflow_id, workflow) = (select id, name from sluice.workflows where name = '${other}')`,
    `workflow_id = ${next}`,
    `input = '{"other": 1}'`,
    `key = 'k'`,
    'created_at = now()',
    'waiting_for = 7',
  ]) {
    await assert.rejects(
      scene.sql(`update sluice.runs set ${change} where id = $run`),
      { code: 'WF001' },
      change,
    );
  }
});

test('a run keeps its number, also one to which nothing refers', async () => {
  await using scene = await running({ a: [] });
  await using session = await scene.transaction();
  const [{ bare }] = await session.sql(
    `insert into sluice.runs (workflow_id, workflow, waiting_for, input)
     select workflow_id, workflow, 1, input from sluice.runs where id = $run returning id as bare`,
  );

  await assert.rejects(session.sql(`update sluice.runs set id = default where id = ${bare}`), {
    code: 'WF001',
  });
});

test('what a state implies holds for every row, whoever writes it', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');

  for (const [change, constraint] of [
    [`state = 'SUCCESS', finished_at = now()`, 'succeeded_tasks_have_output'],
    [`state = 'FAILED', finished_at = now()`, 'failed_tasks_say_why'],
    [`state = 'FAILED', finished_at = now(), error = '{}'`, 'failed_tasks_say_why'],
    [`state = 'SUCCESS', output = '1'`, 'finished_tasks_say_when'],
  ]) {
    await assert.rejects(
      scene.sql(`update sluice.tasks set ${change} where run_id = $run`),
      { code: '23514', constraint },
      change,
    );
  }
});

for (const status of ['COMPLETED', 'FAILED', 'CANCELLED'] as const) {
  test(`a run cannot begin its life as ${status}`, async () => {
    await using scene = await running({ a: [] });
    const { waiting_for, ...marks } = Object.fromEntries(
      WHOLE_RUN[status].split(', ').map((mark) => mark.split(' = ')),
    );

    const insert = scene.sql(
      `insert into sluice.runs (workflow_id, workflow, input, status, waiting_for, ${Object.keys(marks).join(', ')})
       select workflow_id, workflow, input, '${status}', ${waiting_for}, ${Object.values(marks).join(', ')}
         from sluice.runs where id = $run`,
    );

    await assert.rejects(insert, { code: 'WF001' });
  });
}

test('a move dates nothing but itself: when a task was READY stays as it is', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('b');
  const ready = `ready_at = ready_at - interval '1 s'`;

  await assert.rejects(scene.sql(`${become('RUNNING')}, ${ready} where run_id = $run and task_no = 1`), {
    code: 'WF001',
  });
  await assert.rejects(scene.sql(`${become('SUCCESS')}, ${ready} where run_id = $run and task_no = 2`), {
    code: 'WF001',
  });
  await scene.sql(`${become('RUNNING')} where run_id = $run and task_no = 1`);
});

test('a run cannot be made to wait for fewer sinks by hand', async () => {
  await using scene = await running({ a: [], b: [] });

  await assert.rejects(scene.sql('update sluice.runs set waiting_for = 1 where id = $run'), {
    code: 'WF001',
  });
});

test('a task is a sink or none for ever, and its first claim is its first attempt', async () => {
  await using scene = await running({ a: [] });

  const claim = (marks: string) =>
    scene.sql(
      `update sluice.tasks set state = 'RUNNING', runner_id = $runner, token = 1, started_at = now(), ${marks} where run_id = $run`,
    );

  await assert.rejects(claim('attempt = 5'), { code: 'WF001' });
  await assert.rejects(claim('attempt = 1, is_sink = false'), { code: 'WF001' });
  await claim('attempt = 1');
});

test('a task that is taken from its runner keeps its count of attempts and crashes, and when it began', async () => {
  await using scene = await running({ a: [] });
  await scene.take('a');
  await scene.sql(
    `insert into sluice.attempts (run_id, task_no, token, attempt, outcome, runner_id, started_at, ended_at, error)
     select run_id, task_no, token, attempt, 'LOST', runner_id, started_at, now(), '{"message": "by hand"}'
       from sluice.tasks where run_id = $run`,
  );

  for (const lie of [
    'attempt = 0',
    'attempt = 3',
    'crashes = -1',
    'crashes = 2',
    'started_at = now()',
    'token = 1',
  ])
    await assert.rejects(
      scene.sql(
        `update sluice.tasks set ${lie.startsWith('token') ? '' : 'token = 2, '}runner_id = null, ${lie} where run_id = $run`,
      ),
      { code: 'WF001' },
      lie,
    );
  await scene.sql('update sluice.tasks set token = 2, runner_id = null, crashes = 1 where run_id = $run');
});

test('a run ends at the time at which it does, also by hand', async () => {
  await using scene = await running({ a: [] });
  const cancel = (at: string) =>
    scene.sql(
      `update sluice.runs set status = 'CANCELLED', reason = 'by hand', finished_at = ${at} where id = $run`,
    );

  for (const at of [`now() - interval '1 h'`, `now() + interval '1 h'`, `'infinity'`])
    await assert.rejects(cancel(at), { code: 'WF001' }, at);
  await cancel('clock_timestamp()');

  await using starting = await scene.transaction();
  const [{ id }] = await starting.sql('select sluice.start_run($1) as id', [scene.workflow]);
  await assert.rejects(
    starting.sql(
      `update sluice.runs set status = 'CANCELLED', reason = 'x', finished_at = now() where id = ${id}`,
    ),
    { code: 'WF001' },
  );
});

for (const [status, end] of [
  ['COMPLETED', (scene: Scene) => scene.succeed('a')],
  ['FAILED', (scene: Scene) => scene.fail('a')],
  ['CANCELLED', (scene: Scene) => scene.sql('select sluice.cancel_run($run)')],
] as const)
  test(`a run that began at a moment to come can be ${status}, as of that moment: the clock went back`, async () => {
    await using scene = await running({ a: [] });
    await using session = await scene.transaction();
    await session.sql('alter table sluice.runs disable trigger advance_runs');
    await session.sql(`update sluice.runs set created_at = now() + interval '1 hour' where id = $run`);
    await session.sql('alter table sluice.runs enable trigger advance_runs');
    await session.commit();

    await end(scene);

    assert.deepEqual(
      await scene.sql('select status, finished_at = created_at as at_once from sluice.runs where id = $run'),
      [{ status, at_once: true }],
    );
  });

test('a run that began at a moment to come can also be ended by hand as of now: the clock went back', async () => {
  await using scene = await running({ a: [] });
  await using session = await scene.transaction();
  await session.sql('alter table sluice.runs disable trigger advance_runs');
  await session.sql(`update sluice.runs set created_at = now() + interval '1 hour' where id = $run`);
  await session.sql('alter table sluice.runs enable trigger advance_runs');

  await session.sql(
    `update sluice.runs set status = 'CANCELLED', reason = 'by hand', finished_at = now() where id = $run`,
  );

  assert.equal(await session.status(), 'CANCELLED');
});

test('a statement that stops one run leaves the tasks of others alone', async () => {
  await using scene = await running({ a: [], b: [] });
  const [{ other }] = await scene.sql('select sluice.start_run($1) as other', [scene.workflow]);
  await scene.claim(3);
  await scene.sql(`select sluice.end_runner($runner, 'stopped')`);

  await scene.sql(
    `update sluice.runs
        set status      = case id when $run then 'CANCELLED' else status end,
            finished_at = case id when $run then statement_timestamp() end,
            reason      = case id when $run then 'by hand' end
      where id in ($run, ${other})`,
  );

  const tasks = `select run_id, state, stopped from sluice.tasks where run_id in ($run, ${other}) order by run_id, task_no`;
  assert.deepEqual(await scene.sql(tasks), [
    { run_id: scene.run, state: 'FAILED', stopped: false },
    { run_id: scene.run, state: 'FAILED', stopped: false },
    { run_id: other, state: 'RUNNING', stopped: false },
    { run_id: other, state: 'READY', stopped: false },
  ]);
});

test('what somebody’s own trigger writes is judged as well after a run was stopped in the same transaction', async () => {
  await using scene = await running({ a: [] });
  await using other = await running({ a: [] });
  await using session = await scene.transaction();
  await session.sql(`
    create function own_trigger() returns trigger language plpgsql as $$
      begin update sluice.tasks set stopped = true where run_id = ${other.run}; return null; end $$`);

  await session.sql('select sluice.cancel_run($run)');
  await session.sql(
    'create trigger own_trigger after update on sluice.runners for each statement execute function own_trigger()',
  );

  await assert.rejects(session.sql('update sluice.runners set beat_at = now() where id = $runner'), {
    code: 'WF001',
  });
});

test('a clock that goes back in the middle of a statement makes none of its moves illegal', async () => {
  await using scene = await running({ a: [], b: ['a'], c: [] });
  await using session = await scene.transaction();
  await session.take('a', 'c');
  await session.sql(`
    create schema late;
    create function late.clock_timestamp() returns timestamptz language sql as $$ select pg_catalog.clock_timestamp() - interval '1 hour' $$;
    set local search_path = late, pg_catalog`);

  for (const end of [
    `state = 'SUCCESS', output = '1'`,
    `state = 'FAILED', error = '{"message": "it broke"}'`,
  ])
    await session.sql(
      `update sluice.tasks set ${end}, finished_at = statement_timestamp()
        where (run_id, task_no) in (select run_id, task_no from sluice.tasks where run_id = $run and state = 'RUNNING' order by task_no limit 1)`,
    );

  assert.equal(await session.states(), 'a SUCCESS, b READY, c FAILED');
  assert.equal(await session.status(), 'FAILED');
});

test('a clock that goes back in the course of a transaction makes nothing of it illegal', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('a', 'b');
  await using session = await scene.transaction();
  await session.sql(`
    create schema early;
    create function early.transaction_timestamp() returns timestamptz language sql as $$ select pg_catalog.transaction_timestamp() + interval '1 hour' $$;
    set local search_path = early, pg_catalog`);

  await session.sql(
    `update sluice.tasks set state = 'SUCCESS', output = '1', finished_at = statement_timestamp()
      where run_id = $run and task_no = 1`,
  );
  await session.sql(
    `update sluice.runs set status = 'CANCELLED', reason = 'by hand', finished_at = statement_timestamp() where id = $run`,
  );

  assert.equal(await session.states(), 'a SUCCESS, b RUNNING');
  assert.equal(await session.status(), 'CANCELLED');
});

test('a run begins at the time at which it does', async () => {
  await using scene = await running({ a: [] });

  for (const at of [`now() - interval '1 h'`, `now() + interval '1 h'`, `'infinity'`])
    await assert.rejects(
      scene.sql(
        `insert into sluice.runs (workflow_id, workflow, waiting_for, input, created_at)
         select workflow_id, workflow, 1, '{}', ${at} from sluice.runs where id = $run`,
      ),
      { code: 'WF001', message: /^run \d+ cannot begin like this, as RUNNING$/ },
      at,
    );
});

test('a run may be said to begin with its transaction, or at the very moment, also where the clock goes back', async () => {
  await using scene = await running({ a: [] });
  await using session = await scene.transaction();
  const begin = (at: string) =>
    session.sql(
      `insert into sluice.runs (workflow_id, workflow, waiting_for, input, created_at)
       select workflow_id, workflow, 1, '{}', ${at} from sluice.runs where id = $run returning id`,
    );
  const begun = [await begin('transaction_timestamp()'), await begin('clock_timestamp()')];
  await session.sql(`
    create schema late;
    create function late.clock_timestamp() returns timestamptz language sql as $$ select pg_catalog.clock_timestamp() - interval '1 hour' $$;
    set local search_path = late, pg_catalog`);
  begun.push(await begin('statement_timestamp()'), await begin('clock_timestamp() + interval $$1 s$$'));

  assert.deepEqual(
    begun.map((rows) => rows.length),
    [1, 1, 1, 1],
  );
});

test('only who takes a task from its runner counts a crash', async () => {
  await using scene = await running({ a: [], b: [] });
  await scene.take('b');

  await assert.rejects(
    scene.sql(`${become('RUNNING')}, crashes = 4 where run_id = $run and task_no = ${scene.number('a')}`),
    { code: 'WF001' },
  );
  for (const crashes of [-7, 1])
    await assert.rejects(
      scene.sql(
        `${become('SUCCESS')}, crashes = ${crashes} where run_id = $run and task_no = ${scene.number('b')}`,
      ),
      { code: 'WF001' },
    );
});

test('what somebody’s own trigger writes is judged as if it were written by hand', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  const client = await scene.db.pool.connect();
  const own = (statement: string) =>
    client.query(`
      begin;
      create table own_table (x integer);
      create function own_trigger() returns trigger language plpgsql as $$ begin ${statement}; return null; end $$;
      create trigger own_trigger after insert on own_table for each row execute function own_trigger();
      insert into own_table values (1)`);

  for (const statement of [
    `update sluice.runs set status = 'COMPLETED', waiting_for = 0, finished_at = clock_timestamp() where id = ${scene.run}`,
    `update sluice.tasks set state = 'READY', waiting_for = 0, ready_at = clock_timestamp() where run_id = ${scene.run} and state = 'PENDING'`,
  ]) {
    await assert.rejects(own(statement), { code: 'WF001' });
    await client.query('rollback');
  }
  await own(`perform sluice.cancel_run(${scene.run})`);
  await client.query('commit; drop table own_table; drop function own_trigger');
  client.release();

  assert.equal(await scene.status(), 'CANCELLED');
});

test('what somebody’s own trigger on runs and tasks does in a hop is judged, and leads on, as if it were done by hand', async () => {
  await using scene = await running({ a: [] });
  await using other = await running({ a: [], b: ['a'] });
  await other.take('a');
  const client = await scene.db.pool.connect();
  const own = async (statement: string) => {
    await client.query(`
      begin;
      create function own_trigger() returns trigger language plpgsql as $$ begin ${statement}; return null; end $$;
      create trigger own_trigger after update on sluice.runs for each row when (new.status = 'COMPLETED') execute function own_trigger()`);
    const claimed = await client.query(
      `select run_id, task_no, token from sluice.report_and_claim($1, '[]', 1)`,
      [scene.runner],
    );
    await client.query('select from sluice.report_and_claim($1, $2, 0)', [
      scene.runner,
      JSON.stringify(claimed.rows.map((row) => ({ ...row, output: 1 }))),
    ]);
  };

  await assert.rejects(
    own(
      `update sluice.tasks set state = 'READY', waiting_for = 0, ready_at = clock_timestamp() where run_id = ${other.run} and state = 'PENDING'`,
    ),
    { code: 'WF001' },
  );
  await client.query('rollback');
  await own(
    `update sluice.tasks set state = 'SUCCESS', output = '1', finished_at = clock_timestamp() where run_id = ${other.run} and state = 'RUNNING'`,
  );
  await client.query('drop trigger own_trigger on sluice.runs; drop function own_trigger; commit');
  client.release();

  assert.equal(await scene.status(), 'COMPLETED');
  assert.equal(await other.states(), 'a SUCCESS, b READY');
});

/** What a hop says that carries the success of `a` while somebody's own trigger makes a statement of its own. */
async function hopWithOwnTrigger(scene: Scene, statement: string): Promise<string[]> {
  await using session = await scene.transaction();
  await session.sql(`
    create function own_trigger() returns trigger language plpgsql as $$
      begin
        if exists (select from after where run_id = $run and state = 'SUCCESS') then ${statement}; end if;
        return null;
      end $$;
    create trigger own_trigger after update on sluice.tasks referencing new table as after
      for each statement execute function own_trigger()`);
  const rows = await session.sql(
    'select answer, run_id, task_no from sluice.report_and_claim($1, $2, $3, null)',
    [scene.runner, JSON.stringify([{ ...(await session.claimOf('a')), output: 1 }]), 5],
  );
  await session.sql('drop trigger own_trigger on sluice.tasks; drop function own_trigger');
  await session.commit();
  return rows.map(
    ({ answer, run_id, task_no }) => `${answer} ${run_id}${task_no ? ` ${scene.nameOf(task_no)}` : ''}`,
  );
}

for (const [call, statement] of [
  ['report', (result: string) => `perform from sluice.report_and_claim(null, '${result}', 0)`],
  [
    'beat',
    // Of one who was cut off, so that it takes over from nobody here.
    (_: string, runner: number) =>
      `update sluice.runners set beat_at = now() - interval '1 h' where id = ${runner}; perform from sluice.beat(${runner})`,
  ],
] as const)
  test(`a hop says what it took and ended, though somebody’s own trigger makes a ${call} within it`, async () => {
    await using scene = await running({ a: [], b: ['a'] });
    await using single = await running({ a: [] });
    await using other = await running({ a: [], b: ['a'] });
    for (const one of [scene, single, other]) await one.take('a');
    const within = statement(JSON.stringify([{ ...(await other.claimOf('a')), output: 1 }]), other.runner);

    assert.deepEqual(await hopWithOwnTrigger(scene, within), [`CLAIMED ${scene.run} b`]);
    assert.deepEqual(await hopWithOwnTrigger(single, within), [`COMPLETED ${single.run}`]);
  });

test('a hop says what became READY by somebody’s own trigger, and so went to its runner', async () => {
  await using scene = await running({ a: [], b: ['a'] });
  await using other = await running({ a: [], b: ['a'] });
  await scene.take('a');
  await other.take('a');

  const said = await hopWithOwnTrigger(
    scene,
    `update sluice.tasks set state = 'SUCCESS', output = '1', finished_at = clock_timestamp() where run_id = ${other.run} and state = 'RUNNING'`,
  );

  assert.deepEqual(said.toSorted(), [`CLAIMED ${scene.run} b`, `CLAIMED ${other.run} b`].toSorted());
});
