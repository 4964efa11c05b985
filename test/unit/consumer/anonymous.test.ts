import { afterEach, expect, test } from 'vitest';
import { Consumer } from '../../../src/consumer/consumer.ts';
import type { Service } from '../../../src/consumer/directory/service.ts';
import { SenderCheck } from '../../../src/consumer/goaway/sender.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { encodeDraining } from '../../../src/protocol/header.ts';
import { hostPort } from '../../../src/protocol/host-port.ts';
import type { GoAway } from '../../../src/protocol/identity.ts';
import { openRegistry } from '../../../src/registry/open.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { anInstance, aServiceName } from '../../support/an-instance.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** A consumer of a service whose two instances another writer has listed: without generation, with foreign ids. */
async function subject(host = '192.0.2.1') {
  const log = (): void => {};
  const registry = await openRegistry(new URL(`memory:${aServiceName()}`), { clock: systemClock, log });
  const service = aServiceName();
  for (const port of [8_001, 8_002])
    await registry.register(anInstance({ service, instanceId: `pod-${port}`, generation: 0, host, port }));
  const consumer = new Consumer({
    registry,
    clock: systemClock,
    log,
    header: async () => undefined,
    services: [],
    warmupMs: 0,
  });
  closing.push(
    () => consumer.uninstall(),
    () => registry.close(),
  );
  const routed = (await consumer.route(`http://${service}`)) as Service;
  const provider = { service, instanceId: 'host:1:abc', generation: 5, address: hostPort({ host, port: 8_001 }) };
  return { registry: registry as Registry, consumer, service: routed, provider };
}

const goAway = (provider: GoAway['provider']): GoAway => ({ provider, expiresInMs: 30_000 });

test.each(['192.0.2.1', '2001:db8::1'])('a GoAway isolates the entry at its address, %s', async (host) => {
  const { consumer, service, provider } = await subject(host);
  const isolation = consumer.goAway(goAway(provider));
  expect(isolation.before).toHaveLength(2);
  expect(service.addresses).toEqual([hostPort({ host, port: 8_002 })]);
  expect(await isolation.refreshed).toMatchObject({ result: 'stale' });
});

test('a GoAway isolates the entries at all ports of its instance, at its own host alone', async () => {
  const { consumer, service, provider } = await subject();
  consumer.goAway(goAway({ ...provider, address: '192.0.2.1:7000', ports: [7_000, 8_002] }));
  expect(service.addresses).toEqual(['192.0.2.1:8001']);
  consumer.goAway(goAway({ ...provider, address: '192.0.2.9:7000', ports: [8_001] }));
  expect(service.addresses).toEqual(['192.0.2.1:8001']);
});

test('a GoAway with another address isolates no instance', async () => {
  const { consumer, service, provider } = await subject();
  consumer.goAway(goAway({ ...provider, address: '192.0.2.9:8001' }));
  expect(service.addresses).toHaveLength(2);
});

test('an entry of the plugin matches by its id alone', async () => {
  const { registry, consumer, service, provider } = await subject();
  await registry.register(anInstance({ service: service.name, instanceId: 'ours', host: '192.0.2.3', port: 8_001 }));
  consumer.goAway(goAway({ ...provider, address: '192.0.2.3:8001' }));
  expect(service.addresses).toHaveLength(3);
});

test('the sender of a GoAway is the host at its address', async () => {
  const { registry, consumer, provider } = await subject();
  const senders = new SenderCheck(consumer, registry, systemClock);
  expect(await senders.check(provider, '192.0.2.1')).toBe('named');
  expect(await senders.check(provider, '192.0.2.2')).toBe('other');
  expect(await senders.check({ ...provider, address: '192.0.2.2:8001' }, '192.0.2.2')).toBe('other');
});

test('a marker isolates the entry its response came from, when it names that service', async () => {
  const { consumer, service, provider } = await subject();
  const endpoint = service.pick();
  if (endpoint === undefined) throw new Error('nobody to pick');
  consumer.marked(service, endpoint, encodeDraining({ ...provider, service: 'another' }));
  expect(service.addresses).toHaveLength(2);
  consumer.marked(service, endpoint, encodeDraining(provider));
  expect(service.addresses).not.toContain(endpoint.address);
  expect(service.addresses).toHaveLength(1);
});
