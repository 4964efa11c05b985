import { expect, test, vi } from 'vitest';
import { Guard } from '../../src/guard.ts';
import { guardedClock } from '../../src/lifecycle/clock.ts';
import { watchedGuard } from '../support/failed-hooks.ts';
import { SimulatedClock } from '../support/simulated-clock.ts';

const spoiled = (): never => {
  throw new Error('spoiled');
};

test('an attempt steps aside when it throws, and when it rejects', async () => {
  const { guard, failed } = watchedGuard();
  expect(guard.attempt<number>('one', spoiled, () => 1)).toBe(1);
  expect(
    await guard.attempt<unknown>(
      'two',
      async () => spoiled(),
      () => 2,
    ),
  ).toBe(2);
  expect(
    await guard.attempt<unknown>(
      'three',
      async () => 3,
      () => 0,
    ),
  ).toBe(3);
  expect(failed).toEqual(['one', 'two']);
});

test('a listener leaves neither a throw nor a rejection behind, and each hook is logged once', async () => {
  const { guard, failed } = watchedGuard();
  guard.listener('sync', spoiled)();
  for (let n = 0; n < 2; n++) guard.listener('async', async () => spoiled())();
  await new Promise(setImmediate);
  expect(failed).toEqual(['sync', 'async']);
});

test('a failing log does not fail the application', () => {
  const guard = new Guard(spoiled);
  expect(guard.attempt<number>('one', spoiled, () => 1)).toBe(1);
});

test('a timer of a guarded clock leaves neither a throw nor a rejection behind', async () => {
  const { guard, failed } = watchedGuard();
  const simulated = new SimulatedClock();
  const clock = guardedClock(simulated, (fire) => guard.listener('a timer', fire));
  const fired = vi.fn();
  clock.after(1, spoiled);
  clock.after(2, async () => spoiled());
  clock.after(3, fired);
  await simulated.advance(3);
  expect(fired).toHaveBeenCalledOnce();
  expect(failed).toEqual(['a timer']);
});
