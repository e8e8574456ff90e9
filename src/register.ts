import type { JsonObject } from './json.ts';
import type { Connection } from './store.ts';
import type { Workflow } from './workflow.ts';

/*
 * The statements behind registering workflows, and what the registered ones ask of inputs.
 */

/** All that the database finds to be wrong with a definition, in the words of who wrote it in TypeScript. */
export async function workflowProblems(db: Connection, workflow: Workflow): Promise<string[]> {
  const { rows } = await db.query(
    'select problem from sluice.workflow_problems($1, $2, $3, $4) as problem',
    definitionOf(workflow),
  );
  return rows.map(({ problem }) => problem.replace(/(: |, )timeout_ms( is |$)/, '$1timeoutMs$2'));
}

export async function registerWorkflow(
  db: Connection,
  workflow: Workflow,
): Promise<{ version: number; isNew: boolean }> {
  const { rows } = await db.query(
    'select version, is_new from sluice.register_workflow($1, $2, $3, $4)',
    definitionOf(workflow),
  );
  return { version: rows[0].version, isNew: rows[0].is_new };
}

function definitionOf({ name, tasks, input, subject = [] }: Workflow): string[] {
  return [name, JSON.stringify(tasks), JSON.stringify(input), JSON.stringify(subject)];
}

/** What the newest version of a workflow asks of inputs. */
export interface Declaration {
  readonly workflowId: string;
  /** A JSON Schema. */
  readonly input: JsonObject;
}

/** Undefined when there is no such workflow. */
export async function readDeclaration(db: Connection, workflow: string): Promise<Declaration | undefined> {
  const { rows } = await db.query(
    `select id as "workflowId", input_schema as input
       from sluice.workflows where name = $1 order by version desc limit 1`,
    [workflow],
  );
  return rows[0];
}
