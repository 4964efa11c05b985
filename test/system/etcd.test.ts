import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registryUrls } from '../../src/config/registries.ts';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { encodeEntry } from '../../src/registry/kratos-entry.ts';
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
import { Etcd } from '../support/servers/etcd.ts';
import { pause, until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('etcd');
if (missing) console.warn(`etcd tests are skipped: ${missing}`);

describe.skipIf(missing)('a real etcd', () => {
  const children = useChildren();
  const etcd = useStarted(() => Etcd.start());
  const proxy = useStarted(() => FaultProxy.start(etcd().port));

  const open = (options = ''): Promise<Registry> =>
    openRegistry(new URL(`etcd://127.0.0.1:${proxy().port}${options}`), { clock: systemClock, log: () => {} });

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
        await etcd().put(`/microservices/${service}/corrupt-${n}`, value);
    },
    breakDown: () => proxy().outage(),
    otherProcess: (instance) => registered(children, `${etcd().url}?ttlMs=2000`, instance),
    expiryMs: 3_500,
    heartbeatMs: 2_000,
  });

  testFaults('etcd', {
    proxy,
    open: () => open('?ttlMs=6000'),
    direct: () => openRegistry(new URL(etcd().url), { clock: systemClock, log: () => {} }),
    isWrite: ({ url }) => url === '/v3/kv/put',
    isBeat: ({ url }) => url === '/v3/lease/keepalive',
    isRemoval: ({ url }) => url === '/v3/lease/revoke' || url === '/v3/kv/deleterange',
    async lose({ service, instanceId }) {
      await etcd().call('/v3/kv/deleterange', { key: btoa(`/microservices/${service}/${instanceId}`) });
    },
    async kill() {
      await etcd().stop();
      return () => etcd().start();
    },
    heartbeatMs: 2_000,
  });
});

describe.skipIf(missing)('etcd and what else uses it', () => {
  const noClient = serverMissing('kratos-client');
  if (noClient) console.warn(`the test with kratos is skipped: ${noClient}`);
  const children = useChildren();
  const etcd = useStarted(() => Etcd.start());
  const open = (url = etcd().url): Promise<Registry> =>
    openRegistry(new URL(url), { clock: systemClock, log: () => {} });

  test('an entry has the form of kratos', async () => {
    const registry = await open();
    const instance = anInstance({
      scheme: 'https',
      host: '2001:db8::7',
      metadata: { version: '1.2', zone: 'eu-1' },
      weight: 40,
    });
    await registry.register(instance);
    const text = await etcd().get(`/microservices/${instance.service}/${instance.instanceId}`);
    expect(JSON.parse(text ?? '')).toMatchObject({
      id: instance.instanceId,
      name: instance.service,
      version: '1.2',
      metadata: { version: '1.2', zone: 'eu-1', weight: '40' },
      endpoints: [`https://[2001:db8::7]:${instance.port}`],
    });
    await registry.deregister(instance);
    expect(await etcd().get(`/microservices/${instance.service}/${instance.instanceId}`)).toBeUndefined();
    await registry.close();
  });

  test('entries of kratos are listed, with weight, zone and labels', async () => {
    const registry = await open();
    const service = aServiceName();
    await etcd().put(
      `/microservices/${service}/k-1`,
      JSON.stringify({
        id: 'k-1',
        name: service,
        version: 'v1',
        metadata: { weight: '30', zone: 'eu-2' },
        endpoints: ['grpc://192.0.2.8:9000', 'http://192.0.2.8:8000?isSecure=true'],
      }),
    );
    await etcd().put(
      `/microservices/${service}/k-2`,
      JSON.stringify({ id: 'k-2', name: service, endpoints: ['grpc://192.0.2.9:9000'] }),
    );
    expect(await registry.instances(service)).toEqual([
      {
        service,
        instanceId: 'k-1',
        generation: 0,
        host: '192.0.2.8',
        port: 8_000,
        scheme: 'https',
        weight: 30,
        registeredAt: 0,
        metadata: { weight: '30', zone: 'eu-2' },
        endpoints: [
          { protocol: 'http', port: 8_000, secure: true },
          { protocol: 'grpc', port: 9_000, secure: false },
        ],
      },
      expect.objectContaining({
        instanceId: 'k-2',
        port: 9_000,
        endpoints: [{ protocol: 'grpc', port: 9_000, secure: false }],
      }),
    ]);
    await registry.close();
  });

  test.skipIf(noClient)('kratos sees our instances come and go, and the other way round', async () => {
    const registry = await open();
    await agreesWithKratos(children, registry, 'etcd', `127.0.0.1:${etcd().port}`);
    await registry.close();
  });

  test('entries of go-micro are listed', async () => {
    const registry = await open(`${etcd().url}?prefix=/micro/registry`);
    const service = aServiceName();
    const nodes = [{ id: `${service}-1`, address: '192.0.2.9:8001', metadata: { zone: 'eu-3' } }];
    await etcd().put(
      `/micro/registry/${service}/${service}-1`,
      JSON.stringify({ name: service, version: 'latest', nodes }),
    );
    expect(await registry.instances(service)).toMatchObject([
      {
        instanceId: `${service}-1`,
        generation: 0,
        host: '192.0.2.9',
        port: 8_001,
        scheme: 'http',
        metadata: { zone: 'eu-3' },
      },
    ]);
    await registry.close();
  });

  test('a watch goes on from its revision after a broken connection, and reads again when that is compacted', async () => {
    const proxy = await FaultProxy.start(etcd().port);
    const [registry, other] = [await open(`etcd://127.0.0.1:${proxy.port}`), await open()];
    const [first, second] = [anInstance(), anInstance()];
    const third = { ...second, instanceId: 'third', service: first.service };
    const lists: (readonly Instance[])[] = [];
    const shows = (...ids: string[]) =>
      until(() =>
        isDeepStrictEqual(
          lists
            .at(-1)
            ?.map(({ instanceId }) => instanceId)
            .sort(),
          ids.sort(),
        ),
      );
    await registry.watch(first.service, (list) => lists.push(list));
    const ranges = (): number => proxy.calls.filter(({ url }) => url === '/v3/kv/range').length;
    await proxy.down();
    await other.register(first);
    await proxy.up();
    await shows(first.instanceId);
    expect(ranges()).toBe(1);
    await proxy.down();
    await other.deregister(first);
    await other.register(third);
    const { header } = (await etcd().call('/v3/kv/range', { key: btoa('x') })) as { header: { revision: string } };
    await etcd().call('/v3/kv/compaction', { revision: header.revision, physical: true });
    await proxy.up();
    await shows('third');
    expect(ranges()).toBe(2);
    await other.deregister(third);
    await Promise.all([registry.close(), other.close(), proxy.close()]);
  });

  test('thousands of missed changes all come, even when the connection breaks again meanwhile', async () => {
    const proxy = await FaultProxy.start(etcd().port);
    const registry = await open(`etcd://127.0.0.1:${proxy.port}`);
    const service = aServiceName();
    let listed = 0;
    await registry.watch(service, (list) => {
      listed = list.length;
    });
    await proxy.down();
    for (let n = 0; n < 2_500; n += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => {
          const instance = anInstance({ service, port: 10_000 + n + i });
          return etcd().put(`/microservices/${service}/${instance.instanceId}`, encodeEntry(instance));
        }),
      );
    let watches = 0;
    // In the second part: etcd sends a thousand at a time.
    proxy.faults = [{ when: ({ url }) => url === '/v3/watch' && watches++ === 0, cutAfter: 1_000_000 }];
    await proxy.up();
    await until(() => listed === 2_500);
    expect(watches).toBeGreaterThan(1);
    expect(proxy.calls.filter(({ url }) => url === '/v3/kv/range')).toHaveLength(1);
    await Promise.all([registry.close(), proxy.close()]);
  });

  test('a store that starts empty is read again, and entries come back', async () => {
    const registry = await open(`${etcd().url}?ttlMs=3000`);
    const instance = anInstance();
    const lists: (readonly Instance[])[] = [];
    for (let n = 0; n < 20; n++) await etcd().put('filler', String(n));
    await registry.register(instance);
    await registry.watch(instance.service, (list) => lists.push(list));
    await etcd().stop();
    etcd().wipe();
    await etcd().start();
    await until(async () => (await registry.instances(instance.service)).length === 1);
    await until(() => lists.at(-1)?.length === 1);
    await registry.deregister(instance);
    await until(() => lists.at(-1)?.length === 0);
    await registry.close();
  });

  test('of several members one may be down', async () => {
    const [url] = registryUrls(`etcd://127.0.0.1:1,127.0.0.1:${etcd().port}`);
    const registry = await openRegistry(url as URL, { clock: systemClock, log: () => {} });
    const instance = anInstance();
    await registry.register(instance);
    const lists = await Promise.all(Array.from({ length: 8 }, () => registry.instances(instance.service)));
    expect(lists).toEqual(lists.map(() => [instance]));
    expect(registry.address).toBe(`127.0.0.1:1,127.0.0.1:${etcd().port}`);
    await registry.deregister(instance);
    await registry.close();
  });

  test('a list of 10,000 instances is read and followed', { timeout: 120_000 }, async () => {
    const registry = await open();
    const service = aServiceName();
    for (let n = 0; n < 10_000; n += 100) {
      const success = Array.from({ length: 100 }, (_, i) => {
        const instance = anInstance({ service, port: 10_000 + n + i });
        const key = Buffer.from(`/microservices/${service}/${instance.instanceId}`).toString('base64');
        return { request_put: { key, value: Buffer.from(encodeEntry(instance)).toString('base64') } };
      });
      await etcd().call('/v3/kv/txn', { success });
    }
    await showsOneMore(registry, service, 10_000);
    await registry.close();
  });
});

describe.skipIf(missing)('a cluster of three', () => {
  let members: readonly Etcd[] = [];
  beforeAll(async () => {
    members = await Etcd.cluster(3);
  });
  afterAll(async () => {
    await Promise.all(members.map((member) => member.close()));
  });

  test('one member may be gone; without a majority the last list stays, and the log says so', {
    timeout: 120_000,
  }, async () => {
    const [url] = registryUrls(`etcd://${members.map(({ port }) => `127.0.0.1:${port}`).join(',')}?ttlMs=6000`);
    const registry = await openRegistry(url as URL, { clock: systemClock, log: () => {} });
    const [first, second] = [anInstance({ instanceId: 'a' }), anInstance({ instanceId: 'b' })];
    const [{ service }, third] = [first, { ...second, service: first.service }];
    const lists: (readonly Instance[])[] = [];
    const shows = (...ids: string[]) =>
      until(() =>
        isDeepStrictEqual(
          lists.at(-1)?.map(({ instanceId }) => instanceId),
          ids,
        ),
      );
    await registry.register(first);
    await registry.watch(service, (list) => lists.push(list));
    await members[0]?.stop();
    await registry.register(third);
    await shows('a', 'b');
    await registry.deregister(third);
    await shows('a');
    const seen = lists.length;
    await members[1]?.stop();
    await until(() => registry.failure !== undefined);
    await expect(registry.instances(service)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
    await pause(3_000);
    expect(lists.slice(seen)).toEqual([]);
    await Promise.all(members.slice(0, 2).map((member) => member.start()));
    await until(() =>
      registry.instances(service).then(
        (list) => list.length === 1,
        () => false,
      ),
    );
    await until(() => registry.failure === undefined);
    await registry.deregister(first);
    await shows();
    await registry.close();
  });
});

describe.skipIf(missing)('an etcd with users', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    // Tokens end after a second without use.
    etcd = await Etcd.start(['--auth-token-ttl=1']);
    await addUsers(etcd);
  });
  afterAll(() => etcd.close());
  const open = (user: string, options = '', log: (message: string) => void = () => {}): Promise<Registry> =>
    openRegistry(new URL(`etcd://${user}@127.0.0.1:${etcd.port}${options}`), {
      clock: systemClock,
      log: (_, message) => log(message),
    });

  test('the permissions of the documentation are enough, and tokens that end are replaced', async () => {
    const registry = await open('shop:pass%20s3cret%401', '?ttlMs=3000');
    const instance = anInstance();
    const lists: (readonly Instance[])[] = [];
    await registry.watch(instance.service, (list) => lists.push(list));
    await registry.register(instance);
    await until(() => lists.at(-1)?.length === 1);
    await pause(5_000);
    expect(await registry.instances(instance.service)).toEqual([instance]);
    await registry.deregister(instance);
    await until(() => lists.at(-1)?.length === 0);
    await registry.close();
  });

  test.each([
    ['shop:wr0ng', '', /refuses the user "shop" or its password/],
    ['shop:pass%20s3cret%401', '?prefix=/elsewhere', /permission denied/],
  ])('%s%s fails with a clear error without the password', async (user, options, expected) => {
    const said: string[] = [];
    const registry = await open(user, options, (message) => said.push(message));
    await isRefused(registry, { says: expected, secret: /wr0ng|s3cret/, logged: said });
  });

  test('no user fails with a clear error', async () => {
    const registry = await openRegistry(new URL(etcd.url), { clock: systemClock, log: () => {} });
    await expect(registry.instances('a')).rejects.toThrow(/user name is empty/);
    await registry.close();
  });
});

describe.skipIf(missing)('an etcd whose tokens are JWT', () => {
  const directory = useScratchFolder();
  let etcd: Etcd;
  beforeAll(async () => {
    const [publicFile, privateFile] = [join(directory, 'public.pem'), join(directory, 'private.pem')];
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2_048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    writeFileSync(publicFile, publicKey);
    writeFileSync(privateFile, privateKey);
    etcd = await Etcd.start([
      `--auth-token=jwt,pub-key=${publicFile},priv-key=${privateFile},sign-method=RS256,ttl=5m`,
    ]);
    await addUsers(etcd);
  });
  afterAll(async () => {
    await etcd.close();
  });

  test('a token that is older than a change of users is replaced, once for all calls', async () => {
    const proxy = await FaultProxy.start(etcd.port);
    const logIns = (): number => proxy.calls.filter(({ url }) => url === '/v3/auth/authenticate').length;
    const registry = await openRegistry(new URL(`etcd://shop:pass%20s3cret%401@127.0.0.1:${proxy.port}`), {
      clock: systemClock,
      log: () => {},
    });
    const instance = anInstance();
    await registry.register(instance);
    const listed = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 20 }, () => registry.instances(instance.service)));
    expect(await listed()).toEqual(Array(20).fill([instance]));
    expect(logIns()).toBe(1);
    const root = await etcd.call('/v3/auth/authenticate', { name: 'root', password: PASSWORD });
    await etcd.call('/v3/auth/user/add', { name: 'somebody', password: 'x' }, String(root['token']));
    expect(await listed()).toEqual(Array(20).fill([instance]));
    expect(logIns()).toBe(2);
    await registry.deregister(instance);
    await Promise.all([registry.close(), proxy.close()]);
  });
});

const PASSWORD = 'pass s3cret@1';

/** `shop` may do what the documentation says, `root` everything. */
async function addUsers(etcd: Etcd): Promise<void> {
  const b64 = (text: string): string => Buffer.from(text).toString('base64');
  await etcd.call('/v3/auth/role/add', { name: 'shop' });
  const perm = { permType: 'READWRITE', key: b64('/microservices/'), range_end: b64('/microservices0') };
  await etcd.call('/v3/auth/role/grant', { name: 'shop', perm });
  for (const [name, role] of [
    ['root', 'root'],
    ['shop', 'shop'],
  ] as const) {
    await etcd.call('/v3/auth/user/add', { name, password: PASSWORD });
    await etcd.call('/v3/auth/user/grant', { user: name, role });
  }
  await etcd.call('/v3/auth/enable', {});
}
