import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ended } from '../src/runner/results.ts';
import { Search } from '../src/runner/search.ts';
import type { ClaimedTask } from '../src/store.ts';

const claimed = (...runs: string[]) => runs.map((run_id) => ({ run_id })) as unknown as ClaimedTask[];
const succeeded = (run_id: string) => ({ result: { run_id, output: null } }) as unknown as Ended;
const failed = (run_id: string) => ({ result: { run_id, error: { code: 'X', message: 'x' } } }) as Ended;

test('a runner begins with a look at the oldest run, and one look is enough', () => {
  const search = new Search();

  assert.deepEqual(search.begin(), { from: '0' });
  assert.equal(search.isDue, false);
  assert.equal(search.begin(), undefined);
});

test('a look that got less than it asked for leaves nothing to look for', () => {
  const search = new Search();
  search.end(search.begin(), 3, claimed('5', '6'), []);

  assert.equal(search.isDue, false);
});

test('a look that got all that it asked for is gone on with, at the first run in which it found something', () => {
  const search = new Search();
  search.end(search.begin(), 2, claimed('5', '6'), []);

  assert.deepEqual(search.begin(), { from: '5' });
  // Until one comes back with less, for every lane.
  assert.deepEqual(search.begin(), { from: '5' });
});

test('a look that got more than it asked for, by somebody’s own trigger, is gone on with', () => {
  const search = new Search();
  search.end(search.begin(), 1, claimed('5', '6'), []);

  assert.deepEqual(search.begin(), { from: '5' });
});

test('a look that comes back with less ends the search, unless another one has gone on meanwhile', () => {
  const search = new Search();
  const first = search.begin();
  search.end(first, 1, claimed('5'), []);
  const second = search.begin();
  search.end(second, 1, claimed('7'), []);

  search.end(first, 2, claimed('5'), []);
  assert.deepEqual(search.begin(), { from: '7' });

  const last = search.begin();
  search.end(last, 2, claimed('8'), []);
  assert.equal(search.isDue, false);
});

test('a ring begins anew', () => {
  const search = new Search();
  search.end(search.begin(), 1, claimed('5'), []);
  search.ring();

  assert.deepEqual(search.begin(), { from: '0' });
});

test('a ring while a look is under way is not lost', () => {
  const search = new Search();
  const look = search.begin();
  search.ring();
  search.end(look, 2, [], []);

  assert.deepEqual(search.begin(), { from: '0' });
});

test('a hop without room is followed by a look: its results may have made something READY', () => {
  const search = new Search();
  search.begin();
  search.end(undefined, 0, [], [succeeded('5')]);

  assert.deepEqual(search.begin(), { from: '0' });
});

for (const [what, ended] of [
  ['that took no more than its results had made READY', [succeeded('5'), succeeded('6')]],
  ['with a failure', [failed('4')]],
] as const) {
  test(`after a full hop ${what}, the search begins anew`, () => {
    const search = new Search();
    search.end(search.begin(), 2, claimed('5', '6'), []);
    search.end(search.begin(), 2, claimed('5', '6'), ended);

    assert.deepEqual(search.begin(), { from: '0' });
  });
}

test('what a hop took in runs of its own results does not move the search on', () => {
  const search = new Search();
  search.end(search.begin(), 2, claimed('5', '9'), [succeeded('5')]);

  assert.deepEqual(search.begin(), { from: '9' });
});
