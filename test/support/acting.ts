import * as z from 'zod';
import { Connector, type Operation, operation, type TaskContext } from '../../src/connector.ts';
import type { Json } from '../../src/json.ts';

/** What a task of a test does, written where the test is. */
export type Act = (parameters: Json, context: TaskContext) => unknown;

class ActingConnector extends Connector {
  readonly operations: Readonly<Record<string, Operation<z.ZodType<Json>>>>;

  constructor(acts: Readonly<Record<string, Act>>) {
    super();
    this.operations = Object.fromEntries(
      Object.entries(acts).map(([name, act]) => [
        name,
        operation({
          parameters: z.json(),
          run: async (given, context) => (await act(given, context)) as Json,
        }),
      ]),
    );
  }
}

/** A connector whose operations are these functions. */
export function acting(acts: Readonly<Record<string, Act>>): Connector {
  return new ActingConnector(acts);
}

/** Something that happens once; whoever waits for it goes on then. */
export function event<T = void>(): { readonly happened: Promise<T>; readonly happens: (value: T) => void } {
  let happens: (value: T) => void = () => {};
  const happened = new Promise<T>((resolve) => {
    happens = resolve;
  });
  return { happened, happens };
}
