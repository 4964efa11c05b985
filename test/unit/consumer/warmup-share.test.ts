import { describe, expect, test } from 'vitest';
import { Quarantine } from '../../../src/consumer/directory/quarantine.ts';
import { Service } from '../../../src/consumer/directory/service.ts';
import { warmupShare } from '../../../src/lifecycle/warmup.ts';
import type { Instance } from '../../../src/registry/registry.ts';
import { anInstance } from '../../support/an-instance.ts';
import { watchedGuard } from '../../support/failed-hooks.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const WARMUP = { ms: 120_000, curve: 2 } as const;

/** Requests of one bucket of 10 s, at 100 a second. */
const BUCKET = 1_000;
const STEP_MS = 10;

function consumer(clock: SimulatedClock): Service {
  const quarantine: Quarantine = new Quarantine(clock, () => service.invalidate());
  const service = new Service('service-b', { clock, guard: watchedGuard().guard, quarantine, warmup: WARMUP });
  return service;
}

function instances(clock: SimulatedClock, count: number, kind: 'warm' | 'new', skewMs = 0): readonly Instance[] {
  return Array.from({ length: count }, (_, n) =>
    anInstance({
      service: 'service-b',
      instanceId: `${kind}-${n}`,
      port: (kind === 'warm' ? 1_000 : 2_000) + n,
      registeredAt: clock.wall() + skewMs - (kind === 'warm' ? 3_600_000 : 0),
    }),
  );
}

/** Sends one bucket of requests. @returns the part that went to new instances, and what the formula says for that time */
function bucket(clock: SimulatedClock, service: Service, warm: number, warming: number, sinceMs: number) {
  const isSkipped = warming * 2 >= warm + warming;
  let sent = 0;
  let expected = 0;
  for (let n = 0; n < BUCKET; n++) {
    const share = isSkipped ? 1 : warmupShare(clock.now() - sinceMs, WARMUP);
    expected += (warming * share) / (warm + warming * share);
    if (service.pick()?.instance.instanceId.startsWith('new')) sent++;
    clock.pass(STEP_MS);
  }
  return { measured: sent / BUCKET, expected: expected / BUCKET };
}

const CASES = [1, 2, 5].flatMap((warming) =>
  Array.from({ length: 9 }, (_, n) => n + 2)
    .filter((total) => total >= warming)
    .map((total) => [warming, total] as const),
);

describe('the measured share of every 10 s is within 10 % of the formula', () => {
  test.each(CASES)('%i warming of %i', (warming, total) => {
    const clock = new SimulatedClock();
    const service = consumer(clock);
    const warm = instances(clock, total - warming, 'warm');
    service.apply(warm);
    service.apply([...warm, ...instances(clock, warming, 'new')]);
    const since = clock.now();
    for (let n = 0; n < 13; n++) {
      const { measured, expected } = bucket(clock, service, total - warming, warming, since);
      expect(Math.abs(measured - expected), `bucket ${n}`).toBeLessThanOrEqual(expected * 0.1 + 1 / BUCKET);
    }
  });

  test.each([-300_000, 300_000])('R30: the clock of the new instance is %i ms off', (skewMs) => {
    const clock = new SimulatedClock();
    const service = consumer(clock);
    const warm = instances(clock, 3, 'warm', skewMs);
    service.apply(warm);
    service.apply([...warm, ...instances(clock, 1, 'new', skewMs)]);
    const since = clock.now();
    for (let n = 0; n < 13; n++) {
      const { measured, expected } = bucket(clock, service, 3, 1, since);
      expect(Math.abs(measured - expected), `bucket ${n}`).toBeLessThanOrEqual(expected * 0.1 + 1 / BUCKET);
    }
  });
});

test('a consumer that starts in the middle, or learns late, sends the same share', () => {
  const clock = new SimulatedClock();
  const warm = instances(clock, 3, 'warm');
  const fresh = instances(clock, 1, 'new');
  const since = clock.now();
  const late = consumer(clock);
  late.apply(warm);
  clock.pass(30_000);
  late.apply([...warm, ...fresh]);
  clock.pass(30_000);
  const started = consumer(clock);
  started.apply([...warm, ...fresh]);
  for (const service of [late, started]) {
    const { measured, expected } = bucket(clock, service, 3, 1, since);
    expect(Math.abs(measured - expected)).toBeLessThanOrEqual(expected * 0.1 + 1 / BUCKET);
  }
});
