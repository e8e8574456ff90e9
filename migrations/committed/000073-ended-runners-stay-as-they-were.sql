--! Previous: sha1:75be8cbc0a3b08d9976c9d1cc68b0859481e3123
--! Hash: sha1:9eca5c1e956bc7fa261e99a2d0480ae407ef5f77
--! Message: ended runners stay as they were

drop trigger guard_ended_runner on sluice.runners;
create trigger guard_ended_runner before update on sluice.runners
  for each row when (old.ended_at is not null or new.ended_at is not null or old.id <> new.id) execute function sluice.guard_ended_runner();
