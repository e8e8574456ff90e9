import { openEngine } from '../../src/engine.ts';
import { acting } from './acting.ts';

/*
 * A runner in a process of its own, for tests that throw past everybody. Arguments: the URL, and `doomed` if `doom` is to
 * end it.
 */
const [url = '', fate] = process.argv.slice(2);
// Whoever forked us is gone.
process.on('disconnect', () => process.exit(1));

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
        if (fate !== 'doomed') return 'spared';
        isDoomed = true;
        return await never;
      },
      fine: () => 'fine',
    }),
  },
});
await engine.run({ signal: new AbortController().signal, onReady: () => process.send?.('ready') });
