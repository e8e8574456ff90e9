import type { Connection } from './store.ts';

interface Check {
  /** A sentence that is true of a sound database. */
  readonly name: string;
  /** A query for the rows that make it untrue. */
  readonly sql: string;
  /** What mends it, if that is known. */
  readonly advice?: string;
}

export interface Finding extends Pick<Check, 'name' | 'advice'> {
  /** What is off, at most `MOST_ROWS` of it. */
  readonly rows: readonly Record<string, unknown>[];
}

const MOST_ROWS = 20;

/** The triggers in which the rules live. */
const TRIGGERS = {
  workflows: ['versions_never_change'],
  workflow_tasks: ['versions_never_change', 'versions_with_runs_are_complete'],
  workflow_edges: ['versions_never_change', 'versions_with_runs_are_complete'],
  runs: ['runs_stay_on_record', 'guard_new_run', 'advance_runs'],
  tasks: ['tasks_stay_on_record', 'guard_new_task', 'announce_new_tasks', 'advance'],
  attempts: ['attempts_stay_on_record'],
  reruns: ['reruns_stay_on_record'],
  runners: ['runners_stay_on_record', 'guard_ended_runner'],
};

/**
 * What holds in a sound database at any moment, also while runners are at work. Everything that is stored twice for
 * speed is counted again; everything that a crash could tear apart is put together again.
 */
const checks: readonly Check[] = [
  {
    name: 'All triggers are there and enabled',
    sql: `select format('sluice.%s', wanted.relation) as "table", wanted.trigger, coalesce('tgenabled is ' || tgenabled::text, 'missing') as problem
            from (select relation, jsonb_array_elements_text(triggers) as trigger
                    from jsonb_each('${JSON.stringify(TRIGGERS)}') as each(relation, triggers)) as wanted
            left join pg_trigger on tgrelid = to_regclass(format('sluice.%I', wanted.relation)) and tgname = wanted.trigger
           where tgenabled is null or tgenabled not in ('O', 'A')`,
    advice: 'Switch it on again: alter table … enable trigger …',
  },
  {
    name: 'Triggers fire for whoever connects',
    sql: `select current_setting('session_replication_role') as session_replication_role
           where current_setting('session_replication_role') <> 'origin'`,
  },
  {
    name: 'Every task has come to its state by a legal path',
    // By the marks from which the audit is derived; the next check looks at the others.
    sql: `select run_id, task_no, state, ready_at, started_at, finished_at
            from sluice.tasks
           where (started_at is not null) <> (state in ('RUNNING', 'SUCCESS', 'FAILED'))`,
  },
  {
    name: 'Tasks and runs are what their states imply',
    sql: `select run_id, task_no, state::text, broken
            from sluice.tasks
           cross join lateral sluice.broken_task_rule(state, waiting_for, stopped, token, ready_at, finished_at, output, error) as broken
           where broken is not null
          union all
          select id, null, status::text, broken
            from sluice.runs
           cross join lateral sluice.broken_run_rule(status, waiting_for, key, finished_at, failed_task_no, reason) as broken
           where broken is not null`,
  },
  {
    name: 'Attempts are of tasks that exist',
    sql: `select run_id, task_no, token
            from sluice.attempts
           where not exists (select from sluice.tasks
                              where tasks.run_id = attempts.run_id and tasks.task_no = attempts.task_no)`,
  },
  {
    name: 'Every run has all tasks of its version, and knows its sinks',
    sql: `select coalesce(runs.id, tasks.run_id) as run_id, coalesce(task.task_no, tasks.task_no) as task_no,
                 case when tasks.run_id is null then 'missing' when task.task_no is null then 'unknown' else 'is_sink' end as problem
            from sluice.runs
            join sluice.workflow_tasks as task on task.workflow_id = runs.workflow_id
            full join sluice.tasks on tasks.run_id = runs.id and tasks.task_no = task.task_no
           where tasks.run_id is null
              or task.task_no is null
              or tasks.workflow_id <> runs.workflow_id
              or tasks.is_sink = exists (select from sluice.workflow_edges as edge
                                          where edge.workflow_id = task.workflow_id and edge.parent_no = task.task_no)`,
  },
  {
    name: 'Tasks wait for as many parents as have not succeeded',
    sql: `select child.run_id, child.task_no, child.state, child.waiting_for, count(*) filter (where parent.state <> 'SUCCESS') as counted
            from sluice.tasks as child
            join sluice.runs on runs.id = child.run_id
            left join sluice.workflow_edges as edge on edge.workflow_id = child.workflow_id and edge.child_no = child.task_no
            left join sluice.tasks as parent on parent.run_id = child.run_id and parent.task_no = edge.parent_no
           where runs.status = 'RUNNING' or child.state <> 'PENDING'
           group by child.run_id, child.task_no, child.state, child.waiting_for
          having child.waiting_for <> count(*) filter (where parent.state <> 'SUCCESS')`,
  },
  {
    name: 'Runs wait for as many sinks as have not succeeded',
    sql: `select runs.id as run_id, runs.status, runs.waiting_for, count(*) filter (where tasks.state <> 'SUCCESS') as counted
            from sluice.runs
            join sluice.tasks on tasks.run_id = runs.id and tasks.is_sink
           where runs.status in ('RUNNING', 'COMPLETED')
           group by runs.id
          having runs.waiting_for <> count(*) filter (where tasks.state <> 'SUCCESS')`,
  },
  {
    name: 'The status of every run agrees with its tasks',
    sql: `select runs.id as run_id, runs.status, runs.failed_task_no, string_agg(tasks.task_no || ' ' || tasks.state, ', ' order by tasks.task_no) as tasks
            from sluice.runs
            join sluice.tasks on tasks.run_id = runs.id
           group by runs.id
          having not case runs.status
                       when 'COMPLETED' then bool_and(tasks.state = 'SUCCESS')
                       when 'FAILED'    then bool_or(tasks.state = 'FAILED' and tasks.task_no = runs.failed_task_no)
                       when 'CANCELLED' then true
                       when 'RUNNING'   then bool_and(tasks.state <> 'FAILED') and bool_or(tasks.state <> 'SUCCESS')
                     end`,
  },
  {
    name: 'Runs under way have something to do',
    sql: `select runs.id as run_id, runs.created_at
            from sluice.runs
           where runs.finished_at is null
             and not exists (select from sluice.tasks where tasks.run_id = runs.id and tasks.state in ('READY', 'RUNNING'))`,
  },
  {
    name: 'Nothing of a run that has ended is READY, or RUNNING without a runner',
    sql: `select tasks.run_id, tasks.task_no, tasks.state, tasks.stopped, tasks.runner_id, runs.status
            from sluice.tasks
            join sluice.runs on runs.id = tasks.run_id
           where case when runs.status = 'RUNNING' then tasks.stopped
                      else (tasks.state = 'READY' and not tasks.stopped) or (tasks.state = 'RUNNING' and tasks.runner_id is null)
                 end`,
  },
  {
    name: 'Attempts are on record, and as many as were allowed',
    sql: `select run_id, task_no, tasks.state, tasks.token, tasks.attempt, tasks.crashes, task.retries, record.entries
            from sluice.tasks
            join sluice.workflow_tasks as task using (workflow_id, task_no)
            left join lateral (
                   select string_agg(format('%s %s %s', token, attempt, outcome), ', ' order by token) as entries,
                          count(*) filter (where token < tasks.token)          as earlier,
                          count(*) filter (where token >= tasks.token)         as last,
                          count(*) filter (where token > tasks.token)          as later,
                          count(*) filter (where outcome = 'LOST')             as lost,
                          count(*) filter (where outcome = 'FAILED' and token < tasks.token) as failed
                     from sluice.attempts
                    where attempts.run_id = tasks.run_id and attempts.task_no = tasks.task_no) as record on true
           where not (tasks.state = 'SUCCESS' and tasks.ready_at is null)
             and (record.earlier <> greatest(tasks.token - 1, 0)
                  or record.later > 0
                  or (record.last > 0 and tasks.state <> 'FAILED')
                  or record.lost <> tasks.crashes
                  or record.failed <> greatest(tasks.attempt - 1, 0)
                  or tasks.attempt > task.retries + 1)`,
  },
  {
    name: 'Nobody who has ended still holds a task',
    sql: `select tasks.run_id, tasks.task_no, tasks.runner_id, runners.ending, runners.ended_at
            from sluice.tasks
            left join sluice.runners on runners.id = tasks.runner_id
           where tasks.state = 'RUNNING'
             and tasks.runner_id is not null
             and (runners.id is null or runners.ended_at is not null)`,
  },
  {
    name: 'Every runner that has not ended is alive',
    sql: `select runners.id as runner_id, host, pid, beat_at,
                 (select count(*) from sluice.tasks where tasks.runner_id = runners.id and tasks.state = 'RUNNING') as tasks
            from sluice.runners
           where runners.id in (select sluice.dead_runners())`,
    advice: 'Any runner takes over from it, as soon as there is one: npm run runner',
  },
  {
    name: 'No lock is held by a runner that has ended',
    sql: `select locks.runner_id, locks.pid as session, runners.host, runners.pid, runners.ending, runners.ended_at
            from sluice.runner_locks as locks
            left join sluice.runners on runners.id = locks.runner_id
           where runners.id is null or runners.ended_at is not null`,
  },
];

/** What is off, check by check; a sound database gives no rows. Each check is one query, so it sees one moment. */
export async function examine(db: Connection): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { sql, ...check } of checks) {
    const { rows } = await db.query(`select finding.* from (${sql}) as finding limit ${MOST_ROWS}`);
    findings.push({ ...check, rows });
  }
  return findings;
}
