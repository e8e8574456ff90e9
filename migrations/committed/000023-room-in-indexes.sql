--! Previous: sha1:b44d9b074d729d7099f5fef5acf1034e270ecba1
--! Hash: sha1:a6279c05dcf1a683e8e61cf6da596ee2f4139533
--! Message: room in indexes

/*
 * Room in indexes. Each move of a task, and the end of a run, adds an entry beside the one of the version before: where
 * pages are filled to the brim, each of them splits while its runs are under way. Half-filled ones do not, and after vacuum
 * they are as full as split ones would be. New pages only; `reindex` would do the same for old ones, but those are history.
 */
alter index sluice.tasks_pkey       set (fillfactor = 50);
alter index sluice.runs_pkey        set (fillfactor = 50);
alter index sluice.runs_by_workflow set (fillfactor = 50);
