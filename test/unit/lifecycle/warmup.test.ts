import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WARMUP_FLOOR, warmupShare, warmupShares } from '../../../src/lifecycle/warmup.ts';

const warmup = { ms: 120_000, curve: 2 };

test.each([
  [0, 0.1],
  [-300_000, 0.1],
  [12_000, 0.1],
  [60_000, 0.25],
  [90_000, 0.5625],
  [120_000, 1],
  [1e9, 1],
])('after %i ms of 120 s the share is %d', (uptime, share) => {
  expect(warmupShare(uptime, warmup)).toBeCloseTo(share);
});

test('a share is never below the floor nor above 1, and never falls with time', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      fc.nat(3_600_000),
      fc.double({ min: 1, max: 10, noNaN: true }),
      (uptime, ms, curve) => {
        const share = warmupShare(uptime, { ms, curve });
        expect(share).toBeGreaterThanOrEqual(WARMUP_FLOOR);
        expect(share).toBeLessThanOrEqual(1);
        expect(warmupShare(uptime + 1_000, { ms, curve })).toBeGreaterThanOrEqual(share);
      },
    ),
  );
});

test('R30: skipped when half or more are warming', () => {
  expect(warmupShares([0, 0, 1e9, 1e9], warmup)).toEqual([1, 1, 1, 1]);
  expect(warmupShares([0, 1e9, 1e9], warmup)).toEqual([0.1, 1, 1]);
  expect(warmupShares([0], warmup)).toEqual([1]);
});
