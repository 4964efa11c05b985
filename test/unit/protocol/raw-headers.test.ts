import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from 'vitest';
import { takeFrom } from '../../../src/protocol/raw-headers.ts';

const NAME = 'lossless-consumer';

/** A request as a server gets it, with these lines. */
async function received(...lines: string[]): Promise<IncomingMessage> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const got = new Promise<IncomingMessage>((resolve) => {
    server.on('request', (request, response) => {
      resolve(request);
      response.end();
    });
  });
  const head = ['GET / HTTP/1.1', 'Host: x', ...lines, 'Connection: close', 'X-Last: end'];
  connect((server.address() as AddressInfo).port, '127.0.0.1').end(`${head.join('\r\n')}\r\n\r\n`);
  return got.finally(() => server.close());
}

test.each([
  ['once', ['Lossless-Consumer: "a"']],
  ['twice', ['lossless-consumer: "a"', 'X-Mid: m', 'LOSSLESS-CONSUMER: "b"']],
])('a header that came %s is taken, and what is left reads as it came', async (_, lines) => {
  const request = await received(...lines);
  expect(takeFrom(request, NAME)).toBe('"a"');
  expect(takeFrom(request, NAME)).toBeUndefined();
  expect(request.headers).toMatchObject({ host: 'x', connection: 'close', 'x-last': 'end' });
  expect(request.headersDistinct['x-last']).toEqual(['end']);
  const all = [request.headers, request.headersDistinct, request.rawHeaders].map((each) => JSON.stringify(each));
  expect(all.join().toLowerCase()).not.toContain(NAME);
});

test('it is taken too when somebody has read the headers before', async () => {
  const request = await received('Lossless-Consumer: "a"');
  expect(request.headers[NAME]).toBe('"a"');
  expect(request.headersDistinct[NAME]).toEqual(['"a"']);
  expect(takeFrom(request, NAME)).toBe('"a"');
  expect(request.headers).toEqual({ host: 'x', connection: 'close', 'x-last': 'end' });
  expect(request.headersDistinct[NAME]).toBeUndefined();
});

test('a request without it is left as it is', async () => {
  const request = await received('X-Mid: m');
  expect(takeFrom(request, NAME)).toBeUndefined();
  expect(request.headers['x-mid']).toBe('m');
});
