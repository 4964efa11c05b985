import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, constants } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Status } from '../../src/status.ts';
import type { Child } from '../support/process/child.ts';
import { operator } from '../support/process/operator.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { pause, until } from '../support/until.ts';

const UPGRADES = new URL('../fixtures/apps/upgrades.ts', import.meta.url);
const CLOSING = new URL('../fixtures/apps/closing.ts', import.meta.url);

const world = useWorld();

describe('an application that does not know of the plugin leaves without losing a request', () => {
  test.each(['http', 'express', 'fastify', 'koa', 'websocket'])('%s', async (kind) => {
    const [leaving] = [await world().service('provider', { kind }), await world().service('provider', { kind })];
    const caller = await world().caller('http://provider/echo', 100);
    await world().called(leaving);
    const ending = await world().leave(leaving);
    const { verdict } = await world().trace(leaving);
    const counted = await caller.stop();
    expect(counted).toMatchObject({ failed: 0, reasons: {} });
    expect(ending).toEqual({ code: null, signal: 'SIGTERM' });
    expect(verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1, problems: [] });
  });

  test('https', async () => {
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const leaving = await world().service('provider', { kind: 'https' });
    await world().service('provider', { kind: 'https' });
    const caller = await world().caller('https://provider/echo', 50, { env });
    await world().called(leaving);
    await world().leave(leaving);
    expect((await world().trace(leaving)).verdict).toMatchObject({ result: 'success', whole: true, acked: 1 });
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });

  test.each([
    ['h2c', 'a caller that does not stop by itself is asked to go', 'http:', Number.POSITIVE_INFINITY],
    ['h2', 'a caller that is idle is asked to go', 'https:', 50],
  ])('%s: %s, every stream is counted, only those across the end are refused', async (kind, _, protocol, most) => {
    const leaving = await world().service('provider', { kind, env: { LOSSLESS_HOLD_MS: '1500' } });
    const session = connect(`${protocol}//127.0.0.1:${leaving.port}`, { rejectUnauthorized: false });
    const asked = once(session, 'goaway');
    const counts = { sent: 0, answered: 0, refused: 0, failed: 0 };
    const send = () =>
      new Promise<void>((resolve) => {
        counts.sent++;
        const stream = session.request({ ':method': 'POST', ':path': '/echo' });
        stream.on('response', (headers) => (headers[':status'] === 200 ? counts.answered++ : counts.failed++));
        stream.on('error', () => counts[stream.rstCode === constants.NGHTTP2_REFUSED_STREAM ? 'refused' : 'failed']++);
        stream.on('close', resolve);
        stream.resume().end('x');
      });
    await send();
    let isAsked = false;
    void asked.then(() => {
      isAsked = true;
    });
    const pending = new Set<Promise<void>>();
    leaving.child.signal('SIGTERM');
    while (!isAsked && counts.sent < most) {
      pending.add(send());
      await pause(4);
    }
    await asked;
    await Promise.all(pending);
    await leaving.child.ends();
    const { answered, failed, refused, sent } = counts;
    expect({ done: answered + refused, failed }).toEqual({ done: sent, failed: 0 });
    expect(refused).toBeLessThanOrEqual(1);
    const trace = await world().trace(leaving);
    const tags = spansOf(trace, 'drain')[0]?.tags ?? {};
    const perSecond = JSON.parse(String(tags['lossless.traffic.requests_per_second'])) as number[];
    // One more: before the registration the plugin has asked whether the server speaks gRPC.
    expect(perSecond.reduce((sum, count) => sum + count, 0)).toBe(answered + 1);
    expect(tags['lossless.drain.sessions.retired']).toBe(1);
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true });
  });
});

test.each([
  ['http', '24'],
  ['https', '24'],
  ['h2c', '24'],
  ['h2', '24'],
  ['http', '22.19'],
  ['h2', '22.19'],
] as const)(
  '%s: an application that closes its servers in any way sees the same as without the plugin, on Node.js %s',
  async (kind, line) => {
    const said = ({ lines }: Child): readonly string[] => lines.filter((line) => !line.startsWith('listening'));
    const alone = world().children.node(CLOSING, { line, args: [kind] });
    await alone.sees(/ready/);
    alone.signal('SIGTERM');
    const ending = await alone.ends();
    const { child } = await world().service('provider', { file: CLOSING, kind, line });
    await child.sees(/ready/);
    child.signal('SIGTERM');
    expect({ ending: await child.ends(), said: said(child) }).toEqual({ ending, said: said(alone) });
    expect(said(child)).toContain('bound: true true 0, closed, false null 1');
  },
);

test('secrets in the paths and addresses of the configuration are not printed', async () => {
  const [, jaeger = ''] = world().collector.queryUrl.split('//');
  const service = await world().service('provider', {
    env: {
      LOSSLESS_PROBE: '/echo?token=s3cret',
      LOSSLESS_JAEGER_URL: `http://user:s3cret@${jaeger}`,
      LOSSLESS_LOG_LEVEL: 'debug',
    },
  });
  await world().leave(service);
  expect(service.child.stderr).toContain(`http://${jaeger}/trace/${world().traceId(service)}`);
  expect(service.child.stderr).toContain('"/echo"');
  expect(service.child.stderr).not.toContain('s3cret');
});

test('a server that listens several times has each WebSocket counted once, and none when it takes no upgrades', async () => {
  const service = await world().service('provider', { file: UPGRADES });
  const inflight = async () => {
    const { body } = await operator(await world().controlPort(service), '/status');
    return (body as unknown as Status).requests.inflight;
  };
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/`);
  await once(socket, 'open');
  socket.send('here');
  await once(socket, 'message');
  expect(await inflight()).toBe(1);
  socket.terminate();
  await until(async () => (await inflight()) === 0);
  await fetch(`http://127.0.0.1:${service.port}/off`);
  const plain = request({
    port: service.port,
    headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' },
  }).end();
  const [response] = (await once(plain, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.resume();
});

test('an HTTP/2 session that has ended while its peer keeps the connection half open does not fail an offline', async () => {
  const service = await world().service('provider', { kind: 'h2c', env: { LOSSLESS_HOLD_MS: '200' } });
  const socket = connectSocket({ port: service.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(Buffer.concat([PREFACE, SETTINGS, GET, NO_ERROR]));
  await finOf(socket);
  await world().leave(service);
  socket.destroy();
  const { verdict } = await world().trace(service);
  expect(verdict).toMatchObject({ result: 'success', whole: true });
});

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Frames (RFC 9113): length, type, flags, stream. */
const SETTINGS = Buffer.from('000000040000000000', 'hex');
const GET = Buffer.from('000006010500000001828684410178', 'hex');
const NO_ERROR = Buffer.from('0000080700000000000000000000000000', 'hex');

/** Resolves when the other side has ended its half. */
async function finOf(socket: Socket): Promise<void> {
  socket.resume();
  await once(socket, 'end');
}
