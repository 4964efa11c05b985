/**
 * What one writes by hand: a server that notes who calls it, and when it is told to, calls each of them by undici. It has no
 * spans, no time-out, no second attempt and no registry.
 */
import { createServer } from 'node:http';
import { request } from 'undici';
import { encodeGoAway, GOAWAY_PATH } from '../src/protocol/goaway.ts';
import { CONSUMER_HEADER, decodeConsumer } from '../src/protocol/header.ts';
import { listening } from '../test/support/listening.ts';

const AT_ONCE = 256;

const ports: number[] = [];

const server = createServer((asked, response) => {
  const caller = decodeConsumer(String(asked.headers[CONSUMER_HEADER]));
  if (caller !== undefined) ports.push(caller.port);
  asked.pipe(response);
});
const port = await listening(server);

const provider = {
  service: 'provider',
  instanceId: `provider:${process.pid}`,
  generation: 1,
  address: `127.0.0.1:${port}`,
};

async function tell(to: number): Promise<void> {
  const { body } = await request(`http://127.0.0.1:${to}${GOAWAY_PATH}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: encodeGoAway({ provider, expiresInMs: 60_000 }),
  });
  await body.text();
}

process.on('disconnect', () => process.exit());
process.once('message', async () => {
  const waiting = ports.values();
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const each of waiting) await tell(each);
    }),
  );
  process.send?.({ told: ports.length, ms: performance.now() - begun });
});
process.send?.({ port });
