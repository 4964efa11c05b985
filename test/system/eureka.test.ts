import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { Registration } from '../../src/provider/registration/registration.ts';
import { appOf, encodeInfo, infoIdOf } from '../../src/registry/eureka/entry.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { showsOneMore } from '../contract/one-more.ts';
import { isRefused } from '../contract/refused.ts';
import { testRegistry } from '../contract/registry.ts';
import { anInstance, aServiceName } from '../support/an-instance.ts';
import { FaultProxy } from '../support/fakes/fault-proxy.ts';
import { registered } from '../support/process/registered.ts';
import { useChildren } from '../support/process/use-children.ts';
import { freePort, serverMissing } from '../support/servers/built.ts';
import { Eureka } from '../support/servers/eureka.ts';
import { pause, until } from '../support/until.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('eureka');
if (missing) console.warn(`Eureka tests are skipped: ${missing}`);

/** Interval of polls in these tests, in milliseconds. */
const POLL_MS = 150;

/** A client of a server that caches nothing for longer than a second, and seldom that: a list it was making during a change. */
async function openFast(url: string, options = ''): Promise<Registry> {
  const registry = await openRegistry(new URL(`${url}?pollMs=${POLL_MS}${options}`), {
    clock: systemClock,
    log: () => {},
  });
  const capabilities = { ...registry.capabilities, lagMs: 1_000 + 2 * POLL_MS };
  return Object.defineProperty(registry, 'capabilities', { value: capabilities });
}

/** An instance in service, as others register it. */
async function registerForeign(eureka: Eureka, fields: Readonly<Record<string, unknown>>): Promise<void> {
  const { metadata, ...info } = encodeInfo(anInstance(), 3_600, Date.now());
  await eureka.call('POST', `/apps/${fields['app']}`, { instance: { ...info, status: 'UP', ...fields } });
}

describe.skipIf(missing)('a real Eureka', () => {
  const children = useChildren();
  const eureka = useStarted(() => Eureka.start());
  const proxy = useStarted(() => FaultProxy.start(eureka().port));

  const open = (): Promise<Registry> => openFast(`eureka://127.0.0.1:${proxy().port}`, '&ttlMs=6000');

  testRegistry('eureka', {
    open,
    async corrupt(service) {
      const app = appOf(service);
      for (const [n, value] of ['', '{', 'null', '[]', '{"service":1}', 'x'.repeat(9_000)].entries())
        await registerForeign(eureka(), { app, instanceId: `corrupt-${n}`, metadata: { lossless: value } });
      for (const [n, port] of [
        { $: 0, '@enabled': 'true' },
        { $: 70_000, '@enabled': 'true' },
        { $: 80, '@enabled': 'false' },
      ].entries())
        await registerForeign(eureka(), { app, instanceId: `portless-${n}`, port, metadata: {} });
    },
    breakDown: () => proxy().outage(),
    otherProcess: (instance) => registered(children, `${eureka().url}?ttlMs=2000`, instance),
    // Eureka counts a lease twice, and looks once a second.
    expiryMs: 2 * 2_000 + 1_000 + POLL_MS,
    heartbeatMs: 2_000,
  });

  testFaults('eureka', {
    proxy,
    open,
    direct: () => openFast(eureka().url),
    isWrite: ({ method }) => method === 'POST',
    isBeat: ({ method, url }) => method === 'PUT' && !url.includes('/status'),
    isRemoval: ({ method }) => method === 'DELETE',
    lose: async (instance) =>
      void (await eureka().call('DELETE', `/apps/${appOf(instance.service)}/${infoIdOf(instance)}`)),
    async kill() {
      await eureka().stop();
      return () => eureka().start();
    },
    heartbeatMs: 2_000,
  });
});

describe.skipIf(missing)('Eureka and what else uses it', () => {
  const eureka = useStarted(() => Eureka.start());
  const proxy = useStarted(() => FaultProxy.start(eureka().port));

  const pathOf = (instance: Instance): string => `/apps/${appOf(instance.service)}/${infoIdOf(instance)}`;
  const infoOf = async (instance: Instance): Promise<Record<string, unknown> | undefined> =>
    ((await eureka().call('GET', pathOf(instance))) as { instance: Record<string, unknown> } | undefined)?.instance;

  test('an entry has the fields that Spring Cloud reads', async () => {
    const registry = await openFast(eureka().url);
    const metadata = { zone: 'eu-1', 'not for XML': 'x', lossless: 'mine', odd: 'a\u0001b' };
    const instance = anInstance({ service: `${aServiceName()}-Shop`, scheme: 'https', weight: 300, metadata });
    await registry.register(instance);
    const info = await infoOf(instance);
    expect(info).toMatchObject({
      app: instance.service.toUpperCase(),
      vipAddress: instance.service,
      secureVipAddress: instance.service,
      hostName: instance.host,
      ipAddr: instance.host,
      status: 'UP',
      port: { '@enabled': 'false' },
      securePort: { $: instance.port, '@enabled': 'true' },
      leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: 90 },
    });
    expect(info?.['metadata']).toEqual({ zone: 'eu-1', weight: '3', lossless: expect.stringMatching(/^\{/) });
    const xml = await fetch(`${eureka().zone}apps`, { headers: { accept: 'application/xml' } });
    expect(await xml.text()).toContain('<zone>eu-1</zone>');
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    await registry.close();
  });

  test('services that differ in case only are kept apart', async () => {
    const registry = await openFast(eureka().url);
    const lower = anInstance();
    const upper = anInstance({ service: lower.service.toUpperCase(), instanceId: lower.instanceId });
    await registry.register(lower);
    await registry.register(upper);
    expect(await registry.instances(lower.service)).toEqual([lower]);
    expect(await registry.instances(upper.service)).toEqual([upper]);
    await registry.deregister(lower);
    expect(await registry.instances(lower.service)).toEqual([]);
    expect(await registry.instances(upper.service)).toEqual([upper]);
    await registry.deregister(upper);
    await registry.close();
  });

  test('entries of others are listed while they are up, with zone, weight and labels', async () => {
    const registry = await openFast(eureka().url);
    const service = aServiceName();
    const app = appOf(service);
    const lists: (readonly Instance[])[] = [];
    await registry.watch(service, (list) => lists.push(list));
    const shows = (count: number) => until(() => lists.at(-1)?.length === count);
    await registerForeign(eureka(), {
      app,
      instanceId: 'host-8:shop:8082',
      hostName: 'host-8.example',
      ipAddr: '192.0.2.8',
      port: { $: 8_082, '@enabled': 'true' },
      securePort: { $: 8_443, '@enabled': 'true' },
      metadata: { zone: 'eu-2', weight: '2' },
    });
    await shows(1);
    expect(lists.at(-1)).toEqual([
      {
        service,
        instanceId: 'host-8:shop:8082',
        generation: 0,
        host: 'host-8.example',
        port: 8_443,
        scheme: 'https',
        weight: 200,
        registeredAt: 0,
        metadata: { zone: 'eu-2', weight: '2' },
        endpoints: [{ protocol: 'http', port: 8_443, secure: true }],
      },
    ]);
    for (const status of ['OUT_OF_SERVICE', 'DOWN', 'STARTING', 'UNKNOWN']) {
      await eureka().call('PUT', `/apps/${app}/host-8:shop:8082/status?value=${status}`);
      await shows(0);
      await eureka().call('DELETE', `/apps/${app}/host-8:shop:8082/status?value=UP`);
      await shows(1);
    }
    await registerForeign(eureka(), { app, instanceId: 'plain', metadata: {} });
    await shows(2);
    expect(lists.at(-1)?.[1]).toMatchObject({ instanceId: 'plain', scheme: 'http', weight: 100, metadata: {} });
    await eureka().call('DELETE', `/apps/${app}/plain`);
    await shows(1);
    await registry.close();
  });

  test('an entry in service stays so when it is registered again; a late registration is out of service', async () => {
    const registry = await openFast(eureka().url);
    const instance = anInstance();
    const post = (status: string) =>
      eureka().call('POST', `/apps/${appOf(instance.service)}`, {
        instance: { ...encodeInfo(instance, 15, Date.now() + 1_000), status },
      });
    await registry.register(instance);
    await post('OUT_OF_SERVICE');
    expect(await infoOf(instance)).toMatchObject({ status: 'UP' });
    await registry.deregister(instance);
    expect(await infoOf(instance)).toBeUndefined();
    // The same call once more, as a slow network may deliver it.
    await post('OUT_OF_SERVICE');
    expect(await infoOf(instance)).toMatchObject({ status: 'OUT_OF_SERVICE' });
    expect(await registry.instances(instance.service)).toEqual([]);
    await eureka().call('DELETE', pathOf(instance));
    await registry.close();
  });

  test('the last registration wins: over an older one that comes later, and when the clock is set back', async () => {
    const state = { backMs: 0 };
    const clock = { ...systemClock, wall: () => systemClock.wall() - state.backMs };
    const registry = await openRegistry(new URL(eureka().url), { clock, log: () => {} });
    const instance = anInstance();
    await registry.register(instance);
    state.backMs = 3_600_000;
    await registry.register({ ...instance, weight: 7 });
    expect(await registry.instances(instance.service)).toEqual([{ ...instance, weight: 7 }]);
    const older = encodeInfo(instance, 15, Date.now() - 60_000);
    await eureka().call('POST', `/apps/${appOf(instance.service)}`, { instance: older });
    expect(await registry.instances(instance.service)).toEqual([{ ...instance, weight: 7 }]);
    await registry.deregister(instance);
    await registry.close();
  });

  test('an override by another client survives the heartbeats', async () => {
    const registry = await openFast(eureka().url, '&ttlMs=1000');
    const instance = anInstance();
    await registry.register(instance);
    await eureka().call('PUT', `${pathOf(instance)}/status?value=OUT_OF_SERVICE`);
    const renewed = async (): Promise<number> => {
      const { leaseInfo } = (await infoOf(instance)) as { leaseInfo: { lastRenewalTimestamp: number } };
      return leaseInfo.lastRenewalTimestamp;
    };
    const before = await renewed();
    await until(async () => (await renewed()) > before + 1_000);
    expect(await registry.instances(instance.service)).toEqual([]);
    await registry.register(instance);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    await registry.close();
  });

  test('the first heartbeat makes the server forget its earlier lists; a late one lists no instance', async () => {
    const registry = await openFast(`eureka://127.0.0.1:${proxy().port}`, '&ttlMs=1000');
    const instance = anInstance();
    const path = `/eureka${pathOf(instance).replaceAll(':', '%3A')}`;
    const beats = () =>
      proxy().passed.flatMap(({ method, url }) => (method === 'PUT' && url.startsWith(path) ? [url] : []));
    await registry.register(instance);
    await until(() => beats().length === 4);
    expect(beats()).toEqual([`${path}/status?value=UP`, `${path}/metadata`, path, path]);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    for (const late of ['', '/metadata', '/status?value=UP'])
      expect(await eureka().call('PUT', `${pathOf(instance)}${late}`)).toBeUndefined();
    expect(await infoOf(instance)).toBeUndefined();
    await registry.close();
  });

  test('watches share one poll of changes; whole lists are read only when they must be', async () => {
    const [registry, other] = [await openFast(`eureka://127.0.0.1:${proxy().port}`), await openFast(eureka().url)];
    const instances = [anInstance(), anInstance(), anInstance()];
    const shown = new Map<string, number>();
    await Promise.all(
      instances.map(({ service }) => registry.watch(service, (list) => void shown.set(service, list.length))),
    );
    const calls = (path: string) => proxy().calls.filter(({ url }) => url === `/eureka${path}`).length;
    const [whole, changes] = [calls('/apps'), calls('/apps/delta')];
    expect(whole).toBeLessThanOrEqual(2);
    const began = performance.now();
    for (const instance of instances) {
      await other.register(instance);
      await until(() => shown.get(instance.service) === 1);
      await other.register({ ...instance, weight: 1 });
      await other.deregister(instance);
      await until(() => shown.get(instance.service) === 0);
    }
    await until(() => calls('/apps/delta') > changes + 5);
    expect(calls('/apps')).toBe(whole);
    expect(calls('/apps/delta') - changes).toBeLessThan((performance.now() - began) / (POLL_MS * 0.9) + 2);
    await Promise.all([registry.close(), other.close()]);
  });

  test('a dead server is skipped for the next one', async () => {
    const registry = await openRegistry(
      new URL(`eureka://127.0.0.1:${await freePort()}/eureka/?server=127.0.0.1:${eureka().port}`),
      {
        clock: systemClock,
        log: () => {},
      },
    );
    const instance = anInstance();
    await registry.register(instance);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    expect(await registry.instances(instance.service)).toEqual([]);
    expect(registry.failure).toBeUndefined();
    await registry.close();
  });

  test('a path without the API is a clear error', async () => {
    const registry = await openFast(`${eureka().url}/nowhere`);
    const instance = anInstance();
    await expect(registry.register(instance)).rejects.toThrow(/POST \/nowhere\/apps\/.*: status 404/);
    await expect(registry.watch(instance.service, () => {})).rejects.toThrow(/GET \/nowhere\/apps .*: status 404/);
    await registry.close();
  });

  test('a list of 10,000 instances is read and followed', { timeout: 180_000 }, async () => {
    const service = aServiceName();
    const app = appOf(service);
    const registry = await openFast(eureka().url);
    const all = Array.from({ length: 10_000 }, (_, n) => anInstance({ service, port: 10_000 + n }));
    for (let n = 0; n < all.length; n += 50)
      await Promise.all(
        all.slice(n, n + 50).map((instance) => {
          const info = { ...encodeInfo(instance, 3_600, Date.now()), status: 'UP' };
          return eureka().call('POST', `/apps/${app}`, { instance: info });
        }),
      );
    await showsOneMore(registry, service, 10_000);
    await registry.close();
  });
});

describe.skipIf(missing)('two servers of a Eureka', () => {
  const servers: Eureka[] = [];
  beforeAll(async () => {
    const ports = [await freePort(), await freePort()] as const;
    const start = async (port: number, peer: number) => servers.push(await Eureka.start({ port, peers: [peer] }));
    await Promise.all([start(ports[0], ports[1]), start(ports[1], ports[0])]);
  }, 120_000);
  afterAll(() => Promise.all(servers.map((server) => server.close())));

  test('each lists the instances of the other; one is killed, and no instance leaves a list', async () => {
    const [first, second] = servers as [Eureka, Eureka];
    const url = `${first.url}?server=127.0.0.1:${second.port}&pollMs=${POLL_MS}&ttlMs=3000`;
    const registry = await openRegistry(new URL(url), { clock: systemClock, log: () => {} });
    const other = await openFast(second.url);
    const instance = anInstance();
    const lists: (readonly Instance[])[] = [];
    await registry.register(instance);
    await until(async () => (await other.instances(instance.service)).length === 1);
    await other.watch(instance.service, (list) => lists.push(list));
    const replaced = { ...instance, weight: 7 };
    await registry.register(replaced);
    await until(() => lists.at(-1)?.[0]?.weight === 7);
    await first.stop();
    await pause(4_000);
    expect(lists).toEqual([[instance], [replaced]]);
    expect(await registry.instances(instance.service)).toEqual([replaced]);
    await registry.deregister(replaced);
    await until(() => lists.at(-1)?.length === 0);
    await first.start();
    expect(await registry.instances(instance.service)).toEqual([]);
    await registry.close();
    await other.close();
  });
});

describe.skipIf(missing)('a Eureka with users', () => {
  const eureka = useStarted(() => Eureka.start({ user: 'shop:pass word/1' }));
  const open = (user: string, log: (message: string) => void): Promise<Registry> =>
    openRegistry(new URL(`eureka://${user}@127.0.0.1:${eureka().port}?pollMs=${POLL_MS}`), {
      clock: systemClock,
      log: (_, message) => log(message),
    });

  test('the right password opens it', async () => {
    const registry = await open(`shop:${encodeURIComponent('pass word/1')}`, () => {});
    const instance = anInstance();
    await registry.register(instance);
    const lists: (readonly Instance[])[] = [];
    await registry.watch(instance.service, (list) => lists.push(list));
    expect(lists).toEqual([[instance]]);
    await registry.deregister(instance);
    await until(() => lists.at(-1)?.length === 0);
    await registry.close();
  });

  test('a wrong password is a clear error without the password', async () => {
    const logged: string[] = [];
    const registry = await open('shop:wr0ng-secret', (message) => void logged.push(message));
    await isRefused(registry, {
      says: /the registry refuses these credentials \(401\)/,
      secret: /wr0ng|d3IwbmctC|Basic/,
      logged,
    });
  });
});

describe.skipIf(missing)('a Eureka as Spring Cloud sets it up', () => {
  const eureka = useStarted(() => Eureka.start({ isFast: false }));

  // Again when the server makes its new lists just then.
  test('other processes list a deregistered instance for up to 30 s more, its own process does not', {
    timeout: 120_000,
    retry: 1,
  }, async () => {
    const open = () => openRegistry(new URL(eureka().url), { clock: systemClock, log: () => {} });
    const [registry, other] = [await open(), await open()];
    const instance = anInstance();
    const registration = new Registration(registry, systemClock);
    await registration.write(instance);
    const lists: (readonly Instance[])[] = [];
    await registry.watch(instance.service, (list) => lists.push(list));
    expect(lists).toEqual([[instance]]);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    const began = performance.now();
    expect(await registration.deregister()).toEqual({ result: 'confirmed', listedAfter: 0 });
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(await eureka().call('GET', `/apps/${appOf(instance.service)}/${infoIdOf(instance)}`)).toBeUndefined();
    expect(await other.instances(instance.service)).toEqual([instance]);
    const { lagMs } = registry.capabilities;
    expect(lagMs).toBe(35_000);
    await until(
      async () => lists.at(-1)?.length === 0 && (await other.instances(instance.service)).length === 0,
      lagMs + 2_000,
    );
    await Promise.all([registry.close(), other.close()]);
  });
});
