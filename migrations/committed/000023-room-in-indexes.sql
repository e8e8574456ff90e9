--! Previous: sha1:2b042388a50664464636e90a74938021251eaa36
--! Hash: sha1:e90ec8edf2a7e6e51b78a9e166a98453ba7c6de5
--! Message: room in indexes

/*
 * Room in indexes. Each move of a task, and the end of a run, adds an entry beside the one of the version before: where
 * pages are filled to the brim, each of them splits while its runs are under way. Half-filled ones do not, and after vacuum
 * they are as full as split ones would be. New pages only; `reindex` would do the same for old ones, but those are history.
 */
alter index sluice.tasks_pkey       set (fillfactor = 50);
alter index sluice.runs_pkey        set (fillfactor = 50);
alter index sluice.runs_by_workflow set (fillfactor = 50);
