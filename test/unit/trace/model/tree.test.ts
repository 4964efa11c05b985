import { describe, expect, test } from 'vitest';
import { type Folds, rowsOf } from '../../../../collector/page/rows.ts';
import type { Span } from '../../../../src/trace/model/trace.ts';
import { type Branch, treeOf } from '../../../../src/trace/model/tree.ts';

const span = (spanId: string, parentSpanId: string, more: Partial<Span> = {}): Span => ({
  spanId,
  parentSpanId,
  name: 'lossless.notify',
  service: 'a',
  start: 0,
  durationMs: 1,
  isError: false,
  message: '',
  tags: {},
  ...more,
});
const names = (branches: readonly Branch[]): unknown =>
  branches.map((branch) => [branch.span.spanId, names(branch.children)]);
const NOTHING: Folds = { open: new Map(), more: new Map(), told: new Set(), find: '' };

describe('spans as trees', () => {
  test('a span whose parent is missing is a root', () => {
    expect(names(treeOf([span('a', ''), span('b', 'a'), span('c', 'gone')]))).toEqual([
      ['a', [['b', []]]],
      ['c', []],
    ]);
  });

  test('consumers that failed come first, and so do their services', () => {
    const goaway = (id: string, isError: boolean) => span(id, 's', { name: 'lossless.goaway', isError });
    const spans = [span('s', ''), goaway('a', false), goaway('b', true), goaway('c', false), goaway('d', true)];
    expect(names(treeOf(spans))).toEqual([['s', ['b', 'd', 'a', 'c'].map((id) => [id, []])]]);
    const service = (id: string, isError: boolean) => span(id, 's', { name: 'lossless.notify.service', isError });
    expect(names(treeOf([span('s', ''), service('a', false), service('b', true)]))).toEqual([
      ['s', ['b', 'a'].map((id) => [id, []])],
    ]);
  });

  test.each([
    ['100,000 spans, each below the one before', Array.from({ length: 100_000 }, (_, n) => span(`${n}`, `${n - 1}`))],
    [
      'one span 1,000 times, with children',
      [...Array(1_000).fill(span('a', '')), ...Array(1_000).fill(span('b', 'a'))],
    ],
    [
      '40 generations of twins',
      Array.from({ length: 80 }, (_, n) => span(`${n >> 1}`, n < 2 ? '' : `${(n >> 1) - 1}`)),
    ],
    ['two spans that are parents of each other', [span('a', 'b'), span('b', 'a')]],
    ['a span that is its own parent', [span('a', 'a')]],
  ])('%s: the tree is finite', (_, spans) => {
    expect(rowsOf(spans, NOTHING).length).toBeLessThanOrEqual(spans.length);
  });
});

const range = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, n) => String(from + n));

describe('rows of the page', () => {
  const fanout = (consumers: number, failed: number): readonly Span[] => [
    span('s', '', { name: 'lossless.notify.service' }),
    ...Array.from({ length: consumers }, (_, n) =>
      span(`${n}`, 's', {
        name: 'lossless.goaway',
        isError: n < failed,
        tags: { 'lossless.goaway.result': n < failed ? 'timeout' : 'acked' },
      }),
    ),
  ];
  const shown = (consumers: number, failed: number, folds = NOTHING) =>
    rowsOf(fanout(consumers, failed), folds).map((row) => (row.kind === 'span' ? row.key : row.words));

  test('few consumers are all shown; many that were told are one row; of many with failures the failures', () => {
    expect(shown(10, 1)).toHaveLength(11);
    expect(shown(250, 0)).toEqual(['s']);
    expect(shown(250, 2)).toEqual(['s', '0', '1', '248 more acked']);
  });

  test('a search shows spans with the text, inside folded groups too; a linked row is shown', () => {
    expect(shown(250, 0, { ...NOTHING, find: '24' })).toEqual([
      ...['s', '24', '124', '224', ...range(240, 247)],
      '3 more acked',
    ]);
    expect(shown(250, 0, { ...NOTHING, find: 'TIMEOUT' })).toEqual([]);
    expect(shown(250, 1, { ...NOTHING, find: ' timeout ' })).toEqual(['s', '0']);
    expect(shown(250, 0, { ...NOTHING, told: new Set(['200']) })).toEqual([
      ...['s', ...range(0, 10), '200'],
      '239 more acked',
    ]);
  });

  test('what a reader opens stays open, and more is shown at a time', () => {
    expect(shown(250, 0, { ...NOTHING, open: new Map([['s', true]]) })).toHaveLength(12);
    expect(shown(1_000, 2, { ...NOTHING, more: new Map([['s', 250]]) }).at(-1)).toBe('748 more acked');
    expect(shown(10, 1, { ...NOTHING, open: new Map([['s', false]]) })).toEqual(['s']);
  });
});
