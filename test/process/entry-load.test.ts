import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type Sends, startHttp1 } from '../support/entry/http1-load.ts';
import { startHttp2 } from '../support/entry/http2-load.ts';
import { until } from '../support/until.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(server: TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Answers the number of bytes it received, by `answer`. */
function counting(answer: (response: ServerResponse, bytes: number, turn: number) => void): Server {
  let turn = 0;
  return createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => answer(response, bytes, turn++));
  });
}

/** One client's outcomes until it has sent so many requests, and how many connections the server saw. */
async function outcomes(server: Server, requests: number, sends: Sends = 'post') {
  let connections = 0;
  let seen = 0;
  server.on('connection', () => {
    connections++;
  });
  server.on('request', () => {
    seen++;
  });
  const port = await listen(server);
  const load = startHttp1({ host: '127.0.0.1', port, sends, clients: 1, perSecond: 50 });
  await until(() => seen >= requests);
  const { failed, ok, sent } = await load.stop();
  return { connections, ok, sent, reasons: [...new Set(failed.map(({ reason }) => reason))], failed: failed.length };
}

for (const sends of ['get', 'post', 'post-200k', 'chunked'] as const)
  it(`${sends}: one connection is used again, and each body arrives whole`, async () => {
    const { connections, ok, sent } = await outcomes(
      counting((response, bytes) => void response.end(`${bytes}`)),
      5,
      sends,
    );
    expect(ok).toBe(sent);
    // The load does not wait for a busy connection.
    expect(connections).toBeLessThan(sent);
  });

it('an answer that says Connection: close is the last one of its connection', async () => {
  const server = counting((response, bytes) => void response.setHeader('connection', 'close').end(`${bytes}`));
  const { connections, ok, sent } = await outcomes(server, 5);
  expect(ok).toBe(sent);
  expect(connections).toBe(sent);
});

it('an answer in chunks is read to its end', async () => {
  const server = counting((response, bytes) => {
    response.write(`${bytes}`);
    setImmediate(() => response.end());
  });
  const { connections, ok, sent } = await outcomes(server, 5);
  expect(ok).toBe(sent);
  expect(connections).toBeLessThan(sent);
});

it('a status other than 200 is a failure', async () => {
  const { ok, reasons } = await outcomes(
    counting((response) => void response.writeHead(502).end('bad gateway')),
    3,
  );
  expect([ok, reasons]).toEqual([0, ['status 502']]);
});

it('a body that did not arrive whole is a failure', async () => {
  const { ok, reasons } = await outcomes(
    counting((response, bytes) => void response.end(`${bytes - 1}`)),
    3,
  );
  expect([ok, reasons]).toEqual([0, ['body']]);
});

it('a connection that ends before or inside an answer, or is reset, counts as a failure, and the load repeats nothing', async () => {
  for (const [end, reason] of [
    [(response: ServerResponse) => response.socket?.end(), 'closed'],
    [(response: ServerResponse) => response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n5'), 'cut'],
    [(response: ServerResponse) => response.socket?.resetAndDestroy(), 'ECONNRESET'],
  ] as const) {
    let seen = 0;
    const server = counting((response) => {
      seen++;
      end(response);
    });
    const { failed, reasons, sent } = await outcomes(server, 3);
    expect([reasons, failed, seen]).toEqual([[reason], sent, sent]);
  }
});

it('a refused connection counts as a failure', async () => {
  const server = createTcp();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  const load = startHttp1({ host: '127.0.0.1', port, sends: 'get', clients: 2, perSecond: 50 });
  await until(() => load.sent >= 3);
  const { failed, ok } = await load.stop();
  expect([ok, [...new Set(failed.map(({ reason }) => reason))]]).toEqual([0, ['ECONNREFUSED']]);
});

it('HTTP/2: one session for a client, a new one after a GOAWAY frame, and a stream that was refused is a failure', async () => {
  const sessions: ServerHttp2Session[] = [];
  let streams = 0;
  const server = createHttp2();
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    streams++;
    if (streams === 10) return stream.close(7);
    stream.respond({ ':status': 200 });
    stream.end('ok');
    if (streams === 5) stream.session?.goaway();
  });
  const port = await listen(server);
  const load = startHttp2({ host: '127.0.0.1', port, clients: 1, perSecond: 50 });
  await until(() => streams >= 20);
  const { failed, ok, sent } = await load.stop();
  expect(sessions.length).toBe(2);
  expect(failed.map(({ reason }) => reason)).toEqual(['NGHTTP2_REFUSED_STREAM']);
  expect(ok).toBe(sent - 1);
});
