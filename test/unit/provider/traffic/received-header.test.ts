import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { expect, test } from 'vitest';
import { ReceivedHeader } from '../../../../src/provider/traffic/received-header.ts';
import { listening } from '../../../support/listening.ts';

/** A request as a server gets it. */
async function received(headers: readonly string[], look: (request: IncomingMessage) => void): Promise<void> {
  const server = createServer((incoming, response) => {
    look(incoming);
    response.end();
  });
  const port = await listening(server);
  const sent = request({ port, host: '127.0.0.1', agent: false, headers: ['Host', 'a', ...headers] }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  server.close();
}

const ours = new ReceivedHeader('lossless-consumer');

test.each([
  ['before the application has looked', false],
  ['after somebody has looked at the headers', true],
])('the plugin removes its header %s, however often the header came', async (_, looks) => {
  const sent = ['A', '1', 'Lossless-Consumer', 'first', 'B', '2', 'lossless-consumer', 'second', 'C', '3'];
  await received(sent, (incoming) => {
    if (looks) expect([incoming.headers['b'], incoming.headersDistinct['b']]).toEqual(['2', ['2']]);
    expect(ours.take(incoming)).toBe('first');
    expect(ours.take(incoming)).toBeUndefined();
    expect(incoming.headers).toMatchObject({ host: 'a', a: '1', b: '2', c: '3' });
    expect(incoming.headersDistinct).toMatchObject({ a: ['1'], b: ['2'], c: ['3'] });
    for (const all of [incoming.headers, incoming.headersDistinct]) expect(all).not.toHaveProperty('lossless-consumer');
    expect(incoming.rawHeaders.join().toLowerCase()).not.toContain('lossless');
  });
});

test('a request without the header stays as it is', async () => {
  await received(['A', '1'], (incoming) => {
    const before = [...incoming.rawHeaders];
    expect(ours.take(incoming)).toBeUndefined();
    expect(incoming.rawHeaders).toEqual(before);
  });
});
