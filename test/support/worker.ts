import { openEngine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { acting } from './acting.ts';

/*
 * A runner in a process of its own, for tests that end it or that throw past everybody. Its connector "test" does what
 * the database cannot be asked to do. Arguments: the URL, and the name of the task's step at which it hangs, if any.
 */
const [url = '', hangsAt = ''] = process.argv.slice(2);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
// Whoever forked us is gone.
const onOrphaned = () => process.exit(1);
process.on('disconnect', onOrphaned);

const never = new Promise<never>(() => {});
/** Throws in nobody's name. */
let isDoomed = false;
setInterval(() => {
  if (isDoomed) throw new Error('thrown in a timer of the process');
}, 10).unref();

await using engine = openEngine({
  connectionString: url,
  connectors: {
    test: acting({
      /** Leaves a row for each time that it ran, and hangs where it was told to. */
      step: async (name, { transaction }) => {
        if (name === hangsAt) {
          process.send?.(`hangs at ${name}`);
          await never;
        }
        const db = await transaction();
        await db.query('insert into steps (name) values ($1)', [name]);
        return name;
      },
      reject: async () => {
        void Promise.reject(new Error('nobody awaits this'));
        await never;
      },
      throw: async () => {
        setTimeout(() => {
          throw new Error('thrown in a timer');
        });
        await never;
      },
      listen: async (_, { signal }) => {
        signal.addEventListener('abort', () => {
          throw new Error('thrown by what listens to the signal');
        });
        await never;
      },
      leave: () => {
        setTimeout(() => {
          throw Object.create(null);
        });
        return 'left';
      },
      doom: async () => {
        if (hangsAt !== 'doom') return 'spared';
        isDoomed = true;
        return await never;
      },
      fine: () => 'fine',
    }),
  },
  log: createLog({
    level: 'info',
    format: 'json',
    color: false,
    write: (line) => process.stdout.write(`${line}\n`),
  }),
});
await engine.run({ slots: 4, signal: stop.signal, onReady: () => process.send?.('ready') });
process.off('disconnect', onOrphaned).disconnect?.();
