import { expect, test } from 'vitest';
import type { WorkName } from '../../../../src/lifecycle/facts.ts';
import { marksOf } from '../../../../src/trace/model/marks.ts';
import { spanName } from '../../../../src/trace/model/schema.ts';
import type { Span } from '../../../../src/trace/model/trace.ts';

function span(work: WorkName, start: number, durationMs: number, isError = false): Span {
  return {
    spanId: `${work}-${start}`,
    parentSpanId: '',
    name: spanName(work),
    service: 'shop',
    start,
    durationMs,
    isError,
    message: '',
    tags: {},
  };
}

function marks(kind: 'offline' | 'online', spans: readonly Span[], isUndone = false) {
  return marksOf(kind, isUndone, (work) => spans.filter(({ name }) => name === spanName(work)));
}

const LEAVING = [span('offline.started', 2, 0), span('notify', 2, 10), span('drain', 12, 60), span('stop', 72, 1)];

test('a shutdown passes its trigger, all told, drained and gone; consumers told late count', () => {
  expect(marks('offline', [span('offline', 0, 75), ...LEAVING])).toEqual({
    trigger: 0,
    told: 12,
    drained: 72,
    gone: 73,
  });
  expect(marks('offline', [...LEAVING, span('notify', 20, 30)])).toMatchObject({ trigger: 2, told: 50 });
});

test('work that failed, was cut off or undone has no end', () => {
  const failed = LEAVING.map((each) => (each.name === 'lossless.notify' ? { ...each, isError: true } : each));
  expect(marks('offline', failed)).toEqual({ trigger: 2, drained: 72, gone: 73 });
  expect(marks('offline', LEAVING.slice(0, 1))).toEqual({ trigger: 2 });
  expect(marks('offline', LEAVING, true)).toEqual({ trigger: 2 });
});

test('a start passes its beginning, ready and its full share', () => {
  const starting = [span('online.started', 1, 0), span('ready', 40, 0)];
  expect(marks('online', starting)).toEqual({ started: 1, ready: 40 });
  expect(marks('online', [span('online', 0, 100), ...starting])).toEqual({ started: 0, ready: 40, full_share: 100 });
});
