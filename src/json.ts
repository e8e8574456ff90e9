/** What can be stored as `jsonb`: parameters, inputs and outputs are made of it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object: the input of a run. */
export type JsonObject = { readonly [key: string]: Json };

const DEEPEST = 200;

/**
 * Why a value cannot be stored, as "where: what"; undefined when it can. Stricter than JSON.stringify, which drops
 * functions and turns NaN into null without a word, and than Postgres, which refuses some text.
 */
export function jsonProblem(value: unknown, path = '', depth = 0): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined;
  // Where it is too deep, the whole way there would hide what is wrong.
  const at = `${depth > DEEPEST ? `${beginningOf(path, 40)}…` : path || 'the value itself'}: `;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${at}${value}`;
  if (typeof value === 'string') {
    if (value.includes('\0')) return `${at}text with the character U+0000`;
    return value.isWellFormed() ? undefined : `${at}text with half a surrogate pair`;
  }
  if (typeof value !== 'object') return `${at}${typeof value}`;
  if (depth > DEEPEST) return `${at}more than ${DEEPEST} levels deep, or a cycle`;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem = jsonProblem(item, `${path}[${index}]`, depth + 1);
      if (problem) return problem;
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    return `${at}${prototype.constructor?.name ?? 'an object with a prototype'}`;
  for (const [key, item] of Object.entries(value)) {
    const problem = jsonProblem(key, `${path}.${key}`) ?? jsonProblem(item, `${path}.${key}`, depth + 1);
    if (problem) return problem;
  }
  return undefined;
}

/** What a record holds under a name, not counting what it inherits, such as `constructor`. */
export function own<T>(record: Readonly<Record<string | number, T>>, name: string | number): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** The beginning of a text, without the half of a surrogate pair that a cut may leave and `jsonb` refuses. */
export function beginningOf(text: string, length: number): string {
  return text.slice(0, length).toWellFormed();
}
