import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../../src/consumer/directory/endpoint.ts';
import type { Service } from '../../../../src/consumer/directory/service.ts';
import type { Instance, Listener, Registry } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { aDirectory } from './a-directory.ts';

const INSTANCE = anInstance({ service: 'service-b', instanceId: 'b1', generation: 1, port: 1, registeredAt: 0 });

function setUp(some: Partial<Registry> = {}) {
  const clock = new SimulatedClock();
  const watched: string[] = [];
  const listeners = new Map<string, Listener>();
  const registry = {
    instances: async () => [INSTANCE],
    watch: async (service: string, listener: Listener) => {
      watched.push(service);
      listeners.set(service, listener);
      listener(service === 'service-b' ? [INSTANCE] : []);
      return () => void listeners.delete(service);
    },
    ...some,
  } as Registry;
  const warnings: string[] = [];
  const directory = aDirectory({
    registry,
    clock,
    services: ['Orders.Internal'],
    log: (_, message) => warnings.push(message),
  });
  return { clock, directory, watched, listeners, warnings };
}

describe('which hosts are services', () => {
  test.each([
    'http://localhost',
    'http://localhost:80',
    'http://127.0.0.1:80',
    'http://[::1]:80',
    '::1',
    '2130706433',
    '0x7f000001',
    'http://b.example.com',
    'example.',
    '',
  ])('%s is not a service, and the registry gets no question', (origin) => {
    const { directory, watched } = setUp();
    expect(directory.route(origin)).toBeUndefined();
    expect(watched).toEqual([]);
  });

  test.each([
    ['http://service-b', 'service-b'],
    ['https://service-b:8443', 'service-b'],
    ['Service-B', 'service-b'],
    ['http://service-b/', 'service-b'],
    ['3scale', '3scale'],
    ['http://orders.internal:80', 'Orders.Internal'],
  ])('%s is looked up as %s', (origin, name) => {
    const { directory, watched } = setUp();
    expect(directory.route(origin)).toBeInstanceOf(Promise);
    expect(watched).toEqual([name]);
  });

  test('an unknown host is asked for once and passes then without a wait, until it appears', async () => {
    const { directory, watched, listeners } = setUp();
    expect(await directory.route('nobody')).toBeUndefined();
    expect(directory.route('nobody')).toBeUndefined();
    expect(watched).toEqual(['nobody']);
    listeners.get('nobody')?.([INSTANCE]);
    expect((directory.route('nobody') as Service).name).toBe('nobody');
  });
});

test.each([
  ['http://service-b:8080', '127.0.0.1', true],
  ['http://service-b:8080', 'service-b', false],
  ['http://service-b:9090', 'service-b', true],
  ['http://nobody:8080', 'service-b', false],
])('whether the plugin must see a request to %s when an instance is at %s:8080: %s', async (origin, host, covered) => {
  const { directory, listeners } = setUp();
  await directory.route(origin);
  listeners.get('service-b')?.([{ ...INSTANCE, host, port: 8080 }]);
  expect(directory.covers(origin)).toBe(covered);
});

describe('the first list', () => {
  test('is waited for at most 2 s', async () => {
    const { clock, directory } = setUp({ watch: () => new Promise(() => {}) });
    const answer = directory.route('service-b');
    clock.pass(1_999);
    expect(directory.route('service-b')).toBeInstanceOf(Promise);
    clock.pass(1);
    expect(await answer).toBeUndefined();
    expect(directory.route('service-b')).toBeUndefined();
  });

  test('is asked for again when the registry fails, without holding requests up', async () => {
    let attempts = 0;
    const { clock, directory, warnings } = setUp({
      watch: async (_, listener) => {
        if (++attempts < 3) throw new Error('down');
        listener([INSTANCE]);
        return () => {};
      },
    });
    expect(await directory.route('service-b')).toBeUndefined();
    expect(directory.route('service-b')).toBeUndefined();
    for (const wait of [500, 1_000]) {
      clock.pass(wait);
      await new Promise(setImmediate);
    }
    expect(attempts).toBe(3);
    expect(warnings).toHaveLength(2);
    expect((directory.route('service-b') as Service).known).toBe(true);
  });
});

test('the directory stops watching services without requests', async () => {
  const { clock, directory, listeners } = setUp();
  await directory.route('service-b');
  clock.pass(600_000);
  directory.route('service-b');
  clock.pass(600_000);
  expect(listeners.size).toBe(1);
  clock.pass(600_000);
  expect(listeners.size).toBe(0);
  expect(directory.services).toEqual([]);
});

test('the directory watches a service as long as a request to it is unfinished', async () => {
  const { clock, directory, listeners } = setUp();
  const service = (await directory.route('service-b')) as Service;
  const { connections } = service.pick() as Endpoint;
  connections.begin();
  clock.pass(1_800_000);
  expect(listeners.size).toBe(1);
  connections.end();
  clock.pass(600_000);
  expect(listeners.size).toBe(0);
});

test('names that never had an instance take no place: the latest 100 are watched, and a service is found after thousands', async () => {
  const { directory, listeners, warnings } = setUp();
  for (let n = 0; n < 1_050; n++) await directory.route(`invented-${n}`);
  await Promise.all(Array.from({ length: 1_050 }, (_, n) => directory.route(`at-once-${n}`)));
  expect(((await directory.route('service-b')) as Service).name).toBe('service-b');
  for (let n = 0; n < 200; n++) await directory.route(`later-${n}`);
  expect(((await directory.route('service-b')) as Service).name).toBe('service-b');
  expect(listeners.size).toBe(101);
  expect(warnings).toEqual([]);
});

test('at most 1,000 services are watched', async () => {
  const watched: string[] = [];
  const { directory, warnings } = setUp({
    watch: async (service, listener) => {
      watched.push(service);
      listener([{ ...INSTANCE, service }]);
      return () => {};
    },
  });
  for (let n = 0; n < 1_010; n++) await directory.route(`service-${n}`);
  expect(watched).toHaveLength(1_000);
  expect(warnings).toHaveLength(1);
});

describe('refresh', () => {
  test('shares reads, but never a read that began before the question', async () => {
    const reads: PromiseWithResolvers<readonly Instance[]>[] = [];
    const { directory } = setUp({
      instances: () => {
        const read = Promise.withResolvers<readonly Instance[]>();
        reads.push(read);
        return read.promise;
      },
    });
    const service = (await directory.route('service-b')) as Service;
    const first = directory.refresh(service);
    const second = [directory.refresh(service), directory.refresh(service)];
    expect(reads).toHaveLength(1);
    reads[0]?.reject(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await new Promise(setImmediate);
    expect(reads).toHaveLength(2);
    reads[1]?.resolve([{ ...INSTANCE, instanceId: 'b2' }]);
    expect((await Promise.all(second)).map(([instance]) => instance?.instanceId)).toEqual(['b2', 'b2']);
    expect(service.pick()?.instance.instanceId).toBe('b2');
  });

  test('a list pushed while reading is newer than the one read', async () => {
    const read = Promise.withResolvers<readonly Instance[]>();
    const { directory, listeners } = setUp({ instances: () => read.promise });
    const service = (await directory.route('service-b')) as Service;
    const refreshed = directory.refresh(service);
    listeners.get('service-b')?.([{ ...INSTANCE, instanceId: 'pushed' }]);
    read.resolve([INSTANCE]);
    await refreshed;
    expect(service.pick()?.instance.instanceId).toBe('pushed');
  });
});
