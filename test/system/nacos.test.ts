import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { testFaults } from '../contract/faults.ts';
import { isRefused } from '../contract/refused.ts';
import { testRegistry } from '../contract/registry.ts';
import { anInstance, aServiceName } from '../support/an-instance.ts';
import { FaultProxy, type SeenCall } from '../support/fakes/fault-proxy.ts';
import { registered } from '../support/process/registered.ts';
import { useChildren } from '../support/process/use-children.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Nacos, type NacosLine } from '../support/servers/nacos.ts';
import { pause, until } from '../support/until.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('nacos-2.5', 'nacos-3.1');
if (missing) console.warn(`Nacos tests are skipped: ${missing}`);

/** A Java server starts in ten seconds, or in forty on a busy machine. */
const START = 120_000;

const LINES: readonly NacosLine[] = ['3.1', '2.5'];

/** Longest time until a list shows a change, with the settings of these tests. */
const LAG_MS = 200;

const isBeat = ({ method, url, body }: SeenCall): boolean =>
  (method === 'PUT' && url.includes('/ns/instance/beat')) || body.includes('heartBeat=true');

const openAt = (port: number, options = '', logged: string[] = []): Promise<Registry> =>
  openRegistry(new URL(`nacos://127.0.0.1:${port}${options}`), {
    clock: systemClock,
    log: (_, message) => void logged.push(message),
  });

describe.skipIf(missing).each(LINES)('a real Nacos %s', (line) => {
  const children = useChildren();
  const nacos = useStarted(() => Nacos.start(line, { fast: true }));
  const proxy = useStarted(() => FaultProxy.start(nacos().port));

  const corrupt = async (service: string): Promise<void> => {
    for (const [n, lossless] of ['', '{', 'null', '[]', '{"instanceId":1}'].entries())
      await nacos().call('POST', nacos().instancePath, {
        serviceName: service,
        ip: '192.0.2.9',
        port: String(9_000 + n),
        metadata: JSON.stringify({ lossless }),
      });
  };
  const otherProcess = (instance: Instance) => registered(children, `${nacos().url}?ttlMs=2000`, instance);
  // The server looks for missing heartbeats every five seconds.
  const shared = { corrupt, otherProcess, expiryMs: 8_000, heartbeatMs: 2_000 };

  if (line === '2.5')
    // The proxy has no gRPC port, so these are polls.
    testRegistry(`nacos ${line}, polled`, {
      ...shared,
      open: () => openAt(proxy().port, '?ttlMs=6000&pollMs=200'),
      breakDown: () => proxy().outage(),
    });
  else
    testRegistry(`nacos ${line}, pushed`, { ...shared, open: () => openAt(nacos().port, '?ttlMs=6000&pollMs=60000') });

  testFaults(`nacos ${line}`, {
    proxy,
    open: () => openAt(proxy().port, '?ttlMs=6000&pollMs=200'),
    direct: () => openAt(nacos().port, '?pollMs=1000'),
    isWrite: (call) => call.method === 'POST' && call.url.endsWith('/ns/instance') && !isBeat(call),
    isBeat,
    isRemoval: ({ method }) => method === 'DELETE',
    async lose({ service, host, port }) {
      await nacos().call('DELETE', nacos().instancePath, { serviceName: service, ip: host, port: String(port) });
      await pause(LAG_MS);
    },
    async kill() {
      await nacos().stop();
      return () => nacos().start();
    },
    heartbeatMs: 2_000,
  });

  test('lists come by push, and by polls while there is none', async () => {
    const [registry, pushed, polled] = [
      await openAt(nacos().port),
      await openAt(nacos().port, '?pollMs=60000'),
      await openAt(nacos().port, '?pollMs=100&push=false'),
    ];
    const instance = anInstance();
    const lists = { pushed: [] as number[], polled: [] as number[] };
    await pushed.watch(instance.service, (list) => lists.pushed.push(list.length));
    await polled.watch(instance.service, (list) => lists.polled.push(list.length));
    await until(() => pushed.capabilities.push);
    expect(polled.capabilities).toMatchObject({ push: false, lagMs: 810 });
    await registry.register(instance);
    await until(() => lists.pushed.at(-1) === 1 && lists.polled.at(-1) === 1, 5_000);
    await registry.deregister(instance);
    await until(() => lists.pushed.at(-1) === 0 && lists.polled.at(-1) === 0, 5_000);
    await Promise.all([registry, pushed, polled].map((client) => client.close()));
  });

  test('namespace, group and cluster hold instances apart as Nacos does', async () => {
    const instance = anInstance();
    const options = [
      '',
      '?group=SHOP',
      '?namespace=elsewhere',
      '?group=SHOP&cluster=EU',
      '?group=SHOP&cluster=US,EU,DEFAULT',
    ];
    const clients = await Promise.all(options.map((option) => openAt(nacos().port, option)));
    const other = anInstance({ service: instance.service, port: instance.port + 1 });
    const [, shop, , eu] = clients as [Registry, Registry, Registry, Registry];
    await shop.register(instance);
    await eu.register(other);
    const counts = async (): Promise<number[]> =>
      Promise.all(clients.map(async (client) => (await client.instances(instance.service)).length));
    expect(await counts()).toEqual([0, 1, 0, 1, 2]);
    const watched: number[] = [];
    await clients[4]?.watch(instance.service, (list) => watched.push(list.length));
    await until(() => clients[4]?.capabilities.push === true);
    await clients[0]?.deregister(instance);
    expect(await counts()).toEqual([0, 1, 0, 1, 2]);
    await shop.deregister(instance);
    await eu.deregister(other);
    expect(await counts()).toEqual([0, 0, 0, 0, 0]);
    await until(() => watched.at(-1) === 0);
    await Promise.all(clients.map((client) => client.close()));
  });

  test('entries of others are listed while they are healthy, with weight and labels', async () => {
    const registry = await openAt(nacos().port);
    const service = aServiceName();
    const foreign = { serviceName: service, ip: '192.0.2.8', port: '8082', ephemeral: 'true' };
    const metadata = JSON.stringify({ zone: 'eu-2', secure: 'true' });
    await nacos().call('POST', nacos().instancePath, { ...foreign, weight: '2', metadata });
    await until(async () => (await registry.instances(service)).length === 1);
    expect(await registry.instances(service)).toEqual([
      {
        service,
        instanceId: expect.stringContaining('192.0.2.8'),
        generation: 0,
        host: '192.0.2.8',
        port: 8_082,
        scheme: 'https',
        weight: 200,
        registeredAt: 0,
        metadata: { zone: 'eu-2', secure: 'true' },
        endpoints: [{ protocol: 'http', port: 8_082, secure: true }],
      },
    ]);
    await nacos().call('POST', nacos().instancePath, { ...foreign, metadata, enabled: 'false' });
    await until(async () => (await registry.instances(service)).length === 0);
    await registry.close();
  });

  test('others see the weight, the labels, https and the port of gRPC of an instance', async () => {
    const registry = await openAt(nacos().port);
    const endpoints = [
      { protocol: 'http', port: 8_080, secure: true },
      { protocol: 'grpc', port: 9_090, secure: false },
    ] as const;
    const instance = anInstance({ scheme: 'https', weight: 300, metadata: { zone: 'eu-1' }, endpoints });
    await registry.register(instance);
    const answer = await nacos().call('GET', `${nacos().instancePath}/list`, { serviceName: instance.service });
    const { data, hosts } = JSON.parse(answer) as { data?: unknown[]; hosts?: unknown[] };
    expect(data ?? hosts).toMatchObject([
      {
        ip: '127.0.0.1',
        port: 8_080,
        weight: 3,
        healthy: true,
        metadata: { zone: 'eu-1', secure: 'true', gRPC_port: '9090' },
      },
    ]);
    await registry.deregister(instance);
    await registry.close();
  });

  test('a registration is seen as soon as it is listed, whatever the order of its labels', async () => {
    const registry = await openAt(proxy().port, '?push=false');
    const instance = anInstance({ metadata: { version: '2', team: 'shop', zone: 'eu-1', a: 'b' } });
    const before = proxy().calls.length;
    await registry.register(instance);
    const looks = proxy()
      .calls.slice(before)
      .filter(({ url }) => url.includes('/instance/list'));
    expect(looks.length).toBeLessThan(8);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    await registry.close();
  });

  test('a list of 10,000 instances is read and followed', { timeout: 120_000 }, async () => {
    const service = aServiceName();
    const registry = await openAt(nacos().port, '?ttlMs=600000');
    const all = Array.from({ length: 10_000 }, (_, n) => n);
    const put = async (): Promise<void> => {
      for (let n = all.pop(); n !== undefined; n = all.pop())
        await nacos().call('POST', nacos().instancePath, {
          serviceName: service,
          ip: '192.0.2.8',
          port: String(10_000 + n),
          ephemeral: 'true',
          metadata: JSON.stringify({
            'preserved.heart.beat.timeout': '600000',
            'preserved.ip.delete.timeout': '600000',
          }),
        });
    };
    await Promise.all(Array.from({ length: 16 }, put));
    await until(async () => (await registry.instances(service)).length === 10_000);
    const lists: number[] = [];
    await registry.watch(service, (list) => lists.push(list.length));
    await until(() => registry.capabilities.push);
    const one = anInstance({ service, port: 9_999 });
    await registry.register(one);
    await until(() => lists.at(-1) === 10_001);
    await registry.deregister(one);
    await until(() => lists.at(-1) === 10_000);
    await registry.close();
  });
});

describe.skipIf(missing).each(LINES)('a Nacos %s with users', (line) => {
  const nacos = useStarted(() => Nacos.start(line, { fast: true, password: 'pass s3cret@1' }));

  test(
    'a user registers, watches by push and leaves; a token that ends is replaced',
    async () => {
      const registry = await openRegistry(new URL(`nacos://nacos:pass%20s3cret%401@127.0.0.1:${nacos().port}`), {
        clock: systemClock,
        log: () => {},
      });
      const instance = anInstance();
      const lists: number[] = [];
      await registry.watch(instance.service, (list) => lists.push(list.length));
      await until(() => registry.capabilities.push);
      await registry.register(instance);
      await until(() => lists.at(-1) === 1);
      // Another key makes every token invalid.
      await nacos().stop();
      await nacos().start({
        'nacos.core.auth.plugin.nacos.token.secret.key': Buffer.from('k'.repeat(40)).toString('base64'),
      });
      await until(async () => (await registry.instances(instance.service)).length === 1, 60_000);
      await registry.deregister(instance);
      expect(await registry.instances(instance.service)).toEqual([]);
      await registry.close();
    },
    START,
  );

  test.each(['nacos:wr0ng@', 'nobody:pass%20s3cret%401@', ''])(
    'the user "%s" fails with a clear error without the password',
    async (user) => {
      const logged: string[] = [];
      const registry = await openRegistry(new URL(`nacos://${user}127.0.0.1:${nacos().port}`), {
        clock: systemClock,
        log: (_, message) => void logged.push(message),
      });
      const says = /the registry refuses these credentials/;
      await isRefused(registry, { says, secret: /wr0ng|s3cret/, logged, reads: false });
    },
  );
});

describe.skipIf(missing)('a Nacos 3 that has only the new API', () => {
  test('is detected and used', { timeout: START }, async () => {
    const nacos = await Nacos.start('3.1', {
      fast: true,
      properties: { 'nacos.core.api.compatibility.client.enabled': 'false' },
    });
    await expect(nacos.call('GET', '/v1/ns/instance/list', { serviceName: 'a' })).rejects.toThrow('410');
    const registry = await openAt(nacos.port);
    const instance = anInstance();
    await registry.register(instance);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    expect(await registry.instances(instance.service)).toEqual([]);
    await registry.close();
    await nacos.close();
  });
});
