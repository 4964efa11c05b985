// A service whose requests need a pool of connections. It closes the pool after the last request.
import { createServer } from 'node:http';
import { onOffline } from 'lossless-lifecycle';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });

onOffline('pool', async ({ drained }) => {
  await drained;
  await pool.end();
});

createServer(async (_, response) => {
  const { rows } = await pool.query('select pg_sleep(0.1), 42 as answer');
  response.end(`${rows[0].answer}\n`);
}).listen(Number(process.env.PORT ?? 8080));
