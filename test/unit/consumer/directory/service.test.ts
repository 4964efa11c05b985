import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../../src/consumer/directory/endpoint.ts';
import { Quarantine } from '../../../../src/consumer/directory/quarantine.ts';
import { Service } from '../../../../src/consumer/directory/service.ts';
import { warmupShare } from '../../../../src/lifecycle/warmup.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

function setUp(
  warmupMs = 0,
  zone?: string,
): {
  clock: SimulatedClock;
  quarantine: Quarantine;
  service: Service;
  of: (id: string, some?: Partial<Instance>) => Instance;
} {
  const clock = new SimulatedClock();
  const quarantine: Quarantine = new Quarantine(clock, () => service.invalidate());
  const service = new Service('service-b', {
    clock,
    guard: watchedGuard().guard,
    quarantine,
    warmup: { ms: warmupMs, curve: 2 },
    zone,
  });
  const of = (instanceId: string, some: Partial<Instance> = {}): Instance =>
    anInstance({
      service: 'service-b',
      instanceId,
      generation: 1,
      port: 1_000 + instanceId.charCodeAt(0),
      registeredAt: clock.wall() - 3_600_000,
      ...some,
    });
  return { clock, quarantine, service, of };
}

function count(service: Service, times: number): Record<string, number> {
  const by: Record<string, number> = {};
  for (let n = 0; n < times; n++) {
    const { instanceId } = (service.pick() as Endpoint).instance;
    by[instanceId] = (by[instanceId] ?? 0) + 1;
  }
  return by;
}

describe('an instance with several ports', () => {
  const HTTP = { protocol: 'http', port: 8080, secure: false } as const;
  const GRPC = { protocol: 'grpc', port: 9090, secure: true } as const;

  test('takes HTTP requests at its HTTP port, even when another port is the main one', () => {
    const { service, of } = setUp();
    service.apply([of('a', { port: 9090, scheme: 'https', endpoints: [GRPC, HTTP] })]);
    expect(service.pick()).toMatchObject({ target: { port: 8080 }, address: '127.0.0.1:9090' });
    expect(service.refusal).toBeUndefined();
  });

  test('that speaks gRPC alone is skipped by requests of HTTP, and not by calls of gRPC', () => {
    const { service, of } = setUp();
    service.apply([of('a', { port: 9090, endpoints: [GRPC] }), of('b', { endpoints: [HTTP] })]);
    expect(count(service, 10)).toEqual({ b: 10 });
    expect(service.preferredFor('grpc').map(({ instance }) => instance.instanceId)).toEqual(['a']);
    service.apply([of('a', { port: 9090, endpoints: [GRPC] })]);
    // It leaves, and serves until it is gone.
    expect(count(service, 5)).toEqual({ b: 5 });
    service.rest(service.pick() as Endpoint);
    expect(service.pick()).toBeUndefined();
    expect(service.refusal).toMatchObject({ code: 'LOSSLESS_GRPC_ALONE' });
    service.apply([of('a', { port: 9090, endpoints: [GRPC, HTTP] })]);
    expect(service.refusal).toBeUndefined();
    expect(service.pick()).toMatchObject({ target: { port: 8080 } });
  });
});

describe('pick', () => {
  test('follows the weights exactly over a full round, and spreads them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }), (weights) => {
        const { service, of } = setUp();
        service.apply(weights.map((weight, n) => of(String.fromCharCode(97 + n), { weight })));
        const round = weights.reduce((sum, weight) => sum + weight, 0);
        const by = count(service, round * 20);
        for (const [n, weight] of weights.entries())
          expect(Math.abs((by[String.fromCharCode(97 + n)] ?? 0) - weight * 20)).toBeLessThanOrEqual(
            100 / weight + weights.length,
          );
      }),
      { numRuns: 30 },
    );
  });

  test('equal weights take turns', () => {
    const { service, of } = setUp();
    service.apply([of('a'), of('b'), of('c')]);
    const picks = Array.from({ length: 30 }, () => service.pick()?.instance.instanceId);
    for (let n = 3; n < 30; n++) expect(new Set(picks.slice(n, n + 3)).size).toBe(Math.min(3, 30 - n));
  });

  test.each([1, 0.01, 100])('instances of weight %d take turns from the first request on', (weight) => {
    for (let n = 0; n < 50; n++) {
      const { service, of } = setUp();
      service.apply([of('a', { weight }), of('b', { weight })]);
      const picks = Array.from({ length: 30 }, () => service.pick()?.instance.instanceId).join('');
      expect(picks).not.toMatch(/aaa|bbb/);
    }
  });

  test('weight 0 takes nothing unless there is no other instance', () => {
    const { service, quarantine, of } = setUp();
    service.apply([of('a'), of('b', { weight: 0 })]);
    expect(count(service, 20)).toEqual({ a: 20 });
    quarantine.add(of('a'), 30_000);
    service.invalidate();
    expect(count(service, 20)).toEqual({ b: 20 });
    expect(service.status().panicPicks).toBe(0);
  });

  test('an instance that refused rests for a second, and is used again', () => {
    const { service, clock, of } = setUp();
    service.apply([of('a'), of('b')]);
    service.rest(service.pick() as Endpoint);
    expect(Object.keys(count(service, 20))).toHaveLength(1);
    clock.pass(1_000);
    expect(Object.keys(count(service, 20))).toHaveLength(2);
  });

  test('instances that refused this request are not tried again; isolated ones come last', () => {
    const { service, quarantine, of } = setUp();
    service.apply([of('a'), of('b'), of('c')]);
    quarantine.add(of('c'), 30_000);
    service.invalidate();
    const tried = new Set<Endpoint>();
    const order: string[] = [];
    for (let next = service.pick(tried); next !== undefined; next = service.pick(tried)) {
      tried.add(next);
      order.push(next.instance.instanceId);
    }
    expect(order.slice(0, 2).sort()).toEqual(['a', 'b']);
    expect(order[2]).toBe('c');
    expect(order).toHaveLength(3);
  });
});

describe('zones', () => {
  const near = { metadata: { zone: 'eu-1' } };
  const far = { metadata: { zone: 'eu-2' } };

  test('instances of the same zone go first; without one that can take requests, all others', () => {
    const { service, quarantine, clock, of } = setUp(0, 'eu-1');
    service.apply([of('a', near), of('b', near), of('c', far), of('d')]);
    expect(count(service, 20)).toEqual({ a: 10, b: 10 });
    expect(service.preferred.map(({ instance }) => instance.instanceId)).toEqual(['a', 'b']);
    service.rest(service.pick() as Endpoint);
    service.rest(service.pick() as Endpoint);
    expect(count(service, 20)).toEqual({ c: 10, d: 10 });
    clock.pass(1_000);
    for (const id of ['a', 'b']) quarantine.add(of(id), 30_000);
    service.invalidate();
    expect(count(service, 20)).toEqual({ c: 10, d: 10 });
    expect(service.status().panicPicks).toBe(0);
    service.apply([of('c', far), of('e', near)]);
    expect(count(service, 20)).toEqual({ e: 20 });
  });

  test('a request that they refused goes elsewhere', () => {
    const { service, of } = setUp(0, 'eu-1');
    service.apply([of('c', far), of('a', near)]);
    const first = service.pick() as Endpoint;
    expect(first.instance.instanceId).toBe('a');
    expect(service.pick(new Set([first]))?.instance.instanceId).toBe('c');
  });

  test('the only one of the zone is tried again beside the others', () => {
    const { service, clock, of } = setUp(0, 'eu-1');
    service.apply([of('a', near), of('c', far), of('d', far)]);
    service.rest(service.pick() as Endpoint);
    clock.pass(1_000);
    const ids = (): string[] => service.preferredFor('grpc').map(({ instance }) => instance.instanceId);
    expect(ids().toSorted()).toEqual(['a', 'c', 'd']);
    // One request tries it.
    expect(count(service, 30)['a']).toBe(1);
    expect(ids().toSorted()).toEqual(['c', 'd']);
    clock.pass(1_000);
    for (const endpoint of service.at(of('a'))) service.reached(endpoint);
    expect(ids()).toEqual(['a']);
  });

  test('a consumer without a zone takes all alike', () => {
    const { service, of } = setUp();
    service.apply([of('a', near), of('b', far), of('c')]);
    expect(count(service, 30)).toEqual({ a: 10, b: 10, c: 10 });
  });

  test.each([
    [1, { a: 105, n: 105 }],
    [2, { a: 100, b: 100, n: 10 }],
  ])('the warm-up compares with the instances of the zone, of which %s are warm', (warm, expected) => {
    const { service, clock, of } = setUp(120_000, 'eu-1');
    const others = [of('c', far), of('d', far), of('e', far)];
    service.apply([
      of('n', { ...near, registeredAt: clock.wall() }),
      ...['a', 'b'].slice(0, warm).map((id) => of(id, near)),
      ...others,
    ]);
    // In the first round the places are those at which this consumer begins; every later one is exact.
    count(service, 210);
    expect(count(service, 210)).toEqual(expected);
  });
});

describe('protocols', () => {
  const grpc = { endpoints: [{ protocol: 'grpc', port: 9_090, secure: false }] } as const;
  const http = { endpoints: [{ protocol: 'http', port: 8_080, secure: false }] } as const;

  test('an instance is replaced by instances that take the same calls', () => {
    const { service, of } = setUp();
    service.apply([of('a', grpc), of('b', http), of('c', http)]);
    const [a, b] = ['a', 'b'].map((id) => service.at(of(id))) as [Endpoint[], Endpoint[]];
    expect(service.othersThan([])).toBe(3);
    service.pickAmong('grpc', () => true);
    expect([service.othersThan(a), service.othersThan(b)]).toEqual([1, 3]);
    service.pick();
    expect([service.othersThan(a), service.othersThan(b)]).toEqual([1, 2]);
    service.apply([of('b', http), of('c', http)]);
    expect(service.othersThan(a)).toBe(0);
    service.forget();
    expect(service.othersThan(a)).toBe(2);
  });

  test('shares count the called protocols only', () => {
    const { service, of } = setUp();
    service.apply([of('a', grpc), of('b', http), of('c', http)]);
    const shares = (): readonly number[] => service.status().instances.map(({ share }) => share);
    service.pickAmong('grpc', () => true);
    expect(shares()).toEqual([1, 0, 0]);
    service.pick();
    expect(shares()).toEqual([0.5, 0.25, 0.25]);
  });
});

describe('lists', () => {
  test('an unknown service has no instances; a service whose list became empty keeps its last ones, and counts their use', () => {
    const { service, of } = setUp();
    service.apply([]);
    expect(service.known).toBe(false);
    service.apply([of('a')]);
    service.apply([]);
    expect(service.known).toBe(true);
    expect(count(service, 5)).toEqual({ a: 5 });
    expect(service.status().panicPicks).toBe(5);
  });

  test('when all instances leave, the consumer calls the one that waits for this process, until it refuses connections', () => {
    const { service, quarantine, of } = setUp();
    service.apply([of('a'), of('b'), of('c')]);
    for (const id of ['a', 'b', 'c']) quarantine.add(of(id), 30_000);
    const [kept] = service.at(of('b'));
    if (kept === undefined) throw new Error('b is listed');
    kept.isKept = true;
    service.invalidate();
    expect(count(service, 6)).toEqual({ b: 6 });
    // It is not listed any more, the others still are.
    service.apply([of('a'), of('c')]);
    expect(count(service, 6)).toEqual({ b: 6 });
    service.rest(kept);
    expect(Object.keys(count(service, 6)).toSorted()).toEqual(['a', 'c']);
  });

  test('the one that leaves and waits for this process goes before instances that refuse connections', () => {
    const { service, clock, quarantine, of } = setUp();
    service.apply([of('a'), of('b')]);
    const [[kept], [dead]] = ['a', 'b'].map((id) => service.at(of(id))) as [[Endpoint], [Endpoint]];
    service.rest(dead);
    quarantine.add(of('a'), 30_000);
    expect(service.othersThan([kept])).toBe(0);
    kept.isKept = true;
    service.invalidate();
    expect(count(service, 6)).toEqual({ a: 6 });
    clock.pass(1_000);
    // One request tries the other one, and does not wait for it longer than for any other.
    expect(count(service, 20)).toEqual({ a: 19, b: 1 });
    expect(service.hasOther(dead)).toBe(true);
    service.reached(dead);
    expect(count(service, 6)).toEqual({ b: 6 });
  });

  test('R12: an older generation in a stale list does not replace a newer one', () => {
    const { service, of } = setUp();
    service.apply([of('a', { generation: 2 })]);
    service.apply([of('a', { generation: 1 })]);
    expect(service.pick()?.instance.generation).toBe(2);
  });

  test('R14: isolation ends with a newer generation', () => {
    const { service, quarantine, of } = setUp();
    service.apply([of('a'), of('b')]);
    quarantine.add(of('a'), 30_000);
    service.invalidate();
    expect(count(service, 10)).toEqual({ b: 10 });
    service.apply([of('a', { generation: 2 }), of('b')]);
    expect(count(service, 10)).toEqual({ a: 5, b: 5 });
  });

  test('R18: an instance that left the list keeps its requests in progress', async () => {
    const { service, of } = setUp();
    service.apply([of('a'), of('b')]);
    const a = [service.pick(), service.pick()].find((endpoint) => endpoint?.instance.instanceId === 'a') as Endpoint;
    const { connections } = a;
    connections.begin();
    service.apply([of('b')]);
    expect(connections.closed).toBe(true);
    expect(a.outstanding).toBe(1);
    expect(service.at(a.instance)).toEqual([a]);
    connections.end();
    await a.idle();
    expect(service.busy).toBe(false);
  });
});

describe('warm-up', () => {
  test('the share is within 6 % of the formula in every step of the window', () => {
    const { service, clock, of } = setUp(120_000);
    service.apply([of('a'), of('b'), of('n', { registeredAt: clock.wall() })]);
    for (let second = 0; second < 130; second += 10) {
      const share = warmupShare(second * 1_000, { ms: 120_000, curve: 2 });
      const expected = share / (2 + share);
      const measured = (count(service, 5_000)['n'] ?? 0) / 5_000;
      expect(Math.abs(measured / expected - 1)).toBeLessThan(0.06);
      clock.pass(10_000);
    }
  });

  test.each([
    ['behind', -300_000],
    ['ahead', 300_000],
  ])('R30: a wall clock that is 5 min %s delays no instance beyond the window', (_, skew) => {
    const { service, clock, of } = setUp(120_000);
    clock.stepWall(skew);
    const registeredAt = clock.wall() - skew;
    service.apply([of('a'), of('b'), of('n', { registeredAt })]);
    clock.pass(120_000);
    expect(count(service, 300)).toEqual({ a: 100, b: 100, n: 100 });
  });

  test('asks for no more timers when no instance is warming', () => {
    const { service, clock, of } = setUp(120_000);
    service.apply([of('a'), of('b'), of('n', { registeredAt: clock.wall() })]);
    service.pick();
    expect(clock.pending).toBe(1);
    clock.pass(121_000);
    service.pick();
    expect(clock.pending).toBe(0);
  });
});
