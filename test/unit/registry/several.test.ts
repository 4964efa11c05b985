import { afterEach, expect, test } from 'vitest';
import { openRegistries, openRegistry } from '../../../src/registry/open.ts';
import type { Instance, Registry } from '../../../src/registry/registry.ts';
import { severalRegistries } from '../../../src/registry/several.ts';
import { anInstance, aServiceName } from '../../support/an-instance.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const clock = new SimulatedClock();
const logged: string[] = [];
const context = { clock, log: (_: string, message: string) => void logged.push(message) };
const opened: Registry[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((registry) => registry.close()));
  logged.length = 0;
});

/** Two registries and the two as one; the first can be broken. */
async function subject() {
  const urls = [new URL(`memory:${aServiceName()}`), new URL(`memory:${aServiceName()}`)];
  const [old, next] = await Promise.all(urls.map((url) => openRegistry(url, context)));
  if (old === undefined || next === undefined) throw new Error('not opened');
  const state = { broken: false };
  const guard =
    <A extends unknown[], R>(call: (...given: A) => Promise<R>) =>
    (...given: A): Promise<R> =>
      state.broken ? Promise.reject(new Error('the old one is down')) : call(...given);
  const fragile: Registry = {
    type: old.type,
    address: old.address,
    capabilities: old.capabilities,
    register: guard((instance) => old.register(instance)),
    deregister: guard((instance) => old.deregister(instance)),
    instances: guard((service) => old.instances(service)),
    watch: guard((service, listener) => old.watch(service, listener)),
    close: () => old.close(),
  };
  const both = severalRegistries([fragile, next], context);
  opened.push(old, next, both);
  return { old, next, both, fragile, state };
}

test('a list of URLs opens as one', async () => {
  const both = await openRegistries([new URL('memory:a'), new URL('memory:b')], context);
  expect(both).toMatchObject({ type: 'memory,memory', address: 'a,b', capabilities: { push: true, expires: false } });
});

test('registers in all and deregisters from all', async () => {
  const { old, next, both } = await subject();
  const instance = anInstance();
  await both.register(instance);
  expect(await old.instances(instance.service)).toEqual([instance]);
  expect(await next.instances(instance.service)).toEqual([instance]);
  expect(await both.instances(instance.service)).toEqual([instance]);
  await both.deregister(instance);
  expect(await old.instances(instance.service)).toEqual([]);
  expect(await next.instances(instance.service)).toEqual([]);
});

test('an entry is merged by its address: the newest generation, then the registry that is named first', async () => {
  const { old, next, both } = await subject();
  const { service, ...older } = anInstance({ instanceId: 'b', port: 1, generation: 5 });
  const newer: Instance = { ...older, service, instanceId: 'a', generation: 6 };
  const [first, second] = [anInstance({ service, instanceId: 'c', port: 2 }), anInstance({ service, port: 2 })];
  await old.register({ ...older, service });
  await next.register(newer);
  await old.register(first);
  await next.register({ ...second, generation: first.generation });
  expect(await both.instances(service)).toEqual([newer, first]);
});

test('one failure fails a registration and a deregistration, and the others are done', async () => {
  const { next, both, state } = await subject();
  const instance = anInstance();
  await both.register(instance);
  state.broken = true;
  await expect(both.deregister(instance)).rejects.toThrow('the old one is down');
  expect(await next.instances(instance.service)).toEqual([]);
  await expect(both.register(instance)).rejects.toThrow('the old one is down');
  expect(await next.instances(instance.service)).toEqual([instance]);
});

test('a watch merges; the last list of a registry that is down stays, also for reads', async () => {
  const { old, next, both, state } = await subject();
  const [one, other] = [anInstance({ instanceId: 'a' }), anInstance({ instanceId: 'b', port: 81 })];
  const moved = { ...other, service: one.service };
  await old.register(one);
  const lists: (readonly Instance[])[] = [];
  const stop = await both.watch(one.service, (list) => void lists.push(list));
  expect(lists).toEqual([[one]]);
  await next.register(moved);
  await next.register(one);
  expect(lists).toEqual([[one], [one, moved]]);
  state.broken = true;
  expect(await both.instances(one.service)).toEqual([one, moved]);
  stop();
  await next.deregister(moved);
  expect(lists).toHaveLength(2);
});

test('a watch begins with the registries that answer, and goes on with the others when they do', async () => {
  const { old, next, both, state } = await subject();
  const [one, other] = [anInstance({ instanceId: 'a' }), anInstance({ instanceId: 'b', port: 81 })];
  await old.register(one);
  await next.register({ ...other, service: one.service });
  state.broken = true;
  const lists: (readonly Instance[])[] = [];
  await both.watch(one.service, (list) => void lists.push(list));
  expect(lists.map((list) => list.map(({ instanceId }) => instanceId))).toEqual([['b']]);
  expect(logged).toEqual([`${one.service} is read from the other registries: the old one is down`]);
  await clock.advance(5_000);
  state.broken = false;
  // Waits grow from 2 s, so the next try comes within 8 s.
  await clock.advance(8_000);
  expect(lists.at(-1)?.map(({ instanceId }) => instanceId)).toEqual(['a', 'b']);
});

test('a watch that no registry answers is refused', async () => {
  const { fragile, state } = await subject();
  state.broken = true;
  const both = severalRegistries([fragile, fragile], context);
  await expect(both.watch('a', () => {})).rejects.toThrow('the old one is down');
  await expect(both.instances('a')).rejects.toThrow('the old one is down');
});
