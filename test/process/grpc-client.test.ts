import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, describe, expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import type { GrpcOptions } from '../fixtures/grpc/clients.ts';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { controlPortOf } from '../support/process/announced.ts';
import { operator } from '../support/process/operator.ts';
import { type Caller, type Service, useWorld } from '../support/process/world.ts';
import { certificate } from '../support/tls/certificate.ts';
import { until } from '../support/until.ts';

const SERVER = new URL('../fixtures/apps/grpc.ts', import.meta.url);

/** Distance of an instance, in milliseconds each way. */
const DELAY_MS = 10;

/** Every call is tried once, so each loss shows. */
const NO_RETRIES = { 'grpc.enable_retries': 0 };

const world = useWorld();

const proxies: DelayProxy[] = [];
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close();
});

/** An instance behind a proxy, which is where it is registered. */
async function start(kind = 'grpc-js', env: Readonly<Record<string, string>> = {}): Promise<Service> {
  const proxy = await DelayProxy.start(DELAY_MS);
  proxies.push(proxy);
  const service = await world().service('provider', {
    file: SERVER,
    kind,
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
  test.each(['lossless:///provider', 'provider:50051', 'dns:///provider'])('to %s, without retries', async (target) => {
    const old = [await start(), await start()];
    const caller = await grpcCaller(target, 100, { channel: NO_RETRIES });
    await release(caller, () => start(), old);
  });

  test.each(['grpc-js-1.10', 'grpc-js-1.12', 'grpc-js-1.13', '@grpc/grpc-js'])('with %s', async (library) => {
    const leaving = await start();
    const caller = await grpcCaller('lossless:///provider', 100, { library, channel: NO_RETRIES });
    await release(caller, () => start(), [leaving]);
  });

  test('over TLS, whose certificate is for the name of the service', async () => {
    const { key, cert } = await certificate();
    const env = { FIXTURE_KEY: key.toString(), FIXTURE_CERT: cert.toString() };
    const leaving = await start('grpc-js', env);
    const caller = await grpcCaller('lossless:///provider', 50, { channel: NO_RETRIES }, env);
    await release(caller, () => start('grpc-js', env), [leaving]);
  });

  test('a server whose host has the name of a service listens there, and not where that service is', async () => {
    const env = { LOSSLESS_SERVICES: 'localhost' };
    const options = { file: SERVER, kind: 'grpc-js', host: 'localhost', env };
    const [first, second] = [await world().service('localhost', options), await world().service('localhost', options)];
    const caller = await grpcCaller('lossless:///localhost', 50, { channel: NO_RETRIES }, env);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    for (const service of [first, second]) expect(await world().served(service)).toBeGreaterThan(0);
  });

  test('calls in progress count, and the drain waits for them', async () => {
    const leaving = await start();
    const caller = await grpcCaller('lossless:///provider', 50, { channel: NO_RETRIES, ms: 600 });
    await start();
    const { body } = await operator(await controlPortOf(caller.child), '/status');
    const { instances } = (body as unknown as Status).calls.services['provider'] ?? { instances: [] };
    expect(instances.reduce((sum, { outstanding }) => sum + outstanding, 0)).toBeGreaterThan(10);
    await world().leave(leaving);
    expect((await world().trace(leaving)).verdict).toMatchObject(LOSSLESS);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });
});

describe('an instance that returns at once at its address, as another process, loses no call of grpc-js', () => {
  const returning = (port = 0): Promise<Service> =>
    world().service('provider', { file: SERVER, kind: 'grpc-js', port, env: { LOSSLESS_WARMUP_MS: '0' } });

  test('when it has left', async () => {
    const instances = [await returning(), await returning()];
    const caller = await grpcCaller('lossless:///provider', 100, { channel: NO_RETRIES });
    for (let n = 0; n < 4; n++) {
      const leaving = instances.shift() as Service;
      await world().called(leaving, 10);
      await world().leave(leaving);
      const next = await returning(leaving.port);
      await world().called(next, 10);
      instances.push(next);
    }
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });

  test('when it was killed, once the calls that it had are gone', async () => {
    const [killed] = [await returning(), await returning()];
    const caller = await grpcCaller('lossless:///provider', 20, { channel: NO_RETRIES });
    await world().called(killed);
    await world().leave(killed, 'SIGKILL');
    const next = await returning(killed.port);
    await world().called(next, 20);
    // Failures only of calls that were on their way to the killed instance.
    expect((await caller.stop()).failed).toBeLessThan(5);
  });
});

describe('a copy of grpc-js inside a bundle', () => {
  /** Two calls to the service `localhost`, one after the other. */
  const CALLS = `
    import { Client, credentials } from '@grpc/grpc-js';
    const same = (bytes) => bytes;
    const say = (client, done) =>
      client.makeUnaryRequest('/echo.Echo/Say', same, same, Buffer.alloc(0), (error) => done(console.log('said', error?.code ?? 'OK')));
    const client = () => new Client('localhost:' + process.argv[2], credentials.createInsecure());
    say(client(), () => say(client(), () => {}));
    process.stdin.resume();
  `;

  async function called(portOf: (service: Service) => Promise<number>) {
    const outfile = join(world().directory, 'bundle.cjs');
    const stdin = { contents: CALLS, resolveDir: import.meta.dirname };
    await build({ stdin, outfile, bundle: true, platform: 'node', logLevel: 'error' });
    const service = await world().service('localhost', { file: SERVER, kind: 'grpc-js' });
    const env = world().env('caller', { LOSSLESS_SERVICES: 'localhost' });
    const child = world().children.node(outfile, { args: [await portOf(service)], env });
    await child.sees(/said OK\nsaid OK/);
    return { service, child };
  }

  test('is not covered where a proxy stands before the instances, and one line says so', async () => {
    const proxy = await DelayProxy.start(0);
    proxies.push(proxy);
    const { child } = await called(async ({ port }) => {
      proxy.target = port;
      return proxy.port;
    });
    await until(() => child.stderr.includes('LOSSLESS_SESSION_UNCOVERED'));
    expect(child.stderr.match(/LOSSLESS_SESSION_UNCOVERED/g)).toHaveLength(1);
    expect(child.stderr).toContain('an HTTP/2 session to localhost leads to 127.0.0.1:');
  });

  test('is covered as every session is where it calls a listed address', async () => {
    const { child, service } = await called(async ({ port }) => port);
    await world().leave(service);
    expect((await world().trace(service)).verdict).toMatchObject({ planned: 1, acked: 1 });
    expect(child.stderr).not.toContain('LOSSLESS_SESSION_UNCOVERED');
  });
});

describe('connect-node, whose sessions are one instance each, loses no call', () => {
  test.each(['connect-grpc', 'connect'])('%s to http://provider', async (client) => {
    const old = [await start('connect'), await start('connect')];
    const caller = await world().caller('http://provider', 100, { client });
    for (const service of old) {
      await start('connect');
      await world().leave(service);
      expect((await world().trace(service)).verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    }
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  });
});
