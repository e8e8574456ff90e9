import { workflowDefiner } from '../workflow.ts';
import { DatabaseConnector } from './database.ts';
import { EmailConnector } from './email.ts';
import { FileConnector } from './file.ts';
import { PurchaseOrderConnector } from './purchase_order.ts';

/** The connectors of this project, under the names by which workflows call them. */
export const connectors = {
  email: new EmailConnector(),
  purchase_order: new PurchaseOrderConnector(),
  database: new DatabaseConnector(),
  file: new FileConnector(),
};

/** Defines a workflow over these connectors. */
export const defineWorkflow = workflowDefiner<typeof connectors>();
