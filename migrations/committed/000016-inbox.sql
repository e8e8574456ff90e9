--! Previous: sha1:f06cf9850af09c01f9493ba014cf978a5916213d
--! Hash: sha1:638db10816dac834accd0e58776343641861eadb
--! Message: inbox

/*
 * An inbox: a folder in which every file starts one run. What counts is the content: the same mail under another name is
 * the same mail, a new mail under an old name is a new one. Rows outlive the runs that are pruned, so that a mail that is
 * still lying there does not start again.
 */
create table sluice.inbox_files (
  workflow text        not null,
  path     text        not null,
  sha256   text        not null constraint contents_are_known_by_their_hash check (sha256 ~ '^[0-9a-f]{64}$'),
  stamp    text        not null,
  run_id   bigint      not null,
  seen_at  timestamptz not null default now(),
  primary key (workflow, path, sha256)
);

create index inbox_files_by_content on sluice.inbox_files (workflow, sha256);

/*
 * Starts a run for each content that is new and records all files, in one transaction: a file is recorded exactly when its
 * run exists. Two that look into the same folder take turns.
 */
create function sluice.take_files(p_workflow text, p_paths text[], p_hashes text[], p_stamps text[], p_inputs jsonb[])
  returns table (run_id bigint, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
#variable_conflict use_column
declare
  v_hashes text[];
  v_inputs jsonb[];
  v_first  bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('sluice.take_files ' || p_workflow, 0));

  select array_agg(fresh.sha256 order by fresh.position), array_agg(fresh.input order by fresh.position)
    into v_hashes, v_inputs
    from (select distinct on (given.sha256) given.sha256, given.input, given.position
            from unnest(p_hashes, p_inputs) with ordinality as given(sha256, input, position)
           where not exists (select from inbox_files as known where known.workflow = p_workflow and known.sha256 = given.sha256)
             and not exists (select from runs where runs.workflow = p_workflow and runs.key = 'sha256 ' || given.sha256)
           order by given.sha256, given.position) as fresh;
  if v_hashes is not null then
    select min(run_id) into v_first
      from start_runs(p_workflow, v_inputs, array(select 'sha256 ' || hash from unnest(v_hashes) with ordinality as given(hash, position) order by position));
  end if;

  return query
    with file as (
      select given.path, given.sha256, given.stamp, given.position, found.run_id,
             coalesce(found.run_id >= v_first, false)
               and given.position = min(given.position) over (partition by given.sha256) as is_new
        from unnest(p_paths, p_hashes, p_stamps) with ordinality as given(path, sha256, stamp, position)
       cross join lateral (
         select coalesce((select runs.id from runs where runs.workflow = p_workflow and runs.key = 'sha256 ' || given.sha256),
                         (select max(known.run_id) from inbox_files as known where known.workflow = p_workflow and known.sha256 = given.sha256)) as run_id
       ) as found
    ), recorded as (
      insert into inbox_files (workflow, path, sha256, stamp, run_id)
      select distinct on (file.path, file.sha256) p_workflow, file.path, file.sha256, file.stamp, file.run_id
        from file
       order by file.path, file.sha256, file.position desc
          on conflict (workflow, path, sha256) do update set stamp = excluded.stamp, seen_at = excluded.seen_at
    )
    select file.run_id, file.is_new from file order by file.position;
end;
$$;

create view public.v_inbox as
select files.seen_at::timestamp(0)                 as seen,
       files.path,
       files.run_id                                as run,
       runs.status,
       sluice.run_subject(runs.id)                 as subject
  from sluice.inbox_files as files
  left join sluice.runs on runs.id = files.run_id
 order by files.seen_at desc, files.run_id desc, files.path;

comment on table    sluice.inbox_files           is 'Which file became which run.';
comment on column   sluice.inbox_files.workflow  is 'The workflow that was started.';
comment on column   sluice.inbox_files.path      is 'Where the file was found.';
comment on column   sluice.inbox_files.sha256    is 'Its content; a run''s key is "sha256 " and this.';
comment on column   sluice.inbox_files.stamp     is 'Its size, time and inode: while they are the same, it need not be read again.';
comment on column   sluice.inbox_files.run_id    is 'The run of this content. It may have been pruned since.';
comment on column   sluice.inbox_files.seen_at   is 'When the file was last taken.';
comment on function sluice.take_files(text, text[], text[], text[], jsonb[]) is 'Starts a run for each new content and records the files; a content that is known gives its run. In the order given.';
comment on view     public.v_inbox               is 'Which file became which run, newest first: select * from v_inbox where path = ''inbox/a.eml''';
comment on column   public.v_inbox.seen          is 'When the file was last taken, in the time zone of the session.';
comment on column   public.v_inbox.path          is 'Where the file was found.';
comment on column   public.v_inbox.run           is 'The run of its content; the same content is one run.';
comment on column   public.v_inbox.status        is 'How that run stands; null when it was pruned.';
comment on column   public.v_inbox.subject       is 'What the run is about.';
