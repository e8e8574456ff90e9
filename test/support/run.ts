import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../../src/config.ts';
import { openClient } from '../../src/database/connect.ts';
import { startTestCluster, stopTestCluster } from './database.ts';

/*
 * `npm test`: runs the test files, all or those named, and stops the test cluster when they are done. It stays
 * connected meanwhile, so that another run that ends earlier finds the cluster in use and leaves it alone.
 */
const presence = await openClient(await startTestCluster(), { name: 'test run' });

// Ctrl-C ends the tests; we still have to tidy up.
process.on('SIGINT', () => {});

const named = process.argv.slice(2);
const all = readdirSync(join(CHECKOUT, 'test')).filter((file) => file.endsWith('.test.ts'));
const files = named.some((name) => !name.startsWith('-'))
  ? []
  : all.map((file) => join(CHECKOUT, 'test', file));
const child = spawn(
  process.execPath,
  ['--import', 'tsx', '--test', '--test-timeout=180000', ...named, ...files],
  {
    stdio: 'inherit',
  },
);
const code = await new Promise<number | null>((resolve) => child.once('close', resolve));

await presence.end();
await stopTestCluster();
process.exitCode = code ?? 1;
