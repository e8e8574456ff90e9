import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseConnector } from '../../src/connectors/database.ts';
import { createPool } from '../../src/database/connect.ts';
import { openEngine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { TortureConnector } from './connector.ts';

/*
 * A runner in a process of its own, to be killed. Says `ready <id>` when it may claim, and logs one JSON object a line.
 * Arguments: the database as it sees it, the database without anything in between, slots, grace in milliseconds, and until
 * when it starts runs itself, of whatever is registered: for each whose start was answered it says `started <id>`.
 */
const [url = '', directUrl = '', slots = '8', graceMs = '3000', startsUntil = '0'] = process.argv.slice(2);
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

/** Without keys: then a runner starts and claims in one commit. */
async function startRuns(): Promise<void> {
  for (let n = 0; Date.now() < Number(startsUntil) && !stop.signal.aborted; n++) {
    try {
      await delay(2_000, undefined, { signal: stop.signal });
      const workflows = await engine.listWorkflows();
      const next = workflows[n % workflows.length];
      // Whoever was stopped meanwhile may come too late: nobody would run it.
      if (next && Date.now() < Number(startsUntil))
        console.log(`started ${await engine.startRun(next.workflow)}`);
    } catch {
      // We stop; or the server is away, or has not answered: perhaps it was started, perhaps not.
    }
  }
}

await engine.waitForDatabase(stop.signal, (line) => log.warn({}, line));
const starting = startRuns();
await engine.run({
  slots: Number(slots),
  graceMs: Number(graceMs),
  signal: stop.signal,
  onReady: (id) => process.stdout.write(`ready ${id}\n`),
});
await starting;
await engine[Symbol.asyncDispose]();
await outside.end();
process.disconnect?.();
