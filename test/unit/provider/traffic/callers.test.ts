import { describe, expect, test } from 'vitest';
import { Callers } from '../../../../src/provider/traffic/callers.ts';
import { Connection } from '../../../../src/provider/traffic/connection.ts';
import { Telling } from '../../../../src/provider/traffic/recent-caller.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** The two ends of a new connection. */
const from = (remoteAddress: string) => [{ remoteAddress }, new Connection()] as const;

const caller = (n: number, generation = 1) => ({ service: 'a', instanceId: `a-${n}`, generation, port: 1_000 });

describe('R10: the table of recent callers', () => {
  test('remembers a caller for ten minutes after its last connection, however long registries lag', async () => {
    const clock = new SimulatedClock();
    const callers = new Callers(clock);
    const { entry } = callers.opened(caller(1), ...from('192.0.2.1'));
    await clock.advance(3_600_000);
    expect(callers.recent()).toEqual([entry]);
    for (const connection of entry.connections) callers.closed(entry, connection);
    await clock.advance(599_000);
    expect(callers.recent()).toEqual([entry]);
    await clock.advance(2_000);
    expect(callers.recent()).toEqual([]);
  });

  test('holds ten thousand; then the caller that is away longest is forgotten, and counted', async () => {
    const clock = new SimulatedClock();
    const callers = new Callers(clock);
    const entries = Array.from({ length: 10_000 }, (_, n) => callers.opened(caller(n), ...from('192.0.2.1')).entry);
    expect(callers.overflowed).toBe(0);
    for (const n of [7, 3]) {
      const entry = entries[n] as (typeof entries)[number];
      entry.reached = true;
      for (const connection of entry.connections) callers.closed(entry, connection);
      await clock.advance(1);
    }
    callers.opened(caller(10_000), ...from('192.0.2.1'));
    expect(callers.overflowed).toBe(1);
    const ids = new Set(callers.recent().map((entry) => entry.caller.instanceId));
    expect(ids.size).toBe(10_000);
    expect([ids.has('a-7'), ids.has('a-3')]).toEqual([false, true]);
  });

  test('counts a hundred services by name and no more, for any names that come', () => {
    const callers = new Callers(new SimulatedClock());
    for (let n = 0; n < 1_000; n++) callers.opened({ ...caller(n), service: `s-${n}` }, ...from('192.0.2.1'));
    const counts = callers.byService();
    expect(Object.keys(counts)).toHaveLength(101);
    expect(counts['other']).toBe(900);
  });

  test('a restart under the same id is a new caller, to be told again', () => {
    const callers = new Callers(new SimulatedClock());
    const first = callers.opened(caller(1), ...from('192.0.2.1'));
    first.entry.telling = new Telling();
    expect(callers.opened(caller(1), ...from('192.0.2.1'))).toMatchObject({ isNew: false });
    const second = callers.opened(caller(1, 2), ...from('192.0.2.1'));
    expect(second).toMatchObject({ isNew: true });
    expect(second.entry.telling).toBeUndefined();
  });

  test('the same id at another address is another caller, so no stranger can replace an address', () => {
    const callers = new Callers(new SimulatedClock());
    callers.opened(caller(1), ...from('192.0.2.1'));
    callers.opened(caller(1), ...from('192.0.2.2'));
    expect(callers.recent().map((entry) => entry.address)).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('a forgotten caller counts for ten minutes', async () => {
    const clock = new SimulatedClock();
    const callers = new Callers(clock, 1);
    for (const n of [1, 2, 3]) callers.opened(caller(n), ...from('192.0.2.1'));
    expect(callers.overflowed).toBe(2);
    await clock.advance(600_000);
    expect(callers.overflowed).toBe(0);
    callers.overflow();
    expect(callers.overflowed).toBe(1);
  });

  test('a stranger can invent 256 callers at most; callers that answer or hold a connection stay', () => {
    const callers = new Callers(new SimulatedClock());
    const leave = (n: number, reached: boolean | undefined): void => {
      const { entry } = callers.opened(caller(n), ...from('192.0.2.1'));
      entry.reached = reached;
      for (const connection of entry.connections) callers.closed(entry, connection);
    };
    leave(1, true);
    callers.opened(caller(2), ...from('192.0.2.1'));
    for (let n = 3; n < 12_000; n++) leave(n, n % 2 === 0 ? false : undefined);
    const ids = callers.recent().map((entry) => entry.caller.instanceId);
    expect(ids).toHaveLength(258);
    expect(ids.slice(0, 2)).toEqual(['a-1', 'a-2']);
    expect(callers.overflowed).toBeGreaterThan(0);
  });
});
