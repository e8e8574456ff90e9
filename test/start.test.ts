import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { openClient } from '../src/database/connect.ts';
import { openEngine } from '../src/engine.ts';
import { UsageError } from '../src/errors.ts';
import { createDatabase } from './support/database.ts';
import { draw, fileDatabase, someoneWaitsForALock } from './support/scene.ts';
import { until } from './support/until.ts';

const { pool, url, superuserUrl } = await fileDatabase();

const SCHEMA = {
  type: 'object',
  properties: {
    email: { type: 'string' },
    limit: { type: 'number', default: 100 },
    days: { type: 'integer', default: 7 },
    strict: { type: 'boolean' },
    tags: { type: 'array', default: ['a'] },
  },
  required: ['email'],
  additionalProperties: false,
};

let registered = 0;

/** A workflow of two tasks that declares its input. */
async function declared(schema: unknown = SCHEMA): Promise<string> {
  const name = `declared_${++registered}`;
  const tasks = [
    { name: 'a', connector: 'c', operation: 'o' },
    { name: 'b', connector: 'c', operation: 'o', after: ['a'] },
  ];
  await pool.query('select from sluice.register_workflow($1, $2, $3)', [
    name,
    JSON.stringify(tasks),
    JSON.stringify(schema),
  ]);
  return name;
}

async function start(workflow: string, input: unknown = {}, key: string | null = null): Promise<string> {
  const { rows } = await pool.query('select sluice.start_run($1, $2, $3) as id', [
    workflow,
    JSON.stringify(input),
    key,
  ]);
  return rows[0].id;
}

async function startMany(
  workflow: string,
  inputs: readonly unknown[],
  keys: readonly (string | null)[] | null = null,
) {
  const { rows } = await pool.query('select run_id, is_new from sluice.start_runs($1, $2::jsonb[], $3)', [
    workflow,
    inputs.map((input) => JSON.stringify(input)),
    keys,
  ]);
  return rows as { run_id: string; is_new: boolean }[];
}

async function runsOf(workflow: string): Promise<number> {
  const { rows } = await pool.query('select count(*)::integer from sluice.runs where workflow = $1', [
    workflow,
  ]);
  return rows[0].count;
}

async function inputOf(run: string): Promise<unknown> {
  const { rows } = await pool.query('select input from sluice.runs where id = $1', [run]);
  return rows[0].input;
}

test('a run is started from psql in one line, with its input', async () => {
  const workflow = await declared();

  const { rows } = await pool.query(`select sluice.start_run('${workflow}', '{"email": "a.txt"}')`);

  const { rows: tasks } = await pool.query(
    'select task_no, state from sluice.tasks where run_id = $1 order by 1',
    [rows[0].start_run],
  );
  assert.deepEqual(tasks, [
    { task_no: 1, state: 'READY' },
    { task_no: 2, state: 'PENDING' },
  ]);
});

test('a workflow that declares no input is started by its name alone', async () => {
  const workflow = await draw({ a: [] });

  const { rows } = await pool.query(`select sluice.start_run('${workflow}') as id`);

  assert.deepEqual(await inputOf(rows[0].id), {});
});

test('a run is there when the caller’s transaction has committed, and not when it is rolled back', async () => {
  const workflow = await draw({ a: [] });
  const client = await pool.connect();

  await client.query('begin');
  await client.query('select sluice.start_run($1)', [workflow]);
  assert.equal(await runsOf(workflow), 0);
  await client.query('rollback');
  assert.equal(await runsOf(workflow), 0);
  await client.query('begin');
  await client.query('select sluice.start_run($1)', [workflow]);
  await client.query('commit');
  client.release();

  assert.equal(await runsOf(workflow), 1);
});

test('starting again with the same key gives the same run', async () => {
  const workflow = await declared();

  const first = await start(workflow, { email: 'a.txt' }, 'k');
  const second = await start(workflow, { email: 'a.txt' }, 'k');

  assert.equal(second, first);
  assert.equal(await runsOf(workflow), 1);
});

test('saying a default or leaving it out is the same input', async () => {
  const workflow = await declared();

  const first = await start(workflow, { email: 'a.txt' }, 'k');

  assert.equal(await start(workflow, { days: 7, email: 'a.txt', limit: 100 }, 'k'), first);
});

test('the same key with another input is refused, and the run that has it is named', async () => {
  const workflow = await declared();
  const first = await start(workflow, { email: 'a.txt' }, 'k');

  await assert.rejects(start(workflow, { email: 'b.txt' }, 'k'), {
    code: 'WF005',
    message: `run ${first} of ${workflow} has the key "k" already, with another input`,
    hint: /use another key, or the same input/,
  });

  assert.equal(await runsOf(workflow), 1);
});

test('the same key gives the same run after the workflow has changed', async () => {
  const workflow = await declared();
  const first = await start(workflow, { email: 'a.txt' }, 'k');

  await pool.query('select from sluice.register_workflow($1, $2, $3)', [
    workflow,
    JSON.stringify([{ name: 'other', connector: 'c', operation: 'o' }]),
    JSON.stringify({
      ...SCHEMA,
      properties: { ...SCHEMA.properties, days: { type: 'integer', default: 9 } },
    }),
  ]);

  assert.equal(await start(workflow, { email: 'a.txt' }, 'k'), first);
});

test('a key is a workflow’s own', async () => {
  const [one, other] = [await draw({ a: [] }), await draw({ a: [] })];

  assert.notEqual(await start(one, {}, 'k'), await start(other, {}, 'k'));
});

test('two sessions that start with the same key at the same moment get the same run', async () => {
  const workflow = await draw({ a: [] });
  const client = await pool.connect();
  await client.query('begin');

  const { rows } = await client.query(`select sluice.start_run($1, '{}', 'k') as id`, [workflow]);
  const second = start(workflow, {}, 'k');
  await someoneWaitsForALock();
  await client.query('commit');
  client.release();

  assert.equal(await second, rows[0].id);
  assert.equal(await runsOf(workflow), 1);
});

test('a key whose first start was rolled back is free', async () => {
  const workflow = await draw({ a: [] });
  const client = await pool.connect();
  await client.query('begin');

  await client.query(`select sluice.start_run($1, '{}', 'k') as id`, [workflow]);
  const second = start(workflow, {}, 'k');
  await someoneWaitsForALock();
  await client.query('rollback');
  client.release();

  assert.deepEqual(await inputOf(await second), {});
  assert.equal(await runsOf(workflow), 1);
});

test('sessions that race with the same key start one run', async () => {
  const workflow = await draw({ a: [] });

  const ids = await Promise.all(Array.from({ length: 8 }, () => start(workflow, {}, 'k')));

  assert.equal(new Set(ids).size, 1);
  assert.equal(await runsOf(workflow), 1);
});

test('without a key every start is another run', async () => {
  const workflow = await draw({ a: [] });

  assert.notEqual(await start(workflow), await start(workflow));
});

test('a key is neither empty nor longer than 500 characters', async () => {
  const workflow = await draw({ a: [] });

  for (const key of ['', 'x'.repeat(501)])
    await assert.rejects(start(workflow, {}, key), { constraint: 'keys_are_short' });
  await start(workflow, {}, 'x'.repeat(500));
});

for (const [what, key, why] of [
  ['empty', '', 'it has to have 1 to 500 characters, and has 0'],
  ['too long', 'x'.repeat(501), 'it has to have 1 to 500 characters, and has 501'],
  ['no text', 7 as unknown as string, 'it has to be text, and is number'],
  ['what Postgres refuses', 'a\0', 'it cannot be stored: text with the character U+0000'],
  ['half a character', 'a\ud800', 'it cannot be stored: text with half a surrogate pair'],
] as const) {
  test(`the engine refuses a key that is ${what}, and starts nothing`, async () => {
    const workflow = await draw({ a: [] });
    await using engine = openEngine({ connectionString: url, connectors: {} });

    await assert.rejects(engine.startRuns(workflow, [{}, { key }]), {
      name: 'UsageError',
      message: `BAD_KEY the key of a run of ${workflow}: ${why}. Nothing was started.`,
    });
    assert.equal(await runsOf(workflow), 0);
  });
}

test('what is left out of an input gets its default', async () => {
  const workflow = await declared();

  assert.deepEqual(await inputOf(await start(workflow, { email: 'a.txt', days: 3 })), {
    email: 'a.txt',
    days: 3,
    limit: 100,
    tags: ['a'],
  });
});

test('an input may be declared to be of one of several types', async () => {
  const workflow = await declared({
    type: 'object',
    properties: { note: { type: ['string', 'null'] } },
    additionalProperties: false,
  });

  for (const note of ['a', null]) await start(workflow, { note });

  assert.equal(await runsOf(workflow), 2);
});

for (const [what, input, problem] of [
  ['missing', {}, '"email" is missing'],
  ['unknown', { email: 'a', emial: 'b' }, '"emial" is not known; there are: '],
  ['of the wrong type', { email: 5 }, '"email" is of type number, it has to be of type string'],
  ['null instead of text', { email: null }, '"email" is of type null, it has to be of type string'],
  [
    'text instead of a number',
    { email: 'a', days: '7' },
    '"days" is of type string, it has to be of type integer',
  ],
  [
    'a fraction instead of a whole number',
    { email: 'a', days: 1.5 },
    '"days" is 1.5, it has to be of type integer',
  ],
  ['a list', ['a'], 'it is array, not an object'],
  ['null', null, 'it is null, not an object'],
  ['text', 'email', 'it is string, not an object'],
] as const) {
  test(`an input that is ${what} is refused, and nothing is started`, async () => {
    const workflow = await declared();

    await assert.rejects(start(workflow, input), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'WF004');
      assert.ok(error.message.startsWith(`the input of ${workflow} is not valid: ${problem}`), error.message);
      return true;
    });

    assert.equal(await runsOf(workflow), 0);
  });
}

test('an input that is required is missed also where the schema says nothing else of it', async () => {
  const workflow = await declared({ type: 'object', required: ['order'] });

  await assert.rejects(start(workflow, {}), { code: 'WF004', message: /"order" is missing$/ });
  await start(workflow, { order: 1 });
});

test('an input that is required and has a default may be left out', async () => {
  const workflow = await declared({
    type: 'object',
    properties: { days: { type: 'integer', default: 7 } },
    required: ['days'],
  });

  assert.deepEqual(await inputOf(await start(workflow, {})), { days: 7 });
});

test('a schema that is closed and declares nothing takes no input', async () => {
  const workflow = await declared({ type: 'object', additionalProperties: false });

  await assert.rejects(start(workflow, { a: 1 }), {
    code: 'WF004',
    message: /"a" is not known; there are: $/,
  });
  await start(workflow, {});
});

test('an input that is not known is refused with those that are', async () => {
  const workflow = await declared();

  await assert.rejects(start(workflow, { email: 'a', emial: 'b' }), {
    message: /"emial" is not known; there are: days, tags, email, limit, strict$/,
  });
});

test('an input that is NULL is none', async () => {
  const workflow = await declared();

  await assert.rejects(pool.query('select sluice.start_run($1, null)', [workflow]), {
    code: 'WF004',
    message: `the input of ${workflow} is not valid: it is null, not an object`,
  });
});

test('all that is wrong with an input is said at once', async () => {
  const workflow = await declared();

  await assert.rejects(start(workflow, { limit: 'x', strict: 1, other: true }), (error: Error) => {
    for (const problem of [
      '"email" is missing',
      '"limit" is of type string',
      '"strict" is of type number',
      '"other" is not known',
    ])
      assert.ok(error.message.includes(problem), `${problem} is not in: ${error.message}`);
    return true;
  });
});

test('a workflow that is not there is refused, and what there is is said', async () => {
  const workflow = await draw({ a: [] });

  await assert.rejects(start('po_dmeo'), (error: Error & { code?: string; hint?: string }) => {
    assert.deepEqual([error.code, error.message], ['WF003', 'there is no workflow "po_dmeo"']);
    assert.ok(error.hint?.includes(workflow), error.hint);
    return true;
  });
});

test('of the workflows that there are, each is named once, and of none it is said what to do', async () => {
  await using db = await createDatabase();
  const refused = (hint: string) =>
    assert.rejects(db.pool.query(`select sluice.start_run('x')`), { code: 'WF003', hint });

  await refused('There are: none; register one first.');
  for (const [name, operation] of ['b1', 'a1', 'b2'])
    await db.pool.query('select from sluice.register_workflow($1, $2)', [
      name,
      JSON.stringify([{ name: 'a', connector: 'c', operation }]),
    ]);
  await refused('There are: a, b.');
});

test('many runs are started in one call, and their ids are in the order of the inputs', async () => {
  const workflow = await declared({ type: 'object' });
  const inputs = Array.from({ length: 200 }, (_, n) => ({ n }));

  const runs = await startMany(workflow, inputs);

  const { rows } = await pool.query('select id, input from sluice.runs where workflow = $1', [workflow]);
  const inputs_of = new Map(rows.map(({ id, input }) => [id, input]));
  assert.deepEqual(
    runs.map(({ run_id }) => inputs_of.get(run_id)),
    inputs,
  );
});

test('keys and starts without one may be mixed in a call; each answer stands at the place of its input', async () => {
  const workflow = await declared({ type: 'object' });
  const [old] = await startMany(workflow, [{ n: 1 }], ['one']);

  const runs = await startMany(
    workflow,
    [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 2 }],
    [null, 'one', 'two', null, 'two'],
  );

  const inputs = [];
  for (const { run_id } of runs) inputs.push(await inputOf(run_id));
  assert.deepEqual(inputs, [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 2 }]);
  assert.equal(runs[1]?.run_id, old?.run_id);
  assert.equal(runs[4]?.run_id, runs[2]?.run_id);
  assert.deepEqual(
    runs.map(({ is_new }) => is_new),
    [true, false, true, true, false],
  );
});

test('of many starts with and without a key, each answer stands at the place of its input', async () => {
  const workflow = await declared({ type: 'object' });
  const inputs = Array.from({ length: 200 }, (_, n) => ({ n }));

  const runs = await startMany(
    workflow,
    inputs,
    inputs.map(({ n }) => (n % 3 === 0 ? `k${(n * 7) % 200}` : null)),
  );

  const { rows } = await pool.query('select id, input from sluice.runs where workflow = $1', [workflow]);
  const inputs_of = new Map(rows.map(({ id, input }) => [id, input]));
  assert.deepEqual(
    runs.map(({ run_id }) => inputs_of.get(run_id)),
    inputs,
  );
});

test('one bad input among many starts none of them', async () => {
  const workflow = await declared();

  await assert.rejects(startMany(workflow, [{ email: 'a' }, {}, { email: 'c' }]), { code: 'WF004' });

  assert.equal(await runsOf(workflow), 0);
});

test('one key with two inputs in one call starts none of them', async () => {
  const workflow = await declared();

  await assert.rejects(startMany(workflow, [{ email: 'a' }, { email: 'b' }], ['k', 'k']), { code: 'WF005' });

  assert.equal(await runsOf(workflow), 0);
});

test('as many keys as inputs, or none at all', async () => {
  const workflow = await declared();

  for (const keys of [['k'], ['k', 'l', 'm']])
    await assert.rejects(startMany(workflow, [{ email: 'a' }, { email: 'b' }], keys), {
      code: 'WF004',
      message: /as many keys as inputs/,
    });
});

test('starting no runs is fine', async () => {
  assert.deepEqual(await startMany(await declared(), []), []);
});

test('calls that share keys in another order do not wait for one another in a circle', async () => {
  const workflow = await declared({ type: 'object' });
  const gate = await pool.connect();
  await gate.query('begin');

  // Both stop in the middle of their keys: whoever went another way would now hold what the other needs.
  await gate.query(`select sluice.start_run($1, '{}', 'm')`, [workflow]);
  const one = startMany(workflow, [{}, {}, {}], ['a', 'm', 'z']);
  await someoneWaitsForALock(1);
  const other = startMany(workflow, [{}, {}, {}], ['z', 'm', 'a']);
  await someoneWaitsForALock(2);
  await gate.query('commit');
  gate.release();

  const ids = (await one).map(({ run_id }) => run_id);
  assert.deepEqual(
    (await other).map(({ run_id }) => run_id),
    ids.toReversed(),
  );
});

test('of an input that does not have its form, what the workflow says of it is told, and no pattern', async () => {
  const rate = z
    .string()
    .regex(/^\d+%$/)
    .describe('a rate such as 19%');
  const workflow = await declared(z.toJSONSchema(z.strictObject({ rate }), { io: 'input' }));
  await using engine = openEngine({ connectionString: url, connectors: {} });

  await assert.rejects(engine.startRun(workflow, { input: { rate: '19' } }), {
    message: `BAD_INPUT the input of ${workflow} is not valid: "rate": it has to be a rate such as 19%. Nothing was started.`,
  });
});

test('a start waits for the runs that have its keys in the order in which everybody locks them', async () => {
  const workflow = await declared({ type: 'object' });
  const [older] = await startMany(workflow, [{}], ['z']);
  const [newer] = await startMany(workflow, [{}], ['a']);
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query('select from sluice.runs where id = $1 for update', [older?.run_id]);

  const starting = startMany(workflow, [{}, {}], ['a', 'z']);
  await someoneWaitsForALock();
  // Who waits for the older one does not hold the newer one yet.
  await holder.query('select from sluice.runs where id = $1 for update nowait', [newer?.run_id]);
  await holder.query('rollback');
  holder.release();

  assert.deepEqual(
    (await starting).map(({ run_id }) => run_id),
    [newer?.run_id, older?.run_id],
  );
});

test('an input over 16 MB is refused, whoever starts with it, and one that just fits is not', async () => {
  const workflow = await declared({ type: 'object' });
  // Printed as {"a": "xx…"}.
  const start = (bytes: number) =>
    pool.query(`select sluice.start_run($1, jsonb_build_object('a', repeat('x', $2 - 9)))`, [
      workflow,
      bytes,
    ]);

  await assert.rejects(start(16 * 1024 * 1024 + 1), {
    code: 'WF004',
    message:
      /it has 16777217 bytes, the limit is 16777216; put it into a table or a file and hand on where that is/,
  });
  await start(16 * 1024 * 1024);
  // A few bytes as jsonb.
  const digits = `select sluice.start_run($1, jsonb_build_object('a', array_fill('1e131071'::jsonb, array[200])))`;
  await assert.rejects(pool.query(digits, [workflow]), { code: 'WF004', message: /it has 26\d+ bytes/ });

  assert.equal(await runsOf(workflow), 1);
});

test('the engine checks an input by its whole schema, and names the place', async () => {
  const schema = z.toJSONSchema(z.strictObject({ day: z.iso.date(), amounts: z.array(z.number().max(10)) }), {
    io: 'input',
  });
  const workflow = await declared(schema);
  await using engine = openEngine({ connectionString: url, connectors: {} });

  await assert.rejects(
    engine.startRun(workflow, { input: { day: '2025-02-30', amounts: [1, 11] } }),
    (error: unknown) => {
      assert.ok(error instanceof UsageError);
      assert.match(
        error.message,
        /^BAD_INPUT the input of declared_\d+ is not valid: "day": .*; "amounts\.1": .* Nothing was started\.$/,
      );
      return true;
    },
  );
  assert.equal(await runsOf(workflow), 0);
});

test('an engine that has looked a workflow up before asks of inputs what its newest version asks', async () => {
  const register = (properties: object) =>
    pool.query('select from sluice.register_workflow($1, $2, $3)', [
      'changing',
      JSON.stringify([{ name: 'a', connector: 'none', operation: 'none' }]),
      JSON.stringify({ type: 'object', properties, additionalProperties: false }),
    ]);
  await using engine = openEngine({ connectionString: url, connectors: {} });
  await register({ old: { type: 'string' } });
  await engine.startRun('changing', { input: { old: 'text' } });

  await register({ new: { type: 'string', minLength: 3 } });
  await assert.rejects(engine.startRun('changing', { input: { old: 'text' } }), /BAD_INPUT/);
  await engine.startRun('changing', { input: { new: 'text' } });

  await register({ new: { type: 'string', minLength: 5 } });
  await assert.rejects(engine.startRun('changing', { input: { new: 'text' } }), /BAD_INPUT/);
  assert.equal(await runsOf('changing'), 2);
});

test('a run that has the key is not pruned while somebody starts with it', async () => {
  const workflow = await draw({ a: [] });
  const ended = await start(workflow, {}, 'ended');
  await pool.query('select sluice.cancel_run($1)', [ended]);
  const holder = await pool.connect();
  await holder.query('begin');
  const { rows } = await holder.query(`select sluice.start_run($1, '{}', 'begun') as id`, [workflow]);

  const starting = startMany(workflow, [{}, {}], ['ended', 'begun']);
  await someoneWaitsForALock();
  await pool.query(`select sluice.prune('0 s')`);
  await holder.query('commit');
  holder.release();

  assert.deepEqual(await starting, [
    { run_id: ended, is_new: false },
    { run_id: rows[0].id, is_new: false },
  ]);
});

test('a start waits for who prunes the run of a key that it found taken, and starts nothing when that is gone', async () => {
  const workflow = await declared({ type: 'object' });
  const [first, last, pruner] = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
  for (const session of [first, last, pruner]) await session.query('begin');
  const someoneWaitsFor = async (session: typeof first) => {
    const { rows } = await session.query('select pg_backend_pid() as pid');
    const isAwaited = 'select from pg_stat_activity where $1::integer = any (pg_blocking_pids(pid))';
    await until(
      async () => (await pool.query(isAwaited, [rows[0].pid])).rowCount === 1,
      'a session to wait for another',
    );
  };
  const { rows } = await first.query(`select sluice.start_run($1, '{}', 'a') as id`, [workflow]);
  await last.query(`select sluice.start_run($1, '{}', 'z')`, [workflow]);

  const starting = assert.rejects(startMany(workflow, [{}, {}, {}], ['a', 'm', 'z']), {
    code: '40001',
    hint: 'Nothing was started. Start again.',
  });
  await someoneWaitsFor(first);
  await first.query('select sluice.cancel_run($1)', [rows[0].id]);
  await first.query('commit');
  await someoneWaitsFor(last);
  await pruner.query(`select sluice.prune('0 s')`);
  await last.query('commit');
  await someoneWaitsFor(pruner);
  await pruner.query('commit');
  await starting;

  for (const session of [first, last, pruner]) session.release();
  assert.equal(await runsOf(workflow), 1);
});

test('10,000 keys are started, and found again, in a database that has never been analysed', async () => {
  const workflow = await draw({ a: [] });
  const keys = Array.from({ length: 10_000 }, (_, n) => (n % 2 === 0 ? `k${n}` : null));
  const inputs = keys.map(() => ({}));

  const first = await startMany(workflow, inputs, keys);
  const again = await startMany(workflow, inputs, keys);

  assert.ok(first.every(({ is_new }) => is_new));
  assert.equal(new Set([...first, ...again].map(({ run_id }) => run_id)).size, 15_000);
  assert.ok(
    again.every(
      ({ run_id, is_new }, n) => is_new === (keys[n] === null) && (is_new || run_id === first[n]?.run_id),
    ),
  );
});

test('an engine says so when it cannot read what a workflow asks of inputs', async () => {
  const workflow = await declared({ type: 'object', properties: { a: { type: 'strin' } } });
  await using engine = openEngine({ connectionString: url, connectors: {} });

  await assert.rejects(engine.startRun(workflow), {
    name: 'UsageError',
    message:
      /^BAD_SCHEMA the schema of declared_\d+'s inputs cannot be read: Unsupported type: strin. Nothing was started/,
  });
});

test('a start with a used key does not wait for who is ending its run', async () => {
  const workflow = await draw({ a: [] });
  const run = await start(workflow, {}, 'used');
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query('select sluice.cancel_run($1)', [run]);

  assert.equal(await start(workflow, {}, 'used'), run);

  await holder.query('rollback');
  holder.release();
});

test('a start does not wait for who holds a run of another workflow that has its key', async () => {
  const [workflow, other] = [await draw({ a: [] }), await draw({ a: [] })];
  const held = await start(other, {}, 'shared');
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query('select from sluice.runs where id = $1 for update', [held]);

  assert.notEqual(await start(workflow, {}, 'shared'), held);

  await holder.query('rollback');
  holder.release();
});

test('who may add runs and tasks may start them, without a right to change workflows', async () => {
  const workflow = await draw({ a: [] });
  const client = await openClient(superuserUrl);
  await client.query(
    `begin; create role starter; grant usage on schema sluice to starter;
     grant select on all tables in schema sluice to starter; grant insert on sluice.runs, sluice.tasks to starter;
     set role starter`,
  );

  const { rowCount } = await client.query('select sluice.start_run($1)', [workflow]);
  await client.end();

  assert.equal(rowCount, 1);
});
