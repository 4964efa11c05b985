import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance } from '../../src/registry/registry.ts';
import { appPortOf } from '../support/process/announced.ts';
import { CLI } from '../support/process/cli.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Consul } from '../support/servers/consul.ts';
import { Etcd } from '../support/servers/etcd.ts';
import { Eureka } from '../support/servers/eureka.ts';
import { Nacos } from '../support/servers/nacos.ts';
import { ZooKeeperServer } from '../support/servers/zookeeper.ts';
import { until } from '../support/until.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('consul', 'etcd', 'eureka', 'zookeeper', 'nacos-3.1');
if (missing) console.warn(`tests of processes with real registries are skipped: ${missing}`);

const world = useWorld();

/** How long a registry is gone: longer than any session or lease lasts here. */
const DOWN_MS = 60_000;

const TIMEOUT = { timeout: 180_000 };

interface Running {
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Its defaults are long: a heartbeat in half a minute. */
async function startEureka(): Promise<Running> {
  const eureka = await Eureka.start();
  return {
    url: `${eureka.url}?ttlMs=6000&pollMs=500`,
    start: () => eureka.start(),
    stop: () => eureka.stop(),
    close: () => eureka.close(),
  };
}

async function listed(url: string, service: string): Promise<readonly Instance[]> {
  const registry = await openRegistry(new URL(url), { clock: systemClock, log: () => {} });
  return registry.instances(service).finally(() => registry.close());
}

async function statusOf(service: Pick<Service, 'child'>): Promise<{ registry: Record<string, unknown> }> {
  const { body } = await operator(await world().controlPort(service as Service), '/status');
  return body as { registry: Record<string, unknown> };
}

describe.skipIf(missing).each([
  { name: 'consul', start: (): Promise<Running> => Consul.start() },
  { name: 'etcd', start: (): Promise<Running> => Etcd.start() },
  { name: 'eureka', start: startEureka },
  { name: 'zookeeper', start: (): Promise<Running> => ZooKeeperServer.start() },
  { name: 'nacos', start: (): Promise<Running> => Nacos.start('3.1', { fast: true }) },
])('services with $name', ({ name, start }) => {
  const server = useStarted(() => start());
  const env = () => ({ LOSSLESS_REGISTRY: server().url, LOSSLESS_HOLD_MS: '500' });

  test('an instance leaves without a failed request, and the registry confirms', TIMEOUT, async () => {
    const [leaving, staying] = [
      await world().service(`${name}-a`, { env: env(), line: '22.19' }),
      await world().service(`${name}-a`, { env: env() }),
    ];
    expect((await listed(server().url, `${name}-a`)).map(({ port }) => port).sort()).toEqual(
      [leaving.port, staying.port].sort(),
    );
    const caller = await world().caller(`http://${name}-a/`, 50, { env: env() });
    expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
    expect((await listed(server().url, `${name}-a`)).map(({ port }) => port)).toEqual([staying.port]);
    const trace = await world().trace(leaving);
    expect(await caller.stop()).toMatchObject({ failed: 0 });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.registry.type': name,
      'lossless.registry.address': new URL(server().url).host,
      'lossless.deregister.result': 'confirmed',
      'lossless.deregister.listed_after': 1,
    });
  });

  test(
    'a minute without the registry: calls go on with the last list, /status and metrics say so, and all is back with it',
    TIMEOUT,
    async () => {
      const service = await world().service(`${name}-b`, { env: env() });
      const caller = await world().caller(`http://${name}-b/`, 20, { env: env() });
      expect((await statusOf(service)).registry).not.toHaveProperty('failing');
      await server().stop();
      const stoppedAt = Date.now();
      await until(async () => (await statusOf(service)).registry['failing'] !== undefined);
      const { failing } = (await statusOf(caller)).registry as { failing: { since: string; message: string } };
      expect(Date.parse(failing.since)).toBeGreaterThan(stoppedAt - 1_000);
      expect(failing.message).toMatch(/ECONN|closed/);
      const metrics = await fetch(`http://127.0.0.1:${await world().controlPort(service)}/metrics`);
      expect(await metrics.text()).toMatch(/^lossless_registry_failing\{.*\} 1$/m);
      await until(() => Date.now() - stoppedAt > DOWN_MS, DOWN_MS * 2);
      expect(service.child.stderr.match(/cannot be kept alive/g)).toHaveLength(1);
      await server().start();
      await until(async () => (await listed(server().url, `${name}-b`).catch(() => [])).length === 1);
      await until(async () => (await statusOf(service)).registry['failing'] === undefined);
      const counted = await caller.stop();
      expect(counted).toMatchObject({ failed: 0 });
      expect(counted.sent).toBeGreaterThan((DOWN_MS / 1_000) * 10);
      await world().leave(service);
      expect(await listed(server().url, `${name}-b`)).toEqual([]);
    },
  );

  test(
    'an offline without the registry tells the consumers, drains and stops in time; it is incomplete',
    TIMEOUT,
    async () => {
      const [leaving] = [
        await world().service(`${name}-c`, { env: env() }),
        await world().service(`${name}-c`, { env: env() }),
      ];
      const caller = await world().caller(`http://${name}-c/`, 50, { env: env() });
      await server().stop();
      const began = Date.now();
      expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
      expect(Date.now() - began).toBeLessThan(15_000);
      const trace = await world().trace(leaving);
      expect(await caller.stop()).toMatchObject({ failed: 0 });
      expect(trace.verdict).toMatchObject({ result: 'incomplete', planned: 1, acked: 1 });
      expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
        'lossless.deregister.result': 'failed',
        'error.type': 'deregister_failed',
      });
      await server().start();
    },
  );

  test('the demo on it: by hand it loses some, with the plugin none, and every trace is whole', TIMEOUT, async () => {
    const demo = world().children.node(CLI, {
      args: ['demo', '--json', '--seconds', '20', '--rate', '25', '--registry', server().url],
    });
    expect(await demo.ends(120_000), demo.stderr).toEqual({ code: 0, signal: null });
    const { base, gray, traces } = JSON.parse(demo.stdout);
    expect(gray).toMatchObject({ failed: 0, reasons: {} });
    expect(gray.requests).toBeGreaterThan(20 * 25 * 0.9);
    expect(base.failed).toBeGreaterThan(0);
    expect(traces).toHaveLength(gray.shutdowns);
    for (const trace of traces) expect(trace).toMatchObject({ result: 'success', orphans: 0, acked: trace.planned });
  });
});

describe.skipIf(missing)('a migration from consul to etcd', () => {
  const consul = useStarted(() => Consul.start());
  const etcd = useStarted(() => Etcd.start());
  const of = (registry: string) => ({ env: { LOSSLESS_REGISTRY: registry, LOSSLESS_HOLD_MS: '500' } });

  test('old, both, new: no request fails while consumers and providers move', TIMEOUT, async () => {
    const both = `${consul().url},${etcd().url}`;
    const old = await world().service('moving', of(consul().url));
    const callers = [
      await world().caller('http://moving/', 20, { name: 'caller-old', ...of(consul().url) }),
      await world().caller('http://moving/', 20, { name: 'caller-both', ...of(both) }),
    ];
    const middle = await world().service('moving', of(both));
    expect((await listed(consul().url, 'moving')).map(({ port }) => port).sort()).toEqual(
      [old.port, middle.port].sort(),
    );
    expect((await listed(etcd().url, 'moving')).map(({ port }) => port)).toEqual([middle.port]);
    callers.push(await world().caller('http://moving/', 20, { name: 'caller-new', ...of(etcd().url) }));
    await world().leave(old);
    const next = await world().service('moving', of(both));
    await world().leave(middle);
    for (const url of [consul().url, etcd().url])
      expect((await listed(url, 'moving')).map(({ port }) => port)).toEqual([next.port]);
    const trace = await world().trace(middle);
    for (const caller of callers) expect(await caller.stop()).toMatchObject({ failed: 0 });
    expect(trace.verdict).toMatchObject({ whole: true, planned: 3, acked: 3 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.registry.type': 'consul,etcd',
      'lossless.deregister.result': 'confirmed',
      'lossless.deregister.listed_after': 1,
    });
    await world().leave(next);
  });

  test('one of the two is gone: the other is left, and the result is the worst', TIMEOUT, async () => {
    const service = await world().service('torn', of(`${consul().url},${etcd().url}`));
    await consul().stop();
    await world().leave(service);
    expect(await listed(etcd().url, 'torn')).toEqual([]);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('incomplete');
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({ 'lossless.deregister.result': 'failed' });
    await consul().start();
  });
});

describe.skipIf(missing)('a wrong token', () => {
  test('the service serves and is not ready, it is said, and the token is nowhere to be seen', TIMEOUT, async () => {
    const management = '11111111-2222-3333-4444-555555555555';
    const token = '99999999-aaaa-bbbb-cccc-dddddddddddd';
    const acl = {
      enabled: true,
      default_policy: 'deny',
      tokens: { initial_management: management, agent: management },
    };
    const consul = await Consul.start({ config: { acl }, token: management });
    const child = world().children.node(new URL('../fixtures/apps/app.ts', import.meta.url), {
      args: ['http', '5', '0', '127.0.0.1'],
      env: world().env('denied', { LOSSLESS_REGISTRY: `${consul.url}?token=${token}`, LOSSLESS_HOLD_MS: '500' }),
    });
    const port = await appPortOf(child);
    await child.sees(/the registry refuses these credentials \(403\)/);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    const control = await world().controlPort({ child, port: port });
    expect((await fetch(`http://127.0.0.1:${control}/readiness`)).status).toBe(503);
    const status = JSON.stringify(await statusOf({ child }));
    expect(status).toContain('the registry refuses these credentials (403)');
    child.signal('SIGTERM');
    await child.ends();
    const trace = await world().trace({ child, port: port });
    expect(trace.verdict.result).toBe('incomplete');
    expect(status + child.stdout + child.stderr + JSON.stringify(trace)).not.toContain('99999999');
    await consul.close();
  });
});
