import { openClient } from '../../src/database/connect.ts';

/** Hears a channel, the doorbell's if none is named. What was rung before a ring of its own has arrived when that one has. */
export async function listening(url: string, channel: 'task_ready' | 'run_stopped' = 'task_ready') {
  const client = await openClient(url);
  const rings: string[] = [];
  let onMark = () => {};
  client.on('notification', ({ channel: rung, payload }) => {
    if (rung === 'mark') onMark();
    else rings.push(`${rung}:${payload}`);
  });
  await client.query(`listen ${channel}; listen mark`);
  return {
    heard: async () => {
      const marked = new Promise<void>((resolve) => {
        onMark = resolve;
      });
      await client.query('notify mark');
      await marked;
      return rings;
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
