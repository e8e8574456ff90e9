import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Queryable, TaskContext } from '../src/connector.ts';
import { DatabaseConnector } from '../src/connectors/database.ts';
import { openClient } from '../src/database/connect.ts';
import { openEngine } from '../src/engine.ts';
import { ConnectorError } from '../src/errors.ts';
import type { Json } from '../src/json.ts';
import { createLog } from '../src/log.ts';
import { input, output, run } from '../src/references.ts';
import { type Act, event } from './support/acting.ts';
import { stage, taskOf } from './support/engine.ts';
import { keptLog } from './support/log.ts';
import { fileDatabase, lacksPostgres, lockTable, query, someoneWaitsForALock } from './support/scene.ts';
import { until } from './support/until.ts';

const echo: Act = (given) => given;
const fine: Act = () => 'fine';

const lacksTransactionTimeout = await lacksPostgres(17);

/** Never ends by itself; ends as the signal says. */
const obedient: Act = async (_, { signal }) => {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
};

async function stateOf(runId: string, task: string): Promise<string> {
  const [row] = await query(
    `select tasks.state from sluice.tasks join sluice.workflow_tasks as task using (workflow_id, task_no) where run_id = $1 and name = $2`,
    [runId, task],
  );
  return row.state;
}

test('a run goes through all its tasks, parents first', async () => {
  const order: string[] = [];
  const note: Act = (given) => order.push(String(given));
  await using play = await stage(
    { note },
    {
      last: { act: 'note', parameters: ['last'], after: ['left', 'right'] },
      left: { act: 'note', parameters: ['left'], after: ['first'] },
      right: { act: 'note', parameters: ['right'], after: ['first'] },
      first: { act: 'note', parameters: ['first'] },
    },
  );

  const { status } = await play.play();

  assert.equal(status, 'COMPLETED');
  assert.deepEqual([order[0], order.slice(1, 3).sort(), order[3]], ['first', ['left', 'right'], 'last']);
});

test('a task that reads more than can be handed out fails, and not its runner', async () => {
  const large: Act = () => 'x'.repeat(12 * 1024 * 1024);
  const parents = ['a', 'b', 'c'];
  const tasks = Object.fromEntries(parents.map((name) => [name, { act: 'large' }]));
  await using play = await stage(
    { large, echo },
    { ...tasks, reads: { act: 'echo', parameters: parents.map((name) => output(name)), after: parents } },
  );

  const details = await play.play();

  assert.equal(details.status, 'FAILED');
  assert.equal(taskOf(details, 'reads').error?.code, 'INPUTS_TOO_LARGE');
  assert.equal((await play.play()).status, 'FAILED');
});

test('a task reads an output of many texts as soon as one long text', async () => {
  const lines: Act = () => Array.from({ length: 20_000 }, (_, line) => `${line} `.padEnd(100, '.'));
  await using play = await stage(
    { lines, echo },
    { lines: {}, reads: { act: 'echo', parameters: output('lines', 19_999), after: ['lines'] } },
  );

  const details = await play.play();

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(details.attempts, []);
});

test('a result that the database refuses fails its task, and none of those that came with it', async () => {
  await query(
    `alter table sluice.tasks add constraint no_secrets check (output is distinct from '"secret"')`,
  );
  const parameters = (index: number) => (index === 4 ? 'secret' : index);
  const tasks = Array.from({ length: 10 }, (_, index) => [
    `t${index}`,
    { act: 'echo', parameters: parameters(index) },
  ]);
  await using play = await stage({ echo }, Object.fromEntries(tasks));

  const { id, status } = await play.play();
  await until(async () => {
    const open = `select from sluice.tasks where run_id = $1 and state not in ('SUCCESS', 'FAILED')`;
    return (await query(open, [id])).length === 0;
  }, 'all results to be written');
  await query('alter table sluice.tasks drop constraint no_secrets');

  assert.equal(status, 'FAILED');
  const failed = (await play.engine.waitForRun(id)).tasks.filter(({ state }) => state === 'FAILED');
  assert.deepEqual(
    failed.map(({ name, error }) => [name, error?.code]),
    [['t4', 'OUTPUT_REFUSED']],
  );
});

test('what a task does in its transaction after it was given to somebody else is rolled back', async () => {
  await query('create table public.marks (execution integer)');
  const [gate, begun] = [event(), event()];
  let executions = 0;
  const mark: Act = async (_, { transaction }) => {
    const execution = ++executions;
    if (execution === 1) {
      begun.happens();
      await gate.happened;
    }
    await (await transaction()).query('insert into public.marks values ($1)', [execution]);
    return null;
  };
  await using play = await stage({ mark }, { mark: {} });
  const run = await play.start();
  await begun.happened;

  await query(`select sluice.release_tasks(runner_id, 'GIVEN BACK') from sluice.tasks where run_id = $1`, [
    run,
  ]);
  const { status } = await play.engine.waitForRun(run, AbortSignal.timeout(20_000));
  gate.happens();
  await play.stop();

  assert.equal(status, 'COMPLETED');
  assert.deepEqual(await query('select execution from public.marks'), [{ execution: 2 }]);
});

test('the handle of a transaction is of no use when its task has ended', async () => {
  let kept: Queryable | undefined;
  const keep: Act = async (_, { transaction }) => {
    kept = await transaction();
    return null;
  };
  await using play = await stage({ keep }, { keep: {} });

  await play.play();

  await assert.rejects(async () => kept?.query('select 1'), { code: 'TRANSACTION_CLOSED' });
});

test('an output of more than 16 MB fails its task', async () => {
  await using play = await stage({ large: () => 'x'.repeat(16 * 1024 * 1024) }, { large: {} });

  const details = await play.play();

  assert.equal(taskOf(details, 'large').error?.code, 'OUTPUT_TOO_LARGE');
});

test('a run that somebody holds in an open transaction holds up its own results, and no others', async () => {
  const gate = event();
  const { log, warnings } = keptLog();
  await using play = await stage(
    { wait: async (given) => ((given === 'held' ? await gate.happened : undefined) ?? null) as Json },
    { a: { act: 'wait', parameters: input('who') }, b: { act: 'wait', parameters: input('who') } },
    { log },
  );
  const held = await play.start({ who: 'held' });
  await until(async () => (await stateOf(held, 'b')) === 'RUNNING', 'both tasks to run');
  const { pool } = await fileDatabase();
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query(`select sluice.cancel_run($1, 'me')`, [held]);
  gate.happens();

  const others = await Promise.all(Array.from({ length: 5 }, () => play.play({ who: 'free' })));
  await until(() => warnings.length > 0, 'the runner to tell');
  await holder.query('rollback');
  holder.release();
  const { status, attempts } = await play.engine.waitForRun(held, AbortSignal.timeout(20_000));

  assert.deepEqual(
    others.map((run) => run.status),
    Array(5).fill('COMPLETED'),
  );
  assert.equal(status, 'COMPLETED');
  assert.deepEqual(attempts, []);
  assert.match(warnings[0] ?? '', new RegExp(`^run ${held} is held by another session`));
});

test('a runner runs as many tasks at once as it has slots, and no more', async () => {
  let active = 0;
  let most = 0;
  let pair = event();
  const meet: Act = async () => {
    most = Math.max(most, ++active);
    // Nobody ends before two have met: with one slot only, this would wait for ever.
    const mine = pair;
    if (active === 2) {
      pair = event();
      mine.happens();
    }
    await mine.happened;
    active--;
  };
  const tasks = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, { act: 'meet' }]));
  await using play = await stage({ meet: async (...args) => (await meet(...args)) ?? null }, tasks, {
    slots: 2,
  });

  const { status } = await play.play();

  assert.equal(status, 'COMPLETED');
  assert.equal(most, 2);
});

test('two runners share the tasks of a run, each of which runs once', async () => {
  const ran: Json[] = [];
  const met = event();
  const work: Act = async (given) => {
    ran.push(given);
    // One slot each: the second task starts while the first still runs, so somebody else runs it.
    if (ran.length === 2) met.happens();
    await met.happened;
    return null;
  };
  await using play = await stage(
    { work },
    Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, { act: 'work', parameters: [name] }])),
    { slots: 1 },
  );
  await play.run({ slots: 1 });

  const { tasks } = await play.play();

  assert.deepEqual(ran.flat().sort(), ['a', 'b', 'c', 'd']);
  assert.equal(new Set(tasks.map(({ runner_id }) => runner_id)).size, 2);
});

test('parameters take their values from the input, the outputs and the run, and keep their types', async () => {
  const value = {
    text: 'ä "quoted"',
    number: 12.5,
    big: '12345678901234567890.12',
    yes: true,
    none: null,
    list: [1, 'two', { three: 3 }],
  };
  await using play = await stage(
    { echo },
    {
      first: {
        act: 'echo',
        parameters: {
          all: input('value'),
          part: input('value', 'list', 2, 'three'),
          absent: input('absent'),
        },
      },
      second: {
        act: 'echo',
        after: ['first'],
        parameters: {
          nested: [{ whole: output('first', 'all') }, output('first', 'part')],
          id: run('id'),
          at: run('created_at'),
        },
      },
    },
  );

  const { id, created_at, tasks } = await play.play({ value });

  assert.deepEqual(tasks[0]?.output, { all: value, part: 3, absent: null });
  assert.deepEqual(tasks[1]?.output, { nested: [{ whole: value }, 3], id, at: created_at.toISOString() });
});

test('text that looks like a reference or like SQL is only text', async () => {
  const text = `'; drop table sluice.runs; -- \${tasks.a} {{x}} $input __proto__`;
  await using play = await stage({ echo }, { a: { act: 'echo', parameters: { text: input('text') } } });

  const { tasks } = await play.play({ text });

  assert.deepEqual(tasks[0]?.output, { text });
});

test('a reference that leads nowhere fails its task and names itself', async () => {
  await using play = await stage(
    { echo },
    {
      a: { act: 'echo', parameters: { x: 1 } },
      b: { act: 'echo', after: ['a'], parameters: [output('a', 'missing', 'deep')] },
    },
  );

  const details = await play.play();

  assert.deepEqual(taskOf(details, 'b').error, {
    code: 'REF_MISSING',
    message: 'output a.missing.deep does not exist: the task refers to it, but nothing is there',
  });
});

test('a reference into the output of a task that was skipped says that it was, and why', async () => {
  await using play = await stage(
    { echo },
    {
      ship: { act: 'echo', when: { value: input('ship'), is: true } },
      tell: { act: 'echo', after: ['ship'], parameters: [output('ship', 'parcel')] },
    },
  );

  const details = await play.play({ ship: false });

  assert.deepEqual(taskOf(details, 'tell').error, {
    code: 'REF_MISSING',
    message:
      'output ship.parcel does not exist, as ship was skipped: input ship is false, and the task runs when it is true',
  });
});

test('a task whose condition does not hold succeeds without running, and its output says why', async () => {
  let ran = 0;
  await using play = await stage(
    { echo, count: () => ++ran },
    {
      check: { act: 'echo', parameters: { urgent: false } },
      alert: { act: 'count', after: ['check'], when: { value: output('check', 'urgent'), is: true } },
      always: { act: 'count', after: ['alert'], when: { value: output('check', 'urgent'), isNot: true } },
    },
  );

  const details = await play.play();

  assert.equal(details.status, 'COMPLETED');
  assert.deepEqual(taskOf(details, 'alert').output, {
    skipped: 'output check.urgent is false, and the task runs when it is true',
  });
  assert.equal(taskOf(details, 'always').output, 1);
});

test('a task is said to be skipped when it was, whatever its output says', async () => {
  const { log, news } = keptLog();
  const n = output('first', 'n');
  await using play = await stage(
    { echo: (parameters) => parameters },
    {
      first: { act: 'echo', parameters: { n: 1 } },
      skipped: { act: 'echo', after: ['first'], when: { value: n, is: 2 } },
      plain: { act: 'echo', after: ['skipped'], parameters: { skipped: 'none' } },
      ran: {
        act: 'echo',
        after: ['plain'],
        when: { value: n, is: 1 },
        parameters: { skipped: '2', rows: 1 },
      },
    },
    { log },
  );

  await play.play();

  const ends = news.filter((line) => line.startsWith('RUNNING → SUCCESS'));
  assert.deepEqual(
    ends.map((line) => line.includes('(skipped: ')),
    [false, true, false, false],
  );
});

test('what a condition compares with may be a reference, too', async () => {
  await using play = await stage(
    { echo },
    {
      a: { act: 'echo', parameters: { n: [1] } },
      b: { act: 'echo', parameters: { n: [1] } },
      same: {
        act: 'echo',
        parameters: 'the same',
        after: ['a', 'b'],
        when: { value: output('a', 'n'), is: output('b', 'n') },
      },
      other: {
        act: 'echo',
        after: ['a', 'b'],
        when: { value: output('a', 'n'), isNot: output('b', 'n') },
      },
    },
  );

  const details = await play.play();

  assert.equal(taskOf(details, 'same').output, 'the same');
  assert.deepEqual(taskOf(details, 'other').output, {
    skipped: 'output a.n is [1], and the task runs when it is anything but [1]',
  });
});

test('why a task was skipped can be stored, wherever the value that is quoted is cut', async () => {
  await using play = await stage(
    { echo },
    {
      check: { act: 'echo', parameters: `${'x'.repeat(38)}😀` },
      alert: { act: 'echo', after: ['check'], when: { value: output('check'), is: true } },
    },
  );

  const details = await play.play();

  assert.equal(details.status, 'COMPLETED');
  assert.match(JSON.stringify(taskOf(details, 'alert').output), /skipped.*x\ufffd…/);
});

test('a task that throws fails with the message, and the run stops', async () => {
  const broken: Act = () => {
    throw new ConnectorError('NO_PAPER', 'the printer has no paper');
  };
  await using play = await stage({ broken, fine }, { broken: {}, fine: { after: ['broken'] } });

  const details = await play.play();

  assert.deepEqual(taskOf(details, 'broken').error, {
    code: 'NO_PAPER',
    message: 'the printer has no paper',
  });
  assert.deepEqual(
    [details.status, details.failed_task, details.reason],
    ['FAILED', 'broken', 'the printer has no paper'],
  );
  assert.equal(taskOf(details, 'fine').state, 'PENDING');
});

test('whatever a task throws becomes an error that can be stored', async () => {
  const gone = Proxy.revocable({}, {});
  gone.revoke();
  const thrown: readonly unknown[] = [
    'text',
    undefined,
    { toString: () => 'an object' },
    { code: 'E17', message: 'an object that tells' },
    new Error(''),
    new Error('a\0b\ud800c'),
    'x'.repeat(9000),
    new Error(`${'x'.repeat(1999)}😀`),
    Object.assign(new Error(), { message: 42 }),
    Object.create(null),
    gone.proxy,
    new AggregateError([new Error('one address'), new Error('the other')], ''),
    new ConnectorError('A\0', 'of a code that cannot be stored'),
    new TypeError('fetch failed', { cause: new AggregateError([new Error('refused by ::1')], '') }),
    new Error('refused: by ::1', { cause: new Error('by ::1') }),
    new Error('', { cause: 'a lack of paper' }),
    new ConnectorError('NO_PAPER', 'the printer has no paper', { cause: new Error('E17') }),
  ];
  await using play = await stage(
    {
      throws: (given) => {
        throw thrown[Number(given)];
      },
    },
    { a: { act: 'throws', parameters: input('which') } },
  );

  const messages = [];
  for (const which of thrown.keys()) messages.push((await play.play({ which })).reason);

  assert.deepEqual(messages, [
    'text',
    'undefined',
    'an object',
    'an object that tells',
    'it failed without a message',
    'a\\0b\ufffdc',
    'x'.repeat(2000),
    `${'x'.repeat(1999)}\ufffd`,
    '42',
    'it failed without a message',
    'it failed without a message',
    'one address; the other',
    'of a code that cannot be stored',
    'fetch failed: refused by ::1',
    'refused: by ::1',
    'a lack of paper',
    'the printer has no paper',
  ]);
});

test('where a task has thrown is told to who debugs it, but for errors that are meant', async () => {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', format: 'json', color: false, write: (line) => lines.push(line) });
  const mistaken: Act = () => {
    throw new TypeError('no paper');
  };
  const meant: Act = () => {
    throw new ConnectorError('NO_PAPER', 'no paper');
  };
  await using play = await stage(
    { mistaken, meant },
    { meant: { when: { value: input('meant'), is: true } }, mistaken: { after: ['meant'] } },
    { log },
  );
  await play.play({ meant: true });
  await play.play({ meant: false });
  await play.stop();

  const told = lines.map((line) => JSON.parse(line)).filter(({ message }) => message.startsWith('it failed'));
  assert.deepEqual(
    told.map(({ level, task }) => [level, task]),
    [['debug', 'mistaken']],
  );
  assert.match(told[0].message, /^it failed at mistaken \(.*runner\.test\.ts:\d+:\d+\), /);
});

test('a task with two retries is run three times, at once, with the same parameters', async () => {
  const seen: unknown[] = [];
  const flaky: Act = (given, { attempt }) => {
    seen.push([given, attempt]);
    throw new Error(`no luck at attempt ${attempt}`);
  };
  await using play = await stage({ flaky }, { flaky: { parameters: { n: 1 }, retries: 2 } });

  const details = await play.play();

  assert.deepEqual(seen, [
    [{ n: 1 }, 1],
    [{ n: 1 }, 2],
    [{ n: 1 }, 3],
  ]);
  assert.deepEqual(
    details.attempts.map(({ attempt, outcome, error }) => `${attempt} ${outcome} ${error.message}`),
    ['1 FAILED no luck at attempt 1', '2 FAILED no luck at attempt 2', '3 FAILED no luck at attempt 3'],
  );
});

test('a task that succeeds at its last attempt lets the run complete', async () => {
  const flaky: Act = (_, { attempt }) => {
    if (attempt < 3) throw new Error('not yet');
    return attempt;
  };
  await using play = await stage({ flaky }, { flaky: { retries: 2 } });

  const details = await play.play();

  assert.equal(details.status, 'COMPLETED');
  assert.equal(taskOf(details, 'flaky').output, 3);
});

for (const [what, value, where] of [
  ['a number that is none', { a: [1, Number.NaN] }, '.a[1]: NaN'],
  ['a bigint', { id: 1n }, '.id: bigint'],
  ['a function', [() => {}], '[0]: function'],
  ['nothing', undefined, 'the value itself: undefined'],
  ['a Date', { at: new Date(0) }, '.at: Date'],
  ['a Map', new Map(), 'the value itself: Map'],
  ['text that Postgres refuses', { text: 'a\0b' }, '.text: text with the character U+0000'],
  ['half a character', ['\ud800'], '[0]: text with half a surrogate pair'],
] as const) {
  test(`an output that is no JSON fails the task and says where: ${what}`, async () => {
    await using play = await stage({ a: () => value }, { a: {} });

    const { reason } = await play.play();

    assert.equal(reason, `the output cannot be stored as JSON at ${where}`);
  });
}

test('an output that holds itself fails the task', async () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  await using play = await stage({ a: () => cycle }, { a: {} });

  const { reason } = await play.play();

  assert.equal(
    reason,
    'the output cannot be stored as JSON at .self.self.self.self.self.self.self.self…: more than 200 levels deep, or a cycle',
  );
});

test('a runner tells that a task has left it no time for signs of life', async () => {
  const { log, warnings } = keptLog();
  await using scene = await stage(
    {
      computes: async () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6_500);
        return null;
      },
    },
    { computes: {} },
    { log },
  );

  await scene.play();
  await until(() => warnings.length > 0, 'a warning');

  assert.match(warnings.join(), /^a sign of life is \d\.\d s late: .* a task computed without a pause\./);
});

test('a task that takes too long fails, and what it still does is not recorded', async () => {
  const release = event();
  const ended = event();
  const slow: Act = async () => {
    await release.happened; // deaf to the signal
    ended.happens();
    return 'late';
  };
  await using play = await stage({ slow }, { slow: { timeoutMs: 30 } });

  const details = await play.play();
  release.happens();
  await ended.happened;

  assert.deepEqual(taskOf(details, 'slow').error, { code: 'TIMEOUT', message: 'it took longer than 30 ms' });
  assert.equal(await stateOf(details.id, 'slow'), 'FAILED');
});

test('a task that has timed out does not hold up the next one, even with one slot', async () => {
  const never = event();
  await using play = await stage({ slow: () => never.happened }, { slow: { timeoutMs: 30 } }, { slots: 1 });

  const first = await play.play();
  const second = await play.play();

  assert.deepEqual([first.status, second.status], ['FAILED', 'FAILED']);
  never.happens();
});

test('the signal tells a task that it has timed out', async () => {
  const told = event<unknown>();
  const slow: Act = async (_, { signal }) => {
    await once(signal, 'abort');
    told.happens(signal.reason.code);
  };
  await using play = await stage({ slow }, { slow: { timeoutMs: 30 } });

  await play.play();

  assert.equal(await told.happened, 'TIMEOUT');
});

test('cancelling a run aborts the signal of what runs, and how that ends is recorded', async () => {
  const started = event();
  const act: Act = (given, context) => {
    started.happens();
    return obedient(given, context);
  };
  await using play = await stage({ act }, { act: {}, next: { act: 'act', after: ['act'] } });
  const id = await play.start();
  await started.happened;

  await play.engine.cancelRun(id, 'Ada');
  await until(async () => (await stateOf(id, 'act')) === 'FAILED', 'the task to end');

  const details = await play.engine.waitForRun(id);
  assert.deepEqual([details.status, details.reason], ['CANCELLED', 'cancelled by Ada']);
  assert.deepEqual(taskOf(details, 'act').error, { code: 'RUN_STOPPED', message: `run ${id} has stopped` });
  assert.equal(taskOf(details, 'next').state, 'PENDING');
});

test('a runner tells once that a run of its tasks was cancelled, by whom, and that is no error', async () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', color: false, write: (line) => lines.push(line) });
  const started = [event(), event()];
  const act: Act = (given, context) => {
    started.pop()?.happens();
    return obedient(given, context);
  };
  const both = [...started];
  await using play = await stage({ act }, { left: { act: 'act' }, right: { act: 'act' } }, { log });
  const id = await play.start();
  await Promise.all(both.map(({ happened }) => happened));

  await play.engine.cancelRun(id, 'Ada');
  const ends = async () => [await stateOf(id, 'left'), await stateOf(id, 'right')].join();
  await until(async () => (await ends()) === 'FAILED,FAILED', 'the tasks to end');
  await play.stop();

  const told = lines.map((line) => JSON.parse(line)).filter((line) => line.run === id);
  assert.deepEqual(
    told
      .filter(({ status }) => status)
      .map(({ level, status, message }) => [level, status, message.split(': ')[1]]),
    [['info', 'CANCELLED', 'cancelled by Ada']],
  );
  assert.deepEqual(
    told.filter(({ to }) => to === 'FAILED').map(({ level }) => level),
    ['info', 'info'],
  );
});

test('of what Node aborted for it, a stopped task says why, and not only that it was aborted', async () => {
  const started = event();
  const waiting: Act = async (_, { signal }) => {
    started.happens();
    await once(new EventTarget(), 'never', { signal });
  };
  await using play = await stage({ waiting }, { waiting: {} });
  const id = await play.start();
  await started.happened;

  await play.engine.cancelRun(id, 'Ada');
  await until(async () => (await stateOf(id, 'waiting')) === 'FAILED', 'the task to end');

  const { error } = taskOf(await play.engine.waitForRun(id), 'waiting');
  assert.deepEqual(error, { code: 'RUN_STOPPED', message: `run ${id} has stopped` });
});

test('a failure aborts the signals of its siblings; one that ends well all the same is a SUCCESS', async () => {
  const started = event();
  const told = event();
  const stubborn: Act = async (_, { signal }) => {
    started.happens();
    await once(signal, 'abort');
    told.happens();
    return 'finished nevertheless';
  };
  const broken: Act = async () => {
    await started.happened;
    throw new Error('broken');
  };
  await using play = await stage({ stubborn, broken }, { stubborn: {}, broken: {} });

  const id = await play.start();
  await told.happened;
  await until(async () => (await stateOf(id, 'stubborn')) !== 'RUNNING', 'the sibling to end');

  const details = await play.engine.waitForRun(id);
  assert.equal(details.failed_task, 'broken');
  assert.equal(taskOf(details, 'stubborn').output, 'finished nevertheless');
});

async function insertInto(table: string, { transaction }: TaskContext): Promise<void> {
  const db = await transaction();
  await db.query(`insert into ${table} values (1)`);
}

async function createTable(): Promise<string> {
  const name = `effects_${(await query(`select count(*) as n from pg_class where relname like 'effects_%'`))[0].n}`;
  await query(`create table ${name} (n integer)`);
  return name;
}

async function rowsOf(table: string): Promise<number> {
  return (await query(`select count(*)::integer as n from ${table}`))[0].n;
}

test('what a task does in its transaction is there when it has succeeded, and not before', async () => {
  const table = await createTable();
  const inserted = event();
  const end = event<Json>();
  const act: Act = async (_, context) => {
    await insertInto(table, context);
    inserted.happens();
    return end.happened;
  };
  await using play = await stage({ act, look: () => rowsOf(table) }, { act: {}, look: { after: ['act'] } });
  const id = await play.start();

  await inserted.happened;
  assert.deepEqual([await rowsOf(table), await stateOf(id, 'act')], [0, 'RUNNING']);
  end.happens('done');

  const details = await play.engine.waitForRun(id);
  assert.equal(taskOf(details, 'look').output, 1);
});

test('what a task did in its transaction is undone when it fails', async () => {
  const table = await createTable();
  const broken: Act = async (_, context) => {
    await insertInto(table, context);
    throw new Error('broken');
  };
  await using play = await stage({ broken }, { broken: { retries: 2 } });

  const details = await play.play();

  assert.deepEqual([details.status, details.attempts.length], ['FAILED', 3]);
  assert.equal(await rowsOf(table), 0);
});

test('what a task did in its transaction is undone when its output cannot be stored', async () => {
  const table = await createTable();
  const broken: Act = async (_, context) => {
    await insertInto(table, context);
    return Number.NaN;
  };
  await using play = await stage({ broken }, { broken: {} });

  const { status } = await play.play();

  assert.equal(status, 'FAILED');
  assert.equal(await rowsOf(table), 0);
});

for (const end of ['rollback', 'rollback; begin', 'rollback and chain']) {
  test(`a task that ends its transaction by "${end}" fails, and has no effect`, async () => {
    const table = await createTable();
    const ending: Act = async (_, context) => {
      await insertInto(table, context);
      const db = await context.transaction();
      await db.query(end);
      if (end !== 'rollback') await insertInto(table, context);
      return 'done';
    };
    await using play = await stage({ ending }, { ending: {} });

    const details = await play.play();

    assert.deepEqual(taskOf(details, 'ending').error, {
      code: 'TRANSACTION_CLOSED',
      message:
        'it ended its transaction itself; leave out COMMIT and ROLLBACK: success commits, an error rolls back',
    });
    assert.deepEqual([details.status, await rowsOf(table)], ['FAILED', 0]);
  });
}

test('a task that commits its transaction itself fails, and what it did afterwards is undone', async () => {
  const table = await createTable();
  const ending: Act = async (_, context) => {
    await insertInto(table, context);
    const db = await context.transaction();
    await db.query('commit; begin');
    await insertInto(table, context);
    return 'done';
  };
  await using play = await stage({ ending }, { ending: {} });

  const details = await play.play();

  assert.equal(taskOf(details, 'ending').error?.code, 'TRANSACTION_CLOSED');
  // What it committed cannot be undone.
  assert.deepEqual([details.status, await rowsOf(table)], ['FAILED', 1]);
});

test('a task that goes on after a statement of its transaction has failed is told which error that was', async () => {
  const table = await createTable();
  const heedless: Act = async (_, context) => {
    await insertInto(table, context);
    const db = await context.transaction();
    await db.query('select nonsense').catch(() => {});
    await db.query('select 1').catch(() => {});
    return 'done';
  };
  await using play = await stage({ heedless }, { heedless: {} });

  const details = await play.play();

  assert.deepEqual(taskOf(details, 'heedless').error, {
    code: 'TRANSACTION_ABORTED',
    message:
      'a statement of its transaction failed, and it went on: column "nonsense" does not exist. Let that error be thrown, or go back to a savepoint',
  });
  assert.deepEqual([details.status, await rowsOf(table)], ['FAILED', 0]);
});

test('a task may change every setting of its transaction, and go back to a savepoint', async () => {
  const table = await createTable();
  const wilful: Act = async (_, context) => {
    const db = await context.transaction();
    await db.query(`savepoint before; set local application_name = 'mine'; rollback to before`);
    await db.query(`reset all; set application_name = 'mine'; set timezone = 'Asia/Kolkata'`);
    await db.query(`set datestyle = 'SQL, DMY'; set search_path = ''`);
    await db.query(`insert into public.${table} values (1)`);
    return 'done';
  };
  await using play = await stage({ wilful }, { wilful: {} });

  const details = await play.play();

  assert.deepEqual([details.status, await rowsOf(table)], ['COMPLETED', 1]);
});

test('a task that finds a row locked, gets over that and then fails, has failed', async () => {
  const table = await createTable();
  await using _ = await lockTable(table);
  const getsOver: Act = async (_, context) => {
    const db = await context.transaction();
    await db.query('savepoint before');
    await assert.rejects(db.query(`lock table ${table} nowait`), { code: '55P03' });
    await db.query('rollback to before');
    throw new Error('for another reason');
  };
  await using play = await stage({ getsOver }, { getsOver: { retries: 1 } });

  const details = await play.play();

  assert.deepEqual([details.status, details.reason], ['FAILED', 'for another reason']);
  assert.equal(details.attempts.length, 2);
});

test('a task that asks with NOWAIT for what is locked fails', async () => {
  const table = await createTable();
  await using _ = await lockTable(table);
  const asks: Act = async (_, context) => {
    await (await context.transaction()).query(`lock table ${table} nowait`);
    return null;
  };
  await using play = await stage({ asks }, { asks: {} });

  const { reason } = await play.play();

  assert.match(String(reason), /could not obtain lock on relation/);
});

test('a statement with too few values fails its task', async () => {
  const short: Act = async (_, context) => {
    await (await context.transaction()).query('select $1::integer, $2::integer', [1]);
    return null;
  };
  await using play = await stage({ short }, { short: {} });

  const { reason } = await play.play();

  assert.match(String(reason), /bind message supplies 1 parameters/);
});

for (const [what, code] of [
  ['cannot reach another server', '08001'],
  ['is ended by another server', '57P01'],
  ['writes where it may only read', '25006'],
  ['takes more locks than there are', '53200'],
  ['is told by a trigger that it clashes with something', '40001'],
] as const) {
  test(`a task whose statement ${what} has failed, each time`, async () => {
    const raises: Act = async (_, context) => {
      await (await context.transaction()).query(`do $$ begin raise sqlstate '${code}'; end $$`);
      return null;
    };
    await using play = await stage({ raises }, { raises: { retries: 1 } });

    const { status, attempts } = await play.play();

    assert.deepEqual([status, attempts.map(({ outcome }) => outcome)], ['FAILED', ['FAILED', 'FAILED']]);
  });
}

test('a task that loses to another one in a deadlock runs again, at no cost', async () => {
  let executions = 0;
  const loses: Act = async (_, context) => {
    const db = await context.transaction();
    if (++executions === 1) await db.query(`do $$ begin raise sqlstate '40P01'; end $$`);
    return 'done';
  };
  await using play = await stage({ loses }, { loses: {} });

  const details = await play.play();

  assert.deepEqual([details.status, executions], ['COMPLETED', 2]);
  assert.deepEqual(
    details.attempts.map(({ outcome }) => outcome),
    ['GIVEN BACK'],
  );
});

test('a transaction begins with nothing that the one before it left in the session', async () => {
  const seen: unknown[] = [];
  const read = `select pg_backend_pid() as pid, current_setting('search_path') as path, current_setting('role') as role,
                       current_setting('timezone') as timezone, to_regclass('pg_temp.left_behind') as table,
                       (select count(*)::integer from pg_cursors) as cursors,
                       (select count(*)::integer from pg_listening_channels()) as channels,
                       (select count(*)::integer from pg_locks
                         where pid = pg_backend_pid() and locktype = 'advisory') as locks`;
  const leaving: Act = async (_, context) => {
    const db = await context.transaction();
    seen.push(...(await db.query(read)).rows);
    await db.query(
      `set search_path = sluice; set role sluice; set timezone = 'Asia/Kolkata'; set statement_timeout = '1 h';
       create temp table left_behind (); listen left_behind; select pg_advisory_lock(5);
       declare left_behind cursor with hold for select 1`,
    );
    return 'done';
  };
  // One slot, one connection: the lock that the first has left would keep a second one waiting.
  await using play = await stage(
    { leaving },
    { one: { act: 'leaving' }, two: { act: 'leaving', after: ['one'] } },
    { slots: 1 },
  );

  const details = await play.play();

  assert.equal(details.status, 'COMPLETED', details.reason ?? '');
  // Both had the same session.
  assert.equal(seen.length, 2);
  assert.deepEqual(seen[1], seen[0]);
});

test('a cancelled task that waits for a lock in its transaction ends at once, on the server, too', async () => {
  const table = await createTable();
  const database = new DatabaseConnector();
  const create: Act = (_, context) => database.execute('create', { table, row: { n: 1 } }, context);
  await using play = await stage({ create }, { create: {} });
  await using _ = await lockTable(table);
  const id = await play.start();
  await someoneWaitsForALock();

  await play.engine.cancelRun(id, 'Ada');
  await until(async () => (await stateOf(id, 'create')) === 'FAILED', 'the task to end');

  const session = `select from pg_stat_activity where application_name like 'sluice task ${id}/%'`;
  await until(async () => (await query(session)).length === 0, 'the session to end');
  const { error } = taskOf(await play.engine.waitForRun(id), 'create');
  assert.deepEqual(error, { code: 'RUN_STOPPED', message: `run ${id} has stopped` });
});

test('a transaction that lies idle for 20 s is ended, and the attempt fails with what to do about it', async () => {
  const table = await createTable();
  const limits: unknown[] = [];
  const slow: Act = async (_, context) => {
    await insertInto(table, context);
    const db = await context.transaction();
    limits.push(...(await db.query('show idle_in_transaction_session_timeout')).rows);
    // The same, sooner.
    await db.query(`set local idle_in_transaction_session_timeout = '1 ms'`);
    const sessions = `select from pg_stat_activity where application_name like 'sluice task %' and datname = current_database()`;
    await until(async () => (await query(sessions)).length === 0, 'the server to end the session');
    await db.query('select 1');
    return 'unreachable';
  };
  await using play = await stage({ slow }, { slow: { retries: 1 } });

  const details = await play.play();

  assert.deepEqual(limits[0], { idle_in_transaction_session_timeout: '20s' });
  assert.deepEqual([details.status, details.attempts.length], ['FAILED', 2]);
  assert.deepEqual(taskOf(details, 'slow').error, {
    code: 'TRANSACTION_IDLE',
    message: 'its transaction did nothing for 20.0 s and was ended; open it after the slow work',
  });
  assert.equal(await rowsOf(table), 0);
});

for (const [what, statements, code, skip] of [
  ['makes its transaction read-only', 'set local transaction_read_only = on', 'ERROR', false],
  [
    'takes longer than transaction_timeout allows',
    `set local transaction_timeout = '1 ms'; select pg_sleep(60)`,
    'TRANSACTION_TOO_LONG',
    lacksTransactionTimeout,
  ],
] as const) {
  test(`a task that ${what} has failed, each time`, { skip }, async () => {
    const sets: Act = async (_, context) => {
      await (await context.transaction()).query(statements);
      return 'done';
    };
    await using play = await stage({ sets }, { sets: { retries: 1 } });

    const details = await play.play();

    assert.deepEqual([details.status, details.attempts.length], ['FAILED', 2]);
    assert.equal(taskOf(details, 'sets').error?.code, code);
  });
}

test('a task that was taken over meanwhile leaves nothing behind: its effect is there once, of the one that counted', async () => {
  const table = await createTable();
  const first = event();
  const end = event<Json>();
  let executions = 0;
  const act: Act = async (_, context) => {
    await insertInto(table, context);
    if (++executions > 1) return 'second';
    first.happens();
    return end.happened;
  };
  await using play = await stage({ act }, { act: {} });
  const id = await play.start();
  await first.happened;

  await query(`select sluice.end_runner(runner_id, 'lost') from sluice.tasks where run_id = $1`, [id]);
  end.happens('first');
  const details = await play.engine.waitForRun(id);

  assert.equal(executions, 2);
  assert.equal(taskOf(details, 'act').output, 'second');
  assert.equal(await rowsOf(table), 1);
  assert.deepEqual(
    details.attempts.map(({ outcome }) => outcome),
    ['LOST'],
  );
});

for (const level of ['info', 'warn'] as const) {
  test(`at level ${level} a runner tells ${level === 'info' ? 'every move' : 'what failed, and no more'}`, async () => {
    const lines: string[] = [];
    const log = createLog({ level, format: 'json', color: false, write: (line) => lines.push(line) });
    const play = await stage(
      { fine, flaky: (_, { attempt }) => (attempt === 1 ? Promise.reject(new Error('not yet.')) : 'fine') },
      { fine: {}, flaky: { after: ['fine'], retries: 1 } },
      { log },
    );
    const { id } = await play.play();
    await play[Symbol.asyncDispose]();

    const told = lines.map((line) => JSON.parse(line)).filter((line) => line.run === id && line.task);
    assert.deepEqual(
      told.map(({ task, message }) => `${task} ${message.replace(/in [\d.]+ m?s/, 'in …')}`),
      [
        'fine PENDING → READY',
        'fine READY → RUNNING (attempt 1 of 1)',
        'fine RUNNING → SUCCESS in …',
        'flaky PENDING → READY',
        'flaky READY → RUNNING (attempt 1 of 2)',
        'flaky attempt 1 of 2 failed, trying again: not yet.',
        'flaky RUNNING again (attempt 2 of 2)',
        'flaky RUNNING → SUCCESS in …',
      ].filter((line) => level === 'info' || /failed/.test(line)),
    );
  });
}

for (const slots of [0, -1, 1.5, Number.NaN, 2 ** 31])
  test(`a runner with ${slots} slots is refused, and never begins`, async () => {
    const { url } = await fileDatabase();
    await using engine = openEngine({ connectionString: url, connectors: {} });

    await assert.rejects(engine.run({ slots, signal: AbortSignal.timeout(10_000) }), {
      name: 'UsageError',
      message: `BAD_SLOTS a runner has 1 to 2147483647 slots, a whole number, not ${slots}.`,
    });
  });

test('a runner that is asked to stop waits for what it runs', async () => {
  const started = event();
  const end = event<Json>();
  const act: Act = () => {
    started.happens();
    return end.happened;
  };
  await using play = await stage({ act, fine }, { act: {}, fine: { after: ['act'] } });
  const id = await play.start();
  await started.happened;

  const stopped = play.stop();
  assert.equal(await stateOf(id, 'act'), 'RUNNING');
  end.happens('done');
  await stopped;

  assert.equal(await stateOf(id, 'act'), 'SUCCESS');
  assert.equal(await stateOf(id, 'fine'), 'READY');
});

test('a runner that is asked to stop claims nothing more', async () => {
  const started = event();
  const end = event<Json>();
  const act: Act = () => {
    started.happens();
    return end.happened;
  };
  await using play = await stage({ act }, { act: {} }, { slots: 5 });
  await play.start();
  await started.happened;

  const stopped = play.stop();
  const late = await play.start();
  end.happens('done');
  await stopped;

  assert.equal(await stateOf(late, 'act'), 'READY');
});

test('what still runs when the grace is over is given back, at no cost, and the next runner runs it', async () => {
  const started = event();
  let patient = false;
  const act: Act = async (_, context) => {
    started.happens();
    return patient ? 'done by the next' : obedient(null, context);
  };
  await using play = await stage({ act }, { act: {} }, { graceMs: 20 });
  const id = await play.start();
  await started.happened;

  await play.stop();
  const before = await play.engine.readRun(id);
  patient = true;
  await play.run();
  const after = await play.engine.waitForRun(id);

  assert.deepEqual(
    before?.attempts.map(({ outcome, attempt }) => `${attempt} ${outcome}`),
    ['1 GIVEN BACK'],
  );
  assert.equal(taskOf(after, 'act').output, 'done by the next');
  assert.equal(taskOf(after, 'act').attempt, 1);
});

test('a runner that stops while a hop of its own waits gives back what it runs all the same', async () => {
  const [gate, started] = [event(), event()];
  const long: Act = (_, context) => {
    started.happens();
    return obedient(null, context);
  };
  await using play = await stage(
    { quick: () => gate.happened.then(() => null), long },
    { quick: {}, long: {} },
    { graceMs: 20 },
  );
  const id = await play.start();
  await started.happened;
  const session = await openClient((await fileDatabase()).url);
  await session.query('begin');
  await session.query('select from sluice.runs where id = $1 for no key update', [id]);
  gate.happens();
  await someoneWaitsForALock();

  const stopped = play.stop();
  await someoneWaitsForALock(2);
  await session.query('rollback');
  await session.end();
  await stopped;

  const { attempts } = (await play.engine.readRun(id)) ?? {};
  assert.deepEqual(
    attempts?.map(({ task, outcome }) => `${task} ${outcome}`),
    ['long GIVEN BACK'],
  );
});

test('what a hop brings after its runner has left is given back, and not executed', async () => {
  const gate = event();
  let executions = 0;
  await using play = await stage(
    { quick: () => gate.happened.then(() => null), next: () => ++executions },
    { quick: {}, next: { after: ['quick'] } },
    { graceMs: 20 },
  );
  const id = await play.start();
  await until(async () => (await stateOf(id, 'quick')) === 'RUNNING', 'the task to run');
  const session = await openClient((await fileDatabase()).url);
  await session.query('begin');
  await session.query('select from sluice.runs where id = $1 for no key update', [id]);
  gate.happens();
  await someoneWaitsForALock();

  const stopped = play.stop();
  await someoneWaitsForALock(2);
  await session.query('rollback');
  await session.end();
  await stopped;

  const { tasks, attempts } = (await play.engine.readRun(id)) ?? {};
  assert.deepEqual(
    tasks?.map(({ state, runner_id }) => `${state} ${runner_id !== null}`),
    ['SUCCESS true', 'RUNNING false'],
  );
  assert.deepEqual(
    attempts?.map(({ task, outcome }) => `${task} ${outcome}`),
    ['next GIVEN BACK'],
  );
  assert.equal(executions, 0);
});

test('a runner that stops signs off', async () => {
  await using play = await stage({ fine }, { fine: {} });
  const id = await play.run();

  await play.stop();

  const [runner] = await query(
    'select ending, ended_at is not null as ended from sluice.runners where id = $1',
    [id],
  );
  assert.deepEqual(runner, { ending: 'stopped', ended: true });
});

test('the runners of an engine stop when it is disposed of', async () => {
  const { url } = await fileDatabase();
  const engine = openEngine({ connectionString: url, connectors: {} });
  const ready = event<number>();
  const running = engine.run({ signal: new AbortController().signal, onReady: ready.happens });
  const id = await ready.happened;

  await engine[Symbol.asyncDispose]();
  await running;
  // Nothing happens when somebody does so again.
  await engine[Symbol.asyncDispose]();

  assert.deepEqual(await query('select ending from sluice.runners where id = $1', [id]), [
    { ending: 'stopped' },
  ]);
});

test('a runner ends, and says why, when its program fails as it hears that it is ready', async () => {
  const { url } = await fileDatabase();
  await using engine = openEngine({ connectionString: url, connectors: {} });
  const onReady = () => {
    throw new Error('not now');
  };

  const running = engine.run({ signal: new AbortController().signal, onReady });

  await assert.rejects(running, /not now/);
});

test('a runner that is given up though it lives goes on under a new identity', async () => {
  await using play = await stage({ fine }, { fine: {} });
  await play.play();

  await query(`select sluice.end_runner(id, 'lost') from sluice.runners where ended_at is null`);
  const { status } = await play.play();

  assert.equal(status, 'COMPLETED');
});

test('a connector that this runner does not have fails the task and says which there are', async () => {
  await using play = await stage({ fine }, { fine: {} });
  await query(
    `select sluice.register_workflow('elsewhere', '[{"name": "a", "connector": "tester", "operation": "b"}]')`,
  );
  const [{ id }] = await query(`select sluice.start_run('elsewhere') as id`);

  const { reason } = await play.engine.waitForRun(id);

  assert.equal(reason, 'this runner has no connector "tester". Did you mean "test"? There are: test.');
});

test('runs that were started before the runner are found without a ring', async () => {
  await using play = await stage({ fine }, { fine: {} });
  await play.stop();
  const id = await play.start();

  await play.run();

  assert.equal((await play.engine.waitForRun(id)).status, 'COMPLETED');
});

test('a task that succeeds in a run of 500 that start together runs for each of them', async () => {
  let count = 0;
  await using play = await stage({ count: () => ++count, fine }, { count: {}, fine: { after: ['count'] } });

  const ids = await play.engine.startRuns(
    play.workflow,
    Array.from({ length: 500 }, () => ({})),
  );
  const statuses = new Set<string>();
  for (const id of ids) statuses.add((await play.engine.waitForRun(id)).status);

  assert.equal(count, 500);
  assert.deepEqual([...statuses], ['COMPLETED']);
});
