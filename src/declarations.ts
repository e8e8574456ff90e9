import * as z from 'zod';
import { messageOf, UsageError } from './errors.ts';
import { type JsonObject, jsonProblem } from './json.ts';
import { readDeclaration } from './register.ts';
import type { Connection } from './store.ts';

interface Known {
  readonly workflowId: string;
  readonly input: z.ZodType;
  /** What an input is, in the words of the workflow. */
  readonly described: ReadonlyMap<string, string>;
}

/** What workflows ask of their inputs, as it was last seen. */
export class Declarations {
  readonly #db: Connection;
  readonly #known = new Map<string, Known>();

  constructor(db: Connection) {
    this.#db = db;
  }

  /**
   * Throws a UsageError unless all are what the workflow declares; gives the version that it looked at. The database itself
   * checks names and types only.
   */
  async check(workflow: string, inputs: readonly JsonObject[]): Promise<string | undefined> {
    for (const input of inputs) {
      const unstorable = jsonProblem(input);
      if (unstorable)
        throw new UsageError(`BAD_INPUT the input of ${workflow} cannot be stored as JSON at ${unstorable}.`);
    }
    // A version that was looked up before may have been superseded: only its yes counts, and start_runs has the last word.
    const known = this.#known.get(workflow);
    if (known && inputs.every((input) => known.input.safeParse(input).success)) return known.workflowId;
    const declared = await this.#read(workflow);
    if (!declared) return undefined;
    for (const [index, input] of inputs.entries()) {
      const { error } = declared.input.safeParse(input);
      if (!error) continue;
      const which = inputs.length > 1 ? `input ${index + 1}` : 'the input';
      const problems = error.issues.map(({ code, path, message }) => {
        if (path.length === 0) return message;
        const name = path.join('.');
        // Nobody reads a pattern.
        const described = code === 'invalid_format' ? declared.described.get(name) : undefined;
        return `"${name}": ${described ? `it has to be ${described}` : message}`;
      });
      throw new UsageError(
        `BAD_INPUT ${which} of ${workflow} is not valid: ${problems.join('; ')}. Nothing was started.`,
      );
    }
    return declared.workflowId;
  }

  /** There is a newer version. */
  forget(workflow: string): void {
    this.#known.delete(workflow);
  }

  async #read(workflow: string): Promise<Known | undefined> {
    const found = await readDeclaration(this.#db, workflow);
    if (!found) return undefined;
    const properties = Object.entries((found.input.properties ?? {}) as Record<string, JsonObject>);
    const declared = {
      workflowId: found.workflowId,
      input: parse(workflow, found.input),
      described: new Map(
        properties.flatMap(([name, { description }]) =>
          typeof description === 'string' ? [[name, description]] : [],
        ),
      ),
    };
    this.#known.set(workflow, declared);
    return declared;
  }
}

function parse(workflow: string, schema: JsonObject): z.ZodType {
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    throw new UsageError(
      `BAD_SCHEMA the schema of ${workflow}'s inputs cannot be read: ${messageOf(error)}. Nothing was started; register the workflow anew.`,
      { cause: error },
    );
  }
}
