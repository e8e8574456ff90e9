--! Previous: sha1:dccd5ddff53821d72b0701384e5cfb557cf3f2f2
--! Hash: sha1:a95c991abc28890f1f1a02a7ced77bc4de9fb441
--! Message: files by time

create index inbox_files_by_time on sluice.inbox_files (seen_at);
