import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectors } from '../../../src/connectors/index.ts';
import { createPool } from '../../../src/database/connect.ts';
import { runInbox } from '../../../src/inbox/inbox.ts';
import { EmailConnector, FileConnector, type Log, openEngine } from '../../../src/index.ts';
import { workflows } from '../../../src/workflows/index.ts';
import { writeEml } from '../../support/eml.ts';
import { anyOrder, anyStyle, Choices, writeOrder } from '../../support/orders.ts';
import { placeLines, writePdf } from '../../support/pdf.ts';
import { amount, type Figures, type Measurements, type Place } from '../contest.ts';

/** Mails that lie in an inbox when it is opened: from there through all of po_demo. */
export const measurements: Measurements = {
  txt: (place) => measure(place, 'txt', (order, number) => `Subject: order ${number}\n\n${order}`),
  pdf: (place) =>
    measure(place, 'eml', (order, number) =>
      writeEml({ Subject: `order ${number}`, From: 'a@buyer.example' }, [
        { type: 'text/plain', content: 'see attached' },
        { type: 'application/pdf', content: writePdf([placeLines(order.split('\n'))]), name: 'order.pdf' },
      ]),
    ),
};

async function measure(
  { url, size }: Place,
  extension: string,
  write: (order: string, number: number) => string,
): Promise<Figures> {
  const mails = amount(size, 'mails');
  const root = mkdtempSync(join(tmpdir(), 'sluice-mails-'));
  const folder = join(root, 'in');
  const choices = new Choices(1);
  writeFiles(folder, mails, extension, (number) => {
    const order = { ...anyOrder(choices), po_number: `B-${number}` };
    return write(writeOrder(order, { ...anyStyle(choices), layout: 'aligned' }), number);
  });

  const log = silentUntilTrouble();
  await using engine = openEngine({
    connectionString: url,
    connectors: {
      ...connectors,
      email: new EmailConnector({ root: folder }),
      file: new FileConnector({ root }),
    },
    workflows,
    log,
  });
  await engine.register();
  const stop = new AbortController();
  const running = engine.run({ slots: amount(size, 'slots'), signal: stop.signal });
  const input = { alert_path: 'alerts/{po_number}-{run}.json' };
  const { signal } = stop;
  const began = performance.now();
  const cpu = process.cpuUsage();
  const options = { url, folder, workflow: 'po_demo', input, once: true, mostOpen: 200, signal, log };
  const { completed } = await runInbox(options);
  const whole_s = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  stop.abort();
  await running;
  rmSync(root, { recursive: true });
  if (completed !== mails) throw new Error(`${completed} of ${mails} mails were completed`);
  // Of our process, its threads included, and not the server's: it hardly depends on what else the machine does.
  const cpu_ms_per_mail = (user + system) / 1000 / mails;
  return {
    mails_per_s: mails / (await secondsOfRuns(url)),
    cpu_ms_per_mail,
    whole_s,
    peak_mb: peakMegabytes(),
  };
}

function writeFiles(
  folder: string,
  count: number,
  extension: string,
  write: (number: number) => string,
): void {
  mkdirSync(folder);
  for (let number = 1; number <= count; number++)
    writeFileSync(join(folder, `${number}.${extension}`), write(number));
}

/** From the start of the first run to the end of the last. */
async function secondsOfRuns(url: string): Promise<number> {
  const pool = createPool(url, { name: 'bench' });
  const { rows } = await pool.query(
    'select extract(epoch from max(finished_at) - min(created_at))::float as seconds from sluice.runs',
  );
  await pool.end();
  return rows[0].seconds;
}

function peakMegabytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}

function silentUntilTrouble(): Log {
  const fail = (_: unknown, phrase: string) => {
    throw new Error(phrase);
  };
  return { debug: () => {}, info: () => {}, warn: fail, error: fail };
}
