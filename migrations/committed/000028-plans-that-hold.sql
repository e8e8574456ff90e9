--! Previous: sha1:672416cf8a2fec5e8821a6c01c854b8388925bcc
--! Hash: sha1:bf91a5f97164828e88457355d831da2a45234001
--! Message: plans that hold

/*
 * Plans that hold. Statistics are taken when little is under way, as a rule, and then planners take what waits for next to
 * nothing, until they are taken anew.
 */

/*
 * Claims walk the index of open tasks. A bitmap of all of them looked as cheap, and sorting them for free: with 100,000
 * waiting, each claim read and sorted all.
 */
alter function sluice.report_and_claim(integer, jsonb, integer, boolean)     set enable_bitmapscan = off;
alter function sluice.start_and_claim(integer, integer, text, jsonb, bigint) set enable_bitmapscan = off;
alter function sluice.beat(integer, bigint[])                                set enable_bitmapscan = off;

/*
 * Active runs are looked up one by one, by id, in the order of open tasks. A join would read all runs, or the coarse index of
 * ends, which knows little of what has ended since the last vacuum.
 */
create or replace view sluice.active_runs as
select open.run_id as id, run.workflow_id, run.workflow, run.status, run.waiting_for, run.input, run.key, run.created_at,
       run.finished_at, run.failed_task_no, run.reason
  from (select distinct open_tasks.run_id
          from sluice.open_tasks
         order by open_tasks.run_id desc) as open
 cross join lateral (select *
                       from sluice.runs
                      where runs.id = open.run_id
                        and runs.status = 'RUNNING'
                     offset 0) as run;

/*
 * Who looks for work walks over the index entries of what has ended since the last vacuum. So that is due after as many dead
 * rows as a look can bear, and not after a fifth of a table that holds all history; and it does the indexes, however few pages
 * it is about.
 */
alter table sluice.tasks set (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold    = 100000,
  vacuum_index_cleanup           = on
);
