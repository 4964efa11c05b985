import { Agent, request } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';
import { useServer } from '../support/use-server.ts';

const world = useWorld();

const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
});

/** A port that accepts connections and answers with the given text, or with nothing. */
async function port(answer?: string): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => answer && socket.write(answer));
  });
  return useServer(server);
}

/** Sends one request under each of so many made-up names, and leaves no connection behind. */
async function flood(service: Service, count: number, control: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const one = (n: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const caller = { service: `evil-${n % 300}`, instanceId: `evil-${n}`, generation: 1, port: control };
      const headers = { [CONSUMER_HEADER]: encodeConsumer(caller) };
      const call = request({ host: '127.0.0.1', port: service.port, method: 'POST', path: '/echo', agent, headers });
      call.on('response', (response) => response.resume().on('end', resolve)).on('error', reject);
      call.end('x');
    });
  for (let n = 0; n < count; n += 500) await Promise.all(Array.from({ length: 500 }, (_, m) => one(n + m)));
  agent.destroy();
}

describe('strangers that call themselves consumers', () => {
  test('12,000 with a silent port: the shutdown ends within its budget, in a whole trace', async () => {
    const env = { LOSSLESS_GRACE_PERIOD_MS: '10000', LOSSLESS_HOLD_MS: '1000', LOSSLESS_GOAWAY_TIMEOUT_MS: '500' };
    const service = await world().service('shop', { env, workMs: 0 });
    await flood(service, 12_000, await port());
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeLessThan(10_500);
    const { verdict } = await world().trace(service);
    expect(verdict.whole || verdict.problems).toBe(true);
    expect(verdict.result).toBe('incomplete');
    expect(verdict.planned).toBeLessThanOrEqual(512);
  });

  test('a stranger that acks, is never idle and holds no connection costs the hold time, not the grace period', async () => {
    const ack = '{"isolated":true,"outstanding":1}\n';
    const control = await port(
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${ack.length.toString(16)}\r\n${ack}\r\n`,
    );
    const service = await world().service('shop', { env: { LOSSLESS_HOLD_MS: '1000' } });
    await flood(service, 500, control);
    await until(async () => (await world().served(service)) >= 500);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeLessThan(6_000);
    const [root] = spansOf(await world().jaeger.trace(world().traceId(service)), 'offline');
    expect(root?.tags['lossless.offline.result']).toBe('incomplete');
    expect(root?.message).toContain('never said that they were idle');
  });
});
