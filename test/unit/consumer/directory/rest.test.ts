import { expect, test } from 'vitest';
import { Quarantine } from '../../../../src/consumer/directory/quarantine.ts';
import { Service } from '../../../../src/consumer/directory/service.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const of = (instanceId: string): Instance =>
  anInstance({ service: 's', instanceId, port: instanceId.charCodeAt(0), registeredAt: 0 });

function setUp(ids: readonly string[]) {
  const clock = new SimulatedClock();
  const service = new Service('s', {
    guard: watchedGuard().guard,
    clock,
    quarantine: new Quarantine(clock, () => {}),
    warmup: { ms: 0, curve: 2 },
  });
  service.apply(ids.map(of));
  const endpoint = (id: string) => service.at(of(id))[0] as NonNullable<ReturnType<Service['pick']>>;
  const picks = (count: number): string =>
    Array.from({ length: count }, () => service.pick()?.instance.instanceId).join('');
  return { clock, service, endpoint, picks };
}

test('one request at a time tries an instance that rested; each failure makes the rest longer, a success ends it', async () => {
  const { clock, service, endpoint, picks } = setUp(['a', 'b']);
  const tried: number[] = [];
  service.rest(endpoint('a'));
  for (let second = 1; second <= 60; second++) {
    await clock.advance(1_000);
    const probes = picks(20).replaceAll('b', '').length;
    expect(probes).toBeLessThanOrEqual(1);
    if (probes === 0) continue;
    tried.push(second);
    service.rest(endpoint('a'));
  }
  // 1, 1.6, 2.6, 4.1, 6.6, 10.5, 16.8 s, each up to a fifth shorter and seen at whole seconds.
  expect(tried.length).toBeGreaterThanOrEqual(5);
  expect(tried.length).toBeLessThanOrEqual(8);
  const waits = tried.slice(1).map((at, n) => at - (tried[n] as number));
  expect(waits.at(-1)).toBeGreaterThan(waits[0] as number);
  service.reached(endpoint('a'));
  expect(picks(20).replaceAll('b', '')).toHaveLength(10);
  service.rest(endpoint('a'));
  await clock.advance(1_000);
  expect(picks(20).replaceAll('b', '')).toHaveLength(1);
});

test('requests that fail together make one rest', async () => {
  const { clock, service, endpoint, picks } = setUp(['a', 'b']);
  for (let n = 0; n < 50; n++) service.rest(endpoint('a'));
  await clock.advance(1_000);
  expect(picks(20)).toContain('a');
});

test('a request without an outcome is followed by another try', async () => {
  const { clock, service, endpoint, picks } = setUp(['a', 'b']);
  service.rest(endpoint('a'));
  await clock.advance(1_000);
  expect(picks(20).replaceAll('b', '')).toHaveLength(1);
  await clock.advance(1_000);
  expect(picks(20).replaceAll('b', '')).toHaveLength(1);
});

test('when all rest, requests still go to all, and none counts as an alternative', () => {
  const { service, endpoint, picks } = setUp(['a', 'b']);
  expect(service.hasOther(endpoint('a'))).toBe(true);
  for (const id of ['a', 'b']) service.rest(endpoint(id));
  expect([...new Set(picks(10))].sort()).toEqual(['a', 'b']);
  expect(service.hasOther(endpoint('a'))).toBe(false);
});
