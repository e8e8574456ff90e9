import leven from 'leven';

/**
 * The kinds of error that mean something to a caller, beside those that Postgres passes on with a code of the engine's own
 * (WF…). Everything else is a bug and keeps its stack.
 * A message says what happened, to which thing, and what to do about it, in this order.
 */

/** The author of a workflow has to mend it. Lists every problem found, one a line. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** A task could not do its work. The code is for programs, the message for people. */
export class ConnectorError extends Error {
  override readonly name = 'ConnectorError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A command was called wrongly or has to be refused: exit code 2, nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The database cannot be reached or used: exit code 3. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
}

/** What the database holds is not what this checkout works with: exit code 4. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** The message of whatever was thrown: that may be a string, an object that is no error, or one that cannot even be read. */
export function messageOf(error: unknown): string {
  try {
    if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join('; ');
    const tells = typeof error === 'object' && error !== null && 'message' in error;
    return String(tells ? error.message : error);
  } catch {
    return '';
  }
}

/** The calls in which something was thrown that is no ConnectorError, the innermost first; none when it does not tell. */
export function callsOf(error: unknown): string[] {
  try {
    const stack = error instanceof Error && !(error instanceof ConnectorError) ? String(error.stack) : '';
    return [...stack.matchAll(/^ +at (.*)$/gm)].map(([, call = '']) => call);
  } catch {
    return [];
  }
}

/** The code of an error of Postgres, a library or the system: `42P01`, `ECONNREFUSED`; empty when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** How many names are listed, as where the database lists them: a workflow may have 10,000 tasks. */
const MOST_NAMES = 50;

/** Suggests the nearest of the known names, if it is near enough, and lists them: ` Did you mean "email"? There are: …` */
export function didYouMean(name: string, known: readonly string[]): string {
  const nearest = known.toSorted((a, b) => leven(name, a) - leven(name, b))[0];
  const close = nearest !== undefined && leven(name, nearest) <= Math.ceil(name.length / 3);
  const suggestion = close ? ` Did you mean "${nearest}"?` : '';
  const more = known.length > MOST_NAMES ? ` and ${known.length - MOST_NAMES} more` : '';
  return `${suggestion} There are: ${known.slice(0, MOST_NAMES).join(', ') || 'none'}${more}.`;
}
