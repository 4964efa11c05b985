import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { testRegistry } from '../contract/registry.ts';
import { serverMissing } from '../support/built.ts';
import { useChildren } from '../support/child.ts';
import { FrameProxy } from '../support/frame-proxy.ts';
import { ZooKeeperServer } from '../support/zookeeper.ts';

const missing = serverMissing('zookeeper');
if (missing) console.warn(`ZooKeeper tests are skipped: ${missing}`);

const openAt = (url: string): Promise<Registry> => openRegistry(new URL(url), { clock: systemClock, log: () => {} });

describe.skipIf(missing)('a real ZooKeeper', () => {
  const children = useChildren();
  let server: ZooKeeperServer;
  let proxy: FrameProxy;
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
    proxy = await FrameProxy.start(server.port);
  }, 90_000);
  afterAll(async () => {
    await proxy.close();
    await server.close();
  });

  const open = (): Promise<Registry> => openAt(`zookeeper://127.0.0.1:${proxy.port}?sessionMs=6000`);

  testRegistry('zookeeper', {
    open,
    async corrupt(service) {
      const texts = ['', '{', 'null', '[]', '"x"', '{"lossless":{}}', '{"serviceType":{}}', '\u0000'];
      await server.as(undefined, async (nodes) => {
        for (const [n, text] of texts.entries()) await nodes.create(`/microservices/${service}/corrupt-${n}`, text);
      });
    },
    async breakDown() {
      await proxy.down();
      return () => proxy.up();
    },
    async otherProcess(instance) {
      const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
        args: [`${server.url}?sessionMs=1000`, JSON.stringify(instance)],
      });
      await child.sees(/registered/);
      return { kill: () => child.signal('SIGKILL') };
    },
    expiryMs: 2_000,
    heartbeatMs: 2_000,
  });

  testFaults('zookeeper', {
    proxy: () => proxy,
    open,
    direct: () => openAt(`${server.url}?sessionMs=6000`),
    isWrite: ({ method, url }) => method === 'create' && url.split('/').length > 3,
    isBeat: ({ method }) => method === 'exists',
    isRemoval: ({ method }) => method === 'delete',
    async lose({ service, instanceId }) {
      await server.as(undefined, (nodes) => nodes.delete(`/microservices/${service}/${instanceId}`));
    },
    async kill() {
      await server.stop();
      return () => server.start();
    },
    heartbeatMs: 2_000,
  });
});
