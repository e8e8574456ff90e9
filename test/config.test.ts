import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { childEnvironment, defaultDataFolder, readConfig } from '../src/config.ts';
import { addressOf, databaseUrlProblems } from '../src/database/url.ts';

function problemsOf(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof Error && error.name === 'UsageError');
    return error.message;
  }
  return '';
}

test('nothing set means the embedded database', () => {
  const { databaseUrl, logLevel, logFormat, dataFolder } = readConfig({});

  assert.deepEqual([databaseUrl, logLevel, logFormat], [undefined, 'info', 'pretty']);
  assert.equal(dataFolder, defaultDataFolder());
});

test('every wrong variable is reported at once, with what it may be', () => {
  const message = problemsOf({ DATABASE_URL: ' ', LOG_LEVEL: 'loud', LOG_FORMAT: '', SLUICE_DATA_DIR: '' });

  assert.match(message, /^BAD_LOG_LEVEL "loud" is not one of: debug, info, warn, error, silent\.$/m);
  assert.match(message, /^BAD_LOG_FORMAT "" is not one of: pretty, json\.$/m);
  assert.match(message, /^BAD_DATABASE_URL is blank\. Unset it to use the embedded database/m);
  assert.match(message, /^BAD_SLUICE_DATA_DIR is blank\./m);
});

test('connection strings that pg understands are accepted', () => {
  const good = [
    'postgres://localhost/sluice',
    'postgresql://me:p%40ss@db.example.com:6432/sluice?sslmode=verify-full',
    'postgres://me:secret@[::1]:5432/sluice',
    'postgres:///sluice?host=/var/run/postgresql',
    'postgres://me:a,b@db/sluice',
    'postgres://db/sluice?application_name=me@desk',
  ];

  for (const url of good) assert.deepEqual(databaseUrlProblems(url), [], url);
});

test('a database is where pg connects to: what stands behind the question mark wins', () => {
  const urls = ['postgres://db/x', 'postgres://db:6000/x', 'postgres://db:6000/x?host=/run&port=7000'];

  assert.deepEqual(
    urls.map((url) => addressOf(new URL(url))),
    [
      { host: 'db', port: '5432' },
      { host: 'db', port: '6000' },
      { host: '/run', port: '7000' },
    ],
  );
});

test('a wrong connection string is explained and never repeated', () => {
  const bad: [string, RegExp][] = [
    ['', /is blank/],
    ['  ', /is blank/],
    ['postgres://me@db/a%ff', /a % that encodes nothing/],
    ['postgres//me:hunter2@db/sluice', /scheme must be postgres:\/\/ or postgresql:\/\/ \(value hidden\)/],
    ['mysql://me:hunter2@db/sluice', /scheme/],
    ['http://me:hunter2@db/sluice', /scheme/],
    ['socket:/var/run/postgresql?db=sluice', /scheme/],
    ['/var/run/postgresql sluice', /scheme/],
    ['postgres://me:hunter2#@db/sluice', /# is %23/],
    ['postgres://me:1#hunter2@db/sluice', /# is %23/],
    ['postgres://me:1/hunter2@db/sluice', /\/ is %2F/],
    ['postgres://me:1?hunter2@db/sluice', /Percent-encode/],
    ['postgres://me:hunter2%@db/sluice', /% that encodes nothing/],
    ['postgres://me:hunter2@db:0/sluice', /port must be between 1 and 65535/],
    ['postgres://me:hunter2@db:99999/sluice', /^port must be between 1 and 65535\.$/],
    ['postgres://me:hunter2@db:5432/sluice?port=99999', /port/],
    ['postgres://me:hunter2@db:abc/sluice', /^port must be between 1 and 65535\.$/],
    ['postgres://[::1]:abc', /^port must .*\nnames no database/],
    ['postgres://me:hunter2#@db:abc/sluice', /# is %23/],
    ['postgres://me:a/hunter2@db/sluice', /\/ is %2F/],
    ['postgres://me:hunter2@db', /names no database/],
    ['postgres://me:hunter2@db/', /names no database/],
    ['postgres:///sluice', /names no host/],
    ['postgres://me:hunter2@db/sluice?sslmode=bogus', /sslmode must be one of: disable/],
    ['postgres://me:hunter2@db/sluice?sslrootcert=/nowhere/ca.pem', /sslrootcert .* cannot be read/],
    ['postgres://me:hunter2@one:5432,two:5432/sluice', /several hosts/],
  ];

  for (const [url, expected] of bad) {
    const message = databaseUrlProblems(url).join('\n');
    assert.match(message, expected, url);
    assert.doesNotMatch(message, /hunter2/);
  }
});

test('the data lie in the checkout, for root in a place of this checkout where every account can go', () => {
  assert.equal(defaultDataFolder('/home/me/sluice', false), join('/home/me/sluice', '.sluice'));
  assert.match(
    defaultDataFolder('/root/sluice', true),
    /^\/(var\/lib|var\/tmp|tmp)\/sluice\/sluice-[0-9a-f]{8}$/,
  );
  assert.notEqual(defaultDataFolder('/root/a/sluice', true), defaultDataFolder('/root/b/sluice', true));
});

test('programs we start do not see variables meant for others', () => {
  const env = {
    PATH: '/bin',
    PGHOST: 'elsewhere',
    NODE_OPTIONS: '--bad',
    DATABASE_URL: 'x',
    LANG: 'tr_TR',
    LC_ALL: 'x',
  };

  assert.deepEqual(childEnvironment(env), { PATH: '/bin', LC_ALL: 'C', TZ: 'UTC', FORCE_COLOR: '0' });
});
