import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loadOptions } from '../../src/config/options.ts';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { Registration } from '../../src/provider/registration/registration.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { testRegistry } from '../contract/registry.ts';
import { anInstance, aServiceName } from '../support/an-instance.ts';
import { FaultProxy } from '../support/fakes/fault-proxy.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Kubernetes, NAMESPACE, TOKENS } from '../support/servers/kubernetes.ts';
import { Pods } from '../support/servers/pods.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('kubernetes', 'etcd');
if (missing) console.warn(`Kubernetes tests are skipped: ${missing}`);

describe.skipIf(missing)('a real Kubernetes API', () => {
  const kubernetes = useStarted(() => Kubernetes.start());
  const proxy = useStarted(() => FaultProxy.start(kubernetes().port, true));

  const open = (url: string): Promise<Registry> => openRegistry(new URL(url), { clock: systemClock, log: () => {} });
  const proxied = (): string =>
    `kubernetes://127.0.0.1:${proxy().port}?tls=false&namespace=${NAMESPACE}&token=${TOKENS.reader}`;

  const all = new Map<string, Instance>();
  testRegistry('kubernetes', {
    open: async () => new Pods(await open(proxied()), kubernetes(), all),
    breakDown: () => proxy().outage(),
    heartbeatMs: 1_000,
  });
});

describe.skipIf(missing)('EndpointSlices of a real API', () => {
  const kubernetes = useStarted(() => Kubernetes.start());

  const urlOf = (options = ''): string =>
    `kubernetes://127.0.0.1:${kubernetes().port}?ca=${encodeURIComponent(kubernetes().ca)}&namespace=${NAMESPACE}${options}`;
  const reader = `&token=${TOKENS.reader}`;
  const open = (url: string, log: (message: string) => void = () => {}): Promise<Registry> =>
    openRegistry(new URL(url), { clock: systemClock, log: (_, message) => log(message) });
  const ready = (host: string, name: string, more: object = {}): object => ({
    addresses: [host],
    conditions: { ready: true },
    targetRef: { kind: 'Pod', name },
    ...more,
  });
  const ports = [{ name: 'http', port: 8_080 }];

  /** A watch, and its lists. */
  async function watching(registry: Registry, service: string) {
    const lists: (readonly Instance[])[] = [];
    await registry.watch(service, (list) => lists.push(list));
    return {
      lists,
      shows: (...hosts: string[]): Promise<void> =>
        until(() =>
          isDeepStrictEqual(
            lists.at(-1)?.map(({ host }) => host),
            hosts,
          ),
        ),
    };
  }

  test('over TLS with the authority of the cluster: several slices, conditions, zones', async () => {
    const registry = await open(urlOf(reader));
    const service = aServiceName();
    const { lists, shows } = await watching(registry, service);
    expect(lists).toEqual([[]]);
    const zoned = ready('192.0.2.1', 'pod-1', { zone: 'eu-1', nodeName: 'n1' });
    await kubernetes().putSlice({ name: `${service}-1`, service, ports, endpoints: [zoned] });
    await shows('192.0.2.1');
    expect(lists.at(-1)).toMatchObject([
      { service, instanceId: 'pod-1:8080', generation: 0, port: 8_080, metadata: { zone: 'eu-1', node: 'n1' } },
    ]);
    const both = [ready('192.0.2.1', 'pod-1'), ready('192.0.2.2', 'pod-2')];
    await kubernetes().putSlice({ name: `${service}-2`, service, ports, endpoints: both });
    await shows('192.0.2.1', '192.0.2.2');
    await kubernetes().patchConditions(`${service}-1`, { ready: true, serving: true, terminating: true });
    await kubernetes().patchConditions(`${service}-2`, { ready: false, serving: true, terminating: true });
    await shows('192.0.2.2');
    await kubernetes().deleteSlice(`${service}-2`);
    await shows();
    await registry.close();
  });

  test('the warm-up is measured from when an endpoint was seen to become ready', async () => {
    const registry = await open(urlOf(reader));
    const service = aServiceName();
    await kubernetes().putSlice({ name: `${service}-1`, service, ports, endpoints: [ready('192.0.2.1', 'pod-1')] });
    const { lists, shows } = await watching(registry, service);
    const began = Date.now();
    await kubernetes().putSlice({ name: `${service}-2`, service, ports, endpoints: [ready('192.0.2.2', 'pod-2')] });
    await shows('192.0.2.1', '192.0.2.2');
    const [old, fresh] = lists.at(-1) ?? [];
    expect(old?.registeredAt).toBe(0);
    expect(fresh?.registeredAt).toBeGreaterThanOrEqual(began);
    expect(await registry.instances(service)).toEqual(lists.at(-1));
    await kubernetes().patchConditions(`${service}-1`, { ready: false });
    await shows('192.0.2.2');
    await kubernetes().patchConditions(`${service}-1`, { ready: true });
    await shows('192.0.2.1', '192.0.2.2');
    expect(lists.at(-1)?.[0]?.registeredAt).toBeGreaterThanOrEqual(began);
    expect(lists.at(-1)?.[1]).toEqual(fresh);
    await registry.close();
  });

  test('a watch goes on after the server was killed, and lists again when its history is gone', {
    timeout: 120_000,
  }, async () => {
    const logged: string[] = [];
    const registry = await open(urlOf(reader), (message) => logged.push(message));
    const service = aServiceName();
    const { lists, shows } = await watching(registry, service);
    await kubernetes().putSlice({ name: `${service}-1`, service, ports, endpoints: [ready('192.0.2.1', 'pod-1')] });
    await shows('192.0.2.1');
    await kubernetes().stop();
    await until(() => registry.failure !== undefined);
    await expect(registry.instances(service)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
    await kubernetes().start();
    await kubernetes().putSlice({ name: `${service}-2`, service, ports, endpoints: [ready('192.0.2.2', 'pod-2')] });
    await kubernetes().deleteSlice(`${service}-1`);
    await kubernetes().compact();
    await shows('192.0.2.2');
    expect(lists.flat().every(({ host }) => host.startsWith('192.0.2.'))).toBe(true);
    await until(() => registry.failure === undefined);
    expect(logged.filter((message) => message.includes('the last list stays'))).toHaveLength(1);
    await registry.close();
  });

  test('410: an old resource version asks for a new list', async () => {
    const proxy = await FaultProxy.start(kubernetes().port, true);
    const url = `kubernetes://127.0.0.1:${proxy.port}?tls=false&namespace=${NAMESPACE}${reader}`;
    const registry = await open(url);
    const service = aServiceName();
    const { shows } = await watching(registry, service);
    const lists = (): number => proxy.calls.filter(({ url: path }) => !path.includes('watch=1')).length;
    expect(lists()).toBe(1);
    proxy.faults = [{ when: ({ url: path }) => path.includes('watch=1'), status: 410 }];
    await proxy.down();
    await kubernetes().putSlice({ name: `${service}-1`, service, ports, endpoints: [ready('192.0.2.1', 'pod-1')] });
    await proxy.up();
    await shows('192.0.2.1');
    expect(lists()).toBeGreaterThan(1);
    proxy.faults = [];
    await kubernetes().deleteSlice(`${service}-1`);
    await shows();
    await registry.close();
    await proxy.close();
  });

  test('a token that rotates is read again', async () => {
    const directory = useScratchFolder();
    const path = join(directory, 'token');
    writeFileSync(path, TOKENS.stranger);
    const registry = await open(urlOf(`&tokenFile=${encodeURIComponent(path)}`));
    await expect(registry.instances('shop')).rejects.toThrow(/refuses these credentials \(403\).*endpointslices/);
    writeFileSync(path, `${TOKENS.reader}\n`);
    expect(await registry.instances('shop')).toEqual([]);
    await registry.close();
  });

  test('wrong credentials and a wrong authority are clear errors without the token', async () => {
    const said: string[] = [];
    for (const [url, expected] of [
      [urlOf('&token=wr0ng'), /refuses these credentials \(401\)/],
      [urlOf(reader).replace(/ca=[^&]*/, 'tls=true'), /self-signed certificate/],
    ] as const) {
      const registry = await open(url, (message) => said.push(message));
      const failure = (await registry.instances('shop').catch((thrown: Error) => thrown)) as Error;
      expect(failure).toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      expect(failure.message).toMatch(expected);
      said.push(failure.message, registry.failure?.message ?? '', registry.address);
      await registry.close();
    }
    expect(said.join()).not.toMatch(/wr0ng|reader-token/);
  });

  test('a name may hold the namespace of a Service; an impossible name gives an empty list', async () => {
    const registry = await open(urlOf(reader).replace(`namespace=${NAMESPACE}`, 'namespace=default'));
    const service = aServiceName();
    await kubernetes().putSlice({ name: service, service, ports, endpoints: [ready('192.0.2.1', 'pod-1')] });
    expect(await registry.instances(`${service}.${NAMESPACE}`)).toMatchObject([{ host: '192.0.2.1' }]);
    await expect(registry.instances(service)).rejects.toThrow('refuses these credentials (403)');
    expect(await registry.instances('No_Service')).toEqual([]);
    const { lists } = await watching(registry, 'x'.repeat(64));
    expect(lists).toEqual([[]]);
    await registry.close();
  });

  test('a deregistration is confirmed when the endpoint has left, and not before', async () => {
    const registry = await open(urlOf(reader));
    const service = aServiceName();
    await kubernetes().putSlice({ name: service, service, ports, endpoints: [ready('192.0.2.1', 'pod-1')] });
    const registration = new Registration(registry, systemClock);
    const own = anInstance({ service, host: '192.0.2.1', port: 8_080 });
    await registration.write(own);
    expect(await registration.confirm()).toMatchObject({ listed: true });
    const leaving = registration.deregister();
    setTimeout(() => void kubernetes().patchConditions(service, { ready: false }), 1_000);
    expect(await leaving).toEqual({ result: 'confirmed', listedAfter: 0 });
    await kubernetes().patchConditions(service, { ready: true });
    expect(await registration.deregister()).toEqual({ result: 'unconfirmed', listedAfter: 1 });
    await registry.close();
  });

  test('a provider that may not read the slices cannot confirm', async () => {
    const registry = await open(urlOf(`&token=${TOKENS.stranger}`));
    const registration = new Registration(registry, systemClock);
    await registration.write(anInstance());
    expect(await registration.deregister()).toMatchObject({
      result: 'unconfirmed',
      error: { message: expect.stringContaining('endpointslices') },
    });
    await registry.close();
  });

  test('a Service of 10,000 endpoints is read and followed', { timeout: 120_000 }, async () => {
    const registry = await open(urlOf(reader));
    const service = aServiceName();
    for (let n = 0; n < 100; n++) {
      const endpoints = Array.from({ length: 100 }, (_, i) => ready(`192.0.${n}.${i}`, `pod-${n}-${i}`));
      await kubernetes().putSlice({ name: `${service}-${n}`, service, ports, endpoints });
    }
    expect(await registry.instances(service)).toHaveLength(10_000);
    const { lists } = await watching(registry, service);
    await kubernetes().deleteSlice(`${service}-7`);
    await until(() => lists.at(-1)?.length === 9_900);
    await registry.close();
  });
});

test('outside a cluster a host is required', async () => {
  const [url] = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_REGISTRY: 'kubernetes:' }).options?.registries ?? [];
  await expect(openRegistry(url as URL, { clock: systemClock, log: () => {} })).rejects.toMatchObject({
    code: 'LOSSLESS_REGISTRY_URL',
    message: expect.stringContaining('KUBERNETES_SERVICE_HOST'),
  });
});

test.each([
  ['10.0.0.1', '10.0.0.1:6443'],
  ['fd00::1', '[fd00::1]:6443'],
])('inside a cluster the host is %s', async (host, address) => {
  const { options } = loadOptions({
    LOSSLESS_SERVICE: 'a',
    LOSSLESS_REGISTRY: 'kubernetes:?namespace=shop',
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: '6443',
  });
  const registry = await openRegistry(options?.registries[0] as URL, { clock: systemClock, log: () => {} });
  expect(registry).toMatchObject({ type: 'kubernetes', address });
  await registry.close();
});
