--! Previous: sha1:0ee846c321ac173e75d5cff3a5f8409c6f57373b
--! Hash: sha1:41816d2338fa426eb0cf5db9807fffc05da27689
--! Message: what a hop and its triggers tell each other

/* Which settings these are stood in no place: who reads advance should find it there. */
comment on function sluice.advance() is
  'Lets legal moves of tasks pass; then children that wait for nobody are READY, runs finish, the doorbell rings. Between a hop (report_and_claim) and what its updates set off, settings that end with the transaction carry: sluice.hop, whose hop it is and how many tasks it has room for; sluice.follows, at which depth of triggers a write follows from a move instead of being made by hand; sluice.taken_tasks and sluice.ended_runs, the places of the tasks that the hop''s runner took and of the runs that ended.';
