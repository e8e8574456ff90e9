--! Previous: sha1:4076b5c63b3c3a6a8f84de71fa93f11c60cd9874
--! Hash: sha1:e343beb916bdd9dd41f28bbb2398de1489305d00
--! Message: views of the engine

/*
 * How the engine is doing: its runners, its pace, its workflows. Workflows are judged by their last 1,000 runs, so the
 * answer does not take longer as runs add up. Their newest runs are asked for as a range of (workflow_id, id): for
 * "workflow_id = …" the planner may walk all runs by id, until it has met enough of one that is run rarely.
 */
create view public.v_runners as
select runners.id                                      as runner,
       runners.host,
       runners.pid,
       case when runners.ending is not null then runners.ending
            when runners.id in (select sluice.dead_runners()) then 'dead'
            else 'alive'
       end                                             as state,
       case when runners.ended_at is null then tasks.running end as running,
       runners.slots,
       runners.started_at::timestamp(0)                as started,
       sluice.duration(extract(epoch from coalesce(runners.ended_at, clock_timestamp()) - runners.started_at)) as up,
       sluice.duration(greatest(0, extract(epoch from clock_timestamp() - runners.beat_at))) as last_beat
  from sluice.runners
 cross join lateral (
   select count(*)::integer as running
     from sluice.tasks
    where tasks.runner_id = runners.id and tasks.state = 'RUNNING'
 ) as tasks
 order by runners.id desc;

create view public.v_throughput as
select date_trunc('minute', event.at)::timestamp(0)       as minute,
       count(*) filter (where event.what = 'start')       as runs_started,
       count(*) filter (where event.what = 'RUNNING')     as tasks_started,
       count(*) filter (where event.what = 'SUCCESS')     as succeeded,
       count(*) filter (where event.what = 'FAILED')      as failed,
       round(count(*) filter (where event.what in ('SUCCESS', 'FAILED')) / 60.0, 1) as tasks_per_s
  from (
    select transitions.at, transitions.to_state::text as what
      from sluice.transitions
     where transitions.at >= date_trunc('minute', now()) - interval '59 minutes'
       and transitions.from_state is not null
    union all
    select runs.created_at, 'start'
      from sluice.runs
     where runs.created_at >= date_trunc('minute', now()) - interval '59 minutes'
  ) as event
 group by 1
 order by 1 desc;

create view sluice.workflow_statistics as
select newest.name                                     as workflow,
       newest.version,
       newest.created_at                               as registered_at,
       (select count(*)::integer from sluice.workflow_tasks as task where task.workflow_id = newest.id) as tasks,
       total.runs,
       sample.active,
       sample.ended,
       sample.completed,
       sample.p50_ms,
       sample.p95_ms,
       last.id                                         as last_run,
       last.status                                     as last_status,
       last.created_at                                 as last_started_at
  from (select distinct on (workflows.name) workflows.id, workflows.name, workflows.version, workflows.created_at
          from sluice.workflows
         order by workflows.name, workflows.version desc) as newest
 cross join lateral (
   select sum(version.runs)::bigint as runs
     from sluice.workflows
    cross join lateral (select count(*) as runs from sluice.runs where runs.workflow_id = workflows.id) as version
    where workflows.name = newest.name
 ) as total
 cross join lateral (
   select count(*) filter (where recent.status = 'RUNNING')::integer   as active,
          count(*) filter (where recent.status <> 'RUNNING')::integer  as ended,
          count(*) filter (where recent.status = 'COMPLETED')::integer as completed,
          percentile_cont(0.5)  within group (order by recent.ms) as p50_ms,
          percentile_cont(0.95) within group (order by recent.ms) as p95_ms
     from (select runs.status,
                  case when runs.status = 'COMPLETED' then 1000 * extract(epoch from runs.finished_at - runs.created_at)::float end as ms
             from sluice.workflows
            cross join lateral (select runs.id, runs.status, runs.finished_at, runs.created_at
                                  from sluice.runs
                                 where (runs.workflow_id, runs.id) > (workflows.id, 0)
                                   and (runs.workflow_id, runs.id) < (workflows.id + 1, 0)
                                 order by runs.workflow_id desc, runs.id desc
                                 limit 1000) as runs
            where workflows.name = newest.name
            order by runs.id desc
            limit 1000) as recent
 ) as sample
  left join lateral (
   select latest.id, latest.status, latest.created_at
     from sluice.workflows
    cross join lateral (select runs.id, runs.status, runs.created_at
                          from sluice.runs
                         where (runs.workflow_id, runs.id) > (workflows.id, 0)
                           and (runs.workflow_id, runs.id) < (workflows.id + 1, 0)
                         order by runs.workflow_id desc, runs.id desc
                         limit 1) as latest
    where workflows.name = newest.name
    order by latest.id desc
    limit 1
 ) as last on true
 order by newest.name;

create view public.v_workflows as
select statistics.workflow,
       statistics.version,
       statistics.tasks,
       statistics.runs,
       case when statistics.ended > 0 then round(100.0 * statistics.completed / statistics.ended, 1) || ' %' end as success,
       sluice.duration(statistics.p50_ms::numeric / 1000) as p50,
       sluice.duration(statistics.p95_ms::numeric / 1000) as p95,
       statistics.last_run,
       statistics.last_status,
       statistics.last_started_at::timestamp(0)           as last_started
  from sluice.workflow_statistics as statistics;

comment on view   public.v_runners                           is 'The processes that execute tasks, newest first.';
comment on column public.v_runners.runner                    is 'Its number.';
comment on column public.v_runners.host                      is 'The machine that it runs on.';
comment on column public.v_runners.pid                       is 'Its process.';
comment on column public.v_runners.state                     is 'alive; dead, when nobody has taken its tasks over yet; stopped or lost, when it has ended.';
comment on column public.v_runners.running                   is 'How many tasks it runs now.';
comment on column public.v_runners.slots                     is 'How many it can run at once.';
comment on column public.v_runners.started                   is 'When it registered, in the time zone of the session.';
comment on column public.v_runners.up                        is 'How long it has been, or was, registered.';
comment on column public.v_runners.last_beat                 is 'How long ago it gave its last sign of life.';
comment on view   public.v_throughput                        is 'The last hour, minute by minute, newest first; minutes in which nothing happened are left out.';
comment on column public.v_throughput.minute                 is 'The minute, in the time zone of the session.';
comment on column public.v_throughput.runs_started           is 'Runs that were started.';
comment on column public.v_throughput.tasks_started          is 'Tasks that entered RUNNING.';
comment on column public.v_throughput.succeeded              is 'Tasks that reached SUCCESS.';
comment on column public.v_throughput.failed                 is 'Tasks that reached FAILED.';
comment on column public.v_throughput.tasks_per_s            is 'Tasks that ended, per second.';
comment on view   sluice.workflow_statistics                 is 'The workflows and how their last 1,000 runs went; v_workflows is for people.';
comment on column sluice.workflow_statistics.workflow        is 'Its name.';
comment on column sluice.workflow_statistics.version         is 'Its newest version.';
comment on column sluice.workflow_statistics.registered_at   is 'When that was registered.';
comment on column sluice.workflow_statistics.tasks           is 'How many tasks that has.';
comment on column sluice.workflow_statistics.runs            is 'How many runs there are, of all versions.';
comment on column sluice.workflow_statistics.active          is 'Of the last 1,000, those under way.';
comment on column sluice.workflow_statistics.ended           is 'Of the last 1,000, those that have ended.';
comment on column sluice.workflow_statistics.completed       is 'Of these, those that are COMPLETED.';
comment on column sluice.workflow_statistics.p50_ms          is 'Half of the COMPLETED ones took at most so many milliseconds.';
comment on column sluice.workflow_statistics.p95_ms          is '95 % of them took at most so many.';
comment on column sluice.workflow_statistics.last_run        is 'The last run.';
comment on column sluice.workflow_statistics.last_status     is 'Its status.';
comment on column sluice.workflow_statistics.last_started_at is 'When it was started.';
comment on view   public.v_workflows                         is 'The workflows and how their last 1,000 runs went.';
comment on column public.v_workflows.workflow                is 'Its name.';
comment on column public.v_workflows.version                 is 'Its newest version.';
comment on column public.v_workflows.tasks                   is 'How many tasks that has.';
comment on column public.v_workflows.runs                    is 'How many runs there are, of all versions.';
comment on column public.v_workflows.success                 is 'How many of the last 1,000 were COMPLETED, of those that have ended.';
comment on column public.v_workflows.p50                     is 'Half of these took at most so long.';
comment on column public.v_workflows.p95                     is '95 % of these took at most so long.';
comment on column public.v_workflows.last_run                is 'The last run.';
comment on column public.v_workflows.last_status             is 'Its status.';
comment on column public.v_workflows.last_started            is 'When it was started, in the time zone of the session.';
