import { openClient } from '../../src/database/connect.ts';

/** Hears the doorbell. What was rung before a ring of its own has arrived when that one has. */
export async function listening(url: string) {
  const client = await openClient(url);
  const rings: string[] = [];
  let onMark = () => {};
  client.on('notification', ({ channel, payload }) => {
    if (channel === 'mark') onMark();
    else rings.push(`${channel}:${payload}`);
  });
  await client.query('listen task_ready; listen mark');
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
