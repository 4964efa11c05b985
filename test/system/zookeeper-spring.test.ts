import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance } from '../../src/registry/registry.ts';
import { serverMissing } from '../support/built.ts';
import { until } from '../support/child.ts';
import { Spring } from '../support/spring.ts';
import { spansOf, useWorld } from '../support/world.ts';
import { ZooKeeperServer } from '../support/zookeeper.ts';

const missing = serverMissing('zookeeper', 'spring-zookeeper');
if (missing) console.warn(`tests of Spring Cloud with ZooKeeper are skipped: ${missing}`);

const world = useWorld();

const TIMEOUT = { timeout: 180_000 };

describe.skipIf(missing)('Spring Cloud beside services with the plugin', () => {
  let server: ZooKeeperServer;
  let spring: Spring;
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
    spring = await Spring.start('spring-zookeeper', {
      'spring.application.name': 'spring-shop',
      'spring.cloud.zookeeper.connect-string': `127.0.0.1:${server.port}`,
      'spring.cloud.zookeeper.discovery.instance-host': '127.0.0.1',
      'spring.cloud.zookeeper.discovery.instance-id': 'spring-shop-1',
      'spring.cloud.zookeeper.discovery.metadata.zone': 'eu-3',
      'spring.cloud.loadbalancer.cache.enabled': 'false',
    });
  }, 180_000);
  afterAll(async () => {
    await spring?.close();
    await server?.close();
  });
  const env = (holdMs: number) => ({
    LOSSLESS_REGISTRY: `${server.url}?prefix=/services`,
    LOSSLESS_HOLD_MS: String(holdMs),
  });

  test('Spring finds and calls an instance, and none of its calls fails while that one leaves', TIMEOUT, async () => {
    const leaving = await world().service('shop', { env: env(2_000) });
    expect(await spring.list('shop')).toEqual([`http://127.0.0.1:${leaving.port}`]);
    expect(await spring.call('shop')).toBe('ok');
    const staying = await world().service('shop', { env: env(2_000) });
    expect(await spring.list('shop')).toHaveLength(2);

    const counted = { ok: 0, failed: 0 };
    const calling = new AbortController();
    const calls = (async () => {
      while (!calling.signal.aborted) {
        if ((await spring.call('shop')) === 'ok') counted.ok++;
        else counted.failed++;
        await sleep(10);
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
      'lossless.registry.type': 'zookeeper',
      'lossless.deregister.result': 'confirmed',
    });
    await world().leave(staying);
    expect(await spring.list('shop')).toEqual([]);
  });

  test('what Spring registers is listed with its labels, is called, and goes when it leaves', TIMEOUT, async () => {
    const registry = await openRegistry(new URL(env(0).LOSSLESS_REGISTRY), { clock: systemClock, log: () => {} });
    const lists: (readonly Instance[])[] = [];
    await registry.watch('spring-shop', (list) => lists.push(list));
    expect(lists.at(-1)).toEqual([
      {
        service: 'spring-shop',
        instanceId: 'spring-shop-1',
        generation: 0,
        host: '127.0.0.1',
        port: spring.port,
        scheme: 'http',
        weight: 100,
        registeredAt: 0,
        metadata: expect.objectContaining({ zone: 'eu-3', instance_status: 'UP' }),
      },
    ]);
    const caller = await world().caller('http://spring-shop/', 20, { env: env(500) });
    await sleep(1_000);
    const counted = await caller.stop();
    expect(counted).toMatchObject({ failed: 0 });
    expect(counted.sent).toBeGreaterThan(20);
    spring.child.signal('SIGTERM');
    await until(() => lists.at(-1)?.length === 0);
    await registry.close();
  });
});
