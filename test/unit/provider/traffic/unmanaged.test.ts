import { describe, expect, test } from 'vitest';
import { Connection } from '../../../../src/provider/traffic/connection.ts';
import { Unmanaged } from '../../../../src/provider/traffic/unmanaged.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const from = (address: string): Connection => Object.assign(new Connection(), { address });

describe('callers without the plugin', () => {
  test('are remembered for ten minutes after their last connection closed', async () => {
    const clock = new SimulatedClock();
    const unmanaged = new Unmanaged(clock, () => false);
    expect(unmanaged.seen).toBe(false);
    const connection = from('192.0.2.1');
    unmanaged.opened(connection);
    await clock.advance(3_600_000);
    expect([unmanaged.seen, unmanaged.hasSent('192.0.2.1')]).toEqual([true, true]);
    unmanaged.closed(connection);
    await clock.advance(599_000);
    expect([unmanaged.seen, unmanaged.hasSent('192.0.2.1')]).toEqual([true, true]);
    await clock.advance(2_000);
    expect([unmanaged.seen, unmanaged.hasSent('192.0.2.1')]).toEqual([false, false]);
  });

  test('connections of a balancer count as its own from the first one, even when it is recognized later', () => {
    let balancer = '';
    const unmanaged = new Unmanaged(new SimulatedClock(), (address) => address === balancer);
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.9']) unmanaged.opened(from(address));
    expect([unmanaged.arrivals, unmanaged.openOfOthers]).toEqual([3, 3]);
    balancer = '192.0.2.1';
    expect([unmanaged.arrivals, unmanaged.openOfOthers, unmanaged.open]).toEqual([1, 1, 3]);
  });

  test('a stranger with many addresses takes no more than a thousand places, and none of a connected client', () => {
    const unmanaged = new Unmanaged(new SimulatedClock(), () => false);
    unmanaged.opened(from('192.0.2.1'));
    for (let n = 0; n < 5_000; n++) {
      const connection = from(`2001:db8::${n}`);
      unmanaged.opened(connection);
      unmanaged.closed(connection);
    }
    expect(unmanaged.hasSent('192.0.2.1')).toBe(true);
    expect(unmanaged.hasSent('2001:db8::1')).toBe(false);
    expect([unmanaged.arrivals, unmanaged.open]).toEqual([5_001, 1]);
  });
});
