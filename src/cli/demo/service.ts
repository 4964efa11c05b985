/**
 * The one application of the demo: an HTTP server that does a little work and passes the request on. It does not know of
 * the plugin. For the base set `register` and `pick` are written by hand, as a careful team does (see `by-hand.ts`); for the
 * gray set they are absent and the plugin does the rest.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const [name = '', next = '', host = '', byHand = ''] = process.argv.slice(2);

/** Time a request takes by itself, in milliseconds: a small look-up. */
const WORK_MS = 5;

const hand = byHand === '' ? undefined : await import('./by-hand.ts').then(({ start }) => start(name, byHand));

const server = createServer((request, response) => {
  work(request, response).catch((error: Error & { cause?: { code?: string } }) => {
    response.writeHead(502).end(`${name} -> ${next}: ${error.cause?.code ?? error.message}`);
  });
});

async function work(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  await new Promise((resolve) => setTimeout(resolve, WORK_MS));
  if (next === '') {
    response.end(body);
    return;
  }
  const origin = hand === undefined ? `http://${next}` : await hand.pick(next);
  const answer = await fetch(`${origin}/work`, { method: 'POST', body });
  response.writeHead(answer.status);
  response.end(await answer.text());
}

// The one that is never rolled. With the default of 5 s idle connections expire while a request of the load is on its way to
// them, a race of its own that shows on a busy machine in both sets.
if (name === 'gateway') server.keepAliveTimeout = 120_000;
server.listen(0, host, async () => {
  const { port } = server.address() as AddressInfo;
  await hand?.register(host, port, server);
  process.send?.({ port });
});

// The demo ends: so does everything it started.
process.on('disconnect', () => process.exit());
