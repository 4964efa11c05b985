import { expect, test } from 'vitest';
import { ATTR, spanName } from '../../../../src/trace/model/schema.ts';
import { aligned, skewWords } from '../../../../src/trace/model/skew.ts';
import type { Span } from '../../../../src/trace/model/trace.ts';

const HOUR_MS = 3_600_000;

function span(name: 'goaway' | 'consumer.refresh', n: number, start: number): Span {
  const isRefresh = name === 'consumer.refresh';
  return {
    spanId: `${name}-${n}`,
    parentSpanId: isRefresh ? `goaway-${n}` : '',
    name: spanName(name),
    service: 'caller',
    start,
    durationMs: 10,
    isError: false,
    message: '',
    tags: { [ATTR.consumerInstanceId]: `caller-${n}` },
  };
}

test('a consumer whose clock differs is named, and its refresh is moved to its GoAway', () => {
  const starts = [1_005, 1_000 + HOUR_MS, 1_000 - 2_000, 1_005];
  const spans = starts.flatMap((start, n) => [span('goaway', n, 1_000), span('consumer.refresh', n, start)]);
  const { skews, spans: moved } = aligned(spans);
  expect(skews).toEqual([
    { name: 'caller-1', aheadMs: HOUR_MS - 10 },
    { name: 'caller-2', aheadMs: -2_000 },
  ]);
  expect(moved.filter(({ spanId }) => spanId.startsWith('consumer')).map(({ start }) => start)).toEqual([
    1_005, 1_000, 1_000, 1_005,
  ]);
  expect(skewWords(skews)).toBe(
    'Clocks differ: caller-1 60 min ahead, caller-2 2.00 s behind. What these consumers did is shown at the time of their GoAway.',
  );
  expect(skewWords(Array(5).fill(skews[0]))).toMatch(/, and 2 more\. What/);
});

test('where clocks agree, or the GoAway is missing, nothing is moved or named', () => {
  const spans = [span('goaway', 0, 1_000), span('consumer.refresh', 0, 1_500), span('consumer.refresh', 9, HOUR_MS)];
  expect(aligned(spans)).toEqual({ spans, skews: [] });
  expect(skewWords([])).toBeUndefined();
});
