import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { request as requestSecure } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { entered } from '../support/process/announced.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { LINES } from '../support/process/node-lines.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { pause, until } from '../support/until.ts';

const world = useWorld();

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A provider that consumers reach through a proxy that holds everything back for `delayMs` each way. */
async function distant(delayMs: number): Promise<Service> {
  const proxy = await DelayProxy.start(delayMs);
  closers.push(() => proxy.close());
  const service = await world().service('provider', { env: { LOSSLESS_ADVERTISE: `127.0.0.1:${proxy.port}` } });
  proxy.target = service.port;
  return service;
}

/** Settings under which the drain waits for callers without the plugin only until their open requests end. */
const UNHELD = { LOSSLESS_HOLD_MS: '0' };

/** A hold that would be noticed. */
const HELD = { LOSSLESS_HOLD_MS: '10000' };

async function requestsOf(service: Service): Promise<{ started: number; inflight: number }> {
  const control = await world().controlPort(service);
  const { body } = await operator(control, '/status');
  return body['requests'] as { started: number; inflight: number };
}

describe('R2: a request is on the wire when its connection would be closed', () => {
  test.each([
    ['fetch', 10, 200],
    ['http', 10, 500],
    ['close', 10, 200],
    ['fetch', 25, 200],
  ])('%s, %d ms away, %d requests a second: no request is lost', async (client, delayMs, rate) => {
    const leaving = await distant(delayMs);
    await distant(delayMs);
    const caller = await world().caller('http://provider/echo', rate, { client });
    await world().called(leaving);
    await world().leave(leaving);
    const { verdict } = await world().trace(leaving);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    expect(verdict).toMatchObject({ result: 'success', acked: 1, afterAck: 0 });
  });

  test('an idle connection stays open until the drain is over, and still serves', async () => {
    const service = await world().service('provider', { env: UNHELD });
    const sockets = await Promise.all(Array.from({ length: 5 }, () => connected(service.port)));
    const answers = sockets.map(collect);
    for (const socket of sockets) socket.write(post('before'));
    await until(() => answers.every((answer) => answer().endsWith('before')));
    const closed = sockets.map((socket) => once(socket, 'close').then(() => service.child.stderr));
    const { answer } = await draining(service, 1_500);
    for (const socket of sockets.slice(1)) socket.write(post('during'));
    await until(() => answers.slice(1).every((each) => each().endsWith('during')));
    expect(sockets[0]?.readableEnded).toBe(false);
    expect(await answer).toBe(200);
    await service.child.ends();
    const [untouched] = await Promise.all(closed);
    expect(untouched).toContain('draining -> stopping');
  });
});

test('R3: a connection that is busy when the signal comes and idle later does not hold the stop', async () => {
  const service = await world().service('provider', { env: UNHELD });
  const agent = new Agent({ keepAlive: true });
  closers.push(() => agent.destroy());
  const answered = new Promise((resolve, reject) => {
    request({ port: service.port, agent, path: '/slow?ms=800', method: 'POST' }, (response) =>
      response.resume().on('end', resolve),
    )
      .on('error', reject)
      .end('x');
  });
  await until(async () => (await requestsOf(service)).inflight === 1);
  const begun = performance.now();
  service.child.signal('SIGTERM');
  await answered;
  await service.child.ends();
  expect(performance.now() - begun).toBeLessThan(3_000);
});

test('R4: all requests pipelined before the end get answers, and their connection stays open until then', async () => {
  const service = await world().service('provider', { workMs: 100, env: { LOSSLESS_HOLD_MS: '0' } });
  const { answer } = await draining(service, 1_500);
  const { started } = await requestsOf(service);
  const header = `${CONSUMER_HEADER}: ${encodeConsumer({ service: 'a', instanceId: 'b', generation: 1, port: 1 })}`;
  const socket = await connected(service.port);
  const answers = collect(socket);
  socket.write(post('first', header) + post('second', header) + post('third', header));
  await until(() => ['first', 'second', 'third'].every((body) => answers().includes(body)));
  expect((await requestsOf(service)).started).toBe(started + 3);
  expect(answers().match(/lossless-draining/g)).toHaveLength(3);
  expect(answers()).not.toMatch(/connection: close/i);
  expect(await answer).toBe(200);
  await service.child.ends();
});

test('R20: requests that wait in the kernel while the event loop stands still at the end of the drain are served', async () => {
  const block = `data:text/javascript,${encodeURIComponent(`
    import { subscribe } from 'node:diagnostics_channel';
    subscribe('lossless:record', (record) => {
      if (record.kind !== 'started' || record.work !== 'drain') return;
      setTimeout(() => { process.stderr.write('blocking\\n'); const until = Date.now() + 500; while (Date.now() < until); }, 40);
    });`)}`;
  const service = await world().service('provider', {
    env: { NODE_OPTIONS: `${world().env('x')['NODE_OPTIONS']} --import=${block}` },
  });
  const agent = new Agent({ keepAlive: true });
  closers.push(() => agent.destroy());
  const post = () =>
    new Promise<number>((resolve, reject) => {
      request({ port: service.port, agent, path: '/echo', method: 'POST' }, (response) =>
        response.resume().on('end', () => resolve(response.statusCode ?? 0)),
      )
        .on('error', reject)
        .end('x');
    });
  await Promise.all(Array.from({ length: 20 }, post));
  service.child.signal('SIGTERM');
  await service.child.sees(/blocking/);
  const answers = await Promise.allSettled(Array.from({ length: 120 }, post));
  expect(answers.filter((answer) => answer.status === 'rejected')).toEqual([]);
  await service.child.ends();
});

describe('what counts as in flight', () => {
  test('a long request is finished', async () => {
    const service = await world().service('provider');
    const { answer } = await draining(service, 2_000);
    expect(await answer).toBe(200);
    await service.child.ends();
    expect((await world().trace(service)).verdict.result).toBe('success');
  });

  test('the drain waits for an event stream and ends with it', async () => {
    const service = await world().service('provider');
    const abort = new AbortController();
    const stream = await fetch(`http://127.0.0.1:${service.port}/stream`, { signal: abort.signal });
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    await pause(700);
    expect(service.child.stderr).not.toContain('-> stopping');
    abort.abort();
    await stream.text().catch(() => {});
    await service.child.ends();
    expect((await world().trace(service)).verdict.result).toBe('success');
  });

  test('a slow chunked upload that began before the signal is read to its end and answered', async () => {
    const service = await world().service('provider');
    const socket = await connected(service.port);
    const answers = collect(socket);
    socket.write('POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await until(async () => (await requestsOf(service)).inflight === 1);
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    for (let part = 0; part < 5; part++) {
      await pause(150);
      expect((await requestsOf(service)).inflight).toBe(1);
      socket.write('3\r\nabc\r\n');
    }
    socket.write('0\r\n\r\n');
    await until(() => answers().includes('abc'.repeat(6)));
    await service.child.ends();
    expect((await world().trace(service)).verdict.result).toBe('success');
  });

  test.each(LINES)('uploads get early answers, and the drain waits for the uploads, on Node %s', async (line) => {
    // Until the hold time is over, the listener takes the connections of the uploads.
    const service = await world().service('provider', { line, env: { LOSSLESS_HOLD_MS: '5000' } });
    const held = await holdRequest(service);
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    const uploads = Array.from({ length: 30 }, () => upload(service.port, 400, 64 * 1_024));
    const slow = upload(service.port, 200, 64 * 1_024, 30);
    expect(await Promise.all(uploads)).toEqual(new Array(30).fill(413));
    expect(await held.letGo()).toBe(200);
    expect((await requestsOf(service)).inflight).toBeGreaterThan(0);
    expect(await slow).toBe(413);
    await service.child.ends();
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.forced']).toBe(0);
  });

  test('a short body that a network brings after its head is read, and its connection stays open', async () => {
    const service = await world().service('provider');
    const { answer } = await draining(service, 1_000);
    const socket = await connected(service.port);
    const answers = collect(socket);
    for (let sent = 1; sent <= 2; sent++) {
      socket.write('POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n');
      await until(() => answers().match(/HTTP\/1.1 413/g)?.length === sent);
      socket.write('abc');
    }
    expect(answers()).not.toMatch(/connection: close/i);
    expect(await answer).toBe(200);
    await service.child.ends();
  });

  test('an event stream that does not end is cut at the deadline, and counted', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_GRACE_PERIOD_MS: '2000' } });
    const stream = await fetch(`http://127.0.0.1:${service.port}/stream`);
    service.child.signal('SIGTERM');
    await expect(stream.text()).rejects.toThrow('terminated');
    await service.child.ends();
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('timeout');
    expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.forced']).toBe(1);
  });

  test('a WebSocket that closes ends the drain', async () => {
    const service = await world().service('provider', { kind: 'websocket' });
    const socket = new WebSocket(`ws://127.0.0.1:${service.port}/`);
    await once(socket, 'open');
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    socket.send('still here');
    await once(socket, 'message');
    expect((await requestsOf(service)).inflight).toBe(1);
    socket.close();
    await service.child.ends();
    expect((await world().trace(service)).verdict.result).toBe('success');
  });

  test('the drain waits for a WebSocket until the deadline, then cuts and counts it', async () => {
    const service = await world().service('provider', { kind: 'websocket', env: { LOSSLESS_GRACE_PERIOD_MS: '2500' } });
    const socket = new WebSocket(`ws://127.0.0.1:${service.port}/`);
    await once(socket, 'open');
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    socket.send('still here');
    const [echo] = await once(socket, 'message');
    expect(String(echo)).toBe('still here');
    await once(socket, 'close');
    await service.child.ends();
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('timeout');
    expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.forced']).toBe(1);
  });

  test.each(LINES)(
    'aborted, half-sent, early answered and pipelined requests leave nothing behind on Node %s',
    async (line) => {
      const service = await world().service('provider', { line, workMs: 50 });
      const sockets = await Promise.all(Array.from({ length: 8 }, () => connected(service.port)));
      const head = (path: string, length: number) =>
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;
      sockets[0]?.write(`${head('/slow?ms=5000', 1)}x`); // aborted while it is handled
      sockets[1]?.write(`${head('/echo', 100)}half`); // aborted while it is sent
      sockets[2]?.write(`${head('/early', 100)}half`); // answered before it was read
      sockets[3]?.write(`${head('/echo', 1)}x`.repeat(4)); // aborted with three waiting
      sockets[4]?.write('POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n'); // aborted in a chunked upload
      sockets[5]?.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n'); // aborted in its answer
      sockets[6]?.write('nonsense\r\n\r\n'); // no request at all
      await until(async () => (await requestsOf(service)).started >= 6);
      for (const socket of sockets) socket.destroy();
      await until(async () => (await requestsOf(service)).inflight === 0);
      await world().leave(service);
      expect((await world().trace(service)).verdict).toMatchObject({ result: 'success', whole: true });
    },
  );
});

describe('a request that has begun to arrive is a request', () => {
  const HEAD = 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx';
  const half = HEAD.length / 2;
  const over = (kind: string, port: number): Promise<Socket> => (kind === 'https' ? secured(port) : connected(port));

  describe.each([
    ['http', '24'],
    ['https', '24'],
    ['http', '22.19'],
    ['https', '22.19'],
  ] as const)('%s on Node %s', (kind, line) => {
    test('a part of the head is there when the signal comes, the rest is half a second later: answered', async () => {
      const service = await world().service('provider', { kind, line });
      const socket = await over(kind, service.port);
      const answers = collect(socket);
      socket.write(HEAD.slice(0, 9));
      service.child.signal('SIGTERM');
      await entered(service.child, 'draining');
      await pause(500);
      expect(service.child.stderr).not.toContain('draining -> stopping');
      socket.write(HEAD.slice(9));
      await until(() => answers().endsWith('x'));
      expect(answers()).toContain('200 OK');
      await service.child.ends();
      const trace = await world().trace(service);
      expect(trace.verdict).toMatchObject({ result: 'success', whole: true });
      expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.forced']).toBe(0);
    });

    test('the second request of a connection has begun: answered', async () => {
      const service = await world().service('provider', { kind, line });
      const socket = await over(kind, service.port);
      const answers = collect(socket);
      socket.write(HEAD);
      await until(() => answers().endsWith('x'));
      socket.write(HEAD.slice(0, half));
      service.child.signal('SIGTERM');
      await entered(service.child, 'draining');
      await pause(500);
      socket.write(HEAD.slice(half));
      await until(() => answers().match(/200 OK/g)?.length === 2);
      await service.child.ends();
      expect((await world().trace(service)).verdict.result).toBe('success');
    });

    test('a connection that comes after the signal, and whose request comes in two parts: answered', async () => {
      const service = await world().service('provider', { kind, line });
      const { answer } = await draining(service, 700, kind);
      const socket = await over(kind, service.port);
      const answers = collect(socket);
      socket.write(HEAD.slice(0, half));
      expect(await answer).toBe(200);
      await pause(500);
      socket.write(HEAD.slice(half));
      await until(() => answers().endsWith('x'));
      await service.child.ends();
      expect((await world().trace(service)).verdict.result).toBe('success');
    });
  });

  test('a request that never becomes whole: the drain waits until the deadline, then cuts and counts it', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_GRACE_PERIOD_MS: '2000' } });
    const socket = await connected(service.port);
    socket.write('POST / HT');
    await world().leave(service);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('timeout');
    expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.forced']).toBe(1);
  });

  test('a request that never becomes whole: the drain waits no longer than the server does', async () => {
    const preload = `data:text/javascript,${encodeURIComponent(`
      import { subscribe } from 'node:diagnostics_channel';
      subscribe('tracing:net.server.listen:asyncEnd', ({ server }) => { server.headersTimeout = 500; });`)}`;
    const service = await world().service('provider', {
      env: { NODE_OPTIONS: `${world().env('x')['NODE_OPTIONS']} --import=${preload}` },
    });
    const socket = await connected(service.port);
    socket.write('POST / HT');
    const since = performance.now();
    await world().leave(service);
    expect(performance.now() - since).toBeGreaterThan(500);
    expect(performance.now() - since).toBeLessThan(5_000);
    expect((await world().trace(service)).verdict.result).toBe('success');
  });
});

describe('a connection that has never carried a request', () => {
  test.each(['http', 'https'])('%s: its first request within the hold time is answered', async (kind) => {
    const service = await world().service('provider', { kind, env: HELD });
    const socket = kind === 'https' ? await secured(service.port) : await connected(service.port);
    const answers = collect(socket);
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    await pause(1_000);
    socket.write(post('late'));
    await until(() => answers().endsWith('late'));
    await service.child.ends();
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('success');
  });

  test('the same holds during its TLS handshake', async () => {
    const service = await world().service('provider', { kind: 'https', env: { LOSSLESS_HOLD_MS: '1000' } });
    await connected(service.port);
    await world().leave(service);
    const drain = spansOf(await world().trace(service), 'drain')[0];
    expect(drain?.tags).toMatchObject({ 'lossless.drain.hold.reason': 'silent_connection', 'lossless.drain.hold': 1 });
  });

  test('it delays the drain for the hold time and no longer', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '1000' } });
    const socket = await connected(service.port);
    const since = performance.now();
    await world().leave(service);
    expect(performance.now() - since).toBeGreaterThan(1_000);
    expect(performance.now() - since).toBeLessThan(5_000);
    await until(() => socket.closed);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.hold.reason']).toBe('silent_connection');
    expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.sockets.idle']).toBe(1);
  });

  test('it delays nothing when it belongs to a balancer with failing checks, because proxies connect ahead', async () => {
    const service = await world().service('provider', { env: HELD });
    const controlPort = await world().controlPort(service);
    const socket = await connected(service.port);
    const checks = setInterval(() => fetch(`http://127.0.0.1:${controlPort}/readiness`).catch(() => {}), 50);
    const since = performance.now();
    await world().leave(service);
    clearInterval(checks);
    expect(performance.now() - since).toBeLessThan(5_000);
    await until(() => socket.closed);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.hold.reason']).not.toBe('silent_connection');
  });

  test('it delays nothing once it is closed', async () => {
    const service = await world().service('provider', { env: HELD });
    const socket = await connected(service.port);
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    socket.destroy();
    const since = performance.now();
    await service.child.ends();
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function secured(port: number): Promise<Socket> {
  const socket = connectSecure({ port, host: '127.0.0.1', rejectUnauthorized: false });
  closers.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends SIGTERM while a request is handled that takes `ms`, and waits for `draining`. */
async function draining(service: Service, ms: number, kind = 'http'): Promise<{ readonly answer: Promise<number> }> {
  const send = kind === 'https' ? requestSecure : request;
  const answer = new Promise<number>((resolve, reject) => {
    send({ port: service.port, path: `/slow?ms=${ms}`, method: 'POST', rejectUnauthorized: false })
      .on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
      .on('error', reject)
      .end('x');
  });
  await until(async () => (await requestsOf(service)).inflight === 1);
  service.child.signal('SIGTERM');
  await entered(service.child, 'draining');
  return { answer };
}

/** A POST as it is written to a connection. */
function post(body: string, header = 'user-agent: kube-probe/1'): string {
  return `POST /echo HTTP/1.1\r\nhost: x\r\n${header}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** Everything that `socket` receives. */
function collect(socket: Socket): () => string {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  return () => text;
}

/** Writes `chunks` of `bytes` to `/early`, `pauseMs` apart; resolves with the status once all is written. */
async function upload(port: number, chunks: number, bytes: number, pauseMs = 0): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  closers.push(() => agent.destroy());
  const headers = { 'content-length': chunks * bytes };
  const call = request({ port, agent, path: '/early', method: 'POST', headers });
  const failed = new Promise<never>((_, reject) => call.on('error', reject));
  const answered = new Promise<number>((resolve) =>
    call.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0))),
  );
  const chunk = Buffer.alloc(bytes);
  const write = async () => {
    for (let sent = 0; sent < chunks; sent++) {
      call.write(chunk);
      await pause(pauseMs);
    }
    call.end();
  };
  const [status] = await Promise.race([Promise.all([answered, write()]), failed]);
  return status;
}
