/** A process that sends POSTs, as many as a message says, and reports its CPU microseconds per request: `request-client.ts <client> <url> <at a time>`. */
import { Agent, request as httpRequest } from 'node:http';
import { request as undiciRequest } from 'undici';
import { slice } from './slice.ts';

const [client = '', url = '', atATime] = process.argv.slice(2);

const agent = new Agent({ keepAlive: true });

const CLIENTS: Readonly<Record<string, () => Promise<void>>> = {
  fetch: async () => void (await (await fetch(url, { method: 'POST', body: 'x' })).text()),
  undici: async () => void (await (await undiciRequest(url, { method: 'POST', body: 'x' })).body.text()),
  'http.request': () =>
    new Promise((resolve, reject) => {
      httpRequest(url, { method: 'POST', agent }, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end('x');
    }),
};

const one = CLIENTS[client];
if (one === undefined) throw new Error(`expected one of ${Object.keys(CLIENTS).join(', ')}, received ${client}`);
process.on('disconnect', () => process.exit());
process.on('message', async ({ requests }: { requests: number }) =>
  process.send?.({ µs: await slice(requests, one, Number(atATime)) }),
);
