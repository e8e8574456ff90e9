/**
 * Sluice as a module: what the commands do with workflows and runs.
 */
export {
  Connector,
  type Operation,
  operation,
  type Queryable,
  type TaskContext,
  type TaskLog,
} from './connector.ts';
export { DatabaseConnector } from './connectors/database.ts';
export { EmailConnector } from './connectors/email.ts';
export { FileConnector } from './connectors/file.ts';
export { PurchaseOrderConnector } from './connectors/purchase_order.ts';
export { type Engine, type EngineOptions, openEngine, type RunnerSettings, type Start } from './engine.ts';
export {
  ConnectorError,
  DatabaseUnavailableError,
  DefinitionError,
  SchemaError,
  UsageError,
} from './errors.ts';
export type { Graph, Reason, RunEvent, WorkflowStatistics } from './explain.ts';
export type {
  AttemptDetails,
  RunDetails,
  RunFilter,
  RunOverview,
  RunStatus,
  RunSummary,
  TaskDetails,
  TaskOverview,
  TaskState,
} from './inspect.ts';
export type { Json, JsonObject } from './json.ts';
export { createLog, type Log } from './log.ts';
export { type Condition, input, output, type Reference, run } from './references.ts';
export { type Connectors, type TaskDefinition, type Workflow, workflowDefiner } from './workflow.ts';
