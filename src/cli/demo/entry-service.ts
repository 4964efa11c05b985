/**
 * The application of the demo with `--entry`: an HTTP server that does a little work and answers what it was sent. It does not know of
 * the plugin. With a flag file it leaves as a careful team writes it by hand: the file that the balancer's check looks at goes, and
 * everybody has a fixed time to notice. Arguments: port, and the flag file of the one by hand.
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
    // Whoever cuts his request gets no answer.
    .catch(() => response.destroy());
});

function leaveByHand(): void {
  writeFileSync(flag, '');
  process.once('SIGTERM', async () => {
    rmSync(flag, { force: true });
    await sleep(SLEEP_MS);
    server.close(() => process.exit());
    // One that is busy now is idle later, and would be kept for a minute.
    setInterval(() => server.closeIdleConnections(), 100);
  });
}

// nginx keeps idle connections for 60 s; with the default of 5 s requests would cross their end without any shutdown.
server.keepAliveTimeout = 65_000;
server.listen(Number(port), '127.0.0.1', () => {
  if (flag !== '') leaveByHand();
  process.send?.({ port: Number(port) });
});

// The demo ends: so does everything it started.
process.on('disconnect', () => process.exit());
