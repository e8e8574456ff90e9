--! Previous: sha1:d76aff547e5b4961232575b70482ab5ba2cc170c
--! Hash: sha1:e6f60865bade605a1f6b475e7619c3851d01e382
--! Message: room in indexes

/*
 * Room in indexes. Each move of a task, and the end of a run, adds an entry beside the one of the version before: where
 * pages are filled to the brim, each of them splits while its runs are under way. Half-filled ones do not, and after vacuum
 * they are as full as split ones would be. New pages only; `reindex` would do the same for old ones, but those are history.
 */
alter index sluice.tasks_pkey       set (fillfactor = 50);
alter index sluice.runs_pkey        set (fillfactor = 50);
alter index sluice.runs_by_workflow set (fillfactor = 50);
