import { describe, expect, test } from 'vitest';
import { Backoff, jitter } from '../../../src/lifecycle/backoff.ts';

const waits = (backoff: Backoff, count: number): number[] => Array.from({ length: count }, () => backoff.next());

describe('waits', () => {
  test('grow by the factor up to the cap, and begin anew after a success', () => {
    const backoff = new Backoff({ initialMs: 100, factor: 2, capMs: 500, jitter: 0 });
    expect(waits(backoff, 5)).toEqual([100, 200, 400, 500, 500]);
    backoff.reset();
    expect(waits(backoff, 2)).toEqual([100, 200]);
  });

  test('are shortened by chance, never lengthened, and the shortening does not carry over to later waits', () => {
    const chances = [0, 0.5, 0.999];
    const backoff = new Backoff({
      initialMs: 1_000,
      factor: 2,
      capMs: 8_000,
      jitter: 0.2,
      random: () => chances.shift() ?? 0,
    });
    expect(waits(backoff, 4).map(Math.round)).toEqual([1_000, 1_800, 3_201, 8_000]);
  });

  test('never overflow', () => {
    const backoff = new Backoff({ initialMs: 1, factor: 10, capMs: 60_000, jitter: 0 });
    expect(waits(backoff, 1_000).at(-1)).toBe(60_000);
  });
});

test('jitter is a tenth more or less', () => {
  const spread = Array.from({ length: 1_000 }, () => jitter(1_000));
  expect(Math.min(...spread)).toBeGreaterThanOrEqual(900);
  expect(Math.max(...spread)).toBeLessThanOrEqual(1_100);
  expect(new Set(spread).size).toBeGreaterThan(900);
});
