--! Previous: sha1:e3abd1e556831d95f1ae430b228855d85bac81d0
--! Hash: sha1:3c0d20f68b1a0860aa9eaac77eaa73cc32b0dd7d
--! Message: room in indexes

/*
 * Room in indexes. Each move of a task, and the end of a run, adds an entry beside the one of the version before: where
 * pages are filled to the brim, each of them splits while its runs are under way. Half-filled ones do not, and after vacuum
 * they are as full as split ones would be. New pages only; `reindex` would do the same for old ones, but those are history.
 */
alter index sluice.tasks_pkey       set (fillfactor = 50);
alter index sluice.runs_pkey        set (fillfactor = 50);
alter index sluice.runs_by_workflow set (fillfactor = 50);
