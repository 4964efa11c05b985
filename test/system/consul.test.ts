import { Resolver } from 'node:dns/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { type ConsulService, encodeService, serviceIdOf } from '../../src/registry/consul/entry.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { agreesWithKratos } from '../contract/kratos.ts';
import { showsOneMore } from '../contract/one-more.ts';
import { isRefused } from '../contract/refused.ts';
import { testRegistry } from '../contract/registry.ts';
import { anInstance, aServiceName } from '../support/an-instance.ts';
import { FaultProxy } from '../support/fakes/fault-proxy.ts';
import { registered } from '../support/process/registered.ts';
import { useChildren } from '../support/process/use-children.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Consul } from '../support/servers/consul.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('consul');
if (missing) console.warn(`Consul tests are skipped: ${missing}`);

describe.skipIf(missing)('a real Consul', () => {
  const children = useChildren();
  const consul = useStarted(() => Consul.start());
  const proxy = useStarted(() => FaultProxy.start(consul().port));

  const open = (options = ''): Promise<Registry> =>
    openRegistry(new URL(`consul://127.0.0.1:${proxy().port}${options}`), { clock: systemClock, log: () => {} });

  testRegistry('consul', {
    open: () => open('?ttlMs=6000'),
    async corrupt(service) {
      for (const [n, value] of ['', '{', 'null', '[]', '{"service":1}', 'x'.repeat(512), '\u0000'].entries())
        await consul().call('PUT', '/v1/agent/service/register', {
          ID: `${service}-corrupt-${n}`,
          Name: service,
          Port: 80,
          Meta: { 'lossless-0': value },
        });
    },
    breakDown: () => proxy().outage(),
    otherProcess: (instance) => registered(children, `${consul().url}?ttlMs=2000`, instance),
    expiryMs: 2_000,
    heartbeatMs: 2_000,
  });

  testFaults('consul', {
    proxy,
    open: () => open('?ttlMs=6000'),
    direct: () => openRegistry(new URL(consul().url), { clock: systemClock, log: () => {} }),
    isWrite: ({ url }) => url.startsWith('/v1/agent/service/register'),
    isBeat: ({ url }) => url.startsWith('/v1/agent/check/pass'),
    isRemoval: ({ url }) => url.startsWith('/v1/agent/service/deregister'),
    lose: async (instance) =>
      void (await consul().call('PUT', `/v1/agent/service/deregister/${serviceIdOf(instance)}`)),
    async kill() {
      await consul().stop();
      return () => consul().start();
    },
    heartbeatMs: 2_000,
  });
});

describe.skipIf(missing)('Consul and what else uses it', () => {
  const noClient = serverMissing('kratos-client');
  if (noClient) console.warn(`the test with kratos is skipped: ${noClient}`);
  const children = useChildren();
  const consul = useStarted(() => Consul.start());
  const open = (options = ''): Promise<Registry> =>
    openRegistry(new URL(`${consul().url}${options}`), { clock: systemClock, log: () => {} });

  test('DNS clients find an instance, and lose it with its deregistration', async () => {
    const registry = await open();
    const instance = anInstance({ host: '192.0.2.7', port: 8_081 });
    await registry.register(instance);
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${consul().dnsPort}`]);
    const name = `${instance.service}.service.consul`;
    expect(await resolver.resolve4(name)).toEqual(['192.0.2.7']);
    expect(await resolver.resolveSrv(name)).toMatchObject([{ port: 8_081, weight: 1 }]);
    await registry.deregister(instance);
    await expect(resolver.resolve4(name)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await registry.close();
  });

  test.skipIf(noClient)('kratos sees our instances come and go, and the other way round', async () => {
    const registry = await open();
    await agreesWithKratos(children, registry, 'consul', `127.0.0.1:${consul().port}`);
    await registry.close();
  });

  test('other clients see https, the weight and the labels that Consul can hold', async () => {
    const registry = await open();
    const instance = anInstance({ scheme: 'https', weight: 300, metadata: { zone: 'eu-1', 'not for Consul': 'x' } });
    await registry.register(instance);
    const [entry] = (await consul().call('GET', `/v1/health/service/${instance.service}`)) as {
      Service: ConsulService;
    }[];
    expect(entry?.Service).toMatchObject({
      Meta: { zone: 'eu-1', secure: 'true' },
      Weights: { Passing: 3 },
      Port: instance.port,
      TaggedAddresses: { https: { Address: `https://127.0.0.1:${instance.port}`, Port: instance.port } },
    });
    expect(entry?.Service.Meta).not.toHaveProperty('not for Consul');
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    await registry.close();
  });

  test('entries of others are listed while their checks pass, with weight, zone and labels', async () => {
    const registry = await open();
    const service = aServiceName();
    const lists: (readonly Instance[])[] = [];
    await registry.watch(service, (list) => lists.push(list));
    await consul().call('PUT', '/v1/agent/service/register', {
      ID: `${service}-1`,
      Name: service,
      Address: '192.0.2.8',
      Port: 8_082,
      Meta: { zone: 'eu-2', secure: 'true' },
      Weights: { Passing: 2, Warning: 1 },
      Check: { CheckID: `${service}-check`, TTL: '1h', Status: 'passing' },
    });
    const listed = {
      service,
      instanceId: expect.stringMatching(new RegExp(`/${service}-1$`)),
      generation: 0,
      host: '192.0.2.8',
      port: 8_082,
      scheme: 'https',
      endpoints: [{ protocol: 'http', port: 8_082, secure: true }],
      weight: 200,
      registeredAt: 0,
      metadata: { zone: 'eu-2', secure: 'true' },
    };
    const shows = (count: number) => until(() => lists.at(-1)?.length === count);
    await shows(1);
    expect(lists.at(-1)).toEqual([listed]);
    await consul().call('PUT', `/v1/agent/check/fail/${service}-check`);
    await shows(0);
    await consul().call('PUT', `/v1/agent/check/pass/${service}-check`);
    await shows(1);
    await consul().call('PUT', `/v1/agent/service/maintenance/${service}-1?enable=true`);
    await shows(0);
    await registry.close();
  });

  test('with another data centre to call, an instance is still found in its own', async () => {
    const registry = await openRegistry(new URL(`${consul().url}?dc=elsewhere`), { clock: systemClock, log: () => {} });
    const instance = anInstance();
    await expect(registry.instances(instance.service)).rejects.toThrow(/elsewhere|datacenter/i);
    await registry.register(instance);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    expect(await registry.instances(instance.service)).toEqual([]);
    await registry.close();
  });

  test('a late registration leaves no passing entry', async () => {
    const registry = await open();
    const instance = anInstance();
    await registry.register(instance);
    const [entry] = (await consul().call('GET', `/v1/health/service/${instance.service}`)) as {
      Service: ConsulService;
      Checks: { Name: string; Type: string; Status: string }[];
    }[];
    expect(entry?.Checks).toContainEqual(
      expect.objectContaining({ Name: 'lossless-lifecycle', Type: 'ttl', Status: 'passing' }),
    );
    await registry.deregister(instance);
    // The same call once more, as a slow network may deliver it.
    await consul().call('PUT', '/v1/agent/service/register', {
      ...encodeService(instance),
      Check: { TTL: '15s', Status: 'critical' },
    });
    expect(await registry.instances(instance.service)).toEqual([]);
    await consul().call('PUT', `/v1/agent/service/deregister/${serviceIdOf(instance)}`);
    await registry.close();
  });

  test('a list of 10,000 instances is read and followed', { timeout: 120_000 }, async () => {
    const service = aServiceName();
    const registry = await open();
    const all = Array.from({ length: 10_000 }, (_, n) => anInstance({ service, port: 10_000 + n }));
    await consul().call('PUT', '/v1/catalog/register', { Node: 'elsewhere', Address: '192.0.2.1' });
    for (let n = 0; n < all.length; n += 64) {
      const operations = all.slice(n, n + 64).map((instance) => {
        const { Name, ...rest } = encodeService(instance);
        return { Service: { Verb: 'set', Node: 'elsewhere', Service: { ...rest, Service: Name } } };
      });
      await consul().call('PUT', '/v1/txn', operations);
    }
    await showsOneMore(registry, service, 10_000);
    await registry.close();
  });
});

describe.skipIf(missing)('a Consul with access control', () => {
  const management = '11111111-2222-3333-4444-555555555555';
  let consul: Consul;
  beforeAll(async () => {
    const acl = {
      enabled: true,
      default_policy: 'deny',
      tokens: { initial_management: management, agent: management },
    };
    consul = await Consul.start({ config: { acl }, token: management });
  });
  afterAll(() => consul.close());

  test('the permissions of the documentation are enough', async () => {
    const page = readFileSync(new URL('../../docs/registries/consul.md', import.meta.url), 'utf8');
    const [, rules = ''] = /```hcl\n(.*?)```/s.exec(page) ?? [];
    const instance = anInstance({ service: `shop-${aServiceName()}` });
    await consul.call('PUT', '/v1/acl/policy', { Name: 'shop', Rules: rules });
    const { SecretID } = (await consul.call('PUT', '/v1/acl/token', { Policies: [{ Name: 'shop' }] })) as {
      SecretID: string;
    };
    const directory = useScratchFolder();
    writeFileSync(join(directory, 'token'), `${SecretID}\n`);
    const registry = await openRegistry(
      new URL(`${consul.url}?tokenFile=${encodeURIComponent(join(directory, 'token'))}`),
      { clock: systemClock, log: () => {} },
    );
    await registry.register(instance);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    expect(await registry.instances(instance.service)).toEqual([]);
    const foreign = anInstance({ service: 'another' });
    await expect(registry.register(foreign)).rejects.toThrow('refuses these credentials (403)');
    await registry.close();
  });

  test('a wrong token is a clear error without the token', async () => {
    const logged: string[] = [];
    const registry = await openRegistry(new URL(`${consul.url}?token=99999999-aaaa-bbbb-cccc-dddddddddddd`), {
      clock: systemClock,
      log: (_, message) => void logged.push(message),
    });
    await isRefused(registry, {
      says: /the registry refuses these credentials \(403\)/,
      secret: /99999999/,
      logged,
      reads: false,
    });
  });
});
