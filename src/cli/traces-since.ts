import { type SpanName, spanName } from '../trace/model/schema.ts';
import type { Trace } from '../trace/model/trace.ts';
import type { JaegerClient } from './jaeger-client.ts';

/** Traces of one search: a hundred shutdowns of 250 consumers are an answer of about 60 MB. */
const PAGE = 100;

/** Two microseconds, in milliseconds: stores tell starts apart by one, and a number of this size may be wrong by a part of one. */
const STEP_MS = 0.002;

/** Most traces of a kind that are looked at. */
export const MOST = 10_000;

/** What a store has answered. */
export interface Found {
  readonly traces: readonly Trace[];
  /** There are no others. */
  readonly isComplete: boolean;
}

/**
 * Every shutdown, or every start, of a service that began since then. Each is found by its marker, so that one that was killed is found too.
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
    // A full page of what is known, and more than anybody reads: there may be others that are never answered.
    if (found.size >= MOST || (isKnown && page.length >= PAGE)) return { traces, isComplete: false };
    const oldest = Math.min(...page.map((trace) => startOf(trace, operation)));
    // A short page is not the last: a store bounds the size of an answer too, maybe to the one shutdown that is asked for again.
    if (isKnown && (oldest !== until || oldest - STEP_MS < since)) return { traces, isComplete: true };
    until = isKnown ? oldest - STEP_MS : oldest;
  }
}

/** When the marker was made: what a search goes by. */
function startOf({ spans }: Trace, operation: SpanName): number {
  return spans.find(({ name }) => name === operation)?.start ?? spans[0]?.start ?? 0;
}
