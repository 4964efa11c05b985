import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Resolves with the status; rejects when the connection breaks. */
function ask(host: string, port: number, path: string, agent: Agent | false = false): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host, port, path, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

describe('callers and their balancer come by IPv6', () => {
  test.each([
    ['::1', '::1', 'the application'],
    ['::1', '::1', 'the plugin'],
    ['::', '::1', 'the application'],
    ['::', '127.0.0.1', 'the application'],
    ['::', '127.0.0.1', 'the plugin'],
  ])(
    'to a service at %s, from %s, with checks of %s: the instance waits until the balancer has its failing answers',
    async (at, host, asked) => {
      const env = { LOSSLESS_HEALTH_PATHS: '/health', LOSSLESS_CONTROL_HOST: at };
      const service = await world().service('provider', { host: at, env });
      const isPlugins = asked === 'the plugin';
      const port = isPlugins ? await world().controlPort(service) : service.port;
      const path = isPlugins ? '/readiness' : '/health';
      let isIn = true;
      let failures = 0;
      const checks = setInterval(async () => {
        isIn = (await ask(host, port, path).catch(() => 503)) === 200;
        if (!isIn) failures++;
      }, 200);
      const agent = new Agent({ keepAlive: true, maxSockets: 2 });
      const lost: string[] = [];
      let called = 0;
      const calls = setInterval(() => {
        // A balancer takes a host out after so many failures.
        if (failures >= 3) return;
        called++;
        ask(host, service.port, '/echo', agent).catch((thrown) => lost.push(String(thrown)));
      }, 20);
      ends.push(
        () => clearInterval(checks),
        () => clearInterval(calls),
        () => agent.destroy(),
      );
      await until(() => called > 50 && isIn);
      const begun = performance.now();
      await world().leave(service);
      expect(performance.now() - begun).toBeLessThan(4_000);
      expect(lost).toEqual([]);
      const trace = await world().trace(service);
      expect(trace.verdict.result).toBe('success');
      expect(spansOf(trace, 'entry')[0]?.tags).toMatchObject({
        'lossless.entry.told': true,
        'lossless.entry.probers': 1,
        'lossless.entry.ended_by': 'told',
      });
    },
  );
});

describe('the proxy beside the application', () => {
  /** Something that listens as a proxy does. */
  async function proxy(host: string) {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).resume();
    }).listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ host, port }).on('error', () => {});
    await once(client, 'connect');
    const close = (): void => {
      client.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
    };
    ends.push(close);
    return { port, close };
  }

  test('has several ports, of IPv4 and of IPv6: none may have a connection left', async () => {
    const [first, second] = [await proxy('127.0.0.1'), await proxy('::1')];
    // The hold time is far away on a busy machine too.
    const env = {
      LOSSLESS_ENTRY_PORTS: `${first.port},${second.port}`,
      LOSSLESS_ENTRY_CHECK_MS: '500',
      LOSSLESS_HOLD_MS: '10000',
    };
    const service = await world().service('provider', { env });
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    first.close();
    let hasEnded = false;
    const ended = service.child.ends().then(() => {
      hasEnded = true;
    });
    // Longer than the pauses between the looks, and a quiet window.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(hasEnded).toBe(false);
    second.close();
    const closed = performance.now();
    await ended;
    expect(performance.now() - closed).toBeLessThan(3_000);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'entry')[0]?.tags).toMatchObject({ 'lossless.entry.ended_by': 'ports_empty' });
  });
});
