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

/** The span whose beginning or end a mark is. The end of one that failed is none. */
const AT: Readonly<Record<Mark, { readonly work: WorkName; readonly edge: 'begin' | 'end' }>> = {
  trigger: { work: 'offline.started', edge: 'begin' },
  told: { work: 'notify', edge: 'end' },
  drained: { work: 'drain', edge: 'end' },
  gone: { work: 'stop', edge: 'end' },
  started: { work: 'online.started', edge: 'begin' },
  ready: { work: 'ready', edge: 'begin' },
  full_share: { work: 'online', edge: 'end' },
};

/** @param isUndone it was taken back: nothing that was begun came to its end */
export function marksOf(
  kind: keyof typeof MARKS,
  isUndone: boolean,
  named: (work: WorkName) => readonly Span[],
): Marks {
  return Object.fromEntries(
    MARKS[kind].flatMap((mark) => {
      const { work, edge } = AT[mark];
      const spans = named(work);
      const last = spans.at(-1);
      if (last === undefined || (edge === 'end' && (isUndone || spans.some(({ isError }) => isError)))) return [];
      return [[mark, edge === 'begin' ? last.start : last.start + last.durationMs]];
    }),
  );
}
