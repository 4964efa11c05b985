import { expect, test } from 'vitest';
import { seriesOf, stackOf } from '../../../collector/page/release-series.ts';
import { releasesOf } from '../../../src/trace/model/release.ts';
import type { Shown } from '../../../src/trace/model/shown.ts';
import { shownOf } from '../../../src/trace/model/shown.ts';

/** A start or a shutdown with traffic, in seconds. */
function passage(
  kind: 'online' | 'offline',
  version: string,
  instanceId: string,
  at: number,
  more: Partial<Shown>,
): Shown {
  return {
    ...shownOf({ traceId: `${kind}-${instanceId}`, spans: [] }, 0),
    kind,
    version,
    instanceId,
    startedAt: at * 1_000,
    result: 'success',
    whole: true,
    ...more,
  };
}

const curve = (since: number, ...counts: readonly number[]) => ({ since: since * 1_000, stepMs: 1_000, counts });

/** Two of version 1 leave at 4 s and at 8 s, one of version 2 comes at 2 s and has its full share at 6 s. */
const [RELEASE] = releasesOf([
  passage('offline', '1', 'a', 4, { traffic: curve(0, 10, 10, 10, 10, 1) }),
  passage('offline', '1', 'b', 8, { traffic: curve(0, 10, 10, 10, 10, 10, 10, 10, 10, 1) }),
  passage('online', '2', 'c', 2, {
    marks: { started: 2_000, ready: 2_000, full_share: 6_000 },
    traffic: { since: 2_000, stepMs: 2_000, counts: [4, 8] },
  }),
]);

test('requests are stacked by version, old ones first, and none is lost or counted twice', () => {
  if (RELEASE === undefined) throw new Error('expected a release');
  expect(seriesOf(RELEASE).map(({ version, isNew, instances }) => [version, isNew, instances])).toEqual([
    ['1', false, 2],
    ['2', true, 1],
  ]);
  const { rates, untold } = stackOf(RELEASE, 0, 10_000);
  expect(rates).toEqual([
    [20, 20, 20, 20, 11, 10, 10, 10, 1, 0],
    [0, 0, 2, 2, 4, 4, 0, 0, 0, 0],
  ]);
  // No trace tells the requests of the new instance with its full share.
  expect(untold).toEqual([0, 0, 0, 0, 0, 0, 10, 10, 10, 10]);
});

test.each([1, 3, 7, 250])('a scale of %d s for the axis leaves the number of requests the same', (seconds) => {
  if (RELEASE === undefined) throw new Error('expected a release');
  const [from, to] = [-500 * seconds, 10_000 + 777 * seconds];
  const { rates, stepMs } = stackOf(RELEASE, from, to);
  const requests = rates.map((own) => own.reduce((sum, rate) => sum + (rate * stepMs) / 1_000, 0));
  expect(requests[0]).toBeCloseTo(122, 6);
  expect(requests[1]).toBeCloseTo(12, 6);
});
