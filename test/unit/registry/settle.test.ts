import { expect, test } from 'vitest';
import { settle } from '../../../src/registry/settle.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

test('looks until the list shows the instance, and gives up after a while', async () => {
  const clock = new SimulatedClock();
  let looks = 0;
  const shown = settle(clock, async () => ++looks === 3);
  await clock.advance(2_000);
  await shown;
  expect(looks).toBe(3);
  const never = settle(clock, async () => ++looks < 0);
  await clock.advance(2_000);
  await never;
  expect(looks).toBe(11);
});

test('a list that cannot be read ends it: each look may take as long as a call', async () => {
  let looks = 0;
  await settle(new SimulatedClock(), () => {
    looks++;
    return Promise.reject(new Error('no answer within 3000 ms'));
  });
  expect(looks).toBe(1);
});
