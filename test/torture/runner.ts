import { DatabaseConnector } from '../../src/connectors/database.ts';
import { createPool } from '../../src/database/connect.ts';
import { openEngine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { TortureConnector } from './connector.ts';

/*
 * A runner in a process of its own, to be killed. Says `ready <id>` when it may claim, and logs one JSON object a line.
 * Arguments: the database as it sees it, the database without anything in between, slots, grace in milliseconds.
 */
const [url = '', directUrl = '', slots = '8', graceMs = '3000'] = process.argv.slice(2);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
// Whoever started us is gone, and so is our purpose.
process.on('disconnect', () => stop.abort());

const outside = createPool(directUrl, { name: 'outside', max: 4 });
const connectors = { database: new DatabaseConnector(), torture: new TortureConnector(outside) };
const log = createLog({
  level: 'info',
  format: 'json',
  color: false,
  write: (line) => process.stdout.write(`${line}\n`),
});
const engine = openEngine({ connectionString: url, connectors, log });
await engine.waitForDatabase(stop.signal, (line) => log.warn({}, line));
await engine.run({
  slots: Number(slots),
  graceMs: Number(graceMs),
  signal: stop.signal,
  onReady: (id) => process.stdout.write(`ready ${id}\n`),
});
await engine[Symbol.asyncDispose]();
await outside.end();
process.disconnect?.();
