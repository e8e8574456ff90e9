import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, link, mkdir, open, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EmailConnector } from '../src/connectors/email.ts';
import { Mails, ORDER } from './support/mails.ts';
import { taskContext } from './support/task_context.ts';

const mails = await Mails.open();
const { folder, inbox } = mails;
after(() => mails.remove());

test('a file outside the root is refused, by whatever way it is reached', async () => {
  await writeFile(join(folder, 'secret.txt'), ORDER);
  await symlink(join(folder, 'secret.txt'), join(inbox, 'link.txt'));
  await symlink(folder, join(inbox, 'up'));
  await symlink('/proc/self/environ', join(inbox, 'environ.txt'));

  for (const path of [
    '../secret.txt',
    join(folder, 'secret.txt'),
    'link.txt',
    'up/secret.txt',
    'environ.txt',
    '/etc/passwd',
    '..',
  ]) {
    const message = new RegExp(`is outside of ${inbox}, where this runner reads emails`);
    await assert.rejects(mails.read(path), { code: 'PATH_OUTSIDE_ROOT', message }, path);
  }
});

test('a file inside the root is read by a relative or absolute path, and through links that stay inside', async () => {
  await writeFile(join(inbox, 'inside.txt'), ORDER);
  await symlink('inside.txt', join(inbox, 'near.txt'));
  await link(join(inbox, 'inside.txt'), join(inbox, 'hard.txt'));

  for (const path of ['inside.txt', './x/../inside.txt', join(inbox, 'inside.txt'), 'near.txt', 'hard.txt']) {
    assert.equal((await mails.read(path)).subject, 'order', path);
  }
});

test('a hard link is a file of its folder: who may put one there may as well put a copy', async () => {
  await writeFile(join(folder, 'elsewhere.txt'), ORDER);
  await link(join(folder, 'elsewhere.txt'), join(inbox, 'linked.txt'));

  assert.equal((await mails.read('linked.txt')).subject, 'order');
});

test('several roots may be allowed', async () => {
  const other = join(folder, 'other');
  await mkdir(other);
  await writeFile(join(other, 'x.txt'), ORDER);

  const email = await mails.read(join(other, 'x.txt'), [inbox, other]);

  assert.equal(email.subject, 'order');
});

test('what is no regular file is refused at once', async () => {
  execFileSync('mkfifo', [join(inbox, 'pipe')]);
  await symlink('loop.txt', join(inbox, 'loop.txt'));
  await using socket = createServer().listen(join(inbox, 'socket'));
  await once(socket, 'listening');

  await assert.rejects(mails.read('pipe'), { code: 'EMAIL_NOT_A_FILE' });
  await assert.rejects(mails.read('loop.txt'), { code: 'EMAIL_NOT_A_FILE' });
  await assert.rejects(mails.read('.'), { code: 'EMAIL_NOT_A_FILE', message: /is a directory/ });
  await assert.rejects(mails.read('socket'), { code: 'EMAIL_NOT_A_FILE' });
  await assert.rejects(mails.read('null', '/dev'), { code: 'EMAIL_NOT_A_FILE' });
  await assert.rejects(mails.read('zero', '/dev'), { code: 'EMAIL_NOT_A_FILE' });
});

test('a file that is not there is named, escaped and short', async () => {
  await assert.rejects(mails.read('no\u001b[31m\n.txt'), {
    code: 'EMAIL_NOT_FOUND',
    message: `there is no file "no\\u001b[31m\\n.txt", seen from ${inbox}. Check the path.`,
  });
  await assert.rejects(
    mails.read(`${'x'.repeat(300)}.txt`),
    ({ message }: Error) => message.length < 120 + inbox.length,
  );
  await assert.rejects(mails.read('a\0b'), { code: 'EMAIL_NOT_FOUND' });
});

test('a file without permission says so', {
  skip: process.getuid?.() === 0 && 'root may read everything',
}, async () => {
  await writeFile(join(inbox, 'locked.txt'), ORDER, { mode: 0 });

  await assert.rejects(mails.read('locked.txt'), { code: 'EMAIL_UNREADABLE', message: /permission denied/ });
});

test('a file that is too large is refused without reading it', async () => {
  await writeFile(join(inbox, 'huge.txt'), '');
  await truncate(join(inbox, 'huge.txt'), 2 ** 31);

  await assert.rejects(mails.read('huge.txt'), {
    code: 'EMAIL_TOO_LARGE',
    message: /2147483648 bytes; the limit is 10485760/,
  });
});

test('a file that changes while it is read is told, whether it grows, shrinks or is replaced', async (t) => {
  const path = join(inbox, 'moving.txt');
  const changes = {
    grows: () => appendFile(path, 'more'),
    shrinks: () => truncate(path, 5),
    'is replaced': async () => {
      await writeFile(`${path}.new`, ORDER);
      await rename(`${path}.new`, path);
    },
    'is removed': () => rm(path),
  };
  await writeFile(path, ORDER);
  await using handle = await open(path);
  const prototype = Object.getPrototypeOf(handle);

  for (const [name, change] of Object.entries(changes)) {
    await writeFile(path, ORDER);
    const original = prototype.read;
    // Between the look at its size and the first byte.
    const reading = t.mock.method(prototype, 'read', async function (this: unknown, ...args: unknown[]) {
      reading.mock.restore();
      await change();
      return Reflect.apply(original, this, args);
    });

    await assert.rejects(mails.read('moving.txt'), { code: 'EMAIL_CHANGED' }, name);
  }
});

test('parameters of the wrong shape are refused', async () => {
  const connector = new EmailConnector({ root: inbox });

  for (const parameters of [{}, { path: '' }, { path: 1 }, { path: 'a', extra: 1 }]) {
    await assert.rejects(connector.execute('read', parameters, taskContext()), { code: 'BAD_PARAMETERS' });
  }
});
