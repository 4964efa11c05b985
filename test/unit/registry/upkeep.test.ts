import { expect, test } from 'vitest';
import type { Instance } from '../../../src/registry/registry.ts';
import { Upkeep } from '../../../src/registry/upkeep.ts';
import { anInstance } from '../../support/an-instance.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

/** A registry whose calls take 100 ms and can fail; it notes when each begins and ends. */
function subject() {
  const clock = new SimulatedClock();
  const calls: string[] = [];
  const logged: string[] = [];
  const broken = new Set<string>();
  const call = (name: string) => async (_: Instance) => {
    calls.push(name);
    await new Promise<void>((resolve) => clock.after(100, resolve));
    if (broken.has(name)) throw new Error(`${name} is broken`);
    calls.push(`${name} done`);
  };
  const upkeep = new Upkeep({
    context: { clock, log: (_, message) => void logged.push(message) },
    store: { write: call('write'), beat: call('beat'), remove: call('remove') },
    beatMs: 5_000,
  });
  return { clock, calls, logged, broken, upkeep };
}

test('sends heartbeats until the removal', async () => {
  const { clock, calls, upkeep } = subject();
  const instance = anInstance();
  void upkeep.register(instance);
  await clock.advance(17_000);
  expect(calls).toEqual(['write', 'write done', ...Array.from({ length: 3 }, () => ['beat', 'beat done']).flat()]);
  void upkeep.deregister(instance);
  await clock.advance(60_000);
  expect(calls.slice(8)).toEqual(['remove', 'remove done']);
  expect(clock.pending).toBe(0);
});

test('a step of the wall clock moves no heartbeat', async () => {
  const { clock, calls, upkeep } = subject();
  void upkeep.register(anInstance());
  for (const ms of [3_600_000, -7_200_000, 86_400_000]) {
    clock.stepWall(ms);
    await clock.advance(5_600);
  }
  expect(calls.filter((name) => name === 'beat')).toHaveLength(3);
});

test('R28: a removal awaits the write and the heartbeat in flight, and none follows', async () => {
  const { clock, calls, upkeep } = subject();
  const instance = anInstance();
  void upkeep.register(instance);
  await clock.advance(0);
  void upkeep.deregister(instance);
  void upkeep.register(instance);
  await clock.advance(300);
  expect(calls).toEqual(['write', 'write done', 'remove', 'remove done', 'write', 'write done']);
  while (calls.at(-1) !== 'beat') await clock.advance(10);
  void upkeep.deregister(instance);
  await clock.advance(30_000);
  expect(calls.slice(6)).toEqual(['beat', 'beat done', 'remove', 'remove done']);
});

test('a write learns which entry in use it replaces', async () => {
  const formers: (Instance | undefined)[] = [];
  const upkeep = new Upkeep({
    context: { clock: new SimulatedClock(), log: () => {} },
    store: {
      write: async (_, former) => void formers.push(former),
      beat: async () => {},
      remove: async () => {},
    },
    beatMs: 5_000,
  });
  const instance = anInstance();
  const heavier = { ...instance, weight: 55 };
  await upkeep.register(instance);
  await upkeep.register(heavier);
  await upkeep.register(heavier);
  await upkeep.deregister(heavier);
  await upkeep.register(instance);
  await upkeep.close();
  expect(formers).toEqual([undefined, instance, heavier, undefined]);
});

test('a failing heartbeat is logged once and repeated soon', async () => {
  const { clock, calls, logged, broken, upkeep } = subject();
  void upkeep.register(anInstance({ instanceId: 'one' }));
  broken.add('beat');
  await clock.advance(15_000);
  expect(calls.filter((name) => name === 'beat').length).toBeGreaterThan(7);
  broken.clear();
  await clock.advance(2_000);
  expect(logged).toEqual([
    'the entry of one cannot be kept alive: beat is broken',
    'the entry of one is kept alive again',
  ]);
});

test('a removal is tried three times, and its failure is thrown', async () => {
  const { clock, calls, broken, upkeep } = subject();
  broken.add('remove');
  const removed = upkeep.deregister(anInstance()).catch((error: Error) => error.message);
  await clock.advance(5_000);
  expect(await removed).toBe('remove is broken');
  expect(calls).toEqual(['remove', 'remove', 'remove']);
});

test('an entry whose write failed gets no heartbeat', async () => {
  const { clock, calls, broken, upkeep } = subject();
  broken.add('write');
  const written = upkeep.register(anInstance()).catch((error: Error) => error.message);
  await clock.advance(60_000);
  expect(await written).toBe('write is broken');
  expect(calls).toEqual(['write']);
});

test('closing ends heartbeats and awaits the one in flight', async () => {
  const { clock, calls, upkeep } = subject();
  void upkeep.register(anInstance());
  while (calls.at(-1) !== 'beat') await clock.advance(10);
  let closed = false;
  void upkeep.close().then(() => {
    closed = true;
  });
  await clock.advance(10);
  expect(closed).toBe(false);
  await clock.advance(60_000);
  expect(closed).toBe(true);
  expect(calls.slice(2)).toEqual(['beat', 'beat done']);
});
