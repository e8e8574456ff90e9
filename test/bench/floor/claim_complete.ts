import { openClient } from '../../../src/database/connect.ts';
import { amount, type Figures, type Place } from '../contest.ts';

const STEP = `
  with done as (
    update floor set state = 'done', done_at = now() where id = any ($1)
  )
  update floor set state = 'taken', taken_at = now()
   where id in (select id from floor where state = 'waiting' order by id limit $2 for update skip locked)
  returning id`;

/** The plainest batched claim-and-complete, on a table without triggers: as many tasks, one connection. */
export async function claimAndComplete({ url, size }: Place): Promise<Figures> {
  const tasks = amount(size, 'runs') * amount(size, 'tasks');
  const client = await openClient(url, { name: 'bench floor' });
  await client.query(`
    create table floor (
      id       bigint generated always as identity primary key,
      state    text not null default 'waiting',
      taken_at timestamptz,
      done_at  timestamptz
    );
    create index on floor (id) where state = 'waiting'`);
  await client.query('insert into floor (state) select $1 from generate_series(1, $2)', ['waiting', tasks]);
  const began = performance.now();
  let taken: string[] = [];
  do {
    const { rows } = await client.query({
      name: 'step',
      text: STEP,
      values: [taken, amount(size, 'slots')],
    });
    taken = rows.map(({ id }) => id);
  } while (taken.length > 0);
  const took = performance.now() - began;
  await client.end();
  return { tasks_per_s: (tasks * 1000) / took };
}
