import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { type Caller, type Service, spansOf, useWorld } from '../support/process/world.ts';
import { useServer } from '../support/use-server.ts';

const world = useWorld();

const ENV = { LOSSLESS_HOLD_MS: '500', LOSSLESS_GRACE_PERIOD_MS: '8000' };

/** Two instances, one of which leaves: its consumer has another one to call. */
async function pair(): Promise<Service> {
  const leaving = await world().service('shop', { env: ENV });
  await world().service('shop', { env: ENV });
  return leaving;
}

async function goAwayOf(service: Service) {
  await world().leave(service);
  const trace = await world().trace(service);
  const [span] = spansOf(trace, 'goaway');
  return { trace, result: span?.tags['lossless.goaway.result'], message: span?.message ?? '' };
}

describe('a caller counts as gone only with a proof', () => {
  test.each([20, 1])('not while its control port is unreachable, at %i requests a second', async (rate) => {
    const service = await pair();
    const caller = await world().caller('http://shop/echo', rate, { env: { LOSSLESS_CONTROL_HOST: '127.0.0.2' } });
    // Its first call may have gone to the other instance.
    await world().called(service, rate > 1 ? 6 : 1);
    const { trace, result, message } = await goAwayOf(service);
    expect(result).toBe('refused');
    expect(message).toContain('LOSSLESS_CONTROL_HOST');
    expect(trace.verdict).toMatchObject({ result: 'incomplete', planned: 1, acked: 0 });
    expect(spansOf(trace, 'offline')[0]?.message).toContain('1 of 1 consumers were not told: 1 ECONNREFUSED');
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });

  test('not when its control port resets the connection', async () => {
    const service = await pair();
    const resets = createServer((socket) => socket.resetAndDestroy());
    const port = await useServer(resets);
    await request(service, port);
    const { trace, result } = await goAwayOf(service);
    expect(result).toBe('unreachable');
    expect(trace.verdict.result).toBe('incomplete');
  });

  test('not when another process answers 410 at its address', async () => {
    const service = await pair();
    const other = createHttpServer((_, response) => response.writeHead(410).end());
    const port = await useServer(other);
    await request(service, port);
    const { trace, result, message } = await goAwayOf(service);
    expect(result).toBe('rejected');
    expect(message).toContain('another process answers there');
    expect(trace.verdict.result).toBe('incomplete');
  });

  test('not when its address leads back to this instance, and the trace names this cause', async () => {
    const service = await pair();
    // As behind a proxy that makes each caller one address, with the control port that all instances have.
    await request(service, await world().controlPort(service));
    const { trace, result } = await goAwayOf(service);
    expect(result).toBe('rejected');
    expect(trace.verdict.result).toBe('incomplete');
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('it does after %s: no process is left to tell', async (signal) => {
    const service = await pair();
    const caller: Caller = await world().caller('http://shop/echo', 40);
    await world().called(service, 6);
    caller.child.signal(signal);
    await caller.child.ends();
    const { trace, result } = await goAwayOf(service);
    expect(result).toBe('gone');
    expect(trace.verdict).toMatchObject({ result: 'success', planned: 0 });
    expect(spansOf(trace, 'offline')[0]?.tags['lossless.fanout.gone']).toBe(1);
    expect(spansOf(trace, 'notify')[0]?.tags['lossless.fanout.gone']).toBe(1);
  });
});

test('a service that calls itself has no consumer to wait for', async () => {
  const file = new URL('../fixtures/apps/calls-itself.ts', import.meta.url);
  const service = await world().service('shop', { env: ENV, file });
  await world().called(service, 6);
  const begun = performance.now();
  await world().leave(service);
  expect(performance.now() - begun).toBeLessThan(3_000);
  const { verdict } = await world().trace(service);
  expect(verdict).toMatchObject({ planned: 0, afterAck: 0, stranded: 0 });
  expect(verdict.result).toMatch(/success|never_ready/);
});

/** One request of a caller whose control server is said to be at `port` of its address. */
async function request(service: Service & { readonly host?: string }, port: number): Promise<void> {
  const caller = { service: 'caller', instanceId: 'caller-1', generation: 1, port };
  const response = await fetch(`http://${service.host ?? '127.0.0.1'}:${service.port}/echo`, {
    method: 'POST',
    body: 'x',
    headers: { [CONSUMER_HEADER]: encodeConsumer(caller), connection: 'close' },
  });
  await response.text();
}

test('a GoAway comes from the address under which the consumer knows the instance', async () => {
  const service = await world().service('shop', { env: ENV, host: '0.0.0.0' });
  const from: (string | undefined)[] = [];
  const control = createHttpServer((goAway, response) => {
    if (goAway.method === 'POST') from.push(goAway.socket.remoteAddress);
    response.end('{"isolated":true,"outstanding":0}\n{"idle":true,"addresses":["192.0.2.1:1"]}\n');
  });
  const port = await useServer(control);
  await request({ ...service, host: '127.0.0.9' }, port);
  await world().leave(service);
  expect(from).toEqual(['127.0.0.9']);
});
