--! Previous: sha1:a0996223a8cc20f264ac001fba86150283465ed5
--! Hash: sha1:2ea97cbe90e344072ed7bfa4faf3ae381d8db73a
--! Message: what views and comments say

/*
 * What views and comments say is true whatever clocks and runners have said: a bar is at most 40 characters long, slots are added up as far
 * as a number goes, and what is not counted is not looked at.
 */
create or replace view public.v_timeline as
select task.run_id                                     as run,
       task.name                                       as task,
       task.state,
       sluice.duration(extract(epoch from task.ready_at - runs.created_at))                      as ready_after,
       sluice.duration(extract(epoch from first.started_at - task.ready_at))                     as waited,
       sluice.duration(extract(epoch from coalesce(task.finished_at, clock_timestamp()) - first.started_at)) as took,
       repeat(' ', bar.start) || repeat('#', greatest(1, bar.stop - bar.start))                  as timeline
  from sluice.run_tasks as task
  join sluice.runs on runs.id = task.run_id
 cross join lateral (
   select least(task.started_at, min(attempts.started_at)) as started_at
     from sluice.attempts
    where attempts.run_id = task.run_id and attempts.task_no = task.task_no
 ) as first
 cross join lateral (
   select nullif(extract(epoch from coalesce(runs.finished_at, clock_timestamp()) - runs.created_at), 0) as seconds
 ) as run
 cross join lateral (
   select greatest(0, least(39, floor(40 * extract(epoch from first.started_at - runs.created_at) / run.seconds)))::integer as start,
          greatest(0, least(40, ceil(40 * extract(epoch from coalesce(task.finished_at, clock_timestamp()) - runs.created_at) / run.seconds)))::integer as stop
 ) as bar
 where task.started_at is not null
   and task.reused_from is null
 order by task.run_id desc, first.started_at, task.task_no;

create or replace view sluice.capacity as
select count(*)::integer                                                                                   as runners,
       least(coalesce(sum(v_runners.slots), 0), 2147483647)::integer                                        as slots,
       least(coalesce(sum(greatest(0, v_runners.slots - v_runners.running)), 0), 2147483647)::integer       as free
  from public.v_runners
 where v_runners.state = 'alive';

create or replace view public.v_throughput as
select date_trunc('minute', event.at)::timestamp(0)       as minute,
       count(*) filter (where event.what = 'start')       as runs_started,
       count(*) filter (where event.what = 'RUNNING')     as tasks_started,
       count(*) filter (where event.what = 'SUCCESS')     as succeeded,
       count(*) filter (where event.what = 'FAILED')      as failed,
       round(count(*) filter (where event.what in ('SUCCESS', 'FAILED'))
             / greatest(1, least(60, extract(epoch from clock_timestamp() - date_trunc('minute', max(event.at))))), 1) as tasks_per_s
  from (
    select transitions.at, transitions.to_state::text as what
      from (select active_runs.id
              from sluice.active_runs
            union all
            select runs.id
              from sluice.runs
             where runs.finished_at >= date_trunc('minute', now()) - interval '59 minutes') as runs
     -- Run by run: a join would read all tasks there are.
     cross join lateral (select moved.at, moved.from_state, moved.to_state
                           from sluice.transitions as moved
                          where moved.run_id = runs.id
                            and moved.to_state <> 'READY'
                         offset 0) as transitions
     where transitions.at >= date_trunc('minute', now()) - interval '59 minutes'
       and transitions.from_state is not null
    union all
    select runs.created_at, 'start'
      from sluice.runs
     where runs.created_at >= date_trunc('minute', now()) - interval '59 minutes'
  ) as event
 group by 1
 order by 1 desc;

comment on column sluice.tasks.token           is 'Fences off whoever lost the task: counts its executions; a result must name it.';
comment on column sluice.tasks.started_at      is 'When it was last claimed. When it was before is in attempts.';
comment on column sluice.open_tasks.token      is 'Fences off whoever lost the task: counts its executions; a result must name it.';
comment on column sluice.open_tasks.started_at is 'When it was last claimed. When it was before is in attempts.';
comment on column sluice.run_tasks.started_at  is 'When it was last claimed.';
comment on column sluice.attempts.ended_at     is 'When it failed, was found to be lost, or was given back.';
comment on function sluice.prune(interval, integer) is
  'Deletes up to p_limit runs that ended longer ago than p_older_than, oldest first, with their tasks and attempts; says how many.';
comment on function sluice.blockers(bigint, integer) is
  'What a task of a run waits for in the end: what has not succeeded upstream of it and is not PENDING itself.';
