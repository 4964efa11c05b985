import { expect, test } from 'vitest';
import { Registration } from '../../../../src/provider/registration/registration.ts';
import type { Instance, Registry } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** A registry that accepts everything and lists no instance, except as the test says. */
function aRegistry(more: Partial<Registry>): Registry {
  return {
    type: 'test',
    address: '',
    capabilities: { push: true, lagMs: 0, expires: true },
    register: async () => {},
    deregister: async () => {},
    instances: async () => [],
    watch: async () => () => {},
    close: async () => {},
    ...more,
  };
}

/** A registry with another writer: it lists `listed`. */
function subject(listed: () => readonly Instance[]) {
  const clock = new SimulatedClock();
  const registry = aRegistry({
    capabilities: { push: true, lagMs: 0, expires: true, registers: false },
    instances: async () => listed(),
  });
  return { clock, registration: new Registration(registry, clock) };
}

test('where another program lists ready instances, readiness does not wait for the list', async () => {
  const { registration } = subject(() => []);
  await registration.write(anInstance());
  expect(await registration.confirm()).toMatchObject({ listed: true });
  expect(registration.listed).toBe(true);
});

test('of several registries each list must show the instance, except those that other programs write, and none when it has left', async () => {
  const own = anInstance();
  const lists: Record<string, readonly Instance[]> = { prompt: [own], late: [], kubernetes: [] };
  const member = (name: string, registers: boolean) =>
    aRegistry({
      capabilities: { push: true, lagMs: 0, expires: true, registers },
      instances: async () => lists[name] ?? [],
    });
  const members = [member('prompt', true), member('late', true), member('kubernetes', false)];
  const clock = new SimulatedClock();
  const registration = new Registration(aRegistry({ members, instances: async () => [own] }), clock);
  const after = async <T>(asked: Promise<T>): Promise<T> => {
    await clock.advance(10_000);
    return asked;
  };
  await registration.write(own);
  expect(await after(registration.confirm())).toEqual({ listed: false, count: 1 });
  lists['late'] = [own];
  expect(await after(registration.confirm())).toEqual({ listed: true, count: 1 });
  lists['kubernetes'] = [own];
  expect(await after(registration.deregister())).toEqual({ result: 'unconfirmed', listedAfter: 1 });
  Object.assign(lists, { prompt: [], late: [], kubernetes: [] });
  expect(await after(registration.deregister())).toEqual({ result: 'confirmed', listedAfter: 0 });
});

test('a registry of several that cannot be read confirms nothing', async () => {
  const own = anInstance();
  const members = [
    aRegistry({ instances: async () => [own] }),
    aRegistry({ instances: () => Promise.reject(new Error('it is down')) }),
  ];
  const registration = new Registration(aRegistry({ members }), new SimulatedClock());
  await registration.write(own);
  await expect(registration.confirm()).rejects.toThrow('it is down');
  expect(await registration.deregister()).toMatchObject({ result: 'unconfirmed', error: { message: 'it is down' } });
});

test('an entry of another writer is this instance when the address is the same', async () => {
  const own = anInstance({ port: 8_001 });
  const anonymous = { ...own, instanceId: 'pod-1', generation: 0 };
  let listed: readonly Instance[] = [anonymous, { ...anonymous, port: 8_002 }];
  const { clock, registration } = subject(() => listed);
  await registration.write(own);
  const left = registration.deregister();
  await clock.advance(10_000);
  expect(await left).toEqual({ result: 'unconfirmed', listedAfter: 2 });
  listed = listed.slice(1);
  expect(await registration.deregister()).toEqual({ result: 'confirmed', listedAfter: 1 });
});

test('an entry written after the request of a removal stays, even when an earlier write hangs', async () => {
  const asked: string[] = [];
  const hanging = Promise.withResolvers<void>();
  const own = anInstance();
  const registry = aRegistry({
    register: ({ generation }) => {
      asked.push(`register ${generation}`);
      return generation === 1 ? hanging.promise : Promise.resolve();
    },
    deregister: async () => void asked.push('deregister'),
  });
  const registration = new Registration(registry, new SimulatedClock());
  void registration.write({ ...own, generation: 1 });
  const left = registration.deregister();
  await registration.write({ ...own, generation: 2 });
  hanging.resolve();
  expect(await left).toMatchObject({ result: 'confirmed' });
  expect(asked).toEqual(['register 1', 'deregister', 'register 2']);
});

test('a list that still shows the generation before an undone offline does not confirm the new one, nor that it has left', async () => {
  const own = anInstance({ generation: 2 });
  const registry = aRegistry({ instances: async () => [{ ...own, generation: 1 }] });
  const clock = new SimulatedClock();
  const registration = new Registration(registry, clock);
  await registration.write(own);
  const confirmed = registration.confirm();
  await clock.advance(10_000);
  expect(await confirmed).toEqual({ listed: false, count: 1 });
  const left = registration.deregister();
  await clock.advance(10_000);
  expect(await left).toMatchObject({ result: 'unconfirmed' });
});

test('a deregistration reports entries of other writers at this address and does not wait for them', async () => {
  const own = anInstance({ generation: 5 });
  const foreign = { ...own, instanceId: 'shop-1', generation: 0 };
  const elsewhere = { ...foreign, instanceId: 'shop-2', port: own.port + 1 };
  const follower = { ...own, instanceId: 'next', generation: 6 };
  const registry = aRegistry({ instances: async () => [foreign, elsewhere, follower] });
  const registration = new Registration(registry, new SimulatedClock());
  await registration.write(own);
  expect(await registration.deregister()).toEqual({ result: 'confirmed', listedAfter: 3, others: ['shop-1'] });
});

test('living processes that share the address do not count as other writers', async () => {
  const own = anInstance({ generation: 5 });
  const registry = aRegistry({ instances: async () => [{ ...own, instanceId: 'sibling', generation: 4 }] });
  const registration = new Registration(registry, new SimulatedClock(), async () => false);
  await registration.write(own);
  expect(await registration.deregister()).toEqual({ result: 'confirmed', listedAfter: 1 });
});

test('an entry of another writer with this address confirms nothing', async () => {
  const own = anInstance();
  const clock = new SimulatedClock();
  const registry = aRegistry({ instances: async () => [{ ...own, instanceId: 'shop-1', generation: 0 }] });
  const registration = new Registration(registry, clock);
  await registration.write(own);
  const confirmed = registration.confirm();
  await clock.advance(10_000);
  expect(await confirmed).toMatchObject({ listed: false });
});

test.each([
  [true, ['dead']],
  [false, []],
])(
  'older entries of the plugin at this address are removed once this one is listed, when it is alone there (%s)',
  async (isAlone, expected) => {
    const own = anInstance({ generation: 5 });
    const dead = { ...own, instanceId: 'dead', generation: 4 };
    const others = [
      { ...own, instanceId: 'shop-1', generation: 0 },
      { ...dead, instanceId: 'elsewhere', host: '192.0.2.9' },
      { ...own, instanceId: 'next', generation: 6 },
    ];
    const removed: string[] = [];
    const registry = aRegistry({
      instances: async () => [dead, own, ...others],
      deregister: async ({ instanceId }) => void removed.push(instanceId),
    });
    const registration = new Registration(registry, new SimulatedClock(), async () => isAlone);
    await registration.write(own);
    expect(await registration.confirm()).toMatchObject({ listed: true });
    await new Promise(setImmediate);
    expect(removed).toEqual(expected);
  },
);

test.each(['0.0.0.0', '169.254.1.1', 'a b'])(
  'an instance that could not be called is not registered: %s',
  async (host) => {
    const registration = new Registration(aRegistry({}), new SimulatedClock());
    await expect(registration.write(anInstance({ host }))).rejects.toThrow('expected `host`');
    expect(registration.instance).toBeUndefined();
  },
);

test('an address is registered in the same form in which it is read back', async () => {
  const own = anInstance({ host: '2001:DB8:0::1' });
  const written: Instance[] = [];
  const registration = new Registration(
    aRegistry({ register: async (entry) => void written.push(entry), instances: async () => written }),
    new SimulatedClock(),
  );
  await registration.write(own);
  expect(await registration.confirm()).toMatchObject({ listed: true });
  expect(registration.instance?.host).toBe('2001:db8::1');
});
