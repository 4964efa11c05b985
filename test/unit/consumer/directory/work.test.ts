import { afterEach, expect, test, vi } from 'vitest';
import { Consumer } from '../../../../src/consumer/consumer.ts';
import { Endpoint } from '../../../../src/consumer/directory/endpoint.ts';
import { Quarantine } from '../../../../src/consumer/directory/quarantine.ts';
import type { Service } from '../../../../src/consumer/directory/service.ts';
import { hostPort } from '../../../../src/protocol/host-port.ts';
import type { Instance, Listener, Registry } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

afterEach(() => vi.restoreAllMocks());

const SIZE = 100;
const instances = Array.from({ length: SIZE }, (_, n) =>
  anInstance({ service: 'shop', instanceId: `i${n}`, generation: 1, host: `192.0.2.${n}` }),
);
const first = instances[0] as Instance;

/** A consumer that follows a service of a hundred instances, and how often it chose anew. */
async function subject() {
  const clock = new SimulatedClock();
  let listed: readonly Instance[] = instances;
  let listener: Listener = () => {};
  const registry = {
    // As a registry reads them: the same facts, in objects that are new each time.
    instances: async () => structuredClone(listed),
    watch: async (_: string, listen: Listener) => {
      listener = listen;
      listen(structuredClone(listed));
      return () => {};
    },
  } as unknown as Registry;
  const consumer = new Consumer({
    registry,
    clock,
    log: () => {},
    services: [],
    warmupMs: 0,
    header: async () => undefined,
  });
  const service = (await consumer.route('http://shop')) as Service;
  let choices = 0;
  service.follow(() => choices++);
  return {
    clock,
    service,
    choices: () => choices,
    show: (next: readonly Instance[]): void => {
      listed = next;
      listener(structuredClone(next));
    },
    leave: (instance: Instance) =>
      consumer.goAway({ provider: { ...instance, address: hostPort(instance) }, expiresInMs: 30_000 }),
  };
}

test('a GoAway chooses anew once: the list that is read then says nothing new', async () => {
  const { choices, leave } = await subject();
  expect(await leave(first).refreshed).toMatchObject({ result: 'stale' });
  expect(choices()).toBe(1);
});

test('changes without a call between them make the next call choose once', async () => {
  const { choices, leave, service } = await subject();
  service.pick();
  const takes = vi.spyOn(Endpoint.prototype, 'takes');
  for (const instance of instances.slice(0, SIZE / 2)) leave(instance);
  expect(choices()).toBe(SIZE / 2);
  const asked = takes.mock.calls.length;
  const picked = [service.pick(), service.pick()].map((endpoint) => endpoint?.instance.instanceId);
  expect(instances.slice(SIZE / 2).map(({ instanceId }) => instanceId)).toEqual(expect.arrayContaining(picked));
  expect(takes.mock.calls.length - asked).toBe(SIZE / 2);
});

test('the status is true although no call came since the GoAway', async () => {
  const { leave, service } = await subject();
  service.pick();
  leave(first);
  const shares = service.status().instances.map(({ share }) => share);
  expect(shares).toEqual([0, ...Array.from({ length: SIZE - 1 }, () => 1 / (SIZE - 1))]);
});

test('when another instance appears, connections to isolated ones are closed before a call comes', async () => {
  const { leave, service, show } = await subject();
  show([first]);
  leave(first);
  const used = service.pick()?.connections;
  expect(service.status().panicPicks).toBe(1);
  expect(used?.closed).toBe(false);
  show(instances.slice(0, 2));
  expect(used?.closed).toBe(true);
});

test('an unchanged list still closes connections that were opened to an isolated instance', async () => {
  const { leave, service, show } = await subject();
  const [endpoint] = service.at(first);
  leave(first);
  const late = endpoint?.connections;
  expect(late?.closed).toBe(false);
  show(instances);
  expect(late?.closed).toBe(true);
});

test('a fact that changes is news, and so is an instance that comes back', async () => {
  const { choices, service, show } = await subject();
  show([{ ...first, weight: 7 }, ...instances.slice(1)]);
  expect(service.at(first)[0]?.instance.weight).toBe(7);
  show(instances.slice(1));
  show(instances);
  expect(choices()).toBe(3);
  expect(service.addresses).toHaveLength(SIZE);
});

test('an isolation that is over chooses anew only while its address is listed', async () => {
  const { choices, clock, leave, service, show } = await subject();
  await leave(first).refreshed;
  await leave(instances[1] as Instance).refreshed;
  show(instances.slice(1));
  const before = choices();
  clock.pass(30_000);
  expect(choices()).toBe(before + 1);
  expect(service.addresses).toHaveLength(SIZE - 1);
});

test('a GoAway looks up the isolations of a service once', async () => {
  const { leave } = await subject();
  const has = vi.spyOn(Quarantine.prototype, 'has');
  await leave(first).refreshed;
  // Those of the one that leaves are asked for beside it.
  expect(has.mock.calls.length).toBeLessThan(SIZE + 10);
});

test('a choice looks at a worse group only when the better one is empty', async () => {
  const { service } = await subject();
  const takes = vi.spyOn(Endpoint.prototype, 'takes');
  service.pick();
  expect(takes).toHaveBeenCalledTimes(SIZE);
});
