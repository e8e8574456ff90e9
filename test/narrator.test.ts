import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../src/log.ts';
import { Narrator } from '../src/runner/narrator.ts';
import type { Ended } from '../src/runner/results.ts';
import type { Answer, Hop } from '../src/store.ts';

interface Telling {
  readonly narrator: Narrator;
  /** `warn: …` */
  readonly lines: string[];
}

function listenTo({ quiet = false } = {}): Telling {
  const lines: string[] = [];
  const tell = (level: string) => (_: unknown, phrase: string) => void lines.push(`${level}: ${phrase}`);
  const log: Log = {
    debug: tell('debug'),
    info: tell('info'),
    warn: tell('warn'),
    error: tell('error'),
    quiet,
  };
  return { narrator: new Narrator(log, (id) => `workflow ${id}`), lines };
}

const CLAIM = { run_id: '7', task_no: 1, token: 3 };
const NOTHING: Hop = { answers: [], finished: [], claimed: [] };

/** The second of three attempts. */
function ended(outcome: { output: null } | { error: string }): Ended {
  const task = { ...CLAIM, attempt: 2, workflow_id: '1', run_created_at: '', input: {}, outputs: null };
  const definition = {
    ...{ name: 'post', connector: 'c', operation: 'o', parameters: null, condition: null, reads: [] },
    ...{ retries: 2, timeout_ms: 1 },
  };
  const result = 'error' in outcome ? { error: { code: 'E', message: outcome.error } } : outcome;
  return { execution: { task, definition, tookMs: 12.3 }, result: { ...CLAIM, ...result } };
}

const SUCCESS = ended({ output: null });
const FAILURE = ended({ error: 'no paper' });

for (const [what, one, answer, line] of [
  ['a success', SUCCESS, undefined, 'info: RUNNING → SUCCESS in 12 ms'],
  [
    'one that had been written before its answer was lost',
    SUCCESS,
    'ALREADY',
    'info: RUNNING → SUCCESS in 12 ms',
  ],
  [
    'one that came too late',
    SUCCESS,
    'LOST',
    'warn: the result is refused: the task was taken over meanwhile',
  ],
  [
    'a failure that came too late',
    FAILURE,
    'LOST',
    'warn: the result is refused: the task was taken over meanwhile',
  ],
  ['one with attempts left', FAILURE, 'RETRY', 'warn: attempt 2 of 3 failed, trying again: no paper'],
  [
    'one whose answer was lost, so that what follows is not known',
    FAILURE,
    'ALREADY',
    'warn: attempt 2 of 3 failed: no paper',
  ],
  ['the last one', FAILURE, 'FAILED', 'error: RUNNING → FAILED: no paper'],
] as const) {
  test(`how a task ended is told as the database says it: ${what}`, () => {
    const { narrator, lines } = listenTo();
    const answers: Answer[] = answer ? [{ ...CLAIM, answer }] : [];

    narrator.tell({ ...NOTHING, answers }, [one]);

    assert.deepEqual(lines, [line]);
  });
}

test('an answer is to the result of its task and of its token, and to no other', () => {
  const { narrator, lines } = listenTo();
  const answers: Answer[] = [
    { ...CLAIM, run_id: '71', answer: 'LOST' },
    { ...CLAIM, task_no: 13, answer: 'LOST' },
    { ...CLAIM, token: 4, answer: 'LOST' },
  ];

  narrator.tell({ ...NOTHING, answers }, [SUCCESS]);

  assert.deepEqual(lines, ['info: RUNNING → SUCCESS in 12 ms']);
});

test('where lines of info go unread, what failed is told all the same', () => {
  const { narrator, lines } = listenTo({ quiet: true });

  narrator.tell(NOTHING, [SUCCESS]);
  narrator.tell({ ...NOTHING, answers: [{ ...CLAIM, answer: 'ALREADY' }] }, [FAILURE]);

  assert.deepEqual(lines, ['warn: attempt 2 of 3 failed: no paper']);
});

test('the end of a run is told with where and why it failed', () => {
  const { narrator, lines } = listenTo();
  const run = { run_id: '7', workflow_id: '1', took_ms: 1500 };
  const failure = { task: 'post', reason: 'no paper' };

  narrator.tell({ ...NOTHING, finished: [{ ...run, answer: 'FAILED', failure }] }, []);
  narrator.tell({ ...NOTHING, finished: [{ ...run, answer: 'COMPLETED', failure: null }] }, []);

  assert.deepEqual(lines, [
    'error: run 7 of workflow 1 FAILED in 1.5 s at post: no paper',
    'info: run 7 of workflow 1 COMPLETED in 1.5 s',
  ]);
});

test('now and then it sums up what happened since it did last, and says nothing when that is nothing', () => {
  const { narrator, lines } = listenTo({ quiet: true });
  const finished = { run_id: '7', workflow_id: '1', took_ms: 1, answer: 'COMPLETED', failure: null } as const;

  narrator.tell({ ...NOTHING, finished: [finished] }, [SUCCESS, SUCCESS]);
  narrator.tell({ ...NOTHING, answers: [{ ...CLAIM, answer: 'RETRY' }] }, [FAILURE]);
  narrator.tell({ ...NOTHING, answers: [{ ...CLAIM, answer: 'FAILED' }] }, [FAILURE]);
  narrator.tellStopped({ run_id: '8', workflow: 'w', status: 'CANCELLED', reason: 'cancelled', took_ms: 1 });
  lines.length = 0;
  narrator.sumUp();
  narrator.sumUp();

  assert.deepEqual(lines, [
    'info: in 1 s: 2 tasks succeeded, 1 failed, 1 attempt was tried again, 2 runs ended; 3.0 tasks/s',
  ]);
});

test('what it sums up is counted as people do: one task, two attempts, no runs', () => {
  const { narrator, lines } = listenTo({ quiet: true });
  const retry = { ...CLAIM, answer: 'RETRY' } as const;

  narrator.tell({ ...NOTHING, answers: [retry, retry] }, [SUCCESS, FAILURE, FAILURE]);
  lines.length = 0;
  narrator.sumUp();

  assert.deepEqual(lines, [
    'info: in 1 s: 1 task succeeded, 0 failed, 2 attempts were tried again, 0 runs ended; 1.0 tasks/s',
  ]);
});
