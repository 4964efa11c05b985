import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RELIED_ON } from '../../src/consumer/undici/parts.ts';
import { anInstance } from '../support/an-instance.ts';
import { listening, portOf } from '../support/listening.ts';
import { installed, MAJORS, type Major } from '../support/process/majors.ts';
import { LINES, type NodeLine } from '../support/process/node-lines.ts';
import { newChildren } from '../support/process/use-children.ts';

const FIXTURE = new URL('../fixtures/consumer/majors.ts', import.meta.url);
const PRELOAD = fileURLToPath(new URL('../fixtures/consumer/preload.ts', import.meta.url));

let served = 0;
const flaky = new Set<string>();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://any');
  const head = { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] };
  switch (pathname) {
    case '/ok': {
      const body = await text(request);
      const boundary = /boundary=(.+)/.exec(request.headers['content-type'] ?? '')?.[1];
      response.writeHead(200, { ...head, trailer: 'x-trailer' });
      response.addTrailers({ 'x-trailer': 'last' });
      response.write(`${request.method} ${search} ${request.headers['x-sent']} `);
      response.end(boundary === undefined ? body : body.replaceAll(boundary, 'boundary'));
      return;
    }
    case '/404':
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"missing":true}');
      return;
    case '/500':
      response.writeHead(500, { 'content-type': 'text/plain' }).end('broken');
      return;
    case '/redirect':
      response.writeHead(302, { location: '/ok?redirected' }).end('elsewhere');
      return;
    case '/absolute':
      response.writeHead(307, { location: `http://${request.headers.host}/ok?absolute` }).end();
      return;
    case '/gzip':
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('unpacked'));
      return;
    case '/flaky':
      if (flaky.has(search)) response.end('at last');
      else response.writeHead(503).end('not yet');
      flaky.add(search);
      return;
    case '/cached':
      response.writeHead(200, { 'cache-control': 'public, max-age=60' }).end(String(served++));
      return;
    case '/early':
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.end('late');
      return;
    case '/late':
      setTimeout(() => response.end('late'), 200);
      return;
    case '/reset':
      request.socket.resetAndDestroy();
      return;
  }
}

const switched = (head: string) => (_request: IncomingMessage, socket: Duplex) => {
  socket.on('error', () => {});
  socket.write(`${head}\r\n\r\n`);
  setImmediate(() => socket.write('switched'));
};

async function start(): Promise<Server> {
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.on('upgrade', switched('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test'));
  server.on('connect', switched('HTTP/1.1 200 Connected'));
  await listening(server);
  return server;
}

/** Of all tests, because these run at the same time. */
const children = newChildren();

let servers: readonly Server[] = [];
beforeAll(async () => {
  servers = await Promise.all([start(), start()]);
});
afterAll(async () => {
  await children.destroy();
  for (const server of servers) server.close().closeAllConnections();
});

/** What came of all calls of one copy of undici. */
async function outcomes(path: string, line: NodeLine, isPlugged: boolean): Promise<Readonly<Record<string, unknown>>> {
  const [service, other] = servers.map(portOf) as [number, number];
  const child = children.node(FIXTURE, {
    line,
    nodeArgs: isPlugged ? ['--import', PRELOAD] : [],
    args: [path, isPlugged ? 'http://shop' : `http://127.0.0.1:${service}`, `http://localhost:${other}`],
    env: { FIXTURE_LISTS: JSON.stringify({ shop: [anInstance({ service: 'shop', port: service, registeredAt: 0 })] }) },
  });
  expect(await child.ends(100_000), child.stderr).toEqual({ code: 0, signal: null });
  return JSON.parse(child.stdout) as Record<string, unknown>;
}

// Most of the time is pauses between attempts.
describe.concurrent.each(Object.keys(MAJORS).map(Number) as Major[])('undici %d in the application', (major) => {
  const path = installed(major);
  test.skipIf(path === undefined).each(LINES)(
    'on Node.js %s each call answers as without the plugin, with each interceptor, to services and to others',
    { timeout: 200_000 },
    async (line) => {
      const [plugged, plain] = await Promise.all(
        [true, false].map((isPlugged) => outcomes(path as string, line, isPlugged)),
      );
      expect(plugged).toEqual(plain);
      expect(Object.keys(plain ?? {}).length).toBeGreaterThan(major === 5 ? 100 : 500);
    },
  );
});

test('majors that are not installed are named', () => {
  const missing = (Object.keys(MAJORS).map(Number) as Major[]).filter((major) => installed(major) === undefined);
  if (missing.length > 0)
    process.stderr.write(`skipped: ${missing.length} of 4 majors of undici are not installed: ${missing.join(', ')}\n`);
});

test('each major on whose inner parts the plugin relies is tried', () => {
  expect([...new Set(RELIED_ON.flatMap(({ majors }) => [...majors]))].toSorted()).toEqual(
    Object.keys(MAJORS).map(Number).toSorted(),
  );
});
