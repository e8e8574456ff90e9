import { connectors } from '../../../src/connectors/index.ts';
import { openEngine } from '../../../src/index.ts';
import { NothingConnector } from './scene.ts';

/*
 * A runner in a process of its own: `worker.ts <url> <slots>`. Says "ready" when it is, and what it cost when it is told
 * to end by a line on its stdin.
 */
const [connectionString = '', slots = '20'] = process.argv.slice(2);
const stop = new AbortController();
process.stdin.once('data', () => stop.abort());
await using engine = openEngine({
  connectionString,
  connectors: { ...connectors, nothing: new NothingConnector() },
});
await engine.run({
  slots: Number(slots),
  signal: stop.signal,
  onReady: () => console.log('ready'),
});
const { user, system } = process.cpuUsage();
const { maxRSS } = process.resourceUsage();
console.log(JSON.stringify({ cpu_ms: (user + system) / 1000, rss_mb: maxRSS / 1024 }));
process.stdin.destroy();
