import type pg from 'pg';
import { examine } from '../../src/doctor.ts';
import { doctorScreen } from '../../src/screens/doctor.ts';
import { ON_PURPOSE } from './connector.ts';
import type { Kill } from './crew.ts';

/** Each has to give no rows. */
const CLAIMS: Readonly<Record<string, string>> = {
  'all runs have ended': `select id, status from sluice.runs where status = 'RUNNING'`,

  'every effect in the engine’s database happened once for a task that succeeded, and never for another': `
    select tasks.run_id, task.name, tasks.state, count(effects.run) as effects
      from sluice.tasks
      join sluice.workflow_tasks as task using (workflow_id, task_no)
      left join public.effects on effects.run = tasks.run_id and effects.task = task.name
     where task.operation in ('create', 'row', 'late_row', 'flaky')
     group by tasks.run_id, tasks.task_no, task.name, tasks.state
    having count(effects.run) <> (tasks.state = 'SUCCESS')::integer`,

  'every effect elsewhere happened at least once for a task that succeeded': `
    select tasks.run_id, task.name
      from sluice.tasks
      join sluice.workflow_tasks as task using (workflow_id, task_no)
     where task.operation in ('call', 'slow_call')
       and tasks.state = 'SUCCESS'
       and not exists (select from public.calls where calls.run = tasks.run_id and calls.task = task.name)`,

  'no task ran before its parents had succeeded': `
    select child.run_id, child.task_no
      from sluice.transitions as child
      join sluice.runs on runs.id = child.run_id
      join sluice.workflow_edges as edge on edge.workflow_id = runs.workflow_id and edge.child_no = child.task_no
     where child.to_state = 'RUNNING'
       and not exists (select from sluice.transitions as parent
                        where parent.run_id = child.run_id and parent.task_no = edge.parent_no and parent.to_state = 'SUCCESS')`,

  'no attempt failed but those that were meant to, and what was told that its run has stopped': `
    select run_id, task_no, attempt, error
      from sluice.attempts
      join sluice.runs on runs.id = attempts.run_id
     where outcome = 'FAILED'
       and error ->> 'code' <> '${ON_PURPOSE}'
       and not (error ->> 'code' = 'RUN_STOPPED' and runs.status = 'FAILED')`,

  'runs failed only where they were meant to, or at a task whose runner was lost five times': `
    select runs.id, runs.reason
      from sluice.runs
      join sluice.tasks on tasks.run_id = runs.id and tasks.task_no = runs.failed_task_no
     where tasks.error ->> 'code' <> all (array['${ON_PURPOSE}', 'POISON'])`,

  'no run was started twice': `select key from sluice.runs where key is not null group by key having count(*) > 1`,
};

/** What is not as it has to be, in words. */
export async function verify(db: pg.Pool): Promise<string[]> {
  const problems: string[] = [];
  // Power cuts take the statistics with them; without any, a claim takes minutes.
  await db.query('analyze');
  for (const [claim, sql] of Object.entries(CLAIMS)) {
    const { rows } = await db.query(`select claim.* from (${sql}) as claim limit 10`);
    if (rows.length > 0)
      problems.push(`not true: ${claim}\n${rows.map((row) => `  ${JSON.stringify(row)}`).join('\n')}`);
  }
  const findings = await examine(db);
  if (findings.some(({ rows }) => rows.length > 0)) problems.push(doctorScreen(findings));
  return problems;
}

/** Which of these runs are not there. */
export async function missing(db: pg.Pool, runs: readonly string[]): Promise<string[]> {
  const { rows } = await db.query(
    'select started.id from unnest($1::bigint[]) as started(id) where not exists (select from sluice.runs where runs.id = started.id)',
    [runs],
  );
  return rows.map(({ id }) => id);
}

/** How long it took from each kill until every task of the process ran again elsewhere, in milliseconds, sorted. */
export async function takeOverTimes(db: pg.Pool, kills: readonly Kill[]): Promise<number[]> {
  const { rows } = await db.query(
    `select round(1000 * extract(epoch from max(coalesce(next.started_at, tasks.started_at)) - killed.at))::integer as ms
       from unnest($1::integer[], $2::timestamptz[]) as killed(pid, at)
       join sluice.runners on runners.pid = killed.pid and runners.ending = 'lost' and runners.started_at < killed.at and runners.ended_at > killed.at
       join sluice.attempts as lost on lost.runner_id = runners.id and lost.outcome = 'LOST'
       join sluice.tasks on tasks.run_id = lost.run_id and tasks.task_no = lost.task_no
       left join sluice.attempts as next on next.run_id = lost.run_id and next.task_no = lost.task_no and next.token = lost.token + 1
      where tasks.token > lost.token
        and coalesce(next.started_at, tasks.started_at) > killed.at
      group by killed.pid, killed.at
      order by 1`,
    [kills.map(({ pid }) => pid), kills.map(({ at }) => new Date(at))],
  );
  return rows.map(({ ms }) => ms);
}

/** Facts for the figures that are printed. */
export async function tally(db: pg.Pool): Promise<Record<string, number>> {
  const { rows } = await db.query(
    `select (select count(*) from sluice.runs)::integer                                   as runs,
            (select count(key) from sluice.runs)::integer                                 as with_keys,
            (select count(*) from sluice.runs where status = 'COMPLETED')::integer        as completed,
            (select count(*) from sluice.runs where status = 'FAILED')::integer           as failed,
            (select count(*) from sluice.tasks)::integer                                  as tasks,
            (select count(*) from sluice.tasks where state = 'SUCCESS')::integer          as succeeded,
            (select count(*) from sluice.tasks where error ->> 'code' = 'POISON')::integer as poisoned,
            (select count(*) from sluice.attempts where outcome = 'LOST')::integer        as taken_over,
            (select count(*) from sluice.attempts where outcome = 'GIVEN BACK')::integer  as given_back,
            (select count(*) from sluice.attempts where outcome = 'FAILED')::integer      as failed_attempts,
            (select count(*) from public.effects)::integer                                as effects,
            (select count(*) from public.calls)::integer                                  as calls,
            (select count(*) from sluice.runners)::integer                                as runners,
            (select count(*) from sluice.runners where ending = 'lost')::integer          as lost_runners`,
  );
  return rows[0];
}

export function median(sorted: readonly number[]): number | undefined {
  return sorted[Math.floor(sorted.length / 2)];
}
