import { afterEach, expect, test } from 'vitest';
import { Consumer } from '../../../src/consumer/consumer.ts';
import type { Endpoint } from '../../../src/consumer/directory/endpoint.ts';
import type { Service } from '../../../src/consumer/directory/service.ts';
import { SenderCheck } from '../../../src/consumer/goaway/sender.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { encodeDraining } from '../../../src/protocol/header.ts';
import { hostPort } from '../../../src/protocol/host-port.ts';
import type { Instance, Listener, Registry } from '../../../src/registry/registry.ts';
import { anInstance } from '../../support/an-instance.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const ours = (instanceId: string, generation: number, fields: Partial<Instance> = {}): Instance =>
  anInstance({ service: 'shop', instanceId, generation, host: '192.0.2.1', port: 80, ...fields });
const other = ours('other', 1, { host: '192.0.2.2' });

/** A consumer whose list is what the test says. */
async function subject(list: readonly Instance[]) {
  let listed = list;
  let listener: Listener = () => {};
  const registry = {
    instances: async () => listed,
    watch: async (_: string, listen: Listener) => {
      listener = listen;
      listen(listed);
      return () => {};
    },
  } as unknown as Registry;
  const logged: string[] = [];
  const log = (_: string, message: string): void => void logged.push(message);
  const common = { registry, clock: systemClock, log, services: [], warmupMs: 0 };
  const consumer = new Consumer({ ...common, header: async () => undefined });
  closing.push(() => consumer.uninstall());
  const service = (await consumer.route('http://shop')) as Service;
  const show = (next: readonly Instance[]): void => {
    listed = next;
    listener(next);
  };
  const leave = (instance: Instance) =>
    consumer.goAway({ provider: { ...instance, address: hostPort(instance) }, expiresInMs: 30_000 });
  return { consumer, service, show, leave, registry, logged };
}

test('of the entries with one address only the newest generation is called', async () => {
  const { service } = await subject([ours('foreign', 0), ours('dead', 3), ours('own', 5), other]);
  expect(service.addresses).toEqual(['192.0.2.1:80', '192.0.2.2:80']);
  expect(service.at(other)).toHaveLength(1);
  expect(service.at(ours('', 0)).map(({ instance }) => instance.instanceId)).toEqual(['own']);
});

test('a GoAway isolates every entry at its address, also one that is listed later', async () => {
  const own = ours('own', 5);
  const { service, show, leave } = await subject([ours('foreign', 0), own, other]);
  const isolation = leave(own);
  expect(service.addresses).toEqual(['192.0.2.2:80']);
  expect(await isolation.refreshed).toMatchObject({ result: 'stale' });
  for (const left of [ours('foreign', 0), ours('foreign-2', 0), ours('dead', 4), ours('own', 5)]) {
    show([left, other]);
    expect(service.addresses).toEqual(['192.0.2.2:80']);
  }
  show([ours('foreign', 0), ours('next', 6), other]);
  expect(service.addresses).toEqual(['192.0.2.1:80', '192.0.2.2:80']);
});

test('the same for a consumer that only knew the entry of another writer', async () => {
  const { service, leave } = await subject([ours('foreign', 0), other]);
  leave(ours('own', 5));
  expect(service.addresses).toEqual(['192.0.2.2:80']);
});

test('one from an older process than the listed one isolates nothing, and closes connections that may lead to it', async () => {
  const [older, newer] = [ours('older', 5), ours('newer', 6)];
  const { service, leave } = await subject([older, newer, other]);
  const [endpoint] = service.at(newer) as [Endpoint];
  const { connections } = endpoint;
  const isolation = leave(older);
  expect(service.addresses).toEqual(['192.0.2.1:80', '192.0.2.2:80']);
  expect(connections.closed).toBe(true);
  expect(await isolation.idle).toHaveLength(2);
});

test('outstanding requests count once, even for several known generations of an instance', async () => {
  const before = ours('own', 5);
  const { service, show, leave } = await subject([before, other]);
  const [endpoint] = service.at(before) as [Endpoint];
  endpoint.connections.begin();
  show([ours('own', 6), other]);
  expect(leave(ours('own', 6)).outstanding).toBe(1);
});

test('a pod that comes back under its name is called at once, at another address and at the same', async () => {
  const pod = (host: string, uid: string) => ours('web-0:80', 0, { host, uid });
  const { service, show, leave } = await subject([pod('192.0.2.1', 'one'), other]);
  leave(ours('own', 5));
  expect(service.addresses).toEqual(['192.0.2.2:80']);
  show([pod('192.0.2.9', 'two'), other]);
  expect(service.addresses).toContain('192.0.2.9:80');
  show([pod('192.0.2.1', 'one'), other]);
  expect(service.addresses).toEqual(['192.0.2.2:80']);
  show([pod('192.0.2.1', 'three'), other]);
  expect(service.addresses).toContain('192.0.2.1:80');
});

test('an entry of another writer that outlives ours is the same process, and its connections stay', async () => {
  const { service, show } = await subject([ours('foreign', 0), ours('own', 5)]);
  const [before] = service.at(ours('', 0));
  show([ours('foreign', 0, { metadata: { zone: 'b' } })]);
  const [after] = service.at(ours('', 0));
  expect(after).toBe(before);
  expect(after?.instance).toMatchObject({ instanceId: 'own', generation: 5, metadata: { zone: 'b' } });
});

test('a marker isolates the address that it came from up to its generation, not when it was handed on from another', async () => {
  const { consumer, service, show } = await subject([ours('dead', 3), other]);
  const [endpoint] = service.at(ours('', 0)) as [Endpoint];
  consumer.marked(service, endpoint, encodeDraining(other));
  expect(service.addresses).toHaveLength(2);
  consumer.marked(service, endpoint, encodeDraining(ours('own', 5)));
  expect(service.addresses).toEqual(['192.0.2.2:80']);
  show([ours('own', 5), other]);
  expect(service.addresses).toEqual(['192.0.2.2:80']);
});

test('a marker of an older process on the port renews connections once and isolates no instance', async () => {
  const { consumer, service, logged } = await subject([ours('newer', 6), other]);
  const [endpoint] = service.at(ours('', 0)) as [Endpoint];
  const marker = encodeDraining(ours('older', 5));
  const { connections } = endpoint;
  consumer.marked(service, endpoint, marker);
  expect(connections.closed).toBe(true);
  const next = endpoint.connections;
  consumer.marked(service, endpoint, marker);
  expect(next.closed).toBe(false);
  expect(service.addresses).toHaveLength(2);
  expect(logged.filter((line) => line.includes('marked a response'))).toHaveLength(1);
});

test('without a secret no GoAway isolates an address by an id that is listed elsewhere, or is unknown', async () => {
  const [own, attacker] = [ours('own', 5), ours('attacker', 9, { host: '192.0.2.66' })];
  const { consumer, service, registry, leave } = await subject([own, attacker, other]);
  const senders = new SenderCheck(consumer, registry, systemClock);
  const at = (instanceId: string) => ({ ...own, instanceId, generation: 99, address: hostPort(own) });
  expect(await senders.check(at('attacker'), '192.0.2.1')).toBe('other');
  expect(await senders.check(at('nobody'), '192.0.2.1')).toBe('other');
  expect(await senders.check(at('own'), '192.0.2.1')).toBe('named');
  expect(await senders.check(at('attacker'), '192.0.2.66')).toBe('named');
  consumer.goAway({ provider: at('attacker'), expiresInMs: 30_000 });
  expect(service.addresses).toContain('192.0.2.1:80');
  expect(service.addresses).not.toContain('192.0.2.66:80');
  leave(own);
  expect(service.addresses).toEqual(['192.0.2.2:80']);
});
