import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { Connector, operation } from '../src/connector.ts';
import { openEngine } from '../src/engine.ts';
import { DefinitionError, didYouMean } from '../src/errors.ts';
import type { JsonObject } from '../src/json.ts';
import { input, output } from '../src/references.ts';
import { type Workflow, workflowDefiner } from '../src/workflow.ts';
import { acting } from './support/acting.ts';
import {
  draw,
  fileDatabase,
  type Graph,
  registerRunner,
  running,
  someoneWaitsForALock,
} from './support/scene.ts';

const { pool, url } = await fileDatabase();

type Task = Record<string, unknown>;

function tasksOf(graph: Graph): Task[] {
  return Object.entries(graph).map(([name, after]) => ({ name, connector: 'c', operation: 'o', after }));
}

async function register(name: string, tasks: unknown, schema: unknown = { type: 'object' }) {
  const { rows } = await pool.query('select * from sluice.register_workflow($1, $2, $3)', [
    name,
    JSON.stringify(tasks),
    JSON.stringify(schema),
  ]);
  return rows[0] as { workflow_id: string; version: number; is_new: boolean };
}

async function problemsOf(
  tasks: unknown,
  schema: unknown = { type: 'object' },
  subject: unknown = [],
): Promise<string[]> {
  const { rows } = await pool.query(
    `select problem from sluice.workflow_problems('fine', $1, $2, $3) as problem`,
    [JSON.stringify(tasks), JSON.stringify(schema), JSON.stringify(subject)],
  );
  return rows.map(({ problem }) => problem);
}

for (const [when, isFine] of [
  [{ value: 1, is: null }, true],
  [{ value: null, isNot: { a: 1 } }, true],
  [null, true],
  [{ value: 1 }, false],
  [{ value: 1, is: 1, isNot: 2 }, false],
  [{ value: 1, is: 1, or: 2 }, false],
  [{ is: 1 }, false],
  [{}, false],
  [[], false],
  ['always', false],
] as const) {
  test(`${JSON.stringify(when)} is ${isFine ? 'a' : 'no'} condition`, async () => {
    const problems = await problemsOf([{ name: 'a', connector: 'c', operation: 'o', when }]);

    if (isFine) assert.deepEqual(problems, []);
    else assert.match(problems.join(), /^task "a": "when" is .*, it has to be \{"value": …, "is": …\} or/);
  });
}

test('what runs are about refers to declared inputs and to tasks, or is refused', async () => {
  const tasks = tasksOf({ a: [] });
  const schema = { type: 'object', properties: { x: {} }, additionalProperties: false };
  const subject = [{ $input: ['x', 0] }, { $output: ['a'] }];

  assert.deepEqual(await problemsOf(tasks, schema, subject), []);
  assert.deepEqual(
    await problemsOf(tasks, schema, [
      ...subject,
      { $input: ['y'] },
      { $output: ['b'] },
      { $input: 'x' },
      { $output: [] },
      7,
    ]),
    [
      'its subject refers to the input "y", which the workflow does not declare',
      'its subject refers to the output of "b", which is not one of its tasks',
      'its subject has {"$input": "x"}, which refers to no input and no output',
      'its subject has {"$output": []}, which refers to no input and no output',
      'its subject has 7, which refers to no input and no output',
    ],
  );
  assert.deepEqual(await problemsOf(tasks, schema, {}), [
    'its subject is {}, it has to be a list of references',
  ]);
});

test('what runs are about is part of a version, and another subject makes another', async () => {
  const tasks = '[{"name": "a", "connector": "none", "operation": "none"}]';
  const registerAbout = async (subject: string) =>
    (
      await pool.query(
        `select version, is_new from sluice.register_workflow('about', $1, '{"type": "object"}', $2)`,
        [tasks, subject],
      )
    ).rows[0];

  assert.deepEqual(await registerAbout('[]'), { version: 1, is_new: true });
  assert.deepEqual(await registerAbout('[{"$input": ["n"]}]'), { version: 2, is_new: true });
  assert.deepEqual(await registerAbout('[{"$input": ["n"]}]'), { version: 2, is_new: false });

  const { rows } = await pool.query(
    `select subject from sluice.workflows where name = 'about' order by version`,
  );
  assert.deepEqual(rows, [{ subject: [] }, { subject: [{ $input: ['n'] }] }]);
});

test('a cycle is refused with its path', async () => {
  const graph = tasksOf({ start: [], a: ['start', 'c'], b: ['a'], c: ['b'], end: ['c'] });

  await assert.rejects(register('cyclic', graph), {
    code: 'WF002',
    message: 'workflow "cyclic" is not valid: its tasks wait for one another in a cycle: a -> b -> c -> a',
    hint: /Nothing was registered/,
  });
});

test('a task that waits for itself is a cycle', async () => {
  assert.deepEqual(await problemsOf(tasksOf({ a: ['a'] })), [
    'its tasks wait for one another in a cycle: a -> a',
  ]);
});

test('the path of a cycle is the cycle only, however long the way to it', async () => {
  const graph = tasksOf({ end: ['far'], far: ['near'], near: ['x'], x: ['y'], y: ['x'] });

  assert.deepEqual(await problemsOf(graph), ['its tasks wait for one another in a cycle: x -> y -> x']);
});

test('the path of a cycle is shown whole up to twenty tasks', async () => {
  const cycle = (length: number) =>
    tasksOf(Object.fromEntries(Array.from({ length }, (_, n) => [`t${n}`, [`t${(n + 1) % length}`]])));

  const [[whole = ''], [cut = '']] = [await problemsOf(cycle(20)), await problemsOf(cycle(21))];

  assert.deepEqual([whole.split(' -> ').length, /more/.test(whole)], [21, false]);
  assert.match(cut, / -> … 2 more -> t\d+$/);
});

test('an unknown parent is refused, and what there is is said', async () => {
  assert.deepEqual(await problemsOf(tasksOf({ read: [], send: ['raed'] })), [
    'task "send" runs after "raed", which is not one of its tasks. There are: read, send',
  ]);
});

test('of many tasks that there are the first fifty are named', async () => {
  const names = Array.from({ length: 60 }, (_, n) => `t${n}`);
  const tasks = tasksOf(Object.fromEntries(names.map((name) => [name, name === 't59' ? ['nobody'] : []])));

  assert.deepEqual(await problemsOf(tasks), [
    `task "t59" runs after "nobody", which is not one of its tasks. There are: ${names.slice(0, 50).join(', ')}`,
  ]);
});

test('two tasks of one name are refused', async () => {
  const tasks = [...tasksOf({ a: [], b: [] }), ...tasksOf({ a: ['b'] })];

  assert.deepEqual(await problemsOf(tasks), ['task "a" is there 2 times; names are unique']);
});

test('the same parent twice is refused', async () => {
  assert.deepEqual(await problemsOf(tasksOf({ a: [], b: ['a', 'a'] })), ['task "b" runs after "a" twice']);
});

test('a workflow without tasks is refused', async () => {
  for (const nothing of [[], {}, null, 'tasks', 7])
    assert.deepEqual(
      await problemsOf(nothing),
      ['it has no tasks; give at least one'],
      JSON.stringify(nothing),
    );
});

test('more than 10,000 tasks are refused', async () => {
  const tasks = Array.from({ length: 10_001 }, (_, n) => ({ name: `t${n}`, connector: 'c', operation: 'o' }));

  assert.deepEqual(await problemsOf(tasks), ['it has 10001 tasks, the limit is 10000']);
});

for (const name of [
  '',
  ' ',
  'a b',
  'a.b',
  '1a',
  'ä',
  '🙂',
  '__proto__',
  'a'.repeat(64),
  'a"; drop table x',
  'a\nb',
]) {
  test(`${JSON.stringify(name)} is no name for a task`, async () => {
    const [problem, ...others] = await problemsOf([{ name, connector: 'c', operation: 'o' }]);

    assert.match(problem ?? '', /a name is a letter, then at most 62 letters, digits, "_" or "-"/);
    assert.deepEqual(others, []);
  });
}

test('names that differ in case only, or that JavaScript finds special, are names like others', async () => {
  assert.deepEqual(await problemsOf(tasksOf({ a: [], A: ['a'], constructor: ['A'], toString: [] })), []);
});

test('a workflow’s own name is checked as well', async () => {
  for (const name of ['', 'Big', 'a b', '1a', 'x'.repeat(64)]) {
    await assert.rejects(
      register(name, tasksOf({ a: [] })),
      { code: 'WF002', message: /a workflow's name is/ },
      name,
    );
  }
});

test('all problems are reported at once', async () => {
  const tasks = [
    { name: 'a', connector: 'c', operation: 'o', retries: -1, timeout_ms: 0 },
    { name: 'b b', connector: 'c', after: ['nobody'] },
    { name: 'c', connector: 'c', operation: 'o', after: ['a', 'a'], retries: 1.5 },
    { name: 'd', connector: 'c', operation: 'o', after: 'a', timeout_ms: '5 minutes' },
  ];

  const problems = await problemsOf(tasks);

  for (const expected of [
    'task "a": retries is -1, it has to be a whole number from 0 to 100',
    'task "a": timeout_ms is 0, it has to be a whole number of milliseconds from 1 to 2147483647',
    'task "b b": a name is',
    'task "b b" needs a connector and an operation',
    'task "b b" runs after "nobody"',
    'task "c" runs after "a" twice',
    'task "c": retries is 1.5, it has',
    'task "d": "after" is "a", it has to be a list of task names',
    'task "d": timeout_ms is "5 minutes", it has',
  ])
    assert.ok(
      problems.some((problem) => problem.startsWith(expected)),
      `${expected}\nnot in\n${problems.join('\n')}`,
    );
  assert.equal(problems.length, 9);
});

test('problems are told task by task, in the order in which they are written', async () => {
  const problems = await problemsOf([
    { name: 'z', connector: 'c', operation: 'o', after: ['nobody'] },
    { name: 'b b', connector: 'c', operation: 'o' },
    { connector: 'c', operation: 'o' },
    { name: 'a', operation: 'o', retries: 101 },
  ]);

  assert.deepEqual(
    problems.map((problem) => problem.split(/[:;.,]| which/, 1)[0]),
    [
      'task "z" runs after "nobody"',
      'task "b b"',
      'task "#3"',
      'task "a" needs a connector and an operation',
      'task "a"',
    ],
  );
  assert.match(problems.at(2) ?? '', /^task "#3": a name is a letter/);
  assert.match(
    problems.at(-1) ?? '',
    /^task "a": retries is 101, it has to be a whole number from 0 to 100$/,
  );
});

test('a definition of which a part is NULL is refused', async () => {
  for (const [call, problem] of [
    [`null, '[{"name": "a", "connector": "c", "operation": "o"}]'`, /^a workflow's name is/],
    [`'fine', null`, /^it has no tasks/],
    [`'fine', '[{"name": "a", "connector": "c", "operation": "o"}]', null`, /^its input schema is null/],
    [
      `'fine', '[{"name": "a", "connector": "c", "operation": "o"}]', '{"type": "object"}', null`,
      /^its subject is null/,
    ],
  ] as const) {
    const { rows } = await pool.query(`select problem from sluice.workflow_problems(${call}) as problem`);
    assert.equal(rows.length, 1, call);
    assert.match(rows[0].problem, problem);
  }
});

test('a condition that is null is none', async () => {
  const task = { name: 'a', connector: 'c', operation: 'o', when: null };
  const { workflow_id } = await register('unconditional', [task]);

  const { rows } = await pool.query(
    'select condition is null as is_none from sluice.workflow_tasks where workflow_id = $1',
    [workflow_id],
  );
  assert.deepEqual(rows, [{ is_none: true }]);
});

test('a field that no task has is refused, whoever registers it', async () => {
  const tasks = [{ name: 'a', connector: 'none', operation: 'none', retires: 3 }];

  assert.deepEqual(await problemsOf(tasks), [
    'task "a": "retires" is not a field of a task; there are: name, connector, operation, parameters, after, when, retries, timeout_ms',
  ]);
});

test('what is wrong with the fields of tasks is told task by task, and of each by the name of the field', async () => {
  const task = { connector: 'c', operation: 'o' };

  const problems = await problemsOf([
    { name: 'b', ...task, when: 7, zeal: 1, age: 1 },
    { name: 'a', ...task, wehn: 1 },
  ]);

  assert.deepEqual(
    problems.map((problem) => problem.slice(0, 16)),
    ['task "b": "age" ', 'task "b": "when"', 'task "b": "zeal"', 'task "a": "wehn"'],
  );
});

test('a task whose name is misspelt is told by its place', async () => {
  const tasks = [...tasksOf({ a: [] }), { nmae: 'b', connector: 'c', operation: 'o' }];

  assert.deepEqual(await problemsOf(tasks), [
    'task "#2": "nmae" is not a field of a task; there are: name, connector, operation, parameters, after, when, retries, timeout_ms',
    'task "#2": a name is a letter, then at most 62 letters, digits, "_" or "-"',
  ]);
});

test('tasks that are no objects are refused in words', async () => {
  const problems = await problemsOf(['a', 7]);

  assert.deepEqual(
    problems.filter((problem) => / a name is /.test(problem)).map((problem) => problem.slice(0, 9)),
    ['task "#1"', 'task "#2"'],
  );
});

test('a name that is no text is refused', async () => {
  assert.match(
    (await problemsOf([{ name: true, connector: 'c', operation: 'o' }])).join(),
    /task "true": a name is/,
  );
});

for (const reference of [
  { $output: [] },
  { $output: { a: 1 } },
  { $output: null },
  { $input: [] },
  { $input: 'a' },
])
  test(`${JSON.stringify(reference)} names nothing, and is refused`, async () => {
    const task = { name: 'a', connector: 'c', operation: 'o', parameters: { deep: [reference] } };

    assert.deepEqual(await problemsOf([task]), [
      'task "a" has a reference that names nothing; write {"$input": ["name"]} or {"$output": ["task"]}',
    ]);
  });

test('a definition that is refused leaves nothing behind', async () => {
  await assert.rejects(register('refused', tasksOf({ a: ['b'], b: ['a'] })), { code: 'WF002' });

  const { rows } = await pool.query(`select from sluice.workflows where name = 'refused'`);
  assert.equal(rows.length, 0);
});

test('a reference has to lead upstream: to a parent, or further up', async () => {
  const tasks = (parameters: unknown) => [
    ...tasksOf({ far: [], near: ['far'], aside: [] }),
    { name: 'reader', connector: 'c', operation: 'o', after: ['near'], parameters },
  ];
  const problem = (name: string) => [
    `task "reader" refers to the output of "${name}", which is not upstream of it; add it to "after"`,
  ];

  assert.deepEqual(await problemsOf(tasks({ deep: [{ x: output('near', 'x') }, output('far')] })), []);
  assert.deepEqual(await problemsOf(tasks({ deep: [{ x: output('aside', 'x') }] })), problem('aside'));
  assert.deepEqual(await problemsOf(tasks({ x: output('reader') })), problem('reader'));
});

test('a reference to the output of a task that is not there is told with the other problems of names', async () => {
  const tasks = [
    ...tasksOf({ a: ['b'], b: ['a'] }),
    { name: 'reader', connector: 'c', operation: 'o', parameters: { x: output('nobody') } },
  ];

  assert.deepEqual(await problemsOf(tasks), [
    'task "reader" refers to the output of "nobody", which is not one of its tasks. There are: a, b, reader',
  ]);
});

test('a reference may lead far upstream in whatever order the tasks are written', async () => {
  const chain = tasksOf({ first: [], second: ['first'], third: ['second'] });
  const last = { ...tasksOf({ last: ['third'] })[0], parameters: { x: output('first') } };

  assert.deepEqual(await problemsOf([...chain, last].toReversed()), []);
});

test('a reference that does not lead upstream is refused in whatever order the tasks are written', async () => {
  const chain = tasksOf({ aside: [], first: [], second: ['first'] });
  const last = { ...tasksOf({ last: ['second'] })[0], parameters: { x: output('aside') } };

  assert.deepEqual(await problemsOf([...chain, last].toReversed()), [
    'task "last" refers to the output of "aside", which is not upstream of it; add it to "after"',
  ]);
});

test('1,000 tasks in a row may all refer to the first one', async () => {
  const tasks = Array.from({ length: 1_000 }, (_, n) => ({
    name: `t${n}`,
    connector: 'c',
    operation: 'o',
    after: n === 0 ? [] : [`t${n - 1}`],
    parameters: n === 0 ? {} : { x: output('t0') },
  }));

  assert.deepEqual(await problemsOf(tasks), []);
});

for (const [schema, problem] of [
  [5, 'its input schema is 5, it has to be a JSON object'],
  [null, 'its input schema is null, it has to be a JSON object'],
  [{ type: 'string' }, '"type" of its input schema is "string", it has to be "object"'],
  [{ type: ['object'] }, '"type" of its input schema is ["object"], it has to be "object"'],
  [{ properties: [] }, '"properties" of its input schema is [], it has to be an object of schemas'],
  [
    { properties: { a: 5 } },
    '"properties" of its input schema is {"a": 5}, it has to be an object of schemas',
  ],
  [{ required: 'email' }, '"required" of its input schema is "email", it has to be a list of names'],
  [{ required: [1] }, '"required" of its input schema is [1], it has to be a list of names'],
] as const) {
  test(`${JSON.stringify(schema)} is no schema of inputs`, async () => {
    assert.deepEqual(await problemsOf(tasksOf({ a: [] }), schema), [problem]);
  });
}

test('an input may be anything, or nothing, in the words of JSON Schema', async () => {
  assert.deepEqual(
    await problemsOf(tasksOf({ a: [] }), { type: 'object', properties: { any: true, none: false } }),
    [],
  );
});

test('a condition’s reference has to lead upstream as well', async () => {
  const tasks = [
    ...tasksOf({ a: [] }),
    { name: 'b', connector: 'c', operation: 'o', when: { value: output('a'), is: 1 } },
  ];

  assert.deepEqual(await problemsOf(tasks), [
    'task "b" refers to the output of "a", which is not upstream of it; add it to "after"',
  ]);
});

test('a reference to an input that is not declared is refused when the schema is closed', async () => {
  const tasks = [{ name: 'a', connector: 'c', operation: 'o', parameters: { x: input('emial') } }];
  const schema = { type: 'object', properties: { email: { type: 'string' } } };

  assert.deepEqual(await problemsOf(tasks, { ...schema, additionalProperties: false }), [
    'task "a" refers to the input "emial", which the workflow does not declare',
  ]);
  assert.deepEqual(await problemsOf(tasks, schema), []);
});

test('a schema that is closed and declares nothing has no input to refer to', async () => {
  const tasks = [{ name: 'a', connector: 'c', operation: 'o', parameters: { x: input('x') } }];

  assert.deepEqual(
    await problemsOf(tasks, { type: 'object', additionalProperties: false }, [{ $input: ['x'] }]),
    [
      'task "a" refers to the input "x", which the workflow does not declare',
      'its subject refers to the input "x", which the workflow does not declare',
    ],
  );
});

test('a chain of 10,000 tasks, written down backwards, is checked and stored', async () => {
  const chain = Array.from({ length: 10_000 }, (_, n) => ({
    name: `t${n}`,
    connector: 'c',
    operation: 'o',
    after: n === 0 ? [] : [`t${n - 1}`],
  }));

  await register('chain', chain.toReversed());

  const { rows } = await pool.query(
    `select count(*)::integer as edges, bool_and(parent.name = 't' || (child_no - 2)) as in_order
       from sluice.workflow_edges join sluice.workflow_tasks as parent using (workflow_id)
      where parent.task_no = parent_no and workflow_id = (select id from sluice.workflows where name = 'chain')`,
  );
  assert.deepEqual(rows, [{ edges: 9999, in_order: true }]);
});

test('tasks are numbered parents first, however they are strewn', async () => {
  const graph = { a: [], x: ['a'], d: ['b'], b: ['c'], c: ['a'] };

  const { workflow_id } = await register('strewn', tasksOf(graph));

  const { rows } = await pool.query(
    'select name, task_no from sluice.workflow_tasks where workflow_id = $1 order by task_no',
    [workflow_id],
  );
  assert.deepEqual(
    rows.map(({ name, task_no }) => `${task_no} ${name}`),
    ['1 a', '2 x', '3 c', '4 b', '5 d'],
  );
});

test('a cycle through 10,000 tasks is found', async () => {
  const ring = Array.from({ length: 10_000 }, (_, n) => ({
    name: `t${n}`,
    connector: 'c',
    operation: 'o',
    after: [`t${(n + 9_999) % 10_000}`],
  }));

  const [problem] = await problemsOf(ring);

  assert.match(problem ?? '', /in a cycle: t0 -> t1 -> t2 -> .* -> t18 -> … 9981 more -> t0$/);
});

test('registering the same definition again changes nothing', async () => {
  const first = await register('same', tasksOf({ a: [], b: ['a'] }));
  const second = await register('same', tasksOf({ a: [], b: ['a'] }));

  assert.deepEqual([first.version, first.is_new], [1, true]);
  assert.deepEqual(second, { ...first, is_new: false });
});

test('a changed definition becomes a new version, and going back another one', async () => {
  const versions = [];
  for (const graph of [{ a: [] }, { a: [], b: [] }, { a: [] }])
    versions.push((await register('changing', tasksOf(graph))).version);

  assert.deepEqual(versions, [1, 2, 3]);
});

test('whatever may make a difference to a run makes a new version', async () => {
  const task = {
    name: 'a',
    connector: 'c',
    operation: 'o',
    parameters: { x: 1 },
    retries: 1,
    timeout_ms: 1000,
  };
  const schema = { type: 'object', properties: { n: { type: 'number', default: 1 } } };
  const changes: [Task, unknown][] = [
    [task, schema],
    [{ ...task, connector: 'other' }, schema],
    [{ ...task, operation: 'other' }, schema],
    [{ ...task, parameters: { x: 2 } }, schema],
    [{ ...task, retries: 2 }, schema],
    [{ ...task, timeout_ms: 2000 }, schema],
    [{ ...task, when: { value: input('n'), is: 1 } }, schema],
    [task, { type: 'object', properties: { n: { type: 'number', default: 2 } } }],
  ];

  const versions = [];
  for (const [changed, input] of changes)
    versions.push((await register('detailed', [changed], input)).version);

  assert.deepEqual(versions, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('a run keeps the definition it started with', async () => {
  await using scene = await running({ old: [], after_old: ['old'] });

  await register(scene.workflow, tasksOf({ new: [] }));
  await scene.succeed('old');

  assert.equal(await scene.states(), 'old SUCCESS, after_old READY');
  const [{ id }] = await scene.sql('select sluice.start_run($1) as id', [scene.workflow]);
  const tasks = await scene.sql(
    'select name from sluice.tasks join sluice.workflow_tasks using (workflow_id, task_no) where run_id = $1',
    [id],
  );
  assert.deepEqual(tasks, [{ name: 'new' }]);
});

test('a parent that is null, as JSON makes it of undefined, is refused', async () => {
  const tasks = JSON.stringify([
    { name: 'a', connector: 'c', operation: 'o' },
    { name: 'b', connector: 'c', operation: 'o', after: [null] },
  ]);

  const registered = pool.query('select sluice.register_workflow($1, $2)', ['orphan', tasks]);

  await assert.rejects(registered, { code: 'WF002', message: /task "b" runs after "", which is not one/ });
});

test('two sessions that register the same workflow at the same moment make one version of it', async () => {
  const first = await pool.connect();
  await first.query('begin');
  const text = 'select version, is_new from sluice.register_workflow($1, $2)';
  const values = ['together', JSON.stringify(tasksOf({ a: [] }))];

  const one = await first.query(text, values);
  const other = pool.query(text, values);
  await someoneWaitsForALock();
  await first.query('commit');
  first.release();

  assert.deepEqual(one.rows, [{ version: 1, is_new: true }]);
  assert.deepEqual((await other).rows, [{ version: 1, is_new: false }]);
});

test('two sessions that register different definitions at the same moment make two versions', async () => {
  const first = await pool.connect();
  await first.query('begin');
  const text = 'select version, is_new from sluice.register_workflow($1, $2)';

  await first.query(text, ['apart', JSON.stringify(tasksOf({ a: [] }))]);
  const other = pool.query(text, ['apart', JSON.stringify(tasksOf({ b: [] }))]);
  await someoneWaitsForALock();
  await first.query('commit');
  first.release();

  assert.deepEqual((await other).rows, [{ version: 2, is_new: true }]);
});

test('an edge that leads backwards cannot be stored, so neither can a cycle, whoever inserts it', async () => {
  const { workflow_id } = await register('by_hand', tasksOf({ a: [], b: ['a'] }));

  for (const [parent, child] of [
    [2, 1],
    [1, 1],
  ]) {
    await assert.rejects(
      pool.query('insert into sluice.workflow_edges (workflow_id, parent_no, child_no) values ($1, $2, $3)', [
        workflow_id,
        parent,
        child,
      ]),
      { code: '23514', constraint: 'edges_lead_forward' },
    );
  }
});

test('a version that has runs never grows', async () => {
  await using scene = await running({ a: [], b: [] });
  const [{ workflow_id }] = await scene.sql('select workflow_id from sluice.runs where id = $run');

  const insert = scene.sql(
    'insert into sluice.workflow_edges (workflow_id, parent_no, child_no) values ($1, 1, 2)',
    [workflow_id],
  );

  await assert.rejects(insert, { code: 'WF007', hint: /Register a new version/ });
});

const EDGE = `insert into sluice.workflow_edges select id, 1, 2 from sluice.workflows where name = $1`;

test('who adds to a version and who starts a run of it take turns', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [], b: [] });
  const client = await pool.connect();
  await client.query('begin');
  await client.query(EDGE, [workflow]);

  const start = pool.query('select sluice.start_run($1) as run', [workflow]);
  await someoneWaitsForALock();
  await client.query('commit');
  client.release();
  const { run } = (await start).rows[0];

  const tasks = await pool.query(
    'select state, waiting_for from sluice.tasks where run_id = $1 order by task_no',
    [run],
  );
  assert.deepEqual(tasks.rows, [
    { state: 'READY', waiting_for: 0 },
    { state: 'PENDING', waiting_for: 1 },
  ]);
});

test('nobody adds to a version by a snapshot in which its runs may be missing', async () => {
  const { pool } = await fileDatabase();
  const workflow = await draw({ a: [], b: [] });
  const client = await pool.connect();
  await client.query('begin isolation level repeatable read');
  await client.query('select 1');
  await pool.query('select sluice.start_run($1)', [workflow]);

  const insert = client.query(EDGE, [workflow]);

  await assert.rejects(insert, { code: 'WF011' });
  client.release(true);
});

test('a workflow can be registered in a transaction of any isolation', async () => {
  for (const isolation of ['read uncommitted', 'repeatable read', 'serializable']) {
    const client = await pool.connect();
    await client.query(`begin isolation level ${isolation}`);
    const { rows } = await client.query('select is_new from sluice.register_workflow($1, $2)', [
      'isolated',
      JSON.stringify(tasksOf({ a: [], b: ['a'] })),
    ]);
    await client.query('rollback');
    client.release();

    assert.deepEqual(rows, [{ is_new: true }], isolation);
  }
});

test('a version that has no runs may grow in a transaction that is read uncommitted', async () => {
  const workflow = await draw({ a: [], b: [] });
  const client = await pool.connect();
  await client.query('begin isolation level read uncommitted');

  assert.equal((await client.query(EDGE, [workflow])).rowCount, 1);

  await client.query('rollback');
  client.release();
});

test('the engine reports what the connectors refuse and what the graph lacks, of all workflows, at once', async () => {
  const task = { operation: 'known', parameters: {}, after: [], retries: 0, timeout_ms: 1000 };
  await using engine = openEngine({
    connectionString: url,
    connectors: { test: acting({ known: () => null }) },
    workflows: [
      {
        name: 'one',
        input: {},
        tasks: [
          { ...task, name: 'a', connector: 'tests' },
          { ...task, name: 'b', connector: 'test', after: ['c'] },
        ],
      },
      { name: 'two', input: {}, tasks: [{ ...task, name: 'a', connector: 'test', operation: 'unknown' }] },
    ],
  });

  await assert.rejects(engine.register(), (error: unknown) => {
    assert.ok(error instanceof DefinitionError);
    assert.deepEqual(error.problems, [
      'workflow "one": task "a": there is no connector "tests". Did you mean "test"? There are: test.',
      'workflow "one": task "b" runs after "c", which is not one of its tasks. There are: a, b',
      'workflow "two": task "a": connector "test" has no operation "unknown". Did you mean "known"? There are: known.',
    ]);
    return true;
  });
});

test('a task without a connector, as JavaScript lets it be written, is told like any other', async () => {
  await using engine = openEngine({
    connectionString: url,
    connectors: {},
    workflows: [{ name: 'bare', input: {}, tasks: [{ name: 'a' } as Workflow['tasks'][number]] }],
  });

  await assert.rejects(engine.register(), {
    problems: ['workflow "bare": task "a" needs a connector and an operation'],
  });
});

const nothing = {
  connector: 'test',
  operation: 'known',
  parameters: {},
  after: [],
  retries: 0,
  timeout_ms: 1,
};

for (const [what, written, why] of [
  ['that JSON Schema does not have', z.strictObject({ day: z.date() }), /Date cannot be represented/],
  ['that was forgotten', undefined as unknown as z.ZodObject, /it is no z\.strictObject/],
] as const) {
  test(`an input ${what} is told when the workflow is registered, and does not keep the program from starting`, async () => {
    const connectors = { c: acting({ o: () => null }) };
    const defineWorkflow = workflowDefiner<typeof connectors>();
    const workflow = defineWorkflow('no_input', { input: written, tasks: {} });
    await using engine = openEngine({ connectionString: url, connectors, workflows: [workflow] });

    await assert.rejects(engine.register(), ({ problems: [first = ''] }: DefinitionError) => {
      assert.match(first, /^workflow "no_input": its input cannot be made a JSON Schema: /);
      return why.test(first);
    });
  });
}

test('a number that JSON does not know is refused like any other that will not do, with all else', async () => {
  const tasks = [
    { ...nothing, name: 'a', timeout_ms: Number.POSITIVE_INFINITY },
    { ...nothing, name: 'b', retries: Number.NaN, after: ['c'] },
  ];
  await using engine = openEngine({
    connectionString: url,
    connectors: { test: acting({ known: () => null }) },
    workflows: [{ name: 'endless', input: {}, tasks }],
  });

  await assert.rejects(engine.register(), {
    name: 'DefinitionError',
    problems: [
      'workflow "endless": task "a": timeoutMs is "Infinity", it has to be a whole number of milliseconds from 1 to 2147483647',
      'workflow "endless": task "b": retries is "NaN", it has to be a whole number from 0 to 100',
      'workflow "endless": task "b" runs after "c", which is not one of its tasks. There are: a, b',
    ],
  });
});

test('what cannot be stored as JSON is told of every task, with the place', async () => {
  const circle: Record<string, unknown> = {};
  circle.again = circle;
  const values = { nul: 'a\0b', half: '\ud800', big: 1n, circle, fine: 1 };
  const tasks = Object.entries(values).map(([name, value]) => ({
    ...nothing,
    name,
    parameters: { at: [value] } as JsonObject,
  }));
  await using engine = openEngine({
    connectionString: url,
    connectors: { test: acting({ known: () => null }) },
    workflows: [{ name: 'unstorable', input: {}, tasks }],
  });

  await assert.rejects(engine.register(), ({ problems }: DefinitionError) => {
    assert.equal(problems.length, 4);
    assert.equal(
      problems[0],
      'workflow "unstorable": task "nul": it cannot be stored as JSON at .parameters.at[0]: text with the character U+0000',
    );
    return true;
  });
});

test('a wrong timeout is told by the name under which it was written', async () => {
  const connectors = { c: acting({ o: () => null }) };
  const task = { connector: 'c', operation: 'o', parameters: null } as const;
  const tasks = { a: { ...task, timeoutMs: 0 }, b: { ...task, timeout: 1 } };
  const written = workflowDefiner<typeof connectors>()('wrong_timeout', { input: z.strictObject({}), tasks });
  await using engine = openEngine({ connectionString: url, connectors, workflows: [written] });

  await assert.rejects(engine.register(), {
    problems: [
      'workflow "wrong_timeout": task "b": "timeout" is not a field of a task; there are: name, connector, operation, parameters, after, when, retries, timeoutMs',
      'workflow "wrong_timeout": task "a": timeoutMs is 0, it has to be a whole number of milliseconds from 1 to 2147483647',
    ],
  });
});

test('a task that says nothing of retries and time gets the same whoever registers it', async () => {
  const connectors = { c: acting({ o: () => null }) };
  const tasks = { a: { connector: 'c', operation: 'o', parameters: null } } as const;
  const written = workflowDefiner<typeof connectors>()('says_nothing', { input: z.strictObject({}), tasks });
  await using engine = openEngine({ connectionString: url, connectors, workflows: [written] });

  await engine.register();
  await register('says_nothing_in_sql', tasksOf({ a: [] }));

  const { rows } = await pool.query(
    `select distinct retries, timeout_ms
       from sluice.workflow_tasks join sluice.workflows on id = workflow_id where workflows.name like 'says_nothing%'`,
  );
  assert.deepEqual(rows, [{ retries: 0, timeout_ms: 600_000 }]);
});

test('two workflows of one name are refused, and nothing of either is registered', async () => {
  await using engine = openEngine({
    connectionString: url,
    connectors: { test: acting({ known: () => null }) },
    workflows: ['a', 'b'].map((name) => ({ name: 'twins', input: {}, tasks: [{ ...nothing, name }] })),
  });

  await assert.rejects(engine.register(), {
    problems: ['workflow "twins": there is another one of this name'],
  });

  assert.equal(await engine.inputSchema('twins'), undefined);
});

test('two who register the same workflows in another order do not wait for one another in a circle', async () => {
  const names = ['turn_a', 'turn_b', 'turn_c'];
  const open = (order: readonly string[]) =>
    openEngine({
      connectionString: url,
      connectors: { test: acting({ known: () => null }) },
      workflows: order.map((name) => ({ name, input: {}, tasks: [{ ...nothing, name: 'a' }] })),
    });
  await using one = open(names);
  await using other = open(names.toReversed());
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query('select sluice.register_workflow($1, $2)', [
    'turn_b',
    JSON.stringify(tasksOf({ a: [] })),
  ]);

  const registering = [one.register(), other.register()];
  await someoneWaitsForALock(2);
  await holder.query('rollback');
  holder.release();

  const versions = (await Promise.all(registering)).flat();
  assert.ok(versions.every(({ version }) => version === 1));
});

test('when one workflow of several cannot be registered, none is', async () => {
  await using engine = openEngine({
    connectionString: url,
    connectors: { test: acting({ known: () => null }) },
    workflows: ['good_one', 'named badly'].map((name) => ({
      name,
      input: {},
      tasks: [{ ...nothing, name: 'a' }],
    })),
  });

  await assert.rejects(engine.register(), {
    problems: [
      `workflow "named badly": a workflow's name is a small letter, then at most 62 small letters, digits, "_" or "-"`,
    ],
  });

  assert.equal(await engine.inputSchema('good_one'), undefined);
});

test('a connection string that is none is refused without being repeated', () => {
  const open = () => openEngine({ connectionString: 'postgres://me:hunter2/x@host/db', connectors: {} });

  assert.throws(
    open,
    (error: Error) => /BAD_DATABASE_URL/.test(error.message) && !/hunter2/.test(error.message),
  );
});

test('an engine without a connection string is refused, and none is told to unset it', () => {
  for (const none of ['', ' ', undefined])
    assert.throws(() => openEngine({ connectionString: none as string, connectors: {} }), {
      name: 'UsageError',
      message: 'BAD_DATABASE_URL is blank. Give a postgres:// URL.',
    });
});

test('what begins with a dollar and is no reference is refused', async () => {
  const tasks = [
    {
      name: 'a',
      connector: 'test',
      operation: 'known',
      parameters: { x: { $outptu: ['b'] }, y: { $env: ['HOME'] } },
      after: [],
      retries: 0,
      timeout_ms: 1,
    },
  ];
  await using engine = openEngine({
    connectionString: url,
    connectors: { test: acting({ known: () => null }) },
    workflows: [{ name: 'dollars', input: {}, tasks }],
  });

  await assert.rejects(engine.register(), (error: unknown) => {
    assert.ok(error instanceof DefinitionError);
    assert.deepEqual(
      error.problems.map((problem) => problem.replace(/;.*/, '')),
      [
        'workflow "dollars": task "a": parameters.x: {$outptu} is no reference',
        'workflow "dollars": task "a": parameters.y: {$env} is no reference',
      ],
    );
    return true;
  });
});

test('a schema that stumbles is told with its task, unless it may have stumbled over a reference', async () => {
  const trimmed = z.preprocess((text) => (text as string).trim(), z.string());
  const connector = new (class extends Connector {
    readonly operations = {
      act: operation({ parameters: z.strictObject({ trimmed }), run: async () => null }),
    };
  })();
  const task = { connector: 'test', operation: 'act', after: [], retries: 0, timeout_ms: 1 };
  const engineFor = (name: string, parameters: JsonObject) =>
    openEngine({
      connectionString: url,
      connectors: { test: connector },
      workflows: [{ name, input: {}, tasks: [{ ...task, name: 'a', parameters }] }],
    });
  await using stumbling = engineFor('stumbling', { trimmed: 5 });
  await using referring = engineFor('referring', { trimmed: input('text') as unknown as string });

  await assert.rejects(stumbling.register(), {
    problems: [
      'workflow "stumbling": task "a": parameters cannot be checked by the connector: text.trim is not a function',
    ],
  });
  assert.equal((await referring.register())[0]?.isNew, true);
});

test('a registered workflow can be run at once', async () => {
  const runner = await registerRunner();
  await register('at_once', tasksOf({ a: [] }));

  const { rows } = await pool.query(`select sluice.start_run('at_once') as id`);
  const { rows: claimed } = await pool.query(`select run_id from sluice.report_and_claim($1, '[]', 10)`, [
    runner,
  ]);

  assert.ok(claimed.some(({ run_id }) => run_id === rows[0].id));
});

test('of many known names the first fifty are listed, and the nearest of all is suggested', () => {
  const known = Array.from({ length: 52 }, (_, n) => `task_${n}`);

  assert.match(
    didYouMean('tsk_51', known),
    /^ Did you mean "task_51"\? There are: task_0, .*, task_49 and 2 more\.$/,
  );
  assert.match(didYouMean('task', known.slice(0, 50)), /, task_49\.$/);
});
