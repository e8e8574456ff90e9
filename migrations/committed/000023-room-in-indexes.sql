--! Previous: sha1:fc9ad8356444a5880e5e4c887a801e2e7c93d714
--! Hash: sha1:c3ae7e66bce0193e8d858035ed3083d370202e5c
--! Message: room in indexes

/*
 * Room in indexes. Each move of a task, and the end of a run, adds an entry beside the one of the version before: where
 * pages are filled to the brim, each of them splits while its runs are under way. Half-filled ones do not, and after vacuum
 * they are as full as split ones would be. New pages only; `reindex` would do the same for old ones, but those are history.
 */
alter index sluice.tasks_pkey       set (fillfactor = 50);
alter index sluice.runs_pkey        set (fillfactor = 50);
alter index sluice.runs_by_workflow set (fillfactor = 50);
