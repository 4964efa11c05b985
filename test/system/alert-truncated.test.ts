import { describe, expect, test } from 'vitest';
import { calls, critical, ended, quiet, type Shutdown, shutdownSeries } from '../support/observe/span-series.ts';
import { serverMissing } from '../support/servers/built.ts';
import { type RuleCase, ruleFaults } from '../support/servers/promtool.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const truncated = critical('LosslessShutdownTruncated', 'shop');
const shop = (shutdowns: readonly Shutdown[]) => shutdownSeries('shop', shutdowns, 200);

/** So many shutdowns, one each `every` minutes; of them, those that `isKilled` says never end. */
function many(count: number, every: number, isKilled: (n: number) => boolean, first = 0): readonly Shutdown[] {
  return Array.from({ length: count }, (_, n) => ({
    begins: first + n * every,
    ends: isKilled(n) ? 'never' : first + n * every + 0.5,
  }));
}

const cases: Readonly<Record<string, RuleCase>> = {
  'a shutdown that was killed, the first ever: from two minutes after its twelfth of the hour, for a quarter of an hour':
    {
      series: shop([{ begins: 10, ends: 'never' }]),
      firing: { ...quiet(10, 16), 18: [truncated], 31: [truncated], 33: [] },
    },
  'one of three was killed': {
    series: shop([{ begins: 10 }, { begins: 10.25, ends: 'never' }, { begins: 11 }]),
    firing: { 14: [], 18: [truncated] },
  },
  'one in twenty, while an instance leaves every 15 seconds for three hours': {
    series: shop(many(720, 0.25, (n) => n % 20 === 7)),
    firing: { 8: [truncated], 40: [truncated], 120: [truncated], 170: [truncated] },
  },
  'instances that leave all the time, and none is killed': {
    series: shop(many(720, 0.25, () => false)),
    firing: quiet(1, 190),
  },
  'a rolling update of 300 instances in half an hour, five at a time': {
    series: shop(many(300, 0.1, () => false, 5)),
    firing: quiet(5, 90),
  },
  'a rolling update of 30 instances in 10 minutes, a third of them killed': {
    series: shop(many(30, 1 / 3, (n) => n % 3 === 0, 10)),
    firing: { 10: [], 18: [truncated], 30: [truncated], 38: [] },
  },
  'a shutdown of 8 minutes with a grace period of 10': {
    series: shop([{ begins: 10, deadline: 20, ends: 18 }]),
    firing: quiet(10, 60),
  },
  'a shutdown of 25 minutes with a grace period of 26, and one that is killed': {
    series: shop([
      { begins: 10, deadline: 36, ends: 35 },
      { begins: 11, deadline: 37, ends: 'never' },
    ]),
    firing: { ...quiet(10, 41), 43: [truncated], 58: [] },
  },
  'the same twelfth of the next hour is another one': {
    series: shop([{ begins: 10, ends: 'never' }, { begins: 70 }, { begins: 130 }]),
    firing: { 18: [truncated], ...quiet(70, 100), ...quiet(130, 160) },
  },
  'a killed one whose root others made: told at once, and as one': {
    series: { ...shop([{ begins: 9.5, ends: 'never' }]), [ended('shop', 'killed', 10)]: '_x40 1x600' },
    firing: { 9: [], 11: [truncated], 24: [truncated], 33: [] },
  },
  'the real end of one that was taken for killed': {
    series: { ...shop([{ begins: 9.5, ends: 10.5 }]), [ended('shop', 'killed', 10)]: '_x40 1x600' },
    firing: { 11: [truncated], 26: [] },
  },
  'a collector that starts again loses begins and ends, and is no event': {
    series: Object.fromEntries(
      Object.entries(shop([...many(20, 0.5, () => false), ...many(20, 0.5, () => false, 32)])).map(([name, values]) => [
        name,
        values
          .split(' ')
          .map((value, n) => (n < 120 ? value : n < 128 || value === '_' ? '_' : Math.max(0, Number(value) - 10)))
          .join(' '),
      ]),
    ),
    firing: quiet(1, 90),
  },
  'a collector that starts again after one of two was killed long ago, and then one whole shutdown': {
    series: {
      [calls('offline.started', 'shop', { lossless_offline_due: '2' })]: '2x250 stale _x4 0x20 1x400',
      [ended('shop', 'success', 10)]: '1x250 stale _x4 0x20 1x400',
    },
    firing: quiet(40, 180),
  },
  'a failed scrape when an old one is as old as it is compared with': {
    series: {
      [calls('offline.started', 'shop', { lossless_offline_due: '2' })]: '2x60 stale 2x500',
      [ended('shop', 'success', 10)]: '1x60 stale 1x500',
    },
    firing: quiet(60, 120),
  },
  'a Prometheus that is new does not tell of yesterday': {
    series: {
      [calls('offline.started', 'shop', { lossless_offline_due: '2' })]: '9x500',
      [ended('shop', 'success', 10)]: '8x500',
    },
    scraped: 'fresh',
    firing: quiet(0, 120),
  },
};

describe.skipIf(missing)('LosslessShutdownTruncated', () => {
  test.each(Object.entries(cases))('%s', async (_, each) => {
    expect(await ruleFaults(each)).toBe('');
  });
});
