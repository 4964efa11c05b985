import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { appOf, encodeInfo, infoIdOf } from '../../src/registry/eureka-entry.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { testRegistry } from '../contract/registry.ts';
import { anInstance } from '../fixtures/registry/instance.ts';
import { serverMissing } from '../support/built.ts';
import { useChildren } from '../support/child.ts';
import { Eureka } from '../support/eureka.ts';
import { FaultProxy } from '../support/fault-proxy.ts';

const missing = serverMissing('eureka');
if (missing) console.warn(`Eureka tests are skipped: ${missing}`);

/** Interval of polls in these tests, in milliseconds. */
const POLL_MS = 150;

/** A client of a server that caches nothing: what it may lag is its poll. */
async function openFast(url: string, options = ''): Promise<Registry> {
  const registry = await openRegistry(new URL(`${url}?pollMs=${POLL_MS}${options}`), {
    clock: systemClock,
    log: () => {},
  });
  const capabilities = { ...registry.capabilities, lagMs: 2 * POLL_MS };
  return Object.defineProperty(registry, 'capabilities', { value: capabilities });
}

/** An instance in service, as others register it. */
async function registerForeign(eureka: Eureka, fields: Readonly<Record<string, unknown>>): Promise<void> {
  const { metadata, ...info } = encodeInfo(anInstance(), 3_600, Date.now());
  await eureka.call('POST', `/apps/${fields['app']}`, { instance: { ...info, status: 'UP', ...fields } });
}

describe.skipIf(missing)('a real Eureka', () => {
  const children = useChildren();
  let eureka: Eureka;
  let proxy: FaultProxy;
  beforeAll(async () => {
    eureka = await Eureka.start();
    proxy = await FaultProxy.start(eureka.port);
  });
  afterAll(async () => {
    await proxy.close();
    await eureka.close();
  });

  const open = (): Promise<Registry> => openFast(`eureka://127.0.0.1:${proxy.port}`, '&ttlMs=6000');

  testRegistry('eureka', {
    open,
    async corrupt(service) {
      const app = appOf(service);
      for (const [n, value] of ['', '{', 'null', '[]', '{"service":1}', 'x'.repeat(9_000)].entries())
        await registerForeign(eureka, { app, instanceId: `corrupt-${n}`, metadata: { lossless: value } });
      for (const [n, port] of [
        { $: 0, '@enabled': 'true' },
        { $: 70_000, '@enabled': 'true' },
        { $: 80, '@enabled': 'false' },
      ].entries())
        await registerForeign(eureka, { app, instanceId: `portless-${n}`, port, metadata: {} });
    },
    async breakDown() {
      await proxy.down();
      return () => proxy.up();
    },
    async otherProcess(instance) {
      const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
        args: [`${eureka.url}?ttlMs=2000`, JSON.stringify(instance)],
      });
      await child.sees(/registered/);
      return { kill: () => child.signal('SIGKILL') };
    },
    // Eureka counts a lease twice, and looks once a second.
    expiryMs: 2 * 2_000 + 1_000 + POLL_MS,
    heartbeatMs: 2_000,
  });

  testFaults('eureka', {
    proxy: () => proxy,
    open,
    direct: () => openFast(eureka.url),
    isWrite: ({ method }) => method === 'POST',
    isBeat: ({ method, url }) => method === 'PUT' && !url.includes('/status'),
    isRemoval: ({ method }) => method === 'DELETE',
    lose: async (instance) =>
      void (await eureka.call('DELETE', `/apps/${appOf(instance.service)}/${infoIdOf(instance)}`)),
    async kill() {
      await eureka.stop();
      return () => eureka.start();
    },
    heartbeatMs: 2_000,
  });
});
