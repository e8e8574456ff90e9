import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { age, parseInput, pointInTime, runId, wholeNumber } from '../src/commands/arguments.ts';
import { CHECKOUT, keptByNpm } from '../src/config.ts';
import { connectors } from '../src/connectors/index.ts';
import { openEngine } from '../src/index.ts';
import { workflows } from '../src/workflows/index.ts';
import po_demo from '../src/workflows/po_demo.ts';
import { command, type Spoken, startCommand, workFolder } from './support/command.ts';
import { createDatabase } from './support/database.ts';
import { TcpProxy } from './support/proxy.ts';
import { until } from './support/until.ts';

const folder = workFolder();
const db = await createDatabase();
after(async () => {
  folder[Symbol.dispose]();
  await db[Symbol.asyncDispose]();
});

function run(...args: readonly string[]): Promise<Spoken> {
  return command(args, { url: db.url, folder: folder.path });
}

/** Without DATABASE_URL, so that the embedded database would be made in this folder. */
const data = join(folder.path, 'data');
function runAlone(...args: readonly string[]): Promise<Spoken> {
  return command(args, { folder: folder.path, env: { SLUICE_DATA_DIR: data } });
}

const WRONG = [
  [['strat-run'], /unknown command 'strat-run'[\s\S]*start-run/],
  [['start-run'], /missing required argument 'workflow'/],
  [['prune'], /'--older-than <age>' not specified\n.*npm run prune -- --help/],
  [
    ['start-run', 'po_demo', '--idempotency-kye', 'k'],
    /unknown option '--idempotency-kye'[\s\S]*--idempotency-key/,
  ],
  [['runner', '--concurrency', '0'], /whole number from 1 to 1000, not "0"/],
  [
    ['start-run', 'po_demo', '--idempotency-key', ''],
    /BAD_KEY it has to have 1 to 500 characters, and has 0/,
  ],
  [['start-run', 'po_demo', '--idempotency-key', 'k'.repeat(501)], /BAD_KEY .* and has 501/],
  [['runs', '1', '--status', 'failed', '--workflow', 'nope'], /--status.* choose among runs: name no run/],
  [['runs', '1', '--limit', '5'], /--limit choose among runs/],
  [['runs', '--events'], /--events are about one run/],
  [
    ['runs', '1', '--task', 'a', '--outputs'],
    /--outputs and --events show different things: give one of them/,
  ],
  [['runs', '\x1b[31mred'], /BAD_RUN_ID "\\x1b\[31mred" is not the number of a run/],
] as const;
const answers = WRONG.map(([args]) => runAlone(...args));

for (const [what, source, said] of [
  ['is misspelt', 'export default {\n  tasks: {,\n};\n', /broken\.ts:2:10: ERROR: Expected identifier/],
  [
    'exports nothing',
    'export const a = 1;\n',
    /'\.\/broken\.ts' does not provide an export named 'default'$/,
  ],
  ['throws', "\nthrow new Error('oops');\nexport default 1;\n", /^oops, at .*broken\.ts:2:7$/],
  [
    'uses a connector wrongly',
    "import { DatabaseConnector } from '../connectors/database.ts';\n\nexport default new DatabaseConnector({ url: '' });\n",
    /^BAD_DATABASE_URL .*, at .*broken\.ts:3:16$/,
  ],
] as const) {
  test(`a workflow that ${what} is told in a line or two, and exit code 4; it keeps nobody from looking`, async () => {
    using project = workFolder();
    const inProject = (...path: string[]) => join(project.path, ...path);
    for (const part of ['src', 'package.json', 'tsconfig.json'])
      cpSync(join(CHECKOUT, part), inProject(part), { recursive: true });
    symlinkSync(join(CHECKOUT, 'node_modules'), inProject('node_modules'), 'junction');
    writeFileSync(inProject('src', 'workflows', 'broken.ts'), source);
    const index = "import broken from './broken.ts';\n\nexport const workflows = [broken];\n";
    writeFileSync(inProject('src', 'workflows', 'index.ts'), index);

    const { code, stdout, stderr } = await command(['start-run', 'po_demo'], {
      url: db.url,
      checkout: project.path,
    });
    const looking = await command(['runs'], { url: db.url, checkout: project.path });

    assert.deepEqual([code, stdout], [4, '']);
    assert.match(stderr.trimEnd(), said);
    assert.ok(stderr.trimEnd().split('\n').length <= 2, stderr);
    assert.equal(looking.code, 0, looking.stderr);
  });
}

for (const [index, [args, said]] of WRONG.entries()) {
  test(`${JSON.stringify(args.join(' '))} is wrong usage: exit code 2, says why, and starts no database`, async () => {
    const { code, stdout, stderr } = (await answers[index]) ?? {};

    assert.equal(code, 2, stderr);
    assert.match(stderr ?? '', said);
    assert.equal(stdout, '');
    assert.equal(existsSync(data), false);
  });
}

for (const id of ['abc', '', '0', '-1', '1.5', '1e3', '9223372036854775808', '١']) {
  test(`${JSON.stringify(id)} is not the number of a run`, () => {
    assert.throws(() => runId(id), /BAD_RUN_ID/);
  });
}

test('the number of a run may be as large as the database counts', () => {
  assert.equal(runId('9223372036854775807'), '9223372036854775807');
});

for (const text of ['0', '-1', '1.5', 'many', '1e2', '1001', '', ' 5']) {
  test(`${JSON.stringify(text)} is not a whole number from 1 to 1000`, () => {
    assert.throws(() => wholeNumber(1, 1000)(text), /whole number from 1 to 1000/);
  });
}

test('an age is given to Postgres, and said, in words', () => {
  assert.deepEqual(['45s', '30min', '5m', '2 h', '90d', '2w', '1d'].map(age), [
    '45 seconds',
    '30 minutes',
    '5 minutes',
    '2 hours',
    '90 days',
    '2 weeks',
    '1 day',
  ]);
});

for (const text of ['', '90', 'd', '-1d', '1.5h', '90 years', '36526d', '9999999999w']) {
  test(`${JSON.stringify(text)} is no age, as one of more than a century is not`, () => {
    assert.throws(() => age(text), /BAD_AGE/);
    assert.throws(() => pointInTime(text), /BAD_TIME/);
  });
}

test('a point in time is an age counted back, or a date in UTC unless it names a zone', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 22, 20, 5) });

  assert.equal(pointInTime('2h').toISOString(), '2026-11-22T18:05:00.000Z');
  assert.equal(pointInTime('2026-11-22').toISOString(), '2026-11-22T00:00:00.000Z');
  assert.equal(pointInTime('2026-11-22 20:05').toISOString(), '2026-11-22T20:05:00.000Z');
  assert.equal(pointInTime('2026-11-22T20:05:01+02:00').toISOString(), '2026-11-22T18:05:01.000Z');
});

for (const text of [
  'soon',
  '2026-02-30',
  '2026-02-30T10:00',
  '2026-02-30T10:00Z',
  '2026-13-01',
  '22.11.2026',
  '2026-11-22T25:00',
]) {
  test(`${JSON.stringify(text)} is no point in time`, () => {
    assert.throws(() => pointInTime(text), /BAD_TIME/);
  });
}

const PROPERTIES = {
  type: 'object',
  properties: { email: { type: 'string' }, days: { type: 'integer' }, deep: {} },
};

test('an input typed as key=value becomes what the workflow declares', () => {
  assert.deepEqual(parseInput(['email=5', 'days=5', 'deep={"a": [1]}'], PROPERTIES), {
    email: '5',
    days: 5,
    deep: { a: [1] },
  });
});

test('what is typed later wins, and a value may hold an equals sign and line ends', () => {
  assert.deepEqual(parseInput(['{"email": "a", "days": 1}', 'email=b=c\nd'], PROPERTIES), {
    email: 'b=c\nd',
    days: 1,
  });
});

for (const [typed, said] of [
  ['emial=x', /there is no input "emial"\. Did you mean "email"\?/],
  ['days=soon', /days: soon is not a JSON value/],
  ['email', /"email" is neither key=value nor/],
  ['=x', /neither key=value nor/],
  ['{"email": ', /this input cannot be used: .*JSON/],
  ['{"email": "a", "deep": {"a": ":\\"", "a": 2}}', /a key stands there twice/],
  ['{}}', /this input cannot be used: .*position 2/],
  ['@missing.json', /@missing\.json cannot be used: no such file or directory$/],
  ['@/dev/zero', /@\/dev\/zero cannot be used: it is not a regular file/],
  [`@${join(import.meta.dirname, 'support')}`, /it is not a regular file/],
  ['__proto__=1', /there is no input "__proto__"/],
] as const) {
  test(`${typed} is no input`, () => {
    assert.throws(() => parseInput([typed], PROPERTIES), said);
  });
}

test('an input is read from a file, whichever editor wrote that; one that is no UTF-8 or no object is refused', () => {
  const file = (content: string | Buffer) => {
    const path = join(folder.path, 'input.json');
    writeFileSync(path, content);
    return parseInput([`@${path}`], PROPERTIES);
  };

  assert.deepEqual(file('\ufeff{"email": "a"}\r\n'), { email: 'a' });
  assert.throws(() => file(Buffer.from([0x7b, 0xff, 0x7d])), /input\.json cannot be used: .*valid/);
  assert.throws(() => file('[1]'), /input\.json cannot be used: it has to be a JSON object/);
});

test('no input is lost for its name', () => {
  const [name] = Object.keys(parseInput(['{"__proto__": 5}'], PROPERTIES));

  assert.equal(name, '__proto__');
});

test('--help shows a command as it has to be typed', async () => {
  const { stdout } = await runAlone('runs', '--help');

  assert.match(stdout, /^Usage: npm run runs -- \[options\] \[run\]$/m);
});

test('--help says what there is, with exit code 0, and starts no database', async () => {
  const { stdout } = await runAlone('--help');
  const names = [...stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(([, name]) => name ?? '');
  for (const name of ['demo', 'runner', 'start-run', 'runs', 'migrate', 'db'])
    assert.ok(names.includes(name), name);

  const helps = await Promise.all(['start-run', 'db'].map((name) => runAlone(name, '--help')));

  for (const { code, stdout: help } of helps) {
    assert.equal(code, 0);
    assert.match(help, /^Usage: npm run /);
  }
  assert.equal(existsSync(data), false);
});

test('a database that does not answer is exit code 3, with the next step and without the password', async () => {
  const url = 'postgres://me:hunter2@127.0.0.1:1/nowhere';

  const { code, stderr } = await command(['start-run', 'po_demo'], { url });

  assert.equal(code, 3, stderr);
  assert.match(stderr, /127\.0\.0\.1:1: .*ECONNREFUSED.*start Postgres/);
  assert.doesNotMatch(stderr, /hunter2|\n\s+at /);
});

test('watch does not wait for a database that was never there', async () => {
  const url = 'postgres://me@127.0.0.1:1/nowhere';

  const ends = await Promise.all([command(['watch', '1'], { url }), command(['watch'], { url })]);

  for (const { code, stderr } of ends) {
    assert.equal(code, 3, stderr);
    assert.doesNotMatch(stderr, /aiting/);
  }
});

test('an error that nobody catches is a bug: exit code 70', { timeout: 60_000 }, async () => {
  const stray = `setInterval(() => {
    if (process.listenerCount('uncaughtExceptionMonitor') > 0) throw new Error('nobody catches this');
  }, 10)`;
  const { code, stderr } = await command(['watch', '--json'], {
    url: db.url,
    env: { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(stray)}"` },
  });

  assert.equal(code, 70);
  assert.match(stderr, /nobody catches this/);
});

for (const args of [['watch'], ['inbox', 'samples', '--once']])
  test(`Ctrl-C ends "${args.join(' ')}" while that still connects to its database`, async () => {
    await using proxy = await TcpProxy.open(db.url);
    proxy.stall();
    const going = startCommand(args, { url: proxy.url, folder: folder.path });
    await until(() => proxy.connections > 0, 'it to connect');

    going.interrupt();

    // By the signal itself.
    assert.equal(await going.ended, null);
  });

test('a database that does not let us in is exit code 3, with the next step', async () => {
  const wrong = (change: (url: URL) => void) => {
    const url = new URL(db.url);
    change(url);
    return command(['runs'], { url: url.href });
  };

  const [password, database] = await Promise.all([
    wrong((url) => {
      url.password = 'hunter2';
    }),
    wrong((url) => {
      url.pathname = '/nowhere';
    }),
  ]);

  assert.deepEqual([password.code, database.code], [3, 3]);
  assert.match(password.stderr, /Check user and password in DATABASE_URL\.\n$/);
  assert.match(database.stderr, /Create this database, or correct the name in DATABASE_URL\.\n$/);
  assert.doesNotMatch(password.stderr, /hunter2|\n\s+at /);
});

test('what somebody typed is repeated on one line', async () => {
  const { code, stderr } = await run('start-run', 'po\n\x1b[31mx');

  assert.equal(code, 2);
  // However many workflows there are.
  assert.match(stderr, /^WORKFLOW_NOT_FOUND there is no workflow "po\\n\\x1b\[31mx"\. There are: .*\.\n$/);
});

test('the doctor says what is off, with exit code 1', async () => {
  await using own = await createDatabase();
  const doctor = (...args: readonly string[]) =>
    command(['doctor', ...args], { url: own.url, folder: folder.path });

  const before = await doctor();
  await own.pool.query('alter table sluice.tasks disable trigger advance');
  const after = await doctor();
  const { code, stdout } = await doctor('--json');

  assert.deepEqual([before.code, after.code, code], [0, 1, 1]);
  assert.match(
    before.stdout,
    /^ok {3}All triggers are there and enabled\n[\s\S]*\nAll \d+ checks passed\.\n$/,
  );
  assert.match(after.stdout, /^OFF {2}All triggers .*\n {7}\{"table":"sluice\.tasks","trigger":"advance",/);
  assert.match(after.stdout, /\n {7}Switch it on again: alter table … enable trigger …\nok /);
  assert.match(after.stdout, /\n1 of \d+ checks found something\.\n$/);
  assert.deepEqual(JSON.parse(stdout)[0].rows[0].trigger, 'advance');
});

test('a database without Sluice is exit code 4, and says how to get it there; nothing is changed but by that', async () => {
  await using empty = await createDatabase();
  await empty.pool.query('drop schema sluice cascade; drop schema graphile_migrate cascade');
  const on = (...args: readonly string[]) => command(args, { url: empty.url, folder: folder.path });

  const { code, stderr } = await on('runs');
  const { rowCount } = await empty.pool.query(`select from pg_namespace where nspname = 'sluice'`);

  assert.equal(code, 4, stderr);
  assert.match(stderr, /^The database has no Sluice in it, .*Run: npm run migrate\n$/);
  assert.equal(rowCount, 0);
});

test('a database older than the checkout is exit code 4 for every command that registers, and it is said what to do', async () => {
  await using older = await createDatabase();
  await older.pool.query(
    `delete from graphile_migrate.migrations where filename = (select max(filename) from graphile_migrate.migrations)`,
  );

  for (const args of [['runner'], ['inbox', 'samples'], ['start-run', 'po_demo']]) {
    const { code, stderr } = await command(args, { url: older.url, folder: folder.path });

    assert.equal(code, 4, stderr);
    assert.match(
      stderr,
      /^This database is older than this checkout: it lacks \d+\.sql\. Run: npm run migrate\n$/,
    );
  }
});

test('a database newer than the checkout is exit code 4 for every command that does work, and nothing is done', async () => {
  await using newer = await createDatabase();
  await newer.pool.query(
    `insert into graphile_migrate.migrations (hash, filename) values ('sha1:later', '999999.sql')`,
  );
  const commands = [['migrate'], ['runner'], ['inbox', 'samples'], ['start-run', 'po_demo'], ['demo']];

  for (const args of commands) {
    const { code, stderr } = await command(args, { url: newer.url, folder: folder.path });

    assert.equal(code, 4, stderr);
    assert.equal(
      stderr,
      'This database is newer than this checkout: it has run 999999.sql. Update the checkout.\n',
    );
  }
  assert.equal((await newer.pool.query('select from sluice.workflows')).rowCount, 0);
});

test('an option that npm kept for itself is exit code 2, and nothing is done without it', async () => {
  const { code, stderr } = await command(['rerun', '1'], {
    url: db.url,
    env: { npm_config_from_failed: 'true' },
  });

  assert.equal(code, 2);
  assert.match(stderr, /npm took --from-failed for itself\. Put -- before it/);
});

test('what somebody may have set in .npmrc is not taken for an option that npm kept', () => {
  const env = { npm_config_json: 'true', npm_config_force: 'true', npm_config_from_failed: 'true' };

  const kept = ['json', 'force', 'from-failed', 'wait'].filter((option) => keptByNpm(option, env));

  assert.deepEqual(kept, ['from-failed']);
});

test('no option is called like one of npm, but for those of which npm tells its scripts', async () => {
  const { stdout } = await promisify(execFile)('npm config ls -l --json', { shell: true });
  const ofNpm = Object.keys(JSON.parse(stdout));
  const commands =
    'demo,runner,start-run,inbox,runs,why,graph,workflows,watch,cancel,rerun,prune,doctor,migrate,db stop';
  const helps = await Promise.all(commands.split(',').map((name) => runAlone(...name.split(' '), '--help')));
  const ours = helps.flatMap(({ stdout }) => stdout.match(/(?<=^ +(?:-\w, )?--)[a-z-]+/gm) ?? []);

  assert.ok(ours.includes('idempotency-key') && ofNpm.includes('key'));
  assert.deepEqual([...new Set(ours.filter((option) => ofNpm.includes(option)))].sort(), [
    'dry-run',
    'force',
    'json',
  ]);
});

test('a DATABASE_URL that is none is exit code 2, and is not repeated', async () => {
  const { code, stderr } = await command(['runs'], { url: 'postgres//me:hunter2@host/db' });

  assert.equal(code, 2);
  assert.match(stderr, /^BAD_DATABASE_URL scheme must be postgres:\/\//);
  assert.doesNotMatch(stderr, /hunter2/);
});

test('an input that cannot be stored is exit code 2, and nothing is started', async () => {
  for (const email of ['a\\u0000b', '\\ud800']) {
    const { code, stderr } = await run('start-run', 'po_demo', '--input', `{"email": "${email}"}`);

    assert.equal(code, 2, stderr);
    assert.match(stderr, /^BAD_INPUT the input of po_demo cannot be stored as JSON at \.email: text with/);
  }
});

test('what a trigger of somebody’s own refuses is exit code 2, in its words', async () => {
  await using own = await createDatabase();
  await own.pool.query(`
    create function no_more() returns trigger language plpgsql as $$
      begin raise exception 'not before Monday' using hint = 'Come again.'; end $$;
    create trigger no_more before insert on sluice.runs for each row execute function no_more()`);

  const { code, stderr } = await command(['start-run', 'po_demo'], { url: own.url });

  assert.deepEqual([code, stderr], [2, 'not before Monday. Come again.\n']);
});

test('a run that is not there is exit code 2', async () => {
  const { code, stderr } = await run('runs', '42');

  assert.equal(code, 2);
  assert.match(stderr, /RUN_NOT_FOUND there is no run 42/);
});

test('of a task without an output a pipe gets null, and standard error is told why', async () => {
  await using fresh = await createDatabase();
  const call = (...args: string[]) => command(args, { url: fresh.url, folder: folder.path });
  await using engine = openEngine({ connectionString: fresh.url, connectors, workflows });
  await engine.register();
  const id = await engine.startRun('po_demo', { input: { email: 'nope.txt' } });
  const look = () => call('runs', id, '--task', 'read_email');

  const before = await look();
  const stop = new AbortController();
  const running = engine.run({ signal: stop.signal });
  await engine.waitForRun(id);
  stop.abort();
  await running;
  const after = await look();

  assert.deepEqual([before.code, before.stdout, after.code, after.stdout], [0, 'null\n', 0, 'null\n']);
  assert.match(before.stderr, /^Task read_email of run 1 is READY and has no output\. .*--json\n$/);
  assert.match(
    after.stderr,
    /^Task read_email of run 1 is FAILED and has no output, EMAIL_NOT_FOUND: .*--json\n$/,
  );
});

for (const input of ['emial=x', 'as_of=2025-02-30']) {
  test(`the input ${input} is wrong: exit code 2, it is said why, and nothing is started`, async () => {
    const { code, stderr } = await run('start-run', 'po_demo', '--input', input);

    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`^BAD_INPUT .*"${input.replace(/=.*/, '')}"`));
    assert.equal((await db.pool.query('select from sluice.runs')).rowCount, 0);
  });
}

test('a graph of a workflow that nobody knows is exit code 2, and nothing is registered for it', async () => {
  await using fresh = await createDatabase();

  const { code, stderr } = await command(['graph', 'nope'], { url: fresh.url, folder: folder.path });
  const { rowCount } = await fresh.pool.query('select from sluice.workflows');

  assert.equal(code, 2);
  assert.match(stderr, /^WORKFLOW_NOT_FOUND there is no workflow "nope"/);
  assert.equal(rowCount, 0);
});

for (const args of [['start-run'], ['runs', '--workflow']])
  test(`a name that is no workflow's is told to ${args.join(' ')}, with the nearest and where one's own are listed`, async () => {
    const engine = openEngine({ connectionString: db.url, connectors, workflows });
    await engine.register();
    await engine[Symbol.asyncDispose]();

    const { code, stderr } = await run(...args, 'po_dmeo');

    assert.equal(code, 2);
    assert.match(
      stderr,
      /^WORKFLOW_NOT_FOUND .* Did you mean "po_demo"\? .*listed in src\/workflows\/index\.ts\.$/m,
    );
  });

test('a graph says that the file of its workflow has changed since it was registered', async () => {
  await using fresh = await createDatabase();
  const tasks = po_demo.tasks.filter(({ name }) => name !== 'write_alert');
  const engine = openEngine({ connectionString: fresh.url, connectors, workflows: [{ ...po_demo, tasks }] });
  await engine.register();

  const before = await command(['graph', 'po_demo'], { url: fresh.url, folder: folder.path });
  await using newer = openEngine({ connectionString: fresh.url, connectors, workflows });
  await newer.register();
  const after = await command(['graph', 'po_demo'], { url: fresh.url, folder: folder.path });
  await engine[Symbol.asyncDispose]();

  assert.match(before.stderr, /^This is version 1, as it was registered\. Its file draws another graph/);
  assert.doesNotMatch(before.stdout, /write_alert/);
  assert.equal(after.stderr, '');
  assert.match(after.stdout, /^po_demo \(version 2\)[\s\S]*write_alert/);
});

test('whoever does not listen to what went wrong still gets the exit code', async () => {
  const going = startCommand(['runs'], { url: 'postgres://me@127.0.0.1:1/nowhere' });
  going.closeErrors();

  assert.equal(await going.ended, 3);
});

test('a runner whose output nobody reads any more signs off, with exit code 141', async () => {
  await using own = await createDatabase();
  const going = startCommand(['runner'], { url: own.url, folder: folder.path });
  await until(() => /is ready/.test(going.said), 'the runner');
  going.closeOutput();

  await own.pool.query(`select sluice.start_run('po_demo')`);

  assert.equal(await going.ended, 141);
  const { rows } = await own.pool.query('select ending from sluice.runners');
  assert.deepEqual(rows, [{ ending: 'stopped' }]);
});

test('a runner that is stopped ends its process, whatever a task has left behind that does not heed its signal', async () => {
  const behind = 'data:text/javascript,setInterval(() => {}, 1000)';
  const env = { NODE_OPTIONS: `--import "${behind}"` };
  const going = startCommand(['runner'], { url: db.url, folder: folder.path, env });
  await until(() => /is ready/.test(going.said), 'the runner');
  let hasEnded = false;
  const ended = going.ended.finally(() => {
    hasEnded = true;
  });

  going.interrupt();
  await until(() => hasEnded, 'the process to end').finally(() => going.interrupt());

  assert.equal(await ended, 0);
});

test('a command that only shows something ends with exit code 0 when nobody reads it any more', async () => {
  const going = startCommand(['workflows', '--json'], { url: db.url });
  going.closeOutput();

  assert.equal(await going.ended, 0);
});

test('standard output that cannot be written is told in a line, with exit code 74; what is at work stops in an orderly way', {
  skip: !existsSync('/dev/full'),
}, async () => {
  await using own = await createDatabase();
  const full = { url: own.url, folder: folder.path, output: '/dev/full' };

  const demo = await command(['demo'], full);
  const runs = await command(['workflows', '--json'], full);

  const line = 'standard output cannot be written: no space left on device\n';
  assert.deepEqual([runs.code, runs.stderr], [74, line]);
  assert.equal(demo.code, 74);
  assert.ok(demo.stderr.includes(line), demo.stderr);
  assert.match(demo.stderr, /Stopped\. Run \d+ goes on/);
  const { rows } = await own.pool.query('select ending from sluice.runners');
  assert.deepEqual(rows, [{ ending: 'stopped' }]);
});

test('a date that is none is told in words', async () => {
  const { code, stderr } = await run('start-run', 'po_demo', '--input', 'as_of=tomorrow');

  assert.equal(code, 2);
  assert.equal(
    stderr,
    'BAD_INPUT the input of po_demo is not valid: "as_of": Invalid ISO date. Nothing was started.\n',
  );
});

test('into a pipe, a table is tab-separated, without titles and without colour', async () => {
  const { rows } = await db.pool.query(
    `select sluice.start_run('po_demo') as id where (select sluice.cancel_run(sluice.start_run('po_demo')))`,
  );

  const { code, stdout } = await run('runs');

  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^${rows[0].id}\\tpo_demo\\tRUNNING\\t`));
  assert.match(stdout, /^\d+\tpo_demo\tCANCELLED\t.*$/m);
  assert.ok(!stdout.includes('\x1b') && !stdout.includes('WORKFLOW'));
});

test('who waits for a run is told when there is no runner', async () => {
  const waiting = startCommand(['start-run', 'po_demo', '--idempotency-key', 'unserved', '--wait'], {
    url: db.url,
    folder: folder.path,
  });
  await until(() => waiting.said !== '', 'a word');

  await db.pool.query(`select sluice.cancel_run(id) from sluice.runs where key = 'unserved'`);

  assert.equal(await waiting.ended, 1);
  assert.match(waiting.said, /^No runner is alive\. Start one: npm run runner\n/);
});

test('start-run --wait ends with exit code 1 when the run has failed', async () => {
  const { rows } = await db.pool.query(
    `select sluice.start_run('po_demo', '{"email": "x"}', 'waited') as id`,
  );
  await db.pool.query('select sluice.cancel_run($1)', [rows[0].id]);

  const { code, stdout, stderr } = await run(
    'start-run',
    'po_demo',
    '--idempotency-key',
    'waited',
    '--input',
    'email=x',
    '--wait',
  );

  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^run ${rows[0].id} of po_demo .* is CANCELLED: 0 of 5 tasks succeeded`));
  assert.match(stdout, /^read_email\t/);
});

test('start-run --json gives the number of the run as "run", whether it waits for its end or not', async () => {
  const start = ['start-run', 'po_demo', '--idempotency-key', 'named', '--input', 'email=x', '--json'];
  const { rows } = await db.pool.query(`select sluice.start_run('po_demo', '{"email": "x"}', 'named') as id`);
  await db.pool.query('select sluice.cancel_run($1)', [rows[0].id]);

  const started = JSON.parse((await run(...start)).stdout);
  const waited = JSON.parse((await run(...start, '--wait')).stdout);

  assert.deepEqual(started, { run: rows[0].id, workflow: 'po_demo' });
  assert.deepEqual([waited.run, waited.id, waited.status], [rows[0].id, rows[0].id, 'CANCELLED']);
});
