import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { testRegistry } from '../contract/registry.ts';
import { serverMissing } from '../support/built.ts';
import { useChildren } from '../support/child.ts';
import { Etcd } from '../support/etcd.ts';
import { FaultProxy } from '../support/fault-proxy.ts';

const missing = serverMissing('etcd');
if (missing) console.warn(`etcd tests are skipped: ${missing}`);

describe.skipIf(missing)('a real etcd', () => {
  const children = useChildren();
  let etcd: Etcd;
  let proxy: FaultProxy;
  beforeAll(async () => {
    etcd = await Etcd.start();
    proxy = await FaultProxy.start(etcd.port);
  });
  afterAll(async () => {
    await proxy.close();
    await etcd.close();
  });

  const open = (options = ''): Promise<Registry> =>
    openRegistry(new URL(`etcd://127.0.0.1:${proxy.port}${options}`), { clock: systemClock, log: () => {} });

  testRegistry('etcd', {
    open: () => open('?ttlMs=6000'),
    async corrupt(service) {
      for (const [n, value] of [
        '',
        '{',
        'null',
        '[]',
        '"x"',
        '{"lossless":{}}',
        `{"name":"${service}"}`,
        '\u0000',
      ].entries())
        await etcd.put(`/microservices/${service}/corrupt-${n}`, value);
    },
    async breakDown() {
      await proxy.down();
      return () => proxy.up();
    },
    async otherProcess(instance) {
      const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
        args: [`${etcd.url}?ttlMs=2000`, JSON.stringify(instance)],
      });
      await child.sees(/registered/);
      return { kill: () => child.signal('SIGKILL') };
    },
    expiryMs: 3_500,
    heartbeatMs: 2_000,
  });

  testFaults('etcd', {
    proxy: () => proxy,
    open: () => open('?ttlMs=6000'),
    direct: () => openRegistry(new URL(etcd.url), { clock: systemClock, log: () => {} }),
    isWrite: ({ url }) => url === '/v3/kv/put',
    isBeat: ({ url }) => url === '/v3/lease/keepalive',
    isRemoval: ({ url }) => url === '/v3/lease/revoke' || url === '/v3/kv/deleterange',
    async lose({ service, instanceId }) {
      await etcd.call('/v3/kv/deleterange', { key: btoa(`/microservices/${service}/${instanceId}`) });
    },
    async kill() {
      await etcd.stop();
      return () => etcd.start();
    },
    heartbeatMs: 2_000,
  });
});
