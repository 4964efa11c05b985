import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registryUrls } from '../../src/config/registries.ts';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { encodeEntry } from '../../src/registry/zookeeper/entry.ts';
import { JuteWriter } from '../../src/registry/zookeeper/jute.ts';
import type { ZooKeeperNodes } from '../../src/registry/zookeeper/nodes.ts';
import { testFaults } from '../contract/faults.ts';
import { agreesWithKratos } from '../contract/kratos.ts';
import { showsOneMore } from '../contract/one-more.ts';
import { testRegistry } from '../contract/registry.ts';
import { anInstance, aServiceName } from '../support/an-instance.ts';
import { useClosing } from '../support/closing.ts';
import type { SeenCall } from '../support/fakes/fault-proxy.ts';
import { FrameProxy } from '../support/fakes/frame-proxy.ts';
import { registered } from '../support/process/registered.ts';
import { useChildren } from '../support/process/use-children.ts';
import { freePort, serverMissing, serverProgram } from '../support/servers/built.ts';
import { ZooKeeperServer } from '../support/servers/zookeeper.ts';
import { certificate } from '../support/tls/certificate.ts';
import { pause, until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('zookeeper');
if (missing) console.warn(`ZooKeeper tests are skipped: ${missing}`);

const openAt = (url: string): Promise<Registry> => openRegistry(new URL(url), { clock: systemClock, log: () => {} });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Makes so many entries of a service, which end with the session of `nodes`. */
async function fill(nodes: ZooKeeperNodes, service: string, count: number): Promise<void> {
  const atATime = 200;
  for (let n = 0; n < count; n += atATime)
    await Promise.all(
      Array.from({ length: atATime }, (_, i) => {
        const instance = anInstance({ service, port: 10_000 + n + i });
        return nodes.create(`/microservices/${service}/${instance.instanceId}`, encodeEntry(instance, false));
      }),
    );
}

describe.skipIf(missing)('a real ZooKeeper', () => {
  const children = useChildren();
  const server = useStarted(() => ZooKeeperServer.start());
  const proxy = useStarted(() => FrameProxy.start(server().port));

  const open = (): Promise<Registry> => openAt(`zookeeper://127.0.0.1:${proxy().port}?sessionMs=6000`);

  testRegistry('zookeeper', {
    open,
    async corrupt(service) {
      const texts = ['', '{', 'null', '[]', '"x"', '{"lossless":{}}', '{"serviceType":{}}', '\u0000'];
      await server().as(undefined, async (nodes) => {
        for (const [n, text] of texts.entries()) await nodes.create(`/microservices/${service}/corrupt-${n}`, text);
      });
    },
    breakDown: () => proxy().outage(),
    otherProcess: (instance) => registered(children, `${server().url}?sessionMs=1000`, instance),
    expiryMs: 2_000,
    heartbeatMs: 2_000,
  });

  testFaults('zookeeper', {
    proxy,
    open,
    direct: () => openAt(`${server().url}?sessionMs=6000`),
    isWrite: ({ method, url }) => method === 'create' && url.split('/').length > 3,
    isBeat: ({ method }) => method === 'exists',
    isRemoval: ({ method }) => method === 'delete',
    async lose({ service, instanceId }) {
      await server().as(undefined, (nodes) => nodes.delete(`/microservices/${service}/${instanceId}`));
    },
    async kill() {
      await server().stop();
      return () => server().start();
    },
    heartbeatMs: 2_000,
  });
});

describe.skipIf(missing)('ZooKeeper and what else uses it', () => {
  const noClient = serverMissing('kratos-client', 'zookeeper-java-client');
  if (noClient) console.warn(`tests with clients of ZooKeeper are skipped: ${noClient}`);
  const children = useChildren();
  const closing = useClosing();
  const server = useStarted(() => ZooKeeperServer.start());
  const open = (url: string = server().url): Promise<Registry> => closing(openAt(url));
  const at = (): string => `127.0.0.1:${server().port}`;

  test.skipIf(noClient)('kratos sees our instances come and go, and the other way round', async () => {
    await agreesWithKratos(children, await open(), 'zookeeper', at());
  });

  test.skipIf(noClient)(
    "Curator's service discovery lists what is registered here, and the other way round",
    async () => {
      const registry = await open(`${server().url}?prefix=/services`);
      const plain = anInstance({ instanceId: '10.0.0.1:8080:a/b', weight: 40, metadata: { zone: 'eu-1' } });
      const secure = { ...anInstance({ scheme: 'https', port: 8_443 }), service: plain.service };
      const java = (...args: string[]) =>
        children.run('java', [
          '-XX:TieredStopAtLevel=1',
          '-cp',
          `${serverProgram('zookeeper-java-client')}/*`,
          'lossless.CuratorClient',
          at(),
          '/services',
          ...args,
        ]);
      await registry.register(plain);
      await registry.register(secure);
      const listing = java('list', plain.service);
      expect(await listing.ends()).toMatchObject({ code: 0 });
      expect(listing.lines.toSorted()).toEqual(
        [
          `${plain.instanceId} 127.0.0.1 ${plain.port} null ${plain.registeredAt} true`,
          `${secure.instanceId} 127.0.0.1 null 8443 ${secure.registeredAt} true`,
          'listed',
        ].toSorted(),
      );
      await registry.deregister(plain);
      await registry.deregister(secure);
      const registered = java('register', plain.service, 'java-1', '192.0.2.1', '8000');
      await registered.sees(/registered/);
      expect(await registry.instances(plain.service)).toEqual([
        {
          service: plain.service,
          instanceId: 'java-1',
          generation: 0,
          host: '192.0.2.1',
          port: 8_000,
          scheme: 'http',
          weight: 20,
          registeredAt: 0,
          metadata: { zone: 'eu-1', weight: '20' },
        },
      ]);
      registered.process.stdin?.end();
      expect(await registered.ends()).toMatchObject({ code: 0 });
      expect(await registry.instances(plain.service)).toEqual([]);
    },
  );

  test('a process that is suspended longer than its session leaves the list, and comes back when it goes on', async () => {
    const registry = await open();
    const instance = anInstance();
    const lists = await watched(registry, instance.service);
    const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
      args: [`${server().url}?sessionMs=1000`, JSON.stringify(instance)],
    });
    await until(() => lists.at(-1)?.length === 1);
    child.signal('SIGSTOP');
    await until(() => lists.at(-1)?.length === 0);
    child.signal('SIGCONT');
    await until(() => lists.at(-1)?.length === 1);
  });

  test('a link that is silently cut for longer than the session: the log says so, the last list stays, the entry comes back', async () => {
    const proxy = await closing(FrameProxy.start(server().port));
    const [cut, other] = [await open(`zookeeper://127.0.0.1:${proxy.port}?sessionMs=1500`), await open()];
    const [instance, staying] = [anInstance(), anInstance()];
    const third = { ...staying, service: instance.service };
    await cut.register(instance);
    const near = await watched(cut, instance.service);
    const far = await watched(other, instance.service);
    proxy.freeze(true);
    await until(() => far.at(-1)?.length === 0);
    await until(() => cut.failure !== undefined);
    await other.register(third);
    expect(near).toEqual([[instance]]);
    proxy.freeze(false);
    await until(() => far.at(-1)?.length === 2 && near.at(-1)?.length === 2);
    await until(() => cut.failure === undefined);
    await cut.deregister(instance);
    await until(() => far.at(-1)?.length === 1);
    await other.deregister(third);
  });

  test('the entry of an earlier process with the same id is taken over, and does not end with that process', async () => {
    const registry = await open();
    const instance = anInstance();
    const child = children.node(new URL('../fixtures/registry/registered.ts', import.meta.url), {
      args: [`${server().url}?sessionMs=1000`, JSON.stringify(instance)],
    });
    await child.sees(/registered/);
    await child.destroy();
    const newer = { ...instance, generation: instance.generation + 1 };
    await registry.register(newer);
    expect(await registry.instances(instance.service)).toEqual([newer]);
    await pause(2_500);
    expect(await registry.instances(instance.service)).toEqual([newer]);
    await registry.deregister(newer);
  });

  test('a closed client ends its session when it has no entry; else the session lasts its time', async () => {
    const own = await closing(ZooKeeperServer.start());
    const idle = await open(own.url);
    const instance = anInstance();
    await idle.instances(instance.service);
    expect(await own.sessions()).toBe(1);
    await idle.close();
    expect(await own.sessions()).toBe(0);
    const [leaving, other] = [await open(`${own.url}?sessionMs=1000`), await open(own.url)];
    const lists = await watched(other, instance.service);
    await leaving.register(instance);
    await leaving.close();
    await expect(leaving.instances(instance.service)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
    expect(await other.instances(instance.service)).toEqual([instance]);
    await until(() => lists.at(-1)?.length === 0);
    expect(await own.sessions()).toBe(1);
  });

  test('neither an entry nor a watch keeps a process alive', async () => {
    const child = children.node(new URL('../fixtures/registry/idle.ts', import.meta.url), {
      args: [server().url, JSON.stringify(anInstance())],
    });
    expect(await child.ends()).toEqual({ code: 0, signal: null });
    expect(child.stdout).toContain('watched');
  });

  test('a connection that was cut is opened again without waiting for a heartbeat, and the session goes on', async () => {
    const proxy = await closing(FrameProxy.start(server().port));
    const registry = await open(`zookeeper://127.0.0.1:${proxy.port}?sessionMs=60000`);
    const instance = anInstance();
    await registry.register(instance);
    const lists = await watched(await open(), instance.service);
    for (let round = 0; round < 5; round++) {
      await proxy.down();
      const before = proxy.calls.length;
      await proxy.up();
      await until(() => proxy.calls.slice(before).some(({ method }) => method === 'connect'), 5_000);
    }
    expect(lists).toEqual([[instance]]);
    await registry.deregister(instance);
  });

  test('an ended watch reports nothing', async () => {
    const path = `/microservices/${aServiceName()}`;
    await server().as(undefined, async (nodes) => {
      const seen: string[] = [];
      nodes.link.listen((changed) => seen.push(String(changed)));
      await nodes.watch(path);
      await nodes.create(`${path}/a`, '');
      await nodes.children(path);
      expect(seen).toContain(`${path}/a`);
      await nodes.unwatch(path);
      seen.length = 0;
      await nodes.create(`${path}/b`, '');
      await nodes.children(path);
      expect(seen).toEqual([]);
    });
  });

  test('a node below an entry is no entry, in a watch and in a list', async () => {
    const registry = await open();
    const instance = anInstance();
    const lists = await watched(registry, instance.service);
    const deeper = `/microservices/${instance.service}/group/x`;
    await server().as(undefined, (nodes) =>
      nodes.create(deeper, encodeEntry(anInstance({ service: instance.service }), false)),
    );
    await registry.register(instance);
    await until(() => lists.at(-1)?.length === 1);
    expect(lists).toEqual([[], [instance]]);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
  });

  test('a list is kept no longer than its watch', async () => {
    const registry = await open();
    const service = aServiceName();
    await server().as(undefined, async (nodes) => {
      await fill(nodes, service, 1_000);
      const heapAfter = async (watches: number): Promise<number> => {
        for (let n = 0; n < watches; n++) (await registry.watch(service, () => {}))();
        await registry.instances(service);
        collectGarbage();
        return process.memoryUsage().heapUsed;
      };
      const before = await heapAfter(5);
      // One list is about 0.7 MB.
      expect((await heapAfter(40)) - before).toBeLessThan(7_000_000);
    });
  });

  test('of several servers the first may be down', async () => {
    const [url] = registryUrls(`zookeeper://127.0.0.1:1,${at()}`);
    const registry = await open(String(url));
    const instance = anInstance();
    await registry.register(instance);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    expect(registry.address).toBe(`127.0.0.1:1,${at()}`);
    expect(registry.failure).toBeUndefined();
    await registry.deregister(instance);
  });

  test('a store that starts empty is read again, and entries come back', async () => {
    const registry = await open(`${server().url}?sessionMs=3000`);
    const instance = anInstance();
    await registry.register(instance);
    const lists = await watched(registry, instance.service);
    await server().stop();
    server().wipe();
    await server().start();
    await until(async () => (await registry.instances(instance.service)).length === 1);
    await until(() => lists.at(-1)?.length === 1);
    await registry.deregister(instance);
    await until(() => lists.at(-1)?.length === 0);
  });

  test('a list of 10,000 instances is read and followed', { timeout: 120_000 }, async () => {
    const registry = await open();
    const service = aServiceName();
    await server().as(undefined, async (nodes) => {
      await fill(nodes, service, 10_000);
      const lengths = await showsOneMore(registry, service, 10_000);
      await nodes.link.end();
      await until(() => lengths.at(-1) === 0);
    });
  });
});

describe.skipIf(missing)('a ZooKeeper with users', () => {
  const closing = useClosing();
  const server = useStarted(() => ZooKeeperServer.start());
  const said: string[] = [];
  const open = (user: string): Promise<Registry> =>
    closing(
      openRegistry(new URL(`zookeeper://${user}127.0.0.1:${server().port}?sessionMs=3000`), {
        clock: systemClock,
        log: (_, message) => void said.push(message),
      }),
    );

  test('only the user changes its entries, everybody reads them', async () => {
    const [registry, nobody] = [await open('shop:pass%20s3cret%401@'), await open('')];
    const instance = anInstance();
    await registry.register(instance);
    const lists = await watched(nobody, instance.service);
    expect(lists).toEqual([[instance]]);
    await registry.register({ ...instance, weight: 7 });
    await until(() => lists.at(-1)?.[0]?.weight === 7);
    expect(
      await server().as('shop:pass s3cret@1', (nodes) => nodes.ownerOf(`/microservices/${instance.service}`)),
    ).toBe(0n);
    await registry.deregister(instance);
    await until(() => lists.at(-1)?.length === 0);
  });

  test.each(['shop:wr0ng@', 'other:pass%20s3cret%401@', ''])(
    'writing as %j fails with a clear error without the password',
    async (user) => {
      const [right, wrong] = [await open('shop:pass%20s3cret%401@'), await open(user)];
      const instance = anInstance();
      const mine = { ...instance, instanceId: 'mine' };
      await right.register(instance);
      for (const call of [() => wrong.register(mine), () => wrong.deregister(instance)]) {
        const failure = (await call().catch((thrown: Error) => thrown)) as Error;
        expect(failure).toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
        expect(failure.message).toMatch(/the registry refuses these credentials \(NOAUTH\)/);
        expect(wrong.failure?.message).toMatch(/refuses these credentials/);
        said.push(failure.message, wrong.failure?.message ?? '', wrong.address);
      }
      expect(await wrong.instances(instance.service)).toEqual([instance]);
      expect(said.join()).not.toMatch(/wr0ng|s3cret/);
      await right.deregister(instance);
    },
  );

  test('an entry that this user may not read is skipped', async () => {
    const registry = await open('shop:pass%20s3cret%401@');
    const [instance, hidden] = [anInstance(), anInstance()];
    await registry.register(instance);
    await server().as('shop:pass s3cret@1', async (nodes) => {
      const path = `/microservices/${instance.service}/hidden`;
      await nodes.create(path, encodeEntry({ ...hidden, service: instance.service }, false));
      const forItself = new JuteWriter().int(1).int(31).text('auth').text('').int(-1);
      await nodes.link.request({ name: 'setACL', type: 7 }, path, forItself);
    });
    const nobody = await open('');
    expect(await nobody.instances(instance.service)).toEqual([instance]);
    expect(await registry.instances(instance.service)).toHaveLength(2);
    await registry.deregister(instance);
  });
});

describe.skipIf(missing)('a ZooKeeper with TLS', () => {
  const closing = useClosing();
  const directory = useScratchFolder();
  let ca: string;
  let key: string;
  let server: ZooKeeperServer;
  let port: number;
  beforeAll(async () => {
    [ca, key] = [join(directory, 'ca.pem'), join(directory, 'key.pem')];
    const own = await certificate();
    const store = join(directory, 'store.pem');
    writeFileSync(ca, own.cert);
    writeFileSync(key, own.key);
    writeFileSync(store, `${own.key}${own.cert}`);
    port = await freePort();
    server = await ZooKeeperServer.start({
      serverCnxnFactory: 'org.apache.zookeeper.server.NettyServerCnxnFactory',
      secureClientPort: port,
      secureClientPortAddress: '127.0.0.1',
      'ssl.keyStore.location': store,
      'ssl.trustStore.location': ca,
      'ssl.clientAuth': 'need',
      'ssl.clientHostnameVerification': 'false',
    });
  }, 90_000);
  afterAll(async () => {
    await server.close();
  });

  test('both sides show a certificate of the authority', async () => {
    const registry = await closing(openAt(`zookeeper://127.0.0.1:${port}?ca=${ca}&cert=${ca}&key=${key}`));
    const instance = anInstance();
    const lists = await watched(registry, instance.service);
    await registry.register(instance);
    await until(() => lists.at(-1)?.length === 1);
    await registry.deregister(instance);
    await until(() => lists.at(-1)?.length === 0);
  });

  test.each([
    ['without its authority', '?tls=true', /self-signed certificate/],
    ['without a certificate', '?ca=CA', /alert|closed|ECONNRESET/],
    ['without TLS', '', /closed|no answer|ECONNRESET/],
    ['with a missing file', '?ca=/none', /ENOENT/],
  ])('%s a call fails with a clear error', async (_, options, expected) => {
    const registry = await closing(openAt(`zookeeper://127.0.0.1:${port}${options.replace('CA', ca)}`));
    await expect(registry.instances('a')).rejects.toMatchObject({
      code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(expected),
    });
  });
});

describe.skipIf(missing)('an ensemble of three', () => {
  const closing = useClosing();
  let members: readonly ZooKeeperServer[] = [];
  beforeAll(async () => {
    members = await ZooKeeperServer.ensemble(3);
  }, 180_000);
  afterAll(async () => {
    await Promise.all(members.map((member) => member.close()));
  });
  const open = (ports: readonly number[]): Promise<Registry> => {
    const [url] = registryUrls(`zookeeper://${ports.map((port) => `127.0.0.1:${port}`).join(',')}?sessionMs=6000`);
    return closing(openAt(String(url)));
  };
  const ports = (): readonly number[] => members.map(({ port }) => port);
  const roles = async (): Promise<{ leader: readonly number[]; followers: readonly number[] }> => {
    const leads = await Promise.all(members.map((member) => member.leads()));
    return { leader: ports().filter((_, n) => leads[n]), followers: ports().filter((_, n) => !leads[n]) };
  };

  // The leader itself promises less: a follower may confirm a write a moment before the leader has applied it.
  test('R12: a follower that lags behind is not asked before it has caught up', async () => {
    const { leader, followers } = await roles();
    const [near = 0, far = 0] = followers;
    const other = await open([far]);
    const [leaving, staying] = [anInstance({ instanceId: 'a' }), anInstance({ instanceId: 'b' })];
    const twin = { ...staying, service: leaving.service };
    await other.register(twin);
    for (const one of [await open(leader), await open([near])])
      for (let round = 0; round < 100; round++) {
        await one.register(leaving);
        expect(await other.instances(leaving.service)).toEqual([leaving, twin]);
        await one.deregister(leaving);
        expect(await other.instances(leaving.service)).toEqual([twin]);
      }
    await other.deregister(twin);
  });

  test('a list that the leader gives a moment too early is followed by the right one', async () => {
    const { leader, followers } = await roles();
    const [one, other] = [await open(followers), await open(leader)];
    const instance = anInstance();
    const lists = await watched(other, instance.service);
    for (let round = 0; round < 100; round++) {
      await one.register(instance);
      await until(() => isDeepStrictEqual(lists.at(-1), [instance]));
      await one.deregister(instance);
      await until(() => isDeepStrictEqual(lists.at(-1), []));
    }
  });

  test('R28: a registration that reaches one member after the session has moved to another lists no instance', async () => {
    const first = await closing(FrameProxy.start(ports()[0] ?? 0));
    const [registry, other] = [await open([first.port, ports()[1] ?? 0]), await open(ports().slice(2))];
    const [instance, former] = [anInstance(), anInstance()];
    await other.register({ ...former, service: instance.service });
    await other.deregister({ ...former, service: instance.service });
    const lists = await watched(other, instance.service);
    const isWrite = ({ method, url }: SeenCall): boolean => method === 'create' && url.includes(instance.service);
    first.faults = [{ when: isWrite, delayMs: 7_000 }];
    await expect(registry.register(instance)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
    first.freeze(true);
    await registry.deregister(instance);
    expect(first.passed.filter(isWrite)).toEqual([]);
    await until(() => first.passed.some(isWrite));
    await pause(1_000);
    expect(lists).toEqual([[]]);
    expect(await other.instances(instance.service)).toEqual([]);
  });

  test('one member may be gone, the session goes on; without a majority the last list stays, and the log says so', {
    timeout: 120_000,
  }, async () => {
    const [registry, other] = [await open(ports()), await open(ports().slice(2))];
    const [first, second] = [anInstance({ instanceId: 'a' }), anInstance({ instanceId: 'b' })];
    const twin = { ...second, service: first.service };
    await registry.register(first);
    const lists = await watched(registry, first.service);
    const far = await watched(other, first.service);
    const shows = (...ids: string[]) =>
      until(() =>
        [lists, far].every((seen) =>
          isDeepStrictEqual(
            seen.at(-1)?.map(({ instanceId }) => instanceId),
            ids,
          ),
        ),
      );
    await shows('a');
    await members[0]?.stop();
    await until(() =>
      registry.register(twin).then(
        () => true,
        () => false,
      ),
    );
    await shows('a', 'b');
    expect(far.flat().filter(({ instanceId }) => instanceId === 'a')).toHaveLength(far.length);
    await registry.deregister(twin);
    await shows('a');
    const seen = lists.length;
    await members[1]?.stop();
    // The last member serves until it has missed the others.
    await until(() =>
      registry.instances(first.service).then(
        () => false,
        (thrown) => thrown.code === 'LOSSLESS_REGISTRY_UNAVAILABLE',
      ),
    );
    expect(registry.failure).toBeDefined();
    await pause(3_000);
    expect(lists.slice(seen)).toEqual([]);
    await Promise.all(members.slice(0, 2).map((member) => member.start()));
    await until(() =>
      registry.instances(first.service).then(
        (list) => list.length === 1,
        () => false,
      ),
    );
    await until(() => registry.failure === undefined);
    await registry.deregister(first);
    await shows();
  });
});

/** Every list of a service from now on. */
async function watched(registry: Registry, service: string): Promise<readonly (readonly Instance[])[]> {
  const lists: (readonly Instance[])[] = [];
  await registry.watch(service, (list) => lists.push(list));
  return lists;
}
