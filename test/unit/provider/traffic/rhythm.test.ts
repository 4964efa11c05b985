import { expect, test } from 'vitest';
import { Rhythm } from '../../../../src/provider/traffic/rhythm.ts';

/** A rhythm of requests so many milliseconds apart. */
function of(...pauses: readonly number[]): { readonly rhythm: Rhythm; readonly last: number } {
  const rhythm = new Rhythm();
  let now = 1_000;
  rhythm.beat(now);
  for (const pause of pauses) {
    now += pause;
    rhythm.beat(now);
  }
  return { rhythm, last: now };
}

test.each<[string, readonly number[], number]>([
  ['a steady caller has stopped after three seconds at the earliest', [20, 20, 20, 20], 3_000],
  ['a slow caller has stopped after three of its pauses', [2_000, 2_000], 6_000],
  ['a caller that comes in bursts has stopped after three pauses between bursts', [10, 10, 59_000, 10, 10], 177_000],
  ['a caller that called once counts as one that calls every ten seconds', [], 30_000],
  ['a pause of an hour ago is forgotten', [3_000_000, ...new Array(700).fill(1_000), 1_000], 3_000],
])('%s', (_, pauses, silenceMs) => {
  const { rhythm, last } = of(...pauses);
  expect(rhythm.hasStopped(last + silenceMs)).toBe(false);
  expect(rhythm.hasStopped(last + silenceMs + 1)).toBe(true);
});

test('a client that has never called has stopped', () => {
  expect(new Rhythm().hasStopped(0)).toBe(true);
});
