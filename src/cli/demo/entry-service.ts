/**
 * The application of the demo with `--entry`: an HTTP server that does a little work and echoes each request. It does not know of
 * the plugin. With a flag file it leaves as a careful team writes it by hand: it removes the file that the balancer checks, and
 * waits a fixed time for everybody to notice. Arguments: port, and the flag file of the hand-written set.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** Time a request takes, in milliseconds: a small look-up. */
const WORK_MS = 5;

/** The fixed sleep, in milliseconds: the `keepalive_timeout` of nginx, 6 s, and two checks of the balancer. */
const SLEEP_MS = 8_000;

const [port = '0', flag = ''] = process.argv.slice(2);

const server = createServer((request, response) => {
  text(request)
    .then(async (body) => {
      await sleep(WORK_MS);
      response.end(body);
    })
    // A client that cuts its request gets no answer.
    .catch(() => response.destroy());
});

function leaveByHand(): void {
  writeFileSync(flag, '');
  process.once('SIGTERM', async () => {
    rmSync(flag, { force: true });
    await sleep(SLEEP_MS);
    server.close(() => process.exit());
    // Again and again: a busy connection turns idle later, and would stay open for a minute.
    setInterval(() => server.closeIdleConnections(), 100);
  });
}

// nginx keeps idle connections for 60 s; with the default of 5 s requests would cross their end without any shutdown.
server.keepAliveTimeout = 65_000;
server.listen(Number(port), '127.0.0.1', () => {
  if (flag !== '') leaveByHand();
  process.send?.({ port: Number(port) });
});

// End with the demo.
process.on('disconnect', () => process.exit());
