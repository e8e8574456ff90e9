import { writeFile } from 'node:fs/promises';
import { createDatabase, stopTestCluster } from './database.ts';
import { describeSchema, SCHEMA_FILE } from './schema.ts';

/* `npm run schema`: to be run after a migration has been committed. */
{
  await using database = await createDatabase();
  await writeFile(SCHEMA_FILE, await describeSchema(database.pool));
}
await stopTestCluster();
