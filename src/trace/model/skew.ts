import { ATTR, spanName } from './schema.ts';
import { milliseconds, type Span } from './trace.ts';

/** Smallest difference of clocks that is reported, in milliseconds: it takes a while until a GoAway is read. */
const TOLERANCE_MS = 1_000;

/** Most clocks that are named. */
const TOLD = 3;

/** A process whose clock differs from that of the instance that left. */
export interface Skew {
  readonly name: string;
  /** Milliseconds that its clock is ahead; negative: behind. */
  readonly aheadMs: number;
}

/** Spans on the clock of the instance that left. */
export interface Aligned {
  readonly spans: readonly Span[];
  readonly skews: readonly Skew[];
}

/**
 * Moves a consumer's refresh to the start of its GoAway when the consumer's clock puts it outside that GoAway: a refresh always
 * begins while the GoAway runs.
 */
export function aligned(spans: readonly Span[]): Aligned {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const skews: Skew[] = [];
  const moved = spans.map((span) => {
    const call = span.name === spanName('consumer.refresh') ? byId.get(span.parentSpanId) : undefined;
    const aheadMs = call === undefined ? 0 : outside(span.start, call);
    if (call === undefined || Math.abs(aheadMs) < TOLERANCE_MS) return span;
    skews.push({ name: String(call.tags[ATTR.consumerInstanceId] ?? span.service), aheadMs });
    return { ...span, start: call.start };
  });
  return { spans: moved, skews };
}

/** Whose clocks differ, in words; undefined when none does. */
export function skewWords(skews: readonly Skew[]): string | undefined {
  if (skews.length === 0) return undefined;
  const told = skews
    .slice(0, TOLD)
    .map(({ aheadMs, name }) => `${name} ${milliseconds(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead' : 'behind'}`);
  const more = skews.length > TOLD ? `, and ${skews.length - TOLD} more` : '';
  return `Clocks differ: ${told.join(', ')}${more}. What these consumers did is shown at the time of their GoAway.`;
}

/** How far a moment lies before or after a span, in milliseconds; 0 inside. */
function outside(at: number, { start, durationMs }: Span): number {
  if (at < start) return at - start;
  return Math.max(0, at - start - durationMs);
}
