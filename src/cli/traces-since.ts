import { type SpanName, spanName } from '../trace/model/schema.ts';
import type { Trace } from '../trace/model/trace.ts';
import type { JaegerClient } from './jaeger-client.ts';

/** Traces of one search: a hundred shutdowns of 250 consumers are an answer of about 60 MB. */
const PAGE = 100;

/** Two microseconds, in milliseconds: stores have a resolution of one, and a number of this size is off by a fraction of one. */
const STEP_MS = 0.002;

/** Most traces of a kind that the command reads. */
export const MOST = 10_000;

/** The traces that a store has sent. */
export interface Found {
  readonly traces: readonly Trace[];
  /** The store has no others. */
  readonly isComplete: boolean;
}

/**
 * Every shutdown, or every start, of a service since a time. Searches for markers, so it finds killed instances too.
 *
 * @param since milliseconds since the Unix epoch
 * @throws LosslessError LOSSLESS_COLLECTOR_UNREACHABLE
 */
export async function tracesSince(
  client: JaegerClient,
  service: string,
  marker: 'offline.started' | 'online.started',
  since: number,
): Promise<Found> {
  const operation = spanName(marker);
  const found = new Map<string, Trace>();
  let until: number | undefined;
  for (;;) {
    const page = await client.search({
      service,
      operation,
      since,
      limit: PAGE,
      ...(until !== undefined && { until }),
    });
    const before = found.size;
    for (const trace of page) found.set(trace.traceId, trace);
    const traces = [...found.values()];
    const isKnown = found.size === before;
    // There are enough for any reader, or the page is full of known traces: the store may hold others that it never sends.
    if (found.size >= MOST || (isKnown && page.length >= PAGE)) return { traces, isComplete: false };
    const oldest = Math.min(...page.map((trace) => startOf(trace, operation)));
    // A short page may have successors: a store also bounds the size of an answer, perhaps to one shutdown that it repeats.
    if (isKnown && (oldest !== until || oldest - STEP_MS < since)) return { traces, isComplete: true };
    until = isKnown ? oldest - STEP_MS : oldest;
  }
}

/** The time of the marker, by which a search goes. */
function startOf({ spans }: Trace, operation: SpanName): number {
  return spans.find(({ name }) => name === operation)?.start ?? spans[0]?.start ?? 0;
}
