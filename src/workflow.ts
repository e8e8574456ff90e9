import * as z from 'zod';
import type { Connector } from './connector.ts';
import { didYouMean, messageOf } from './errors.ts';
import { type Json, type JsonObject, jsonProblem, own } from './json.ts';
import {
  type Condition,
  hasReference,
  type InputReference,
  isReferenceAt,
  type OutputReference,
  type Reference,
  referenceProblems,
} from './references.ts';

/** What a workflow calls its connectors. */
export type Connectors = Readonly<Record<string, Connector>>;

/** A workflow as plain data: what is registered, and what the database checks. */
export interface Workflow {
  readonly name: string;
  /** JSON Schema of the run's input. */
  readonly input: JsonObject;
  /** What a run is about, for people: shown beside it as far as it is known. */
  readonly subject?: readonly (InputReference | OutputReference)[];
  readonly tasks: readonly TaskDefinition[];
  /** What was found to be wrong when it was defined: said when it is registered. */
  readonly problems?: readonly string[];
}

export interface TaskDefinition {
  readonly name: string;
  readonly connector: string;
  readonly operation: string;
  /** May contain references. */
  readonly parameters: JsonObject;
  readonly after: readonly string[];
  readonly when?: Condition;
  readonly retries: number;
  readonly timeout_ms: number;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/** A value of which any part may be a reference instead. */
type Parameter<T, R> =
  | R
  | (T extends readonly (infer Item)[]
      ? readonly Parameter<Item, R>[]
      : T extends object
        ? { readonly [Key in keyof T]: Parameter<T[Key], R> }
        : T);

/** The names of a workflow's inputs; any, if others than those that are declared may be given. Of none, zod says it as never. */
type InputName<Input extends z.ZodObject> = string extends keyof z.input<Input>
  ? z.input<Input>[string] extends never
    ? never
    : string
  : keyof z.input<Input> & string;

type OperationsOf<C extends Connector> = C['operations'];
type ParametersOf<C extends Connector, Op extends keyof OperationsOf<C>> = z.input<
  OperationsOf<C>[Op]['parameters']
>;

/** A task as it is written down: any operation of any connector, with that operation's parameters. */
type WrittenTask<Cs extends Connectors, Task extends string, Input extends string> = {
  [Name in keyof Cs & string]: {
    [Op in keyof OperationsOf<Cs[Name]> & string]: {
      readonly connector: Name;
      readonly operation: Op;
      readonly parameters: Parameter<ParametersOf<Cs[Name], Op>, Reference<Task, Input>>;
      /** The tasks that have to succeed first. */
      readonly after?: readonly Task[];
      /** Otherwise the task succeeds without running; its output says why it was skipped. */
      readonly when?: Condition<Reference<Task, Input>>;
      /** How many further attempts of the whole task follow a failed one, at once. Default 0. */
      readonly retries?: number;
      /** How long one attempt may take, in milliseconds. Default ten minutes. */
      readonly timeoutMs?: number;
    };
  }[keyof OperationsOf<Cs[Name]> & string];
}[keyof Cs & string];

/**
 * Makes `defineWorkflow` for a set of connectors: a misspelt parent, connector, operation, parameter or input does not
 * compile. What the compiler cannot see is checked when the workflow is registered.
 */
export function workflowDefiner<Cs extends Connectors>() {
  return function defineWorkflow<const Task extends string, Input extends z.ZodObject>(
    name: string,
    written: {
      /** What a run is started with. */
      readonly input: Input;
      /** What a run is about, for people: shown beside it as far as it is known. */
      readonly subject?: readonly (
        | InputReference<InputName<NoInfer<Input>>>
        | OutputReference<NoInfer<Task>>
      )[];
      readonly tasks: {
        readonly [Name in Task]: WrittenTask<Cs, NoInfer<Task>, InputName<NoInfer<Input>>>;
      };
    },
  ): Workflow {
    const { input, problems } = inputSchema(written.input);
    const tasks = Object.entries<WrittenTask<Cs, string, string>>(written.tasks).map(
      // Unknown fields are handed on, so that the database can refuse them.
      ([task, { connector, operation, parameters, after, when, retries, timeoutMs, ...others }]) => ({
        name: task,
        connector,
        operation,
        parameters: parameters as JsonObject,
        after: after ?? [],
        ...(when !== undefined && { when }),
        retries: retries ?? 0,
        timeout_ms: timeoutMs ?? DEFAULT_TIMEOUT_MS,
        ...others,
      }),
    );
    return {
      name,
      input,
      ...(problems.length > 0 && { problems }),
      ...(written.subject && { subject: written.subject }),
      tasks,
    };
  };
}

/**
 * The input as a JSON Schema, or what is wrong with it. Nothing is thrown: workflows are defined as modules are loaded, and
 * their problems are told when they are registered.
 */
function inputSchema(written: z.ZodObject): { input: JsonObject; problems: string[] } {
  try {
    const { $schema: _, ...input } = z.toJSONSchema(written, {
      io: 'input',
      // Where there is a format, the pattern only says the same, in a way that people do not understand.
      override: ({ jsonSchema }) => {
        if (jsonSchema.format) delete jsonSchema.pattern;
      },
    });
    return { input: input as JsonObject, problems: [] };
  } catch (error) {
    const why = written instanceof z.ZodObject ? messageOf(error) : 'it is no z.strictObject({ … })';
    return { input: {}, problems: [`its input cannot be made a JSON Schema: ${why}`] };
  }
}

/**
 * What only this side can see to be wrong: connectors, operations and parameters. Names, the graph and what references
 * point to are checked by the database, for everybody.
 */
export function connectorProblems({ tasks, problems = [] }: Workflow, connectors: Connectors): string[] {
  const inTasks = tasks.flatMap((task) => {
    // One of them was left out, in JavaScript: the database says so.
    if (typeof task.connector !== 'string' || typeof task.operation !== 'string') return [];
    const where = `task "${task.name}"`;
    const connector = own(connectors, task.connector);
    if (!connector)
      return [
        `${where}: there is no connector "${task.connector}".${didYouMean(task.connector, Object.keys(connectors))}`,
      ];
    const operation = own(connector.operations, task.operation);
    if (!operation) {
      const known = Object.keys(connector.operations);
      return [
        `${where}: connector "${task.connector}" has no operation "${task.operation}".${didYouMean(task.operation, known)}`,
      ];
    }
    const unstorable = jsonProblem({ parameters: task.parameters, when: task.when ?? null });
    if (unstorable) return [`${where}: it cannot be stored as JSON at ${unstorable}`];
    return [
      ...referenceProblems(task.parameters, `${where}: parameters`),
      ...(task.when ? referenceProblems(task.when, `${where}: when`) : []),
      ...parameterProblems(operation.parameters, task.parameters).map(
        (problem) => `${where}: parameters${problem}`,
      ),
    ];
  });
  return [...problems, ...inTasks];
}

/** What the operation's schema finds wrong. What a reference stands for is not known yet, and is checked when the task runs. */
function parameterProblems(schema: z.ZodType, parameters: Json): string[] {
  try {
    const issues = schema.safeParse(parameters).error?.issues ?? [];
    return issues
      .filter(({ path }) => !isReferenceAt(parameters, path))
      .map(({ path, message }) => `${path.map((step) => `.${String(step)}`).join('')}: ${message}`);
  } catch (error) {
    // A schema that transforms or refines a value may throw when there is a reference in its place.
    return hasReference(parameters) ? [] : [` cannot be checked by the connector: ${messageOf(error)}`];
  }
}
