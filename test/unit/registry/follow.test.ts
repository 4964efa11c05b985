import { expect, test } from 'vitest';
import { follow } from '../../../src/registry/follow.ts';
import type { Instance } from '../../../src/registry/registry.ts';
import { anInstance } from '../../fixtures/registry/instance.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

type Round = (deliver: (list: readonly Instance[]) => void, signal: AbortSignal) => Promise<void>;

async function following(round: Round, pauseMs = 1_000) {
  const clock = new SimulatedClock();
  const lists: (readonly Instance[])[] = [];
  const logged: string[] = [];
  const log = (_: string, message: string): void => void logged.push(message);
  const listener = (list: readonly Instance[]): void => void lists.push(list);
  const watch = await follow({ context: { clock, log }, listener, what: 'the list', round, pauseMs });
  return { clock, lists, logged, watch };
}

test('delivers the first list before it resolves, then only what differs', async () => {
  const [one, other] = [anInstance(), anInstance()];
  let current = [one];
  const { clock, lists, watch } = await following(async (deliver) => deliver(current));
  expect(lists).toEqual([[one]]);
  await clock.advance(5_000);
  expect(lists).toHaveLength(1);
  current = [one, other];
  await clock.advance(1_100);
  expect(lists).toEqual([[one], [one, other]]);
  watch.stop();
  current = [];
  await clock.advance(5_000);
  expect(lists).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('rejects when the first list cannot be read', async () => {
  await expect(following(() => Promise.reject(new Error('down')))).rejects.toThrow('down');
});

test('keeps the last list while rounds fail, asks ever more rarely, and says both turns once', async () => {
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

test('a round that ends at once is not repeated without a pause', async () => {
  let rounds = 0;
  const { clock } = await following(async (deliver) => {
    rounds++;
    deliver([]);
  }, 0);
  await clock.advance(1_000);
  expect(rounds).toBeLessThanOrEqual(51);
});
