import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { connectors, defineWorkflow } from '../src/connectors/index.ts';
import { input, output, run } from '../src/references.ts';
import { connectorProblems } from '../src/workflow.ts';

/*
 * What does not compile. `npm test` type-checks this file: were one of these mistakes accepted, its "@ts-expect-error"
 * would itself be an error. What a person sees who has no type checker is said when the workflow is registered.
 */

const given = z.strictObject({ email: z.string(), days: z.int().default(7) });
const read = { connector: 'email', operation: 'read', parameters: { path: 'mail.txt' } } as const;

test('a workflow without mistakes compiles, and is plain data', () => {
  const workflow = defineWorkflow('right', {
    input: given,
    tasks: {
      read: {
        connector: 'email',
        operation: 'read',
        parameters: { path: input('email') },
        retries: 2,
        timeoutMs: 1000,
      },
      store: {
        connector: 'database',
        operation: 'upsert',
        parameters: {
          table: 'mails',
          key: ['id'],
          row: { id: run('id'), subject: output('read', 'subject'), days: input('days') },
        },
        after: ['read'],
        when: { value: output('read', 'html_used'), is: false },
      },
    },
  });

  assert.deepEqual(JSON.parse(JSON.stringify(workflow)), workflow);
  assert.deepEqual(connectorProblems(workflow, connectors), []);
  assert.deepEqual(
    workflow.tasks.map(({ name, after, retries, timeout_ms }) => ({ name, after, retries, timeout_ms })),
    [
      { name: 'read', after: [], retries: 2, timeout_ms: 1000 },
      { name: 'store', after: ['read'], retries: 0, timeout_ms: 600_000 },
    ],
  );
});

test('the input’s schema is registered with its defaults', () => {
  const { input: schema } = defineWorkflow('right', { input: given, tasks: { read } });

  assert.deepEqual(schema, {
    type: 'object',
    properties: {
      email: { type: 'string' },
      days: {
        type: 'integer',
        default: 7,
        minimum: Number.MIN_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
      },
    },
    required: ['email'],
    additionalProperties: false,
  });
});

test('a misspelt parent does not compile', () => {
  // @ts-expect-error there is no task "raed"
  defineWorkflow('wrong', { input: given, tasks: { read, next: { ...read, after: ['raed'] } } });
});

test('a misspelt connector does not compile', () => {
  const workflow = defineWorkflow('wrong', {
    input: given,
    // @ts-expect-error there is no connector "emial"
    tasks: { read: { ...read, connector: 'emial' } },
  });

  assert.deepEqual(connectorProblems(workflow, connectors), [
    'task "read": there is no connector "emial". Did you mean "email"? There are: ' +
      `${Object.keys(connectors).join(', ')}.`,
  ]);
});

test('a misspelt field of a task does not compile, and is handed on to be refused', () => {
  // @ts-expect-error there is no field "retry"
  const workflow = defineWorkflow('wrong', { input: given, tasks: { read: { ...read, retry: 2 } } });

  assert.ok('retry' in (workflow.tasks[0] ?? {}));
});

test('a misspelt operation does not compile', () => {
  // @ts-expect-error there is no operation "raed"
  const workflow = defineWorkflow('wrong', { input: given, tasks: { read: { ...read, operation: 'raed' } } });

  assert.deepEqual(connectorProblems(workflow, connectors), [
    'task "read": connector "email" has no operation "raed". Did you mean "read"? There are: read.',
  ]);
});

test('an operation of another connector does not compile', () => {
  // @ts-expect-error "upsert" is an operation of "database"
  defineWorkflow('wrong', { input: given, tasks: { read: { ...read, operation: 'upsert' } } });
});

test('a misspelt parameter does not compile', () => {
  const workflow = defineWorkflow('wrong', {
    input: given,
    // @ts-expect-error there is no parameter "paht"
    tasks: { read: { connector: 'email', operation: 'read', parameters: { paht: 'mail.txt' } } },
  });

  const problems = connectorProblems(workflow, connectors);
  assert.equal(problems.length, 2);
  assert.match(problems[0] ?? '', /^task "read": parameters\.path: /);
  assert.match(problems[1] ?? '', /^task "read": parameters: .*"paht"/);
});

test('a parameter of the wrong type does not compile', () => {
  const workflow = defineWorkflow('wrong', {
    input: given,
    // @ts-expect-error a path is text
    tasks: { read: { connector: 'email', operation: 'read', parameters: { path: 7 } } },
  });

  assert.match(connectorProblems(workflow, connectors)[0] ?? '', /^task "read": parameters\.path: /);
});

test('a misspelt input does not compile', () => {
  defineWorkflow('wrong', {
    input: given,
    // @ts-expect-error there is no input "emial"
    tasks: { read: { connector: 'email', operation: 'read', parameters: { path: input('emial') } } },
  });
});

test('an input of a workflow that has none does not compile, but of one that takes any', () => {
  const tasks = {
    read: { connector: 'email', operation: 'read', parameters: { path: input('email') } },
  } as const;

  // @ts-expect-error there is no input at all
  defineWorkflow('wrong', { input: z.strictObject({}), tasks });
  defineWorkflow('loose', { input: z.looseObject({}), tasks });
});

test('a reference to a task that is not there does not compile', () => {
  const path = output('raed', 'source');

  // @ts-expect-error there is no task "raed"
  defineWorkflow('wrong', { input: given, tasks: { read: { ...read, parameters: { path } } } });
});

test('a condition on a task that is not there does not compile', () => {
  const when = { value: output('raed'), is: true };

  // @ts-expect-error there is no task "raed"
  defineWorkflow('wrong', { input: given, tasks: { read: { ...read, when } } });
});

test('a misspelt option of a task does not compile', () => {
  // @ts-expect-error it is called "retries"
  defineWorkflow('wrong', { input: given, tasks: { read: { ...read, retires: 3 } } });
});

test('a fact of the run that there is not does not compile', () => {
  // @ts-expect-error a run has an id and a created_at
  assert.equal(run('number').$run[0], 'number');
});
