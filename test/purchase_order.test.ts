import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TaskContext } from '../src/connector.ts';
import { EmailConnector } from '../src/connectors/email.ts';
import { PurchaseOrderConnector } from '../src/connectors/purchase_order.ts';

const CASES = new URL('./po-cases/', import.meta.url).pathname;
const context = { signal: new AbortController().signal } as TaskContext;
const email = new EmailConnector({ root: CASES });
const orders = new PurchaseOrderConnector();

const names = readdirSync(CASES).filter((f) => f.endsWith('.expected.json'));
for (const name of names) {
  const expected = JSON.parse(readFileSync(CASES + name, 'utf8'));
  if (process.env['ONLY_TXT'] && !expected.input.endsWith('.txt')) continue;
  test(`case ${expected.case}: ${expected.about}`, async () => {
    let mail: any;
    try {
      mail = await email.execute('read', { path: expected.input }, context);
    } catch (e) {
      if (expected.may_reject) return;
      throw e;
    }
    const { fields, warnings } = (await orders.execute('extract', { email: mail }, context)) as any;
    const squash = (s: any, commas = false) =>
      typeof s === 'string' ? s.replace(commas ? /[\s,]+/g : /\s+/g, '') : s;
    for (const key of Object.keys(fields)) {
      if (key === 'line_items') continue;
      assert.equal(squash(fields[key], key === 'ship_to'), squash(expected[key], key === 'ship_to'), key);
    }
    const items = (list: any[]) => list.map((i) => ({ ...i, description: squash(i.description) }));
    assert.deepEqual(items(fields.line_items), items(expected.line_items));
    const verdict = (await orders.execute(
      'check',
      {
        fields,
        warnings,
        subject: mail.subject,
        sent_on: mail.sent_on,
        attachments: mail.attachments,
        as_of: expected.reference_date,
        run_created_at: '2026-01-01T00:00:00Z',
        amount_over: '10000.00',
        due_within_days: 7,
      },
      context,
    )) as any;
    assert.deepEqual(verdict.triggers, {
      urgent_subject: expected.triggers.urgent_subject,
      missing_required_fields: expected.triggers.missing_required_fields,
      amount_over: expected.triggers.amount_over_10000,
      due_within_days: expected.triggers.due_within_7_days,
    });
    assert.deepEqual(verdict.missing_required, expected.missing_required);
    if (!expected.needs.includes('unreadable')) assert.deepEqual(warnings, []);
    console.log(expected.case, verdict.reasons, mail.sent_on);
  });
}
