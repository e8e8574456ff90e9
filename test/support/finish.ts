import type { Pool } from 'pg';
import type { Json } from '../../src/json.ts';

/** Claims and ends every task that a run still has to do, with these outputs. */
export async function finish(pool: Pool, run: string, runner: number, outputs: Json[] = []): Promise<void> {
  for (;;) {
    const { rows } = await pool.query(
      `select run_id, task_no, token from sluice.report_and_claim($1, '[]', 100)`,
      [runner],
    );
    const mine = rows.filter(({ run_id }) => run_id === run);
    if (mine.length === 0) return;
    const results = mine.map((claim) => ({ ...claim, output: outputs.shift() ?? 'again' }));
    await pool.query('select from sluice.report_and_claim(null, $1, 0)', [JSON.stringify(results)]);
  }
}
