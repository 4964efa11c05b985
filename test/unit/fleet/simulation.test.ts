import { expect, test } from 'vitest';
import { broken } from '../../fleet/simulation/broken.ts';
import { FleetClock } from '../../fleet/simulation/clock.ts';
import { type Shape, WEATHER } from '../../fleet/simulation/fleet.ts';
import { simulate } from '../../fleet/simulation/simulate.ts';

const SHAPE: Shape = {
  seed: 1,
  instances: 80,
  services: 4,
  consumers: 60,
  consumersOfOthers: 5,
  registry: 'Nacos 3.1, push',
  perSecond: 8,
  warmupMs: 5_000,
  waits: true,
  weather: WEATHER,
};

test('timers of a fleet fire in the order of their times, and then of their making', async () => {
  const clock = new FleetClock();
  const fired: number[] = [];
  const times = [5, 1, 3, 1, 9, 2, 5];
  for (const [n, ms] of times.entries()) clock.after(ms, () => fired.push(n));
  clock.after(4, () => fired.push(-1)).cancel();
  await clock.run(8);
  expect(fired).toEqual([1, 3, 5, 2, 0, 6]);
  expect(clock.now()).toBe(8);
});

test.each([1, 2, 3])('seed %i: a whole release of a fleet keeps what is promised', async (seed) => {
  const ran = await simulate({ ...SHAPE, seed });
  expect(broken(ran)).toEqual([]);
  expect(ran.requests).toBeGreaterThan(50_000);
});

test('the same seed is the same fleet', async () => {
  const shape = { ...SHAPE, instances: 8, services: 2, consumers: 10 };
  const [one, other] = [await simulate(shape), await simulate(shape)];
  expect({ ...one, cpuS: 0, memoryMiB: 0 }).toEqual({ ...other, cpuS: 0, memoryMiB: 0 });
});

test('a consumer that is cut off is not told, and the shutdown says so', async () => {
  const weather = { ...WEATHER, cut: 0.3, cutWithinMs: 5_000 };
  const ran = await simulate({ ...SHAPE, instances: 16, services: 2, weather });
  expect(ran.results['incomplete']).toBeGreaterThan(0);
  expect(broken(ran).filter((what) => !what.startsWith('GoAways'))).toEqual([]);
});

test('a release that does not wait for a slow registry leaves consumers without another instance, and says so', async () => {
  const ran = await simulate({ ...SHAPE, instances: 8, services: 1, registry: 'Eureka', waits: false });
  expect(ran.arrivedAfterAck).toBe(0);
  // The last one serves those that have nobody else until its deadline, and its shutdown is no success.
  expect(ran.results).toEqual({ success: 7, last_instance: 1 });
  expect(ran.lost).toBeGreaterThan(0);
});
