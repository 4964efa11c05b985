import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { follow, type Round } from '../../../src/registry/follow.ts';
import type { Instance } from '../../../src/registry/registry.ts';
import { anInstance } from '../../support/an-instance.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

/** Rounds a second apart, unless another wait is named. */
async function following(once: (...of: Parameters<Round>) => Promise<void>, pauseMs = 1_000) {
  const clock = new SimulatedClock();
  const lists: (readonly Instance[])[] = [];
  const logged: string[] = [];
  const log = (_: string, message: string): void => void logged.push(message);
  const listener = (list: readonly Instance[]): void => void lists.push(list);
  const round: Round = async (...of) => {
    await once(...of);
    return pauseMs;
  };
  const ending = new AbortController();
  await follow({ context: { clock, log }, listener, what: 'the list', round }, ending.signal);
  return { clock, lists, logged, ending };
}

test('delivers the first list before it resolves, then only what differs', async () => {
  const [one, other] = [anInstance(), anInstance()];
  let current = [one];
  const { clock, lists, ending } = await following(async (deliver) => deliver(current));
  expect(lists).toEqual([[one]]);
  await clock.advance(5_000);
  expect(lists).toHaveLength(1);
  current = [one, other];
  await clock.advance(1_100);
  expect(lists).toEqual([[one], [one, other]]);
  ending.abort();
  current = [];
  await clock.advance(5_000);
  expect(lists).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('rejects when the first list cannot be read', async () => {
  await expect(following(() => Promise.reject(new Error('down')))).rejects.toThrow('down');
});

test('keeps the last list while rounds fail, asks ever more rarely, and logs both turns once', async () => {
  const instance = anInstance();
  let rounds = 0;
  let down = false;
  const { clock, lists, logged } = await following(async (deliver) => {
    rounds++;
    if (down) throw new Error('down');
    deliver([instance]);
  });
  down = true;
  await clock.advance(60_000);
  expect(lists).toEqual([[instance]]);
  expect(rounds).toBeGreaterThan(10);
  expect(rounds).toBeLessThan(25);
  down = false;
  await clock.advance(6_000);
  expect(lists).toHaveLength(1);
  expect(logged).toEqual(['the list cannot be read, the last list stays: down', 'the list can be read again']);
});

test('a thousand rounds, good or bad, leave one listener on the signal and one of the wait', async () => {
  let rounds = 0;
  const { clock, ending } = await following(async (deliver) => {
    deliver([]);
    if (++rounds % 3 === 0) throw new Error('down');
  });
  while (rounds < 1_000) await clock.advance(60_000);
  expect(getEventListeners(ending.signal, 'abort')).toHaveLength(2);
  ending.abort();
  await clock.advance(0);
  expect(getEventListeners(ending.signal, 'abort')).toHaveLength(0);
  expect(clock.pending).toBe(0);
});

test('a round that ends at once is not repeated without a pause', async () => {
  let rounds = 0;
  const { clock } = await following(async (deliver) => {
    rounds++;
    deliver([]);
  }, 0);
  await clock.advance(1_000);
  expect(rounds).toBeLessThanOrEqual(51);
});

test('long lists come less often, made when they are due, and the last one always comes', async () => {
  const instances = Array.from({ length: 5_000 }, () => anInstance({ service: 'a' }));
  let made = 0;
  let change: (count: number) => void = () => {};
  const { clock, lists, ending } = await following((deliver) => {
    change = (count) =>
      deliver(() => {
        made++;
        return instances.slice(0, count);
      });
    change(5_000);
    return new Promise(() => {});
  });
  expect(lists).toHaveLength(1);
  for (let n = 1; n <= 100; n++) {
    change(5_000 - n);
    await clock.advance(10);
  }
  expect(made).toBeLessThanOrEqual(4);
  await clock.advance(1_000);
  expect(lists.at(-1)).toHaveLength(4_900);
  expect(made).toBeLessThanOrEqual(4);
  change(4_899);
  change(1);
  ending.abort();
  await clock.advance(5_000);
  expect(lists.at(-1)).toHaveLength(4_899);
  expect(clock.pending).toBe(0);
});

test('short lists come at once', async () => {
  let change: (list: readonly Instance[]) => void = () => {};
  const { clock, lists } = await following((deliver) => {
    change = deliver;
    deliver([]);
    return new Promise(() => {});
  });
  for (let n = 1; n <= 5; n++) {
    change([anInstance()]);
    await clock.advance(1);
  }
  expect(lists).toHaveLength(6);
});

test('a list that cannot be made when it is due is a reported failure, and nothing else', async () => {
  const instances = Array.from({ length: 1_000 }, () => anInstance({ service: 'a' }));
  let change: (make: () => readonly Instance[]) => void = () => {};
  const { clock, lists, logged } = await following((deliver) => {
    change = deliver;
    deliver(instances);
    return new Promise(() => {});
  });
  change(() => {
    throw new Error('no list');
  });
  await clock.advance(1_000);
  change(() => []);
  await clock.advance(1_000);
  expect(logged).toEqual(['the list cannot be read, the last list stays: no list', 'the list can be read again']);
  expect(lists.at(-1)).toEqual([]);
});
