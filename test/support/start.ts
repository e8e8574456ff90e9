import { startEmbedded } from '../../src/database/embedded.ts';
import { messageOf } from '../../src/errors.ts';

/* A process that starts the embedded database of the folder named, says how it went, and ends. */
const [folder = ''] = process.argv.slice(2);
const result = startEmbedded(folder, { settings: { fsync: 'off' } });
console.log(await result.then(JSON.stringify, messageOf));
