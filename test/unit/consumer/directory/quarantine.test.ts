import { expect, test } from 'vitest';
import { Quarantine } from '../../../../src/consumer/directory/quarantine.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const of = (host: string, generation = 1) => ({ host, port: 80, generation });

function setUp(): { clock: SimulatedClock; quarantine: Quarantine; expired: () => number } {
  const clock = new SimulatedClock();
  let expired = 0;
  return { clock, quarantine: new Quarantine(clock, () => expired++), expired: () => expired };
}

test('holds for its generation and older ones, not for newer ones or other addresses', () => {
  const { quarantine } = setUp();
  quarantine.add(of('a', 5), 30_000);
  expect(quarantine.has(of('a', 5))).toBe(true);
  expect(quarantine.has(of('a', 4))).toBe(true);
  expect(quarantine.has(of('a', 6))).toBe(false);
  expect(quarantine.has(of('b', 5))).toBe(false);
});

test('an entry without a generation is isolated by its address, unless it is a known later life of the process', () => {
  const { quarantine } = setUp();
  quarantine.add({ ...of('a', 5), uid: 'one' }, 30_000);
  expect(quarantine.has(of('a', 0))).toBe(true);
  expect(quarantine.has({ ...of('a', 0), uid: 'one' })).toBe(true);
  expect(quarantine.has({ ...of('a', 0), uid: 'two' })).toBe(false);
  expect(quarantine.has({ ...of('a', 0), port: 81 })).toBe(false);
});

test.each([
  ['A.Example', 'a.example'],
  ['0:0:0:0:0:0:0:1', '::1'],
])('%s and %s are one address', (one, other) => {
  const { quarantine } = setUp();
  quarantine.add(of(one), 30_000);
  expect(quarantine.has(of(other))).toBe(true);
});

test('ends by itself with a notification, and is renewed by repetition', () => {
  const { clock, quarantine, expired } = setUp();
  quarantine.add(of('a'), 30_000);
  clock.pass(20_000);
  quarantine.add(of('a'), 30_000);
  clock.pass(20_000);
  expect(quarantine.has(of('a'))).toBe(true);
  expect(expired()).toBe(0);
  clock.pass(10_000);
  expect(quarantine.has(of('a'))).toBe(false);
  expect(expired()).toBe(1);
});

test.each([
  [1, 999, 1_000],
  [86_400_000, 599_999, 600_000],
])('an expiry of %i ms is kept within 1 s and 10 min', (asked, before, after) => {
  const { clock, quarantine } = setUp();
  quarantine.add(of('a'), asked);
  clock.pass(before);
  expect(quarantine.has(of('a'))).toBe(true);
  clock.pass(after - before);
  expect(quarantine.has(of('a'))).toBe(false);
});

test('a late message about an older generation does not lift a newer one', () => {
  const { quarantine } = setUp();
  quarantine.add(of('a', 2), 30_000);
  quarantine.add(of('a', 1), 30_000);
  expect(quarantine.has(of('a', 2))).toBe(true);
});

test('is bounded; the oldest gives way, its timer too', () => {
  const { clock, quarantine } = setUp();
  for (let n = 0; n < 5_000; n++) quarantine.add(of(`i${n}`), 30_000);
  expect(quarantine.size).toBe(4_096);
  expect(clock.pending).toBe(4_096);
  expect(quarantine.has(of('i0'))).toBe(false);
  expect(quarantine.has(of('i4999'))).toBe(true);
  quarantine.clear();
  expect(clock.pending).toBe(0);
});
