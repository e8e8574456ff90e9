--! Previous: sha1:f100265a37321211d447a7d0da049967e24a2e7c
--! Hash: sha1:3af8de2daaf58fa32ac83e6ad5e4497ffd477e19
--! Message: ended runners stay as they were

drop trigger guard_ended_runner on sluice.runners;
create trigger guard_ended_runner before update on sluice.runners
  for each row when (old.ended_at is not null or new.ended_at is not null or old.id <> new.id) execute function sluice.guard_ended_runner();
