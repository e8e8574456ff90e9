import { isDeepStrictEqual } from 'node:util';
import { ConnectorError } from './errors.ts';
import { beginningOf, type Json, type JsonObject, own } from './json.ts';

/** Stands for a part of the run's input. A type: no interface is Json to the compiler. */
export type InputReference<Input extends string = string> = {
  readonly $input: readonly [Input, ...(string | number)[]];
};

/** Stands for the output of an upstream task, or for a part of it. */
export type OutputReference<Task extends string = string> = {
  readonly $output: readonly [Task, ...(string | number)[]];
};

/** Stands for a fact about the run itself. */
type RunReference = {
  readonly $run: readonly ['id' | 'created_at'];
};

export type Reference<Task extends string = string, Input extends string = string> =
  | InputReference<Input>
  | OutputReference<Task>
  | RunReference;

/** Whether a task runs at all: a value is compared with another one, as JSON. */
export type Condition<R = Reference> =
  | { readonly value: R; readonly is: Json | R }
  | { readonly value: R; readonly isNot: Json | R };

/** The run's input, or a part of it: `input('email')`. An optional input that was not given is null. */
export function input<const Input extends string>(
  name: Input,
  ...path: readonly (string | number)[]
): InputReference<Input> {
  return { $input: [name, ...path] };
}

/** What an upstream task put out, or a part of it: `output('extract', 'fields', 'total')`. */
export function output<const Task extends string>(
  task: Task,
  ...path: readonly (string | number)[]
): OutputReference<Task> {
  return { $output: [task, ...path] };
}

/** The run's `id` (text) or `created_at` (ISO 8601, UTC): the same in every attempt. */
export function run(fact: 'id' | 'created_at'): RunReference {
  return { $run: [fact] };
}

/** Where references are looked up. */
export interface Scope {
  readonly input: JsonObject;
  /** The outputs of the upstream tasks that are referred to, by task. */
  readonly outputs: JsonObject;
  /** Facts about the run. A function, as few tasks ask for them. */
  readonly run: () => JsonObject;
}

/** The value with all references in it replaced; types are kept. Throws REF_MISSING when one leads nowhere. */
export function resolve(value: Json, scope: Scope): Json {
  if (value === null || typeof value !== 'object') return value;
  if (isList(value)) return value.map((item) => resolve(item, scope));
  const reference = partsOf(value);
  if (reference) return lookUp(reference, scope);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, scope)]));
}

/** Why a task is skipped, in words; undefined when its condition holds. */
export function skipReason(condition: Condition, scope: Scope): string | undefined {
  const value = resolve(condition.value, scope);
  const wanted = resolve('is' in condition ? condition.is : condition.isNot, scope);
  if (isDeepStrictEqual(value, wanted) === 'is' in condition) return undefined;
  const reference = partsOf(condition.value);
  const but = 'is' in condition ? '' : 'anything but ';
  return `${reference ? nameOf(reference) : 'its value'} is ${short(value)}, and the task runs when it is ${but}${short(wanted)}`;
}

/** An output of the form {skipped: why} alone means that the task was skipped; sluice.run_tasks decides it in the same way. */
export function whySkipped(output: Json): string | undefined {
  const [[name, why] = [], ...others] = Object.entries(output ?? {});
  return name === 'skipped' && typeof why === 'string' && others.length === 0 ? why : undefined;
}

/** What is wrong with the form of references: a key that begins with `$` has to be one, and well-formed. */
export function referenceProblems(value: Json, path: string): string[] {
  if (value === null || typeof value !== 'object') return [];
  if (isList(value)) return value.flatMap((item, index) => referenceProblems(item, `${path}[${index}]`));
  const keys = Object.keys(value);
  if (keys.some((key) => key.startsWith('$')) && !partsOf(value)) {
    return [
      `${path}: {${keys.join(', ')}} is no reference; there are input(name), output(task) and run("id" | "created_at")`,
    ];
  }
  return keys.flatMap((key) => referenceProblems(value[key] ?? null, `${path}.${key}`));
}

/** Whether a reference stands anywhere in it. */
export function hasReference(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return partsOf(value as JsonObject) !== undefined || Object.values(value).some(hasReference);
}

/** Whether a reference stands at this place or on the way to it, so that the value is known only when the task runs. */
export function isReferenceAt(value: unknown, path: readonly PropertyKey[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (partsOf(value as JsonObject)) return true;
  const [first, ...rest] = path;
  return first !== undefined && isReferenceAt((value as Record<PropertyKey, unknown>)[first], rest);
}

type Parts = readonly [kind: '$input' | '$output' | '$run', path: readonly [string, ...(string | number)[]]];

/** A reference, taken apart; undefined when it is none, or not well-formed. */
function partsOf(value: JsonObject): Parts | undefined {
  const [key, ...others] = Object.keys(value);
  if (others.length > 0 || (key !== '$input' && key !== '$output' && key !== '$run')) return undefined;
  const path = value[key];
  const wellFormed =
    isList(path) &&
    typeof path[0] === 'string' &&
    path.every((step) => typeof step === 'string' || Number.isInteger(step)) &&
    (key !== '$run' || (path.length === 1 && ['id', 'created_at'].includes(path[0])));
  return wellFormed ? [key, path as unknown as Parts[1]] : undefined;
}

function lookUp(reference: Parts, scope: Scope): Json {
  const [kind, path] = reference;
  const [name] = path;
  const root = kind === '$input' ? scope.input : kind === '$output' ? scope.outputs : scope.run();
  if (kind === '$input' && !Object.hasOwn(root, name)) return null;
  const value = path.reduce<Json | undefined>(at, root);
  if (value === undefined) {
    const why = kind === '$output' ? whySkipped(own(scope.outputs, name) ?? null) : undefined;
    throw new ConnectorError(
      'REF_MISSING',
      why === undefined
        ? `${nameOf(reference)} does not exist: the task refers to it, but nothing is there`
        : `${nameOf(reference)} does not exist, as ${name} was skipped: ${why}`,
    );
  }
  return value;
}

function at(value: Json | undefined, step: string | number): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return own(value as Record<string | number, Json>, step);
}

function nameOf([kind, path]: Parts): string {
  return `${kind.slice(1)} ${path.join('.')}`;
}

function short(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 40 ? `${beginningOf(text, 40)}…` : text;
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
