--! Previous: sha1:eb0052b7d0b6b7aaaf96f137679446f811ffbd1e
--! Hash: sha1:60e95d0609c6496a51354c5aa1ec585b5d0c6b59
--! Message: files by time

create index inbox_files_by_time on sluice.inbox_files (seen_at);
