import { expect, test } from 'vitest';
import { within } from '../../../src/lifecycle/within.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const never = new Promise<never>(() => {});

test('work in time has its own outcome, and leaves no timer', async () => {
  const clock = new SimulatedClock();
  expect(await within(clock, 10, Promise.resolve('done'), () => 'late')).toBe('done');
  await expect(within(clock, 10, Promise.reject(new Error('failed')), () => 'late')).rejects.toThrow('failed');
  expect(clock.pending).toBe(0);
});

test('late work gets the given outcome: a value, or an error', async () => {
  const clock = new SimulatedClock();
  const late = within(clock, 10, never, () => 'late');
  const failed = within(clock, 10, never, () => {
    throw new Error('too late');
  });
  const rejected = expect(failed).rejects.toThrow('too late');
  await clock.advance(10);
  expect(await late).toBe('late');
  await rejected;
});

test('a failure of work after its time has no effect', async () => {
  const clock = new SimulatedClock();
  const work = Promise.withResolvers<never>();
  const late = within(clock, 10, work.promise, () => 'late');
  await clock.advance(10);
  expect(await late).toBe('late');
  work.reject(new Error('afterwards'));
  await clock.advance(10);
});
