import { expect, test } from 'vitest';
import { broken } from '../../fleet/simulation/broken.ts';
import { FleetClock } from '../../fleet/simulation/clock.ts';
import { AXES, along, COSTS, exponentOf } from '../../fleet/simulation/costs.ts';
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

/** What differs from run to run. */
const MEASURED = { releaseS: 0, workS: 0, minuteS: 0, memoryMiB: 0, mostMiB: 0 };

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

test.each([1, 2, 3])('seed %i: a whole release of a fleet breaks no rule', async (seed) => {
  const ran = await simulate({ ...SHAPE, seed });
  expect(broken(ran)).toEqual([]);
  expect(ran.requests).toBeGreaterThan(50_000);
});

test('the same seed is the same fleet', async () => {
  const shape = { ...SHAPE, instances: 8, services: 2, consumers: 10 };
  const [one, other] = [await simulate(shape), await simulate(shape)];
  expect({ ...one, ...MEASURED }).toEqual({ ...other, ...MEASURED });
});

test('a consumer that is cut off for longer than the hold time gets no GoAway, and the shutdown says so', async () => {
  const weather = { ...WEATHER, cut: 0.3, cutMs: 30_000, cutWithinMs: 5_000 };
  const ran = await simulate({ ...SHAPE, instances: 16, services: 2, weather });
  expect(ran.results['incomplete']).toBeGreaterThan(0);
  expect(broken(ran).filter((what) => !what.startsWith('GoAways'))).toEqual([]);
});

test('a consumer that is cut off for a shorter time gets its GoAway late', async () => {
  const weather = { ...WEATHER, cut: 0.3, cutMs: 4_000, cutWithinMs: 5_000 };
  const ran = await simulate({ ...SHAPE, instances: 16, services: 2, weather });
  expect(ran.results).toEqual({ success: 16 });
  expect(broken(ran).filter((what) => !what.startsWith('GoAways'))).toEqual([]);
});

test('a release that does not wait for a slow registry leaves consumers without another instance, and says so', async () => {
  const ran = await simulate({ ...SHAPE, instances: 8, services: 1, registry: 'Eureka', waits: false });
  expect(ran.arrivedAfterAck).toBe(0);
  // The last batch serves consumers without another instance until its deadline, and neither shutdown is a success.
  const { last_instance: last, success, ...others } = ran.results;
  expect(success).toBe(6);
  expect(last).toBeGreaterThan(0);
  expect(Object.keys(others).filter((result) => result !== 'timeout')).toEqual([]);
  expect(ran.lost).toBeGreaterThan(0);
});

test('what grows with the square of the instances has the exponent two, and what does not grow has none', async () => {
  const one = await simulate({ ...SHAPE, instances: 8, services: 2, consumers: 5 });
  const runs = [100, 10, 1_000].map((instances) => ({
    ...one,
    shape: { ...one.shape, instances },
    spans: instances ** 2,
  }));
  const unlike = { ...one, shape: { ...one.shape, instances: 7, seed: 2 } };
  expect(along(AXES.instances, [unlike, ...runs])).toEqual(runs);
  const exponents = COSTS.map((cost) => [cost.name, exponentOf(cost, AXES.instances, [unlike, ...runs])]);
  expect(Object.fromEntries(exponents)).toMatchObject({
    spans: expect.closeTo(2),
    series: expect.closeTo(0),
    calls: expect.closeTo(0),
  });
  expect(COSTS.map((cost) => exponentOf(cost, AXES.consumers, runs))).toEqual(COSTS.map(() => undefined));
});
