import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { serviceIdOf } from '../../src/registry/consul-entry.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { testRegistry } from '../contract/registry.ts';
import { serverMissing } from '../support/built.ts';
import { useChildren } from '../support/child.ts';
import { Consul } from '../support/consul.ts';
import { FaultProxy } from '../support/fault-proxy.ts';

const missing = serverMissing('consul');
if (missing) console.warn(`Consul tests are skipped: ${missing}`);

describe.skipIf(missing)('a real Consul', () => {
  const children = useChildren();
  let consul: Consul;
  let proxy: FaultProxy;
  beforeAll(async () => {
    consul = await Consul.start();
    proxy = await FaultProxy.start(consul.port);
  });
  afterAll(async () => {
    await proxy.close();
    await consul.close();
  });

  const open = (options = ''): Promise<Registry> =>
    openRegistry(new URL(`consul://127.0.0.1:${proxy.port}${options}`), { clock: systemClock, log: () => {} });

  testRegistry('consul', {
    open: () => open('?ttlMs=6000'),
    async corrupt(service) {
      for (const [n, value] of ['', '{', 'null', '[]', '{"service":1}', 'x'.repeat(512), '\u0000'].entries())
        await consul.call('PUT', '/v1/agent/service/register', {
          ID: `${service}-corrupt-${n}`,
          Name: service,
          Port: 80,
          Meta: { 'lossless-0': value },
        });
    },
    async breakDown() {
      await proxy.down();
      return () => proxy.up();
    },
    async otherProcess(instance) {
      const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
        args: [`${consul.url}?ttlMs=2000`, JSON.stringify(instance)],
      });
      await child.sees(/registered/);
      return { kill: () => child.signal('SIGKILL') };
    },
    expiryMs: 2_000,
    heartbeatMs: 2_000,
  });

  testFaults('consul', {
    proxy: () => proxy,
    open: () => open('?ttlMs=6000'),
    direct: () => openRegistry(new URL(consul.url), { clock: systemClock, log: () => {} }),
    isWrite: ({ url }) => url.startsWith('/v1/agent/service/register'),
    isBeat: ({ url }) => url.startsWith('/v1/agent/check/pass'),
    isRemoval: ({ url }) => url.startsWith('/v1/agent/service/deregister'),
    lose: async (instance) => void (await consul.call('PUT', `/v1/agent/service/deregister/${serviceIdOf(instance)}`)),
    async kill() {
      await consul.stop();
      return () => consul.start();
    },
    heartbeatMs: 2_000,
  });
});
