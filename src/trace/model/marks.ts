import type { WorkName } from '../../lifecycle/facts.ts';
import type { Span } from './trace.ts';

/**
 * Moments of a shutdown and of a start, in order. `told`: the last consumer has acked; absent when a consumer was not told.
 * `drained`: all traffic was done. `gone`: listeners and connections are closed. `full_share`: the warm-up is over.
 */
export const MARKS = {
  offline: ['trigger', 'told', 'drained', 'gone'],
  online: ['started', 'ready', 'full_share'],
} as const;
export type Mark = (typeof MARKS)[keyof typeof MARKS][number];

/** Time of each mark, milliseconds since the Unix epoch; a mark that was not reached is missing. */
export type Marks = Readonly<Partial<Record<Mark, number>>>;

/** The span whose beginning or end is the mark: the first of `works` in the trace. The end of a failed span is no mark. */
const AT: Readonly<Record<Mark, { readonly works: readonly WorkName[]; readonly edge: 'begin' | 'end' }>> = {
  trigger: { works: ['offline', 'offline.started'], edge: 'begin' },
  told: { works: ['notify'], edge: 'end' },
  drained: { works: ['drain'], edge: 'end' },
  gone: { works: ['stop'], edge: 'end' },
  started: { works: ['online', 'online.started'], edge: 'begin' },
  ready: { works: ['ready'], edge: 'begin' },
  full_share: { works: ['online'], edge: 'end' },
};

/** @param isUndone the work was undone, so no end is a mark */
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
