import { afterEach, describe, expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import type { GrpcOptions } from '../fixtures/grpc/clients.ts';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { controlPortOf } from '../support/process/announced.ts';
import { operator } from '../support/process/operator.ts';
import { type Caller, type Service, useWorld } from '../support/process/world.ts';
import { certificate } from '../support/tls/certificate.ts';

const SERVER = new URL('../fixtures/grpc/server.ts', import.meta.url);
const CONNECT_SERVER = new URL('../fixtures/grpc/connect-server.ts', import.meta.url);

/** Distance of an instance, in milliseconds each way. */
const DELAY_MS = 10;

/** Every call is tried once: what is lost is seen. */
const NO_RETRIES = { 'grpc.enable_retries': 0 };

const world = useWorld();

const proxies: DelayProxy[] = [];
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close();
});

/** An instance behind a proxy, which is where it is registered. */
async function start(file = SERVER, workMs = 5, env: Readonly<Record<string, string>> = {}): Promise<Service> {
  const proxy = await DelayProxy.start(DELAY_MS);
  proxies.push(proxy);
  const service = await world().service('provider', {
    file,
    workMs,
    env: { LOSSLESS_ADVERTISE: `127.0.0.1:${proxy.port}`, LOSSLESS_WARMUP_MS: '0', ...env },
  });
  proxy.target = service.port;
  return service;
}

/** A process that calls by grpc-js. */
function grpcCaller(
  target: string,
  rate: number,
  options: GrpcOptions,
  env: Record<string, string> = {},
): Promise<Caller> {
  return world().caller(target, rate, { client: 'grpc', env: { FIXTURE_GRPC: JSON.stringify(options), ...env } });
}

/** What of a trace tells that its consumer was told, moved and idle. */
const LOSSLESS = { result: 'success', whole: true, planned: 1, acked: 1, problems: [] };

/** Two instances are restarted in turn under load. */
async function release(caller: Caller, next: () => Promise<Service>, old: readonly Service[]): Promise<void> {
  for (const service of old) {
    await next();
    expect(await world().leave(service)).toEqual({ code: null, signal: 'SIGTERM' });
    const { verdict } = await world().trace(service);
    expect(verdict).toMatchObject(LOSSLESS);
  }
  const counted = await caller.stop();
  expect(counted).toMatchObject({ failed: 0, reasons: {} });
  expect(counted.sent).toBeGreaterThan(50);
}

describe('grpc-js loses no call while instances leave', () => {
  test.each(['lossless:///provider', 'provider:50051', 'dns:///provider'])('%s, without retries', async (target) => {
    const old = [await start(), await start()];
    const caller = await grpcCaller(target, 100, { channel: NO_RETRIES });
    await release(caller, () => start(), old);
  });

  test.each(['grpc-js-1.10', 'grpc-js-1.12', 'grpc-js-1.13', '@grpc/grpc-js'])('%s', async (library) => {
    const leaving = await start();
    const caller = await grpcCaller('lossless:///provider', 100, { library, channel: NO_RETRIES });
    await release(caller, () => start(), [leaving]);
  });

  test('over TLS, whose certificate is for the name of the service', async () => {
    const { key, cert } = await certificate();
    const env = { FIXTURE_KEY: key.toString(), FIXTURE_CERT: cert.toString() };
    const leaving = await start(SERVER, 5, env);
    const caller = await grpcCaller('lossless:///provider', 50, { channel: NO_RETRIES }, env);
    await release(caller, () => start(SERVER, 5, env), [leaving]);
  });

  test('a server whose host has the name of a service listens there, and not where that service is', async () => {
    const env = { LOSSLESS_SERVICES: 'localhost' };
    const options = { file: SERVER, host: 'localhost', env };
    const [first, second] = [await world().service('localhost', options), await world().service('localhost', options)];
    const caller = await grpcCaller('lossless:///localhost', 50, { channel: NO_RETRIES }, env);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    for (const service of [first, second]) expect(await world().served(service)).toBeGreaterThan(0);
  });

  test('calls in progress count, and are waited for', async () => {
    const leaving = await start(SERVER, 600);
    const caller = await grpcCaller('lossless:///provider', 50, { channel: NO_RETRIES });
    await start(SERVER, 600);
    const { body } = await operator(await controlPortOf(caller.child), '/status');
    const { instances } = (body as unknown as Status).calls.services['provider'] ?? { instances: [] };
    expect(instances.reduce((sum, { outstanding }) => sum + outstanding, 0)).toBeGreaterThan(10);
    await world().leave(leaving);
    expect((await world().trace(leaving)).verdict).toMatchObject(LOSSLESS);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });
});

describe('connect-node, whose sessions are one instance each, loses no call', () => {
  test.each(['connect-grpc', 'connect'])('%s to http://provider', async (client) => {
    const old = [await start(CONNECT_SERVER), await start(CONNECT_SERVER)];
    const caller = await world().caller('http://provider', 100, { client });
    for (const service of old) {
      await start(CONNECT_SERVER);
      await world().leave(service);
      expect((await world().trace(service)).verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    }
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });
});
