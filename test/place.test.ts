import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { examine, type File } from '../src/inbox/folder.ts';
import { place, remove } from '../src/inbox/place.ts';

/** A folder with this mail in it, to be moved into a folder within. */
async function inbox(
  content: string,
): Promise<{ file: File & { folder: string }; to: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-place-'));
  const to = join(folder, 'done');
  await mkdir(to);
  await writeFile(join(folder, 'a.txt'), content);
  const entry = await examine(folder, 'a.txt');
  assert.ok(entry && 'stamp' in entry);
  const dispose = () => rm(folder, { recursive: true, force: true });
  return { file: { ...entry, folder }, to, [Symbol.asyncDispose]: dispose };
}

const HASH = '0123456789abcdef';

test('a mail is placed under another name where there is another mail of its own', async () => {
  await using mail = await inbox('one');
  await writeFile(join(mail.to, 'a.txt'), 'two');

  assert.equal(await place(mail.file, mail.to, Buffer.from('one'), HASH), 'a-01234567.txt');
  assert.equal(await readFile(join(mail.to, 'a.txt'), 'utf8'), 'two');
});

test('a mail that lies there already is not placed once more', async () => {
  await using mail = await inbox('one');
  await writeFile(join(mail.to, 'a.txt'), 'one');

  assert.equal(await place(mail.file, mail.to, Buffer.from('one'), HASH), 'a.txt');
  assert.deepEqual(await readdir(mail.to), ['a.txt']);
});

test('a mail is not placed where others have both of its names', async () => {
  await using mail = await inbox('one');
  await writeFile(join(mail.to, 'a.txt'), 'two');
  await writeFile(join(mail.to, 'a-01234567.txt'), 'too');

  await assert.rejects(place(mail.file, mail.to, Buffer.from('one'), HASH), { code: 'INBOX_NOT_MOVED' });
});

test('a mail that has changed since it was read is not placed', async () => {
  await using mail = await inbox('two');

  await assert.rejects(place(mail.file, mail.to, Buffer.from('one'), HASH), { code: 'EMAIL_CHANGED' });
  assert.deepEqual(await readdir(mail.to), []);
});

test('a mail is taken away if it still is what it was, and left alone if not', async () => {
  await using mail = await inbox('one');
  const { file } = mail;

  await remove(file.folder, { ...file, stamp: `${file.stamp}0` });
  const left = await readdir(file.folder);
  await remove(file.folder, file);

  assert.deepEqual([left, await readdir(file.folder)], [['a.txt', 'done'], ['done']]);
});
