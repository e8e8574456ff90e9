--! Previous: sha1:f6e4b8d881fd91c654a356d3f26fed15a6f3de43
--! Hash: sha1:ee3685024ce10e32e4959fb71ed0121bcb1fd99a
--! Message: find runs

/*
 * Finding runs among a million finished ones. Each index earns its place: one replaces another, one holds only runs that
 * were stopped, and the others are a few pages in all, because rows arrive in the order of time.
 */
drop index sluice.runs_by_workflow;
create index runs_by_workflow on sluice.runs (workflow_id, id);

create index runs_stopped on sluice.runs (id) where status in ('FAILED', 'CANCELLED');

create index runs_by_time        on sluice.runs        using brin (created_at) with (pages_per_range = 32, autosummarize = on);
create index transitions_by_time on sluice.transitions using brin (at)         with (pages_per_range = 32, autosummarize = on);
