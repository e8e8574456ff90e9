import type { Pool } from 'pg';
import { DefinitionError } from './errors.ts';
import { jsonProblem } from './json.ts';
import type { Connection } from './store.ts';
import { type Connectors, connectorProblems, type TaskDefinition, type Workflow } from './workflow.ts';

export interface Registered {
  readonly workflow: string;
  readonly version: number;
  readonly isNew: boolean;
}

/** All or none, in one transaction. Throws a DefinitionError with all problems of all. */
export async function register(
  pool: Pool,
  given: readonly Workflow[],
  connectors: Connectors,
): Promise<Registered[]> {
  // In the order of their names, so that two processes that register the same ones cannot deadlock.
  const workflows = given.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const problems: string[] = [];
  for (const [index, workflow] of workflows.entries()) {
    const found = [
      ...(workflows[index - 1]?.name === workflow.name ? ['there is another one of this name'] : []),
      ...connectorProblems(workflow, connectors),
      // What cannot be stored as JSON cannot be sent to the database; connectorProblems has said so.
      ...(workflow.tasks.some(isUnstorable) ? [] : await workflowProblems(pool, workflow)),
    ];
    problems.push(...found.map((problem) => `workflow "${workflow.name}": ${problem}`));
  }
  if (problems.length > 0) throw new DefinitionError(problems);
  const registered = [];
  const client = await pool.connect();
  try {
    await client.query('begin');
    for (const workflow of workflows) registered.push(await registerWorkflow(client, workflow));
    await client.query('commit');
  } catch (error) {
    // Closing the connection rolls back.
    client.release(true);
    throw error;
  }
  client.release();
  return registered;
}

function isUnstorable({ parameters, when }: TaskDefinition): boolean {
  return jsonProblem([parameters ?? null, when ?? null]) !== undefined;
}

/** What the database finds wrong with a definition, with the names that fields have in TypeScript. */
async function workflowProblems(db: Connection, workflow: Workflow): Promise<string[]> {
  const { rows } = await db.query(
    'select problem from sluice.workflow_problems($1, $2, $3, $4) as problem',
    definitionOf(workflow),
  );
  return rows.map(({ problem }) => problem.replace(/(: |, )timeout_ms( is |$)/, '$1timeoutMs$2'));
}

async function registerWorkflow(db: Connection, workflow: Workflow): Promise<Registered> {
  const { rows } = await db.query(
    'select version, is_new from sluice.register_workflow($1, $2, $3, $4)',
    definitionOf(workflow),
  );
  return { workflow: workflow.name, version: rows[0].version, isNew: rows[0].is_new };
}

function definitionOf({ name, tasks, input, subject = [] }: Workflow): string[] {
  return [name, JSON.stringify(tasks, told), JSON.stringify(input), JSON.stringify(subject)];
}

/** A number that JSON does not know, such as a timeout of Infinity, as text: so it is refused by its name, and not as null. */
function told(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
