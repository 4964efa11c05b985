import { KILLED } from '../../src/lifecycle/outcomes.ts';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { traceOf } from '../../src/trace/model/trace.ts';
import { assess, LATE_MS } from '../../src/trace/model/verdict.ts';
import { type Attribute, textOf } from './attributes.ts';
import { jaegerTrace } from './jaeger.ts';
import type { Span, SpanGroup, StoredSpan } from './otlp.ts';
import type { Store } from './store.ts';

const STARTED = spanName('offline.started');
const ROOT = spanName('offline');

/** Most shutdowns whose ends are awaited, and most that are closed at a time. */
const MOST_OPEN = 20_000;
const MOST_CLOSED = 10;

/** Longest grace period, in milliseconds: a sender may have written anything (`LOSSLESS_GRACE_PERIOD_MS`). */
const LONGEST_GRACE_MS = 86_400_000;

/** The kind and the status of a root (OTLP). */
const INTERNAL = 1;
const ERROR = 2;

/**
 * Waits for the ends of shutdowns, and makes the root of a shutdown whose own does not arrive in time. It waits by a monotonic
 * clock, so neither a sender's clock nor a change of the time can end a shutdown early. A real root that comes later replaces it.
 */
export class Closing {
  readonly #store: Store;
  /** When the end of each shutdown is due, by the monotonic clock, oldest first. */
  readonly #due = new Map<string, number>();
  /** When this began; undefined once the shutdowns that were open then are known. */
  #begun: number | undefined;

  constructor(store: Store, now: number = performance.now()) {
    this.#store = store;
    this.#begun = now;
  }

  /** Takes note of new spans. */
  see(groups: readonly SpanGroup[], now: number = performance.now()): void {
    for (const { spans } of groups)
      for (const span of spans) {
        if (span.name === STARTED) this.#await(span, now);
        else if (span.name === ROOT) this.#due.delete(span.traceId);
      }
  }

  /** Makes the roots of shutdowns that are over and have none. */
  roots(now: number = performance.now()): readonly SpanGroup[] {
    if (this.#begun !== undefined) {
      for (const marker of this.#store.openMarkers(MOST_OPEN))
        if (!this.#due.has(marker.traceId)) this.#await(marker, this.#begun);
      this.#begun = undefined;
    }
    const over = [...this.#due].filter(([, due]) => now >= due).slice(0, MOST_CLOSED);
    return over.flatMap(([traceId]) => {
      this.#due.delete(traceId);
      return this.#close(this.#store.traces([traceId])[0] ?? []);
    });
  }

  #await({ traceId, attributes }: Span, now: number): void {
    if (this.#due.size >= MOST_OPEN) return;
    const graceMs = Number(textOfAttribute(attributes, ATTR.gracePeriod)) * 1_000 || 0;
    this.#due.set(traceId, now + Math.min(Math.max(graceMs, 0), LONGEST_GRACE_MS) + LATE_MS);
  }

  #close(spans: readonly StoredSpan[]): readonly SpanGroup[] {
    const marker = spans.find(({ name }) => name === STARTED);
    if (marker === undefined || marker.parentSpanId === '') return [];
    const { acked, durationMs, planned, problems, result } = assess(
      traceOf(jaegerTrace(spans)),
      Number.POSITIVE_INFINITY,
    );
    if (result !== KILLED) return [];
    const { origin, startTimeUnixNano, traceId } = marker;
    const root: Span = {
      traceId,
      spanId: marker.parentSpanId,
      parentSpanId: '',
      traceState: '',
      name: ROOT,
      kind: INTERNAL,
      startTimeUnixNano,
      endTimeUnixNano: `${BigInt(startTimeUnixNano) + BigInt(Math.round(durationMs * 1_000)) * 1_000n}`,
      attributes: [
        ...marker.attributes,
        { key: ATTR.fanoutPlanned, value: { intValue: String(planned) } },
        { key: ATTR.fanoutAcked, value: { intValue: String(acked) } },
        { key: ATTR.offlineResult, value: { stringValue: KILLED } },
        { key: ATTR.errorType, value: { stringValue: KILLED } },
      ],
      events: [],
      links: [],
      status: { code: ERROR, message: problems[0] ?? '' },
    };
    return [{ origin, spans: [root] }];
  }
}

function textOfAttribute(attributes: readonly Attribute[], name: string): string {
  const value = attributes.find(({ key }) => key === name)?.value;
  return value === undefined ? '' : textOf(value);
}
