import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ended, Results } from '../src/runner/results.ts';

const ended = (task_no: number) => ({ result: { run_id: '1', task_no, token: 1, output: null } }) as Ended;
const numbers = (batch: readonly Ended[]) => batch.map(({ result }) => result.task_no);

test('results of a hop that got no answer go one by one, as together they may be too much for a hop', () => {
  const results = new Results();
  results.keep(results.take(), 20, new Error('Query read timeout'));
  for (const task of [1, 2, 3]) results.add(ended(task));

  results.keep(results.take(), 0, new Error('Query read timeout'));
  const hops = [results.take(), results.take(), results.take(), results.take()];
  results.add(ended(4));
  results.add(ended(5));

  assert.deepEqual(hops.map(numbers), [[1], [2], [3], []]);
  assert.deepEqual(numbers(results.take()), [4, 5]);
});
