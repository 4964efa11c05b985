/** A service that reports the times of its first and second request to `url`: `first-caller.ts <url>`. */
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { listening, portOf } from '../test/support/listening.ts';

const [url = ''] = process.argv.slice(2);

async function timed(to: string): Promise<number> {
  const begun = performance.now();
  await (await fetch(to)).text();
  return performance.now() - begun;
}

const server = createServer((_, response) => response.end('ok'));
await listening(server);
// One request elsewhere first, because the client loads code with its very first request.
await timed(`http://127.0.0.1:${portOf(server)}/`);
process.once('message', async () => {
  const first = await timed(url);
  // The client gives a connection back a moment after the answer.
  await setTimeout(50);
  process.send?.({ first, second: await timed(url) });
});
process.on('disconnect', () => process.exit());
