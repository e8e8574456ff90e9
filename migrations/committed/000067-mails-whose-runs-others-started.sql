--! Previous: sha1:795ca15377350eba61ef0ac03cadedf03da0bd51
--! Hash: sha1:00f23a62b9f6701a985f15f954b15d35fa608056
--! Message: mails whose runs others started

/* A mail whose run another session had just started was told as one that began here. */
create or replace function sluice.take_files(p_workflow text, p_paths text[], p_hashes text[], p_stamps text[], p_inputs jsonb[])
  returns table (run_id bigint, is_new boolean)
  language plpgsql volatile
  set search_path = sluice, pg_temp
as $$
#variable_conflict use_column
declare
  v_hashes text[];
  v_inputs jsonb[];
  v_new    bigint[];
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
    select array_agg(started.run_id) filter (where started.is_new) into v_new
      from start_runs(p_workflow, v_inputs, array(select 'sha256 ' || hash from unnest(v_hashes) with ordinality as given(hash, position) order by position)) as started;
  end if;

  return query
    with file as (
      select given.path, given.sha256, given.stamp, given.position, found.run_id,
             found.run_id in (select unnest(v_new))
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
