import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunStatus, TaskState } from '../src/inspect.ts';
import { finish } from './support/finish.ts';
import { fileDatabase, running, type Scene } from './support/scene.ts';

const { pool } = await fileDatabase();

type Row = Readonly<Record<string, unknown>>;

/** Rows that break no rule. */
const OPEN = {
  waiting_for: 0,
  stopped: false,
  token: 0,
  ready_at: 'now',
  finished_at: null,
  output: null,
  error: null,
};
const CLAIMED = { ...OPEN, token: 1 };
const TASKS: Readonly<Record<TaskState, Row>> = {
  PENDING: { ...OPEN, state: 'PENDING', waiting_for: 1, ready_at: null },
  READY: { ...OPEN, state: 'READY' },
  RUNNING: { ...CLAIMED, state: 'RUNNING' },
  SUCCESS: { ...CLAIMED, state: 'SUCCESS', finished_at: 'now', output: 'null' },
  FAILED: { ...CLAIMED, state: 'FAILED', finished_at: 'now', error: '{"message": "it broke"}' },
};
const GOING = { waiting_for: 1, key: null, finished_at: null, failed_task_no: null, reason: null };
const RUNS: Readonly<Record<RunStatus, Row>> = {
  RUNNING: { ...GOING, status: 'RUNNING' },
  COMPLETED: { ...GOING, status: 'COMPLETED', waiting_for: 0, finished_at: 'now' },
  FAILED: { ...GOING, status: 'FAILED', finished_at: 'now', failed_task_no: 1, reason: 'it broke' },
  CANCELLED: { ...GOING, status: 'CANCELLED', finished_at: 'now', reason: 'by hand' },
};

/** The rule that this row breaks, if any. */
async function broken(rule: 'broken_task_rule' | 'broken_run_rule', row: Row): Promise<string | null> {
  const names = Object.keys(row).map((name, index) => `p_${name} => $${index + 1}`);
  const call = `select sluice.${rule}(${names}) as broken`;
  return (await pool.query(call, Object.values(row))).rows[0].broken;
}

/** What no task in these states can say. */
const WRONG_TASKS: readonly (readonly [rule: string, wrong: Row, states: string])[] = [
  ['tasks_wait_while_pending', { waiting_for: 0 }, 'PENDING'],
  ['tasks_wait_while_pending', { waiting_for: 1 }, 'READY RUNNING SUCCESS FAILED'],
  ['tasks_wait_while_pending', { waiting_for: -1 }, 'PENDING READY RUNNING SUCCESS FAILED'],
  ['only_ready_tasks_are_stopped', { stopped: true }, 'PENDING RUNNING SUCCESS FAILED'],
  ['claimed_tasks_have_a_token', { token: 1 }, 'PENDING READY'],
  ['claimed_tasks_have_a_token', { token: 0 }, 'RUNNING SUCCESS FAILED'],
  ['claimed_tasks_have_a_token', { token: -1 }, 'RUNNING SUCCESS FAILED'],
  ['ready_tasks_say_since_when', { ready_at: 'now' }, 'PENDING'],
  ['ready_tasks_say_since_when', { ready_at: null }, 'READY RUNNING FAILED'],
  ['finished_tasks_say_when', { finished_at: 'now' }, 'PENDING READY RUNNING'],
  ['finished_tasks_say_when', { finished_at: null }, 'SUCCESS FAILED'],
  ['succeeded_tasks_have_output', { output: 'null' }, 'PENDING READY RUNNING FAILED'],
  ['succeeded_tasks_have_output', { output: null }, 'SUCCESS'],
  ['failed_tasks_say_why', { error: '{"message": "it broke"}' }, 'PENDING READY RUNNING SUCCESS'],
  ['failed_tasks_say_why', { error: null }, 'FAILED'],
  ['failed_tasks_say_why', { error: '{"code": "X"}' }, 'FAILED'],
];

/** What no run of these statuses can say. */
const WRONG_RUNS: readonly (readonly [rule: string, wrong: Row, statuses: string])[] = [
  ['runs_count_their_sinks', { waiting_for: -1 }, 'RUNNING COMPLETED FAILED CANCELLED'],
  ['completed_runs_wait_for_none', { waiting_for: 0 }, 'RUNNING FAILED CANCELLED'],
  ['completed_runs_wait_for_none', { waiting_for: 1 }, 'COMPLETED'],
  ['keys_are_short', { key: '' }, 'RUNNING COMPLETED FAILED CANCELLED'],
  ['keys_are_short', { key: 'k'.repeat(501) }, 'RUNNING COMPLETED FAILED CANCELLED'],
  ['finished_runs_say_when', { finished_at: 'now' }, 'RUNNING'],
  ['finished_runs_say_when', { finished_at: null }, 'COMPLETED FAILED CANCELLED'],
  ['failed_runs_say_where', { failed_task_no: 1 }, 'RUNNING COMPLETED CANCELLED'],
  ['failed_runs_say_where', { failed_task_no: null }, 'FAILED'],
  ['stopped_runs_say_why', { reason: 'by hand' }, 'RUNNING COMPLETED'],
  ['stopped_runs_say_why', { reason: null }, 'FAILED CANCELLED'],
];

for (const [judge, wholes, wrongs] of [
  ['broken_task_rule', TASKS, WRONG_TASKS],
  ['broken_run_rule', RUNS, WRONG_RUNS],
] as const) {
  for (const [rule, wrong, states] of wrongs) {
    const said = Object.entries(wrong).map(([name, value]) => `${name} ${String(value).slice(0, 30)}`);
    test(`${rule.replaceAll('_', ' ')}: ${said} is wrong for ${states}`, async () => {
      for (const state of states.split(' ')) {
        const whole = Object.entries(wholes).find(([name]) => name === state)?.[1];
        assert.equal(await broken(judge, { ...whole, ...wrong }), rule, state);
      }
    });
  }
}

test('what is as its state implies breaks no rule', async () => {
  const { PENDING, READY, RUNNING, SUCCESS } = TASKS;
  const further = [
    { ...PENDING, waiting_for: 9 },
    { ...READY, stopped: true },
    { ...RUNNING, token: 9 },
    { ...SUCCESS, ready_at: null },
  ];
  const tasks = [...Object.values(TASKS), ...further];
  const keys = [null, 'k', 'k'.repeat(500)];
  const runs = Object.values(RUNS).flatMap((run) => keys.map((key) => ({ ...run, key })));

  for (const row of tasks) assert.equal(await broken('broken_task_rule', row), null, JSON.stringify(row));
  for (const row of runs) assert.equal(await broken('broken_run_rule', row), null, JSON.stringify(row));
});

/** Adds a task to the scene's run, or to another one; what is not said is as the task's first state implies. */
function add(scene: Scene, columns: Readonly<Record<string, string>>): Promise<unknown[]> {
  const row = {
    run_id: '$run',
    workflow_id: '0',
    task_no: '9',
    is_sink: 'true',
    waiting_for: '0',
    ...columns,
  };
  return scene.sql(
    `insert into sluice.tasks (${Object.keys(row)}) values (${Object.values(row)}) returning ready_at = statement_timestamp() as by_guard`,
  );
}

test('a new task is held to every rule', async () => {
  await using scene = await running({ a: [] });
  const ready = `'READY'`;

  for (const [constraint, columns] of [
    ['tasks_wait_while_pending', { state: ready, waiting_for: '1' }],
    ['only_ready_tasks_are_stopped', { state: `'PENDING'`, waiting_for: '1', stopped: 'true' }],
    ['claimed_tasks_have_a_token', { state: ready, token: '1' }],
    ['ready_tasks_say_since_when', { state: `'PENDING'`, waiting_for: '1', ready_at: 'now()' }],
    ['finished_tasks_say_when', { state: ready, finished_at: 'now()' }],
    ['succeeded_tasks_have_output', { state: ready, output: `'1'` }],
    ['failed_tasks_say_why', { state: ready, error: `'{"message": "x"}'` }],
    ['failed_tasks_say_why', { state: ready, error: `'{"code": "X"}'` }],
  ] as const)
    await assert.rejects(add(scene, columns), { code: '23514', constraint }, constraint);
});

for (const [what, columns] of [
  ['READY', { state: `'READY'` }],
  [
    'claimed',
    {
      state: `'RUNNING'`,
      runner_id: '$runner',
      token: '1',
      attempt: '1',
      started_at: 'statement_timestamp()',
    },
  ],
] as const) {
  test(`a task that begins as ${what} has been READY since that moment, whatever it says`, async () => {
    await using scene = await running({ a: [] });

    const added = await add(scene, { ...columns, ready_at: `now() - interval '1 hour'` });

    assert.deepEqual(added, [{ by_guard: true }]);
  });
}

for (const [what, lie] of [
  ['a runner', { runner_id: '7' }],
  ['an attempt', { attempt: '1' }],
  ['a beginning', { started_at: 'now()' }],
  ['a crash', { crashes: '1' }],
] as const) {
  for (const state of ['PENDING', 'READY']) {
    test(`a task cannot begin as ${state} with ${what}`, async () => {
      await using scene = await running({ a: [], b: ['a'] });

      const columns = { state: `'${state}'`, waiting_for: state === 'PENDING' ? '1' : '0', ...lie };

      await assert.rejects(add(scene, columns), { code: 'WF001', message: /cannot begin as/ });
    });
  }
}

/** Another run of the scene's version, still without tasks. */
async function bareRun({ run }: Scene): Promise<{ run_id: string; workflow_id: string }> {
  const { rows } = await pool.query(
    `insert into sluice.runs (workflow_id, workflow, waiting_for, input)
     select workflow_id, workflow, 1, input from sluice.runs where id = $1 returning id as run_id, workflow_id`,
    [run],
  );
  return rows[0];
}

/** A run in which `a` and `b` have succeeded and `c` has failed; what its `a` is in a run that repeats it. */
async function repeated(fromFailed = true): Promise<[Scene, copy: Readonly<Record<string, string>>]> {
  const scene = await running({ a: [], b: ['a'], c: ['a'] });
  await scene.succeed('a');
  await scene.succeed('b');
  await scene.fail('c');
  const again = await bareRun(scene);
  await scene.sql(
    `insert into sluice.reruns (run_id, of_run_id, from_failed, started_by) values ($1, $run, $2, 'me')`,
    [again.run_id, fromFailed],
  );
  const markOf = (name: string) =>
    `(select ${name} from sluice.tasks where run_id = ${scene.run} and task_no = 1)`;
  const marks = Object.fromEntries(
    ['token', 'attempt', 'runner_id', 'started_at', 'finished_at'].map((name) => [name, markOf(name)]),
  );
  const task = { ...again, task_no: '1', is_sink: 'false', state: `'SUCCESS'` };
  return [scene, { ...task, ...marks, output: `'{"from": "a"}'` }];
}

test('a task may begin as a copy of the one that succeeded in the run that is repeated', async () => {
  const [scene, copy] = await repeated();
  await using _ = scene;

  assert.deepEqual(await add(scene, copy), [{ by_guard: null }]);
});

for (const [what, lie] of [
  ['with another output', { output: `'{"from": "b"}'` }],
  ['with the output of another task', { task_no: '2' }],
  ['of a task that has failed', { task_no: '3' }],
  ['of another version', { workflow_id: '0' }],
  ['that has another token', { token: '2' }],
  ['that took another attempt', { attempt: '2' }],
  ['that another runner ran', { runner_id: '0' }],
  ['that began at another time', { started_at: 'now()' }],
  ['that ended at another time', { finished_at: 'now()' }],
  ['that says since when it was READY', { ready_at: 'now()' }],
  ['that has failed', { state: `'FAILED'` }],
  ['that nobody has run', { attempt: '0', runner_id: 'null', started_at: 'null' }],
  [
    'that has failed though nobody has run it',
    {
      state: `'FAILED'`,
      error: `'{"message": "x"}'`,
      output: 'null',
      attempt: '0',
      runner_id: 'null',
      started_at: 'null',
    },
  ],
] as const) {
  test(`a task cannot begin as a copy ${what}`, async () => {
    const [scene, copy] = await repeated();
    await using _ = scene;

    await assert.rejects(add(scene, { ...copy, ...lie }), { code: 'WF001', message: /cannot begin as/ });
  });
}

test('a run that is repeated from its start begins with no copies', async () => {
  const [scene, copy] = await repeated(false);
  await using _ = scene;

  await assert.rejects(add(scene, copy), { code: 'WF001', message: /cannot begin as SUCCESS/ });
});

test('a run begins with no copies of runs that it does not repeat', async () => {
  const [scene, copy] = await repeated();
  await using _ = scene;
  const [{ other }] = await scene.sql('select sluice.start_run($1) as other', [scene.workflow]);
  await finish(pool, other, scene.runner);

  // To one that repeats none; from one in which this task has succeeded, too.
  for (const lie of [await bareRun(scene), { task_no: '3', output: `'"again"'` }])
    await assert.rejects(add(scene, { ...copy, ...lie }), { code: 'WF001', message: /begin as SUCCESS/ });
});
