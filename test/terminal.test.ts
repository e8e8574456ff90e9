import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { CHECKOUT } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { shown } from '../src/mail/message.ts';
import { LiveScreen, sizeOf } from '../src/screens/live.ts';
import { outputsScreen, taskScreen } from '../src/screens/task.ts';
import { cut, painter, printable, printableLines, width, withoutColour, wrap } from '../src/terminal.ts';
import { command } from './support/command.ts';
import { createDatabase } from './support/database.ts';
import { draw, fileDatabase, running } from './support/scene.ts';
import { pipe, run, task } from './support/screens.ts';
import { until } from './support/until.ts';

/** As much of a terminal as a live screen needs: what stands on it, after everything that was written. */
class Paper extends EventEmitter {
  columns: number;
  rows: number;
  written = 0;
  #lines: string[] = [];
  #saved: string[] = [];
  #row = 0;

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    this.written += 1;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
    for (const [token] of text.matchAll(/\x1b\[\??[\d;]*[A-Za-z]|\r\n|[^\x1b\r]+/g)) {
      if (token === '\x1b[?1049h') [this.#saved, this.#lines] = [this.#lines, []];
      else if (token === '\x1b[?1049l') this.#lines = this.#saved;
      else if (token === '\x1b[H') this.#row = 0;
      else if (token === '\x1b[J') this.#lines.length = this.#row + 1;
      else if (token === '\r\n') this.#row += 1;
      else if (token === '\x1b[K') this.#lines[this.#row] = (this.#lines[this.#row] ?? '').trimEnd();
      else if (!token.startsWith('\x1b')) this.#lines[this.#row] = token;
    }
    assert.ok(this.#row < this.rows, 'the terminal would scroll');
  }

  get text(): string {
    return this.#lines.join('\n');
  }
}

test('a live screen is drawn over itself, and what stood there before comes back', () => {
  const paper = new Paper(20, 5);
  paper.write('$ npm run watch');
  let text = 'one\ntwo\nthree';
  {
    using screen = new LiveScreen(paper, () => text);
    screen.redraw();
    assert.equal(paper.text, 'one\ntwo\nthree');

    text = 'only';
    screen.redraw();
    assert.equal(paper.text, 'only');
  }

  assert.equal(paper.text, '$ npm run watch');
});

test('a live screen without Unicode is cut without it, too', () => {
  const paper = new Paper(20, 5);
  using screen = new LiveScreen(paper, () => 'a line that is too long for it', { unicode: false });

  screen.redraw();

  assert.equal(paper.text, 'a line that is to...');
});

test('a live screen is given back as well when the process ends at once', () => {
  const program = `import { LiveScreen } from './src/screens/live.ts';
    new LiveScreen(process.stdout, () => 'text');
    process.exit();`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];

  const { stdout } = spawnSync(process.execPath, args, { cwd: CHECKOUT, encoding: 'utf8' });

  assert.equal(printable(stdout), '\\x1b[?1049h\\x1b[?25l\\x1b[?25h\\x1b[?1049l');
});

test('a live screen writes nothing when nothing has changed', () => {
  const paper = new Paper(20, 5);
  using screen = new LiveScreen(paper, () => 'the same');
  screen.redraw();
  const { written } = paper;

  screen.redraw();

  assert.equal(paper.written, written);
});

test('a live screen is drawn again for the new size when the terminal is resized, and never scrolls it', () => {
  const paper = new Paper(30, 8);
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index} ${'x'.repeat(40)}`);
  using screen = new LiveScreen(paper, () => lines.join('\n'));
  screen.redraw();
  assert.equal(paper.text.split('\n').length, 8);

  [paper.columns, paper.rows] = [22, 5];
  paper.emit('resize');

  assert.deepEqual(paper.text.split('\n').map(width), [22, 22, 22, 22, 22]);
});

test('a terminal that does not know its size, or says something absurd, is drawn on all the same', () => {
  assert.deepEqual(sizeOf({}), { width: 80, height: 24 });
  assert.deepEqual(sizeOf({ columns: 0, rows: 0 }), { width: 80, height: 24 });
  assert.deepEqual(sizeOf({ columns: 1, rows: 1 }), { width: 20, height: 5 });
  assert.deepEqual(sizeOf({ columns: 100_000, rows: 40 }), { width: 400, height: 40 });
});

test('text is as wide as a terminal shows it', () => {
  assert.deepEqual(['abc', 'é', 'e\u0301', '漢字', '🚀', '✓●'].map(width), [3, 1, 1, 4, 2, 2]);
  assert.equal(width(painter(true)('red', 'red')), 3);
});

test('a command is not broken at the end of a line: it is there to be copied', () => {
  assert.equal(
    wrap('No runner is alive. Start one: npm run runner', 36),
    'No runner is alive. Start one:\nnpm run runner',
  );
});

test('text is cut by columns, and its colours end', () => {
  assert.equal(cut('漢字漢字', 5), '漢字…');
  assert.equal(cut('abcdef', 4, '...'), 'a...');
  assert.equal(cut('abcdef', 2, '...'), '');
  assert.equal(cut(painter(true)('abcdef', 'red'), 4), '\x1b[31mabc…\x1b[0m');
});

test('each line has its own colour', () => {
  assert.equal(painter(true)('a\n\nb', 'red'), '\x1b[31ma\x1b[0m\n\n\x1b[31mb\x1b[0m');
  assert.equal(painter(true)('', 'red'), '');
});

test('lines are broken between words, and within words that are too long', () => {
  assert.equal(wrap('one two three', 8), 'one two\nthree');
  assert.equal(wrap('a verylongword', 4), 'a\nvery\nlong\nword');
});

/** DEL, CSI, text turned around, and a tag. */
const HOSTILE = 'no\x7f\x9b31m\u202e\u{e0041}';

function isHarmless(text: string): boolean {
  return text.split('\n').every((line) => printable(line) === line);
}

test('lines stay lines when their text is escaped, and an escape that somebody wrote stays as it is', () => {
  assert.equal(printableLines('C:\\new\n\tb\x1b'), 'C:\\new\n\\tb\\x1b');
});

test('what a terminal would act on is escaped', () => {
  assert.equal(printable('a\x1b[31m\tb\n\u009b\u202e\ufeff'), 'a\\x1b[31m\\tb\\n\\x9b\\u202e\\ufeff');
});

for (const code of [
  '00ad',
  '061c',
  '180e',
  '200b',
  '2028',
  '2060',
  '2065',
  '2069',
  'e0001',
  'e0041',
  'e007f',
]) {
  test(`U+${code.toUpperCase()}, which one does not see, is escaped in text and in messages`, () => {
    const hidden = String.fromCodePoint(Number.parseInt(code, 16));

    assert.match(printable(`a${hidden}b`), /^a\\[\\\w]+b$/);
    assert.match(shown(`a${hidden}b`), /^"a\\[\\\w]+b"$/);
    assert.equal(JSON.parse(shown(`a${hidden}b`)), `a${hidden}b`);
  });
}

for (const level of ['debug', 'info', 'warn', 'error', 'silent'] as const) {
  test(`a log at level ${level} says what is of that level or above, and nothing else`, () => {
    const lines: string[] = [];
    const log = createLog({ level, format: 'json', color: false, write: (line) => lines.push(line) });
    const levels = ['debug', 'info', 'warn', 'error'] as const;

    for (const one of levels) log[one]({}, 'something');

    const expected = level === 'silent' ? [] : levels.slice(levels.indexOf(level));
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).level),
      expected,
    );
  });
}

test('a log as JSON holds nothing that a terminal would act on, and means the same', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', color: false, write: (line) => lines.push(line) });

  log.info({ folder: HOSTILE }, 'waiting');

  assert.ok(isHarmless(lines.join('\n')), lines[0]);
  assert.equal(JSON.parse(lines[0] ?? '').folder, HOSTILE);
});

test('a log for people holds nothing that a terminal would act on', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'pretty', color: false, write: (line) => lines.push(line) });

  log.warn({ run: '1', task: HOSTILE }, HOSTILE);

  assert.ok(isHarmless(lines.join('\n')), lines[0]);
});

test('outputs are shown as JSON that holds nothing a terminal would act on, and means the same', () => {
  const done = { ...task('read', [], 'SUCCESS', [0, 0, 1]), output: { [HOSTILE]: HOSTILE } };
  const details = { ...run([]), tasks: [done] };
  const shown = [taskScreen(details, done, pipe), outputsScreen(details, pipe).replace('read\t', '')];

  for (const text of shown) {
    assert.ok(isHarmless(text), text);
    assert.deepEqual(JSON.parse(text), done.output);
  }
});

test('--json holds nothing that a terminal would act on, and means the same', async () => {
  await using scene = await running({ only: [] });
  const { url, pool } = await fileDatabase();
  await pool.query('select sluice.cancel_run($1, $2)', [scene.run, HOSTILE]);
  const on = (...args: string[]) => command([...args, scene.run, '--json'], { url });

  const [whole, events] = await Promise.all([on('runs'), on('watch')]);

  for (const { stdout } of [whole, events]) assert.ok(isHarmless(stdout), stdout);
  assert.equal(JSON.parse(whole.stdout).reason, `cancelled by ${HOSTILE}`);
  const notes = events.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).note);
  assert.ok(notes.includes(`cancelled by ${HOSTILE}`), events.stdout);
});

test('what people write is not escaped', () => {
  const text = 'Müller – “ça” שלום ❤️ 漢字';

  assert.equal(printable(text), text);
});

/** A command in a real terminal, as `script` makes one. */
class Terminal implements Disposable {
  readonly #child: ChildProcess;
  output = '';
  readonly ended: Promise<number | null>;

  /** `by` is a program that starts it. */
  constructor(command: string, env: Record<string, string>, by = '') {
    const inside = `tty; stty cols 80 rows 24; exec ${by} ${process.execPath} --import tsx src/cli.ts ${command}`;
    this.#child = spawn('script', ['-qefc', inside, '/dev/null'], {
      cwd: CHECKOUT,
      env: { ...process.env, TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env },
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.output += text;
    });
    this.ended = new Promise((resolve) => this.#child.once('close', resolve));
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  resize(columns: number, rows: number): void {
    const name = this.output.match(/\/dev\/\S+/)?.[0] ?? '';
    execFileSync('stty', ['-F', name, 'cols', `${columns}`, 'rows', `${rows}`]);
  }

  /** Resolves when it does; its colours do not matter. */
  async shows(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.plain), `the terminal to show ${pattern}`).catch((error) => {
      throw new Error(`${error.message}, in\n${printable(this.output.slice(-2000))}`);
    });
  }

  get plain(): string {
    return withoutColour(this.output);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** What is shown once the live screen has been given back. */
function afterScreen({ plain }: Terminal): string {
  const end = plain.lastIndexOf('\x1b[?1049l');
  assert.ok(end > plain.indexOf('\x1b[?1049h'), printable(plain));
  return plain.slice(end);
}

const isUtilLinux = /util-linux/.test(`${spawnSync('script', ['--version']).stdout}`);
const skip = isUtilLinux ? false : 'needs the `script` of util-linux to make a terminal';

test('in a real terminal, watch draws, follows, is resized, and ends with the exit code of the run', {
  skip,
}, async () => {
  await using scene = await running({ first: [], second: ['first'] });
  const { url } = await fileDatabase();
  using terminal = new Terminal(`watch ${scene.run}`, { DATABASE_URL: url });

  await terminal.shows(/0 of 2 tasks succeeded[\s\S]*◎ first/);
  await scene.succeed('first');
  await terminal.shows(/1 of 2 tasks succeeded[\s\S]*✓ first/);
  terminal.resize(40, 12);
  // The sentence breaks earlier now.
  await terminal.shows(/is RUNNING:\P{L}*K\r/u);
  await scene.fail('second');

  assert.equal(await terminal.ended, 1);
  assert.match(afterScreen(terminal), /is FAILED[\s\S]*✗ second/);
});

test('in a real terminal, Ctrl-C ends watch, gives the screen back, and leaves the run alone', {
  skip,
}, async () => {
  await using scene = await running({ only: [] });
  const { url } = await fileDatabase();
  using terminal = new Terminal(`watch ${scene.run}`, { DATABASE_URL: url });
  await terminal.shows(/◎ only/);

  terminal.type('\x03');

  assert.equal(await terminal.ended, 130);
  assert.match(afterScreen(terminal), /No longer waiting for run \d+, which goes on/);
  assert.equal(await scene.status(), 'RUNNING');
});

test('in a real terminal, watch follows all runs until Ctrl-C, however many there are', {
  skip,
}, async () => {
  const { url, pool } = await fileDatabase();
  const workflow = await draw({ only: [] });
  const start = async (runs: number) => {
    await pool.query('select sluice.start_run($1) from generate_series(1, $2::integer)', [workflow, runs]);
  };
  await start(1);
  using terminal = new Terminal('watch', { DATABASE_URL: url });
  await terminal.shows(new RegExp(`${workflow}.* 0/1 [\\s\\S]*Ctrl-C stops watching\\.`));

  await start(30);
  await terminal.shows(/and \d+ more under way[\s\S]*Ctrl-C stops watching\./);
  terminal.type('\x03');

  assert.equal(await terminal.ended, 0);
  assert.doesNotMatch(afterScreen(terminal), /under way/);
});

test('in a real terminal, a runner that is at work when the terminal is closed signs off', {
  skip,
}, async () => {
  await using database = await createDatabase();
  using terminal = new Terminal('runner', { DATABASE_URL: database.url });
  const lock = await database.pool.connect();
  await lock.query('begin; lock table purchase_orders');
  await terminal.shows(/is ready/);
  await database.pool.query(`select sluice.start_run('po_demo')`);
  await terminal.shows(/upsert_order +READY → RUNNING/);

  terminal[Symbol.dispose]();
  await terminal.ended;
  // The kernel has hung up, and so does a shell.
  const { rows } = await database.pool.query('select pid from sluice.runners');
  process.kill(rows[0].pid, 'SIGHUP');
  await lock.query('rollback');
  lock.release();

  await until(async () => {
    const { rowCount } = await database.pool.query(`select from sluice.runners where ending = 'stopped'`);
    return rowCount === 1;
  }, 'the runner to sign off');
});

test('a runner that was detached from its terminal goes on when that is closed', { skip }, async () => {
  await using database = await createDatabase();
  const { pool } = database;
  using terminal = new Terminal('runner', { DATABASE_URL: database.url }, 'setsid --wait');
  await terminal.shows(/is ready/);
  const { rows } = await pool.query('select pid from sluice.runners');

  terminal[Symbol.dispose]();
  await terminal.ended;
  await pool.query(`select sluice.start_run('po_demo')`);
  const hasEnded = async () => (await pool.query('select from v_run_history')).rowCount === 1;
  await until(hasEnded, 'the run to end').finally(() => process.kill(rows[0].pid, 'SIGTERM'));

  const hasStopped = `select from sluice.runners where ending = 'stopped'`;
  await until(async () => (await pool.query(hasStopped)).rowCount === 1, 'the runner to sign off');
});

test('in a real terminal, the name of who cancelled a run is escaped', { skip }, async () => {
  await using scene = await running({ only: [] });
  const { url, pool } = await fileDatabase();
  await pool.query('select sluice.cancel_run($1, $2)', [scene.run, '\x1b[31mAda']);
  using terminal = new Terminal(`cancel ${scene.run}`, { DATABASE_URL: url });

  assert.equal(await terminal.ended, 0);
  assert.match(terminal.output, /run \d+ was cancelled by \\x1b\[31mAda already\./);
});

test('in a real terminal, a list of runs under way that is cut says how many are missing, and how to see them', {
  skip,
}, async () => {
  const { url, pool } = await fileDatabase();
  const workflow = await draw({ only: [] });
  const { rows } = await pool.query('select sluice.start_run($1) as id from generate_series(1, 3)', [
    workflow,
  ]);
  using terminal = new Terminal(`runs --workflow ${workflow} --limit 2`, { DATABASE_URL: url });

  assert.equal(await terminal.ended, 0);
  const rest = `--workflow ${workflow} --status running --limit 2 --before-run ${rows[1].id}`;
  assert.ok(terminal.plain.includes(`\nand 1 more under way: npm run runs -- ${rest}\r\n`), terminal.plain);
});

test('in a real terminal, prune says the age as it was typed', { skip }, async () => {
  const { url } = await fileDatabase();
  using terminal = new Terminal('prune --older-than 90d', { DATABASE_URL: url });

  assert.equal(await terminal.ended, 0);
  assert.match(terminal.output, /no run ended more than 90 days ago/);
});

test('in a real terminal without colour and Unicode, screens are plain', { skip }, async () => {
  const { url } = await fileDatabase();
  const workflow = await draw({ only: [], next: ['only'] });
  const env = { DATABASE_URL: url, NO_COLOR: '1', LC_ALL: 'C' };
  using terminal = new Terminal(`graph ${workflow}`, env);

  assert.equal(await terminal.ended, 0);
  assert.match(terminal.output, /\* only {2}none\.none\r\n\* next {2}none\.none\r\n/);
  assert.ok(!terminal.output.includes('\x1b'));
});

test('in a real terminal without Unicode, moves are told without it, by a runner and by --events', {
  skip,
}, async () => {
  await using database = await createDatabase();
  const env = { DATABASE_URL: database.url, LC_ALL: 'C' };
  using runner = new Terminal('runner', env);
  await runner.shows(/is ready/);
  const { rows } = await database.pool.query(`select sluice.start_run('po_demo') as id`);
  await runner.shows(/COMPLETED/);
  runner.type('\x03');
  using events = new Terminal(`runs ${rows[0].id} --events`, env);

  assert.equal(await events.ended, 0);
  for (const { plain } of [runner, events]) {
    assert.match(plain, /write_alert .*RUNNING > SUCCESS/);
    assert.match(plain, /^[\s\x20-\x7e]*$/);
  }
  await runner.ended;
});
