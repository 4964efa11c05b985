import { spanName } from './schema.ts';
import type { Span } from './trace.ts';

/** A span and those below it. */
export interface Branch {
  readonly span: Span;
  readonly children: readonly Branch[];
}

/** Deepest level: our traces have 6, others may have any number. Deeper spans are left out. */
const DEEPEST = 64;

/** Spans as trees: children by their start, but consumers and services that failed come first. A span whose parent is missing is a root. */
export function treeOf(spans: readonly Span[]): readonly Branch[] {
  const ids = new Set(spans.map((span) => span.spanId));
  const children = Map.groupBy(spans, (span) => (ids.has(span.parentSpanId) ? span.parentSpanId : ''));
  const below = (parent: string, depth: number): readonly Branch[] => {
    const siblings = children.get(parent) ?? [];
    // A duplicate of a span gets no children.
    children.delete(parent);
    if (depth > DEEPEST) return [];
    return failuresFirst(siblings).map((span) => ({ span, children: below(span.spanId, depth + 1) }));
  };
  return below('', 0);
}

/** Whether spans are the GoAways to instances of one service: they may be very many and are folded. */
export function isFanout(siblings: readonly Span[]): boolean {
  return siblings.every((span) => span.name === spanName('goaway'));
}

function failuresFirst(siblings: readonly Span[]): readonly Span[] {
  const isService = siblings.every((span) => span.name === spanName('notify.service'));
  return isService || isFanout(siblings)
    ? [...siblings].sort((one, other) => Number(other.isError) - Number(one.isError))
    : siblings;
}
