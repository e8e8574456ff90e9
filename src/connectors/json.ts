import * as z from 'zod';
import { type Json, type JsonObject, jsonProblem } from '../json.ts';

/** Any JSON, handed on as it is. Zod's own `json()` and `record()` would drop keys that are called `__proto__`. */
export const json = z.custom<Json>(
  (value) => jsonProblem(value) === undefined,
  'expected what JSON can hold',
);

export const jsonObject = z.custom<JsonObject>(
  (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && jsonProblem(value) === undefined,
  'expected an object of what JSON can hold',
);
