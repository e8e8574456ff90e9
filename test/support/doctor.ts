import assert from 'node:assert/strict';
import type pg from 'pg';
import { examine } from '../../src/doctor.ts';
import { doctorScreen } from '../../src/screens/doctor.ts';

/** Everything that the database holds fits together. */
export async function isSound(pool: pg.Pool): Promise<void> {
  const findings = await examine(pool);
  assert.ok(
    findings.every(({ rows }) => rows.length === 0),
    doctorScreen(findings),
  );
}
