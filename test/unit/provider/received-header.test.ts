import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ReceivedHeader } from '../../../src/provider/received-header.ts';

async function received(headers: readonly string[], look: (request: IncomingMessage) => unknown): Promise<unknown> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sent = request({ port, host: '127.0.0.1', headers: ['host', 'h', ...headers] as never }).end();
  sent.on('error', () => {});
  const [incoming] = (await once(server, 'request')) as [IncomingMessage];
  const seen = look(incoming);
  server.close().closeAllConnections();
  return seen;
}

test.each([
  ['last', ['x-a', '1', 'X-Ours', 'v']],
  ['first', ['x-ours', 'v', 'x-a', '1']],
  ['twice', ['x-ours', 'v', 'x-a', '1', 'X-OURS', 'w']],
])('a header that came %s is told, and is found nowhere afterwards; all others are', async (_, headers) => {
  const seen = (await received(headers, (incoming) => ({
    taken: new ReceivedHeader('x-ours').take(incoming),
    headers: { ...incoming.headers },
    distinct: { ...incoming.headersDistinct },
    raw: incoming.rawHeaders,
  }))) as { taken: string; headers: object; distinct: object; raw: string[] };
  expect(seen.taken).toBe('v');
  expect(seen.headers).toEqual({ host: 'h', 'x-a': '1', connection: 'keep-alive' });
  expect(seen.distinct).toEqual({ host: ['h'], 'x-a': ['1'], connection: ['keep-alive'] });
  expect(seen.raw.join().toLowerCase()).not.toContain('x-ours');
});

test('one that did not come changes nothing', async () => {
  const taken = await received(['x-a', '1'], (incoming) => new ReceivedHeader('x-ours').take(incoming));
  expect(taken).toBeUndefined();
});
