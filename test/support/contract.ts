import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connector, TaskContext } from '../../src/connector.ts';
import { ConnectorError } from '../../src/errors.ts';
import { type Json, jsonProblem } from '../../src/json.ts';

/** What a connector has to bring to be held to the contract. */
interface Party {
  readonly connector: Connector;
  /** One attempt of a task. What it did in its transaction is undone afterwards, as a failed attempt's would be. */
  readonly attempt: <T>(act: (context: TaskContext) => Promise<T>, signal?: AbortSignal) => Promise<T>;
  readonly operations: Readonly<
    Record<
      string,
      {
        /** Parameters with which it succeeds. */
        readonly good: { readonly [key: string]: Json };
        /** Parameters that are wrong in several places, and what has to be said of each. */
        readonly bad: readonly [parameters: Json, ...problems: RegExp[]];
        /** Parameters that are well-formed, but of which nothing can come; none when that cannot be. */
        readonly hopeless?: Json;
      }
    >
  >;
}

/** What every connector promises to those who run it. */
export function contract(name: string, { connector, attempt, operations }: Party): void {
  const run = (operation: string, parameters: Json, signal?: AbortSignal) =>
    attempt((context) => connector.execute(operation, parameters, context), signal);

  test(`${name}: an operation that it does not have is refused, and what there is is said`, async () => {
    for (const unknown of ['', 'unknown', 'constructor', '__proto__', 'toString']) {
      await assert.rejects(run(unknown, {}), {
        name: 'ConnectorError',
        code: 'UNKNOWN_OPERATION',
        message: `there is no operation "${unknown}". There are: ${Object.keys(operations).join(', ')}.`,
      });
    }
  });

  for (const [operation, { good, bad, hopeless }] of Object.entries(operations)) {
    test(`${name} ${operation}: all that is wrong with its parameters is said at once`, async () => {
      const [parameters, ...problems] = bad;

      await assert.rejects(run(operation, parameters), (error: unknown) => {
        assert.ok(error instanceof ConnectorError);
        assert.equal(error.code, 'BAD_PARAMETERS');
        for (const problem of problems) assert.match(error.message, problem);
        return true;
      });
    });

    test(`${name} ${operation}: parameters that are missing or unknown are refused`, async () => {
      for (const parameters of [null, 'text', [], { ...good, unheard_of: 1 }])
        await assert.rejects(
          run(operation, parameters),
          { code: 'BAD_PARAMETERS' },
          JSON.stringify(parameters),
        );
    });

    test(`${name} ${operation}: does nothing once it is told to stop`, async () => {
      const reason = new ConnectorError('STOPPED', 'enough');

      await assert.rejects(run(operation, good, AbortSignal.abort(reason)), reason);
    });

    test(`${name} ${operation}: puts out JSON`, async () => {
      const output = await run(operation, good);

      assert.equal(jsonProblem(output), undefined);
      assert.deepEqual(JSON.parse(JSON.stringify(output)), output);
    });

    test(`${name} ${operation}: gives the same result when it is repeated`, async () => {
      assert.deepEqual(await run(operation, good), await run(operation, good));
    });

    if (hopeless !== undefined) {
      test(`${name} ${operation}: says with a code why it cannot do its work`, async () => {
        await assert.rejects(run(operation, hopeless), (error: unknown) => {
          assert.ok(error instanceof ConnectorError, String(error));
          assert.match(error.code, /^[A-Z][A-Z0-9_]+$/);
          assert.notEqual(error.message, '');
          return true;
        });
      });
    }
  }
}
