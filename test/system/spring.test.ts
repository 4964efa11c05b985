import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance } from '../../src/registry/registry.ts';
import { anInstance } from '../support/an-instance.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Eureka } from '../support/servers/eureka.ts';
import { Nacos } from '../support/servers/nacos.ts';
import { Spring, type SpringRegistry } from '../support/servers/spring.ts';
import { ZooKeeperServer } from '../support/servers/zookeeper.ts';
import { pause, until } from '../support/until.ts';

const missing = serverMissing('eureka', 'nacos-3.1', 'zookeeper', 'spring');
if (missing) console.warn(`tests of Spring Cloud are skipped: ${missing}`);

const world = useWorld();

const TIMEOUT = { timeout: 180_000 };

interface Running {
  /** For our clients. */
  readonly url: string;
  /** For Spring: where it is, and under which host and with which labels it is registered. */
  readonly properties: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const REGISTRIES: Readonly<Record<SpringRegistry, () => Promise<Running>>> = {
  eureka: async () => {
    const eureka = await Eureka.start();
    const properties = {
      'eureka.client.service-url.defaultZone': eureka.zone,
      'eureka.client.registry-fetch-interval-seconds': '1',
      'eureka.instance.hostname': '127.0.0.1',
      'eureka.instance.metadata-map.zone': 'eu-3',
      'eureka.instance.metadata-map.gRPC_port': '9099',
    };
    return { url: `${eureka.url}?pollMs=500`, properties, close: () => eureka.close() };
  },
  nacos: async () => {
    const nacos = await Nacos.start('3.1', { fast: true });
    const properties = {
      'spring.cloud.nacos.discovery.server-addr': `127.0.0.1:${nacos.port}`,
      'spring.cloud.nacos.discovery.ip': '127.0.0.1',
      'spring.cloud.nacos.discovery.metadata.zone': 'eu-3',
      'spring.cloud.nacos.discovery.metadata.gRPC_port': '9099',
    };
    return { url: nacos.url, properties, close: () => nacos.close() };
  },
  zookeeper: async () => {
    const zookeeper = await ZooKeeperServer.start();
    const properties = {
      'spring.cloud.zookeeper.connect-string': `127.0.0.1:${zookeeper.port}`,
      'spring.cloud.zookeeper.discovery.instance-host': '127.0.0.1',
      'spring.cloud.zookeeper.discovery.metadata.zone': 'eu-3',
      'spring.cloud.zookeeper.discovery.metadata.gRPC_port': '9099',
    };
    return { url: `${zookeeper.url}?prefix=/services&spring=true`, properties, close: () => zookeeper.close() };
  },
};

describe.skipIf(missing).each(Object.keys(REGISTRIES) as SpringRegistry[])('Spring Cloud with %s', (registry) => {
  let running: Running;
  let spring: Spring;
  beforeAll(async () => {
    running = await REGISTRIES[registry]();
    spring = await Spring.start(registry, {
      'spring.application.name': 'spring-shop',
      'spring.cloud.loadbalancer.cache.enabled': 'false',
      'spring.cloud.loadbalancer.configurations': 'zone-preference',
      'spring.cloud.loadbalancer.zone': 'eu-3',
      ...running.properties,
    });
  }, 180_000);
  afterAll(async () => {
    await spring?.close();
    await running?.close();
  });
  const env = (zone?: string) => ({
    LOSSLESS_REGISTRY: running.url,
    LOSSLESS_HOLD_MS: '4000',
    ...(zone && { LOSSLESS_ZONE: zone }),
  });

  test('it finds and calls an instance, and none of its calls fails while that one leaves', TIMEOUT, async () => {
    const leaving = await world().service('shop', { env: env() });
    await until(async () => (await spring.list('shop')).length === 1);
    expect(await spring.list('shop')).toEqual([`http://127.0.0.1:${leaving.port}`]);
    expect(await spring.call('shop')).toBe('ok');
    const staying = await world().service('shop', { env: env() });
    await until(async () => (await spring.list('shop')).length === 2);

    const counted = { ok: 0, failed: 0 };
    const calling = new AbortController();
    const calls = (async () => {
      while (!calling.signal.aborted) {
        if ((await spring.call('shop')) === 'ok') counted.ok++;
        else counted.failed++;
        await pause(10);
      }
    })();
    await until(() => counted.ok > 50);
    expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
    const then = counted.ok;
    await until(() => counted.ok > then + 50);
    calling.abort();
    await calls;
    expect(counted.failed).toBe(0);
    expect(await spring.list('shop')).toEqual([`http://127.0.0.1:${staying.port}`]);

    const trace = await world().trace(leaving);
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.registry.type': registry,
      'lossless.deregister.result': 'confirmed',
    });
    await world().leave(staying);
    await until(async () => (await spring.list('shop')).length === 0);
  });

  // With ZooKeeper its balancer shares alike, though it has the labels.
  test('its zone preference reads our label, where it can', TIMEOUT, async () => {
    const near = await world().service('stock', { env: env('eu-3') });
    const far = await world().service('stock', { env: env('eu-4') });
    await until(async () => (await spring.list('stock')).length === 2);
    for (let n = 0; n < 20; n++) expect(await spring.call('stock')).toBe('ok');
    expect([await world().served(near), await world().served(far)]).toEqual(
      registry === 'zookeeper' ? [10, 10] : [20, 0],
    );
    expect((await spring.labels('stock')).map(({ zone }) => zone).toSorted()).toEqual(['eu-3', 'eu-4']);
    await Promise.all([near, far].map((service) => world().leave(service)));
  });

  test('it finds our port of gRPC by the label that its clients of gRPC read', TIMEOUT, async () => {
    const ours = await openRegistry(new URL(running.url), { clock: systemClock, log: () => {} });
    const http = { protocol: 'http', port: 8_080, secure: false } as const;
    const grpc = { protocol: 'grpc', port: 9_090, secure: false } as const;
    const instance = anInstance({ service: 'calls', endpoints: [http, grpc] });
    await ours.register(instance);
    await until(async () => (await spring.labels('calls'))[0]?.['gRPC_port'] === '9090');
    await ours.deregister(instance);
    await until(async () => (await spring.labels('calls')).length === 0);
    await ours.close();
  });

  test(
    'its instances are listed with their labels, are called where those say, and go when they leave',
    TIMEOUT,
    async () => {
      const ours = await openRegistry(new URL(running.url), { clock: systemClock, log: () => {} });
      const lists: (readonly Instance[])[] = [];
      await ours.watch('spring-shop', (list) => lists.push(list));
      await until(() => lists.at(-1)?.length === 1);
      expect(lists.at(-1)).toEqual([
        {
          service: 'spring-shop',
          instanceId: expect.any(String),
          generation: 0,
          host: '127.0.0.1',
          port: spring.port,
          scheme: 'http',
          weight: 100,
          registeredAt: 0,
          metadata: expect.objectContaining({ zone: 'eu-3' }),
          endpoints: [
            { protocol: 'http', port: spring.port, secure: false },
            { protocol: 'grpc', port: 9_099, secure: false },
          ],
        },
      ]);
      const elsewhere = await world().service('spring-shop', { env: env('eu-4') });
      const caller = await world().caller('http://spring-shop/', 20, { env: env('eu-3') });
      await pause(1_000);
      const counted = await caller.stop();
      expect(counted).toMatchObject({ failed: 0 });
      expect(counted.sent).toBeGreaterThan(20);
      expect(await world().served(elsewhere)).toBe(0);
      await world().leave(elsewhere);
      spring.child.signal('SIGTERM');
      await until(() => lists.at(-1)?.length === 0);
      await ours.close();
    },
  );
});

describe.skipIf(missing)('an address that Spring has registered with Nacos too', () => {
  test('another writer keeps the same address listed: the log says so, and the offline does not wait', {
    timeout: 240_000,
  }, async () => {
    const nacos = await Nacos.start('3.1', { fast: true });
    const leaving = await world().service('shop', { env: { LOSSLESS_REGISTRY: nacos.url, LOSSLESS_HOLD_MS: '500' } });
    const spring = await Spring.start('nacos', {
      'spring.application.name': 'shop',
      'spring.cloud.nacos.discovery.server-addr': `127.0.0.1:${nacos.port}`,
      'spring.cloud.nacos.discovery.ip': '127.0.0.1',
      'spring.cloud.nacos.discovery.port': String(leaving.port),
    });
    await until(async () => {
      const query = { serviceName: 'shop', groupName: 'DEFAULT_GROUP' };
      const { data } = JSON.parse(await nacos.call('GET', `${nacos.instancePath}/list`, query)) as { data: unknown[] };
      return data.length === 2;
    });
    expect(await world().leave(leaving)).toEqual({ code: null, signal: 'SIGTERM' });
    const trace = await world().trace(leaving);
    // Consumers with the plugin isolate the address, and no other caller has come.
    expect(trace.verdict.result).toBe('success');
    const [deregister] = spansOf(trace, 'deregister');
    expect(deregister?.tags).toMatchObject({
      'lossless.deregister.result': 'confirmed',
      'lossless.deregister.listed_after': 1,
    });
    expect(String(deregister?.tags['lossless.deregister.others'])).toContain('127.0.0.1');
    await spring.close();
    await nacos.close();
  });
});
