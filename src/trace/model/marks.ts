import type { WorkName } from '../../lifecycle/facts.ts';
import type { Span } from './trace.ts';

/**
 * Moments that a shutdown and a start pass, in their order. `told`: the last consumer has acked; absent when somebody was not
 * told. `drained`: all traffic was done. `gone`: listeners and connections are closed. `full_share`: the warm-up is over.
 */
export const MARKS = {
  offline: ['trigger', 'told', 'drained', 'gone'],
  online: ['started', 'ready', 'full_share'],
} as const;
export type Mark = (typeof MARKS)[keyof typeof MARKS][number];

/** When each was, milliseconds since the Unix epoch; one that did not come is missing. */
export type Marks = Readonly<Partial<Record<Mark, number>>>;

/** The span whose beginning or end a mark is: the first of these that is there. The end of one that failed is none. */
const AT: Readonly<Record<Mark, { readonly works: readonly WorkName[]; readonly edge: 'begin' | 'end' }>> = {
  trigger: { works: ['offline', 'offline.started'], edge: 'begin' },
  told: { works: ['notify'], edge: 'end' },
  drained: { works: ['drain'], edge: 'end' },
  gone: { works: ['stop'], edge: 'end' },
  started: { works: ['online', 'online.started'], edge: 'begin' },
  ready: { works: ['ready'], edge: 'begin' },
  full_share: { works: ['online'], edge: 'end' },
};

/** @param isUndone it was taken back: nothing that was begun came to its end */
export function marksOf(
  kind: keyof typeof MARKS,
  isUndone: boolean,
  named: (work: WorkName) => readonly Span[],
): Marks {
  return Object.fromEntries(
    MARKS[kind].flatMap((mark) => {
      const { works, edge } = AT[mark];
      const spans = works.map(named).find(({ length }) => length > 0) ?? [];
      if (edge === 'begin') return spans.slice(0, 1).map(({ start }) => [mark, start]);
      const isOver = spans.length > 0 && !isUndone && !spans.some(({ isError }) => isError);
      return isOver ? [[mark, Math.max(...spans.map(({ start, durationMs }) => start + durationMs))]] : [];
    }),
  );
}
