import * as z from 'zod';
import { messageOf, UsageError } from './errors.ts';
import { type JsonObject, jsonProblem, own } from './json.ts';
import type { Connection } from './store.ts';

/** What the newest version of a workflow asks of inputs. */
interface Declaration {
  readonly workflowId: string;
  /** A JSON Schema. */
  readonly schema: JsonObject;
}

/** Undefined when there is no such workflow. */
export async function readDeclaration(db: Connection, workflow: string): Promise<Declaration | undefined> {
  const { rows } = await db.query(
    `select id as "workflowId", input_schema as schema
       from sluice.workflows where name = $1 order by version desc limit 1`,
    [workflow],
  );
  return rows[0];
}

/** The schema of each input. */
export function propertiesOf(schema: JsonObject | undefined): Readonly<Record<string, JsonObject>> {
  return (schema?.properties ?? {}) as Record<string, JsonObject>;
}

/** What is wrong with the key of a start; the database asks for the same, and cannot tell it as well. */
export function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string') return `it has to be text, and is ${typeof key}`;
  const { length } = [...key];
  if (length < 1 || length > 500) return `it has to have 1 to 500 characters, and has ${length}`;
  // Half a surrogate pair would be stored as another character, and so two keys as one.
  return jsonProblem(key, 'it cannot be stored');
}

/** Checks inputs against what their workflows declare, and remembers those declarations. */
export class Declarations {
  readonly #db: Connection;
  readonly #known = new Map<string, { readonly workflowId: string; readonly input: z.ZodType }>();

  constructor(db: Connection) {
    this.#db = db;
  }

  /**
   * Throws a UsageError unless all inputs are as the workflow declares them; the database checks their names and types only.
   * Gives the id of the version whose declaration it was; undefined when there is no such workflow.
   */
  async check(workflow: string, inputs: readonly JsonObject[]): Promise<string | undefined> {
    for (const input of inputs) {
      const unstorable = jsonProblem(input);
      if (unstorable)
        throw new UsageError(`BAD_INPUT the input of ${workflow} cannot be stored as JSON at ${unstorable}.`);
    }
    // A remembered version may have been superseded. When it refuses, the newest is read; when it does not, start_runs still
    // refuses a start that was checked for an older version.
    const known = this.#known.get(workflow);
    if (known && inputs.every((input) => known.input.safeParse(input).success)) return known.workflowId;
    const declaration = await readDeclaration(this.#db, workflow);
    if (!declaration) return undefined;
    const { workflowId, schema } = declaration;
    const declared = parse(workflow, schema);
    this.#known.set(workflow, { workflowId, input: declared });
    for (const [index, input] of inputs.entries()) {
      const { error } = declared.safeParse(input);
      if (!error) continue;
      const which = inputs.length > 1 ? `input ${index + 1}` : 'the input';
      const problems = error.issues.map(({ code, path, message }) => {
        if (path.length === 0) return message;
        const name = path.join('.');
        // The message would show a pattern, which few people can read.
        const described = code === 'invalid_format' && own(propertiesOf(schema), name)?.description;
        return `"${name}": ${described ? `it has to be ${described}` : message}`;
      });
      throw new UsageError(
        `BAD_INPUT ${which} of ${workflow} is not valid: ${problems.join('; ')}. Nothing was started.`,
      );
    }
    return workflowId;
  }

  /** To be called when there is a newer version. */
  forget(workflow: string): void {
    this.#known.delete(workflow);
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
