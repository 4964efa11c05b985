import { type Answer, searchDepth, traceIdOf } from './jaeger-answer.ts';
import type { Event, Link, Origin, StoredSpan } from './otlp.ts';
import { duration, moment, wholeNumber } from './query-parameters.ts';
import { Refused } from './refused.ts';
import type { Store } from './store.ts';

/**
 * Answers one GET of Jaeger's interface version 3, whose traces are OTLP/JSON, as Jaeger 2.13.0 does; undefined for any
 * other path.
 *
 * @throws Refused
 */
export function answerQueryV3(
  store: Store,
  [kind, id, ...rest]: readonly string[],
  query: URLSearchParams,
): Answer | undefined {
  if (rest.length > 0) return undefined;
  if (kind === 'services' && id === undefined) return { status: 200, body: { services: store.services() } };
  if (kind === 'operations' && id === undefined) return operations(store, query);
  if (kind === 'traces') return traces(store.traces(id === undefined ? find(store, query) : [traceIdOf(id)]));
  return undefined;
}

/** Jaeger's answer to a refused request. */
export function failureV3({ status, message }: Refused): Answer {
  return { status, body: { error: { httpCode: status, message } } };
}

function operations(store: Store, query: URLSearchParams): Answer {
  const kind = query.get('span_kind');
  const found = store.operations(query.get('service') ?? '').filter((operation) => !kind || operation.kind === kind);
  const shown = found.map((operation) => given({ name: operation.name, spanKind: operation.kind }));
  return { status: 200, body: { operations: shown } };
}

function find(store: Store, query: URLSearchParams): readonly string[] {
  const startMin = moment(query, 'query.start_time_min');
  const startMax = moment(query, 'query.start_time_max');
  if (startMin === undefined || startMax === undefined)
    throw new Refused(400, 'query.start_time_min and query.start_time_max are required');
  return store.find({
    startMin,
    startMax,
    tags: {},
    service: query.get('query.service_name') || undefined,
    operation: query.get('query.operation_name') || undefined,
    durationMin: duration(query, 'query.duration_min') || undefined,
    durationMax: duration(query, 'query.duration_max') || undefined,
    limit: searchDepth(wholeNumber(query, 'query.num_traces') ?? 0),
  });
}

function traces(found: readonly (readonly StoredSpan[])[]): Answer {
  if (found.length === 0) throw new Refused(404, 'No traces found');
  return { status: 200, body: { result: { resourceSpans: found.flatMap(resourceSpansOf) } } };
}

/** The spans of a trace, grouped by origin. */
function resourceSpansOf(spans: readonly StoredSpan[]): readonly object[] {
  return [...Map.groupBy(spans, (span) => span.origin)].map(([{ resource, scope }, group]) => ({
    resource: { attributes: resource },
    scopeSpans: [{ scope: given(scope satisfies Origin['scope']), spans: group.map(spanOf) }],
  }));
}

function spanOf({ origin: _, events, links, status, ...span }: StoredSpan): object {
  return {
    ...given({
      ...span,
      events: events.map((event: Event) => given(event)),
      links: links.map((link: Link) => given(link)),
    }),
    status: given(status),
  };
}

/** The fields that are set: protobuf's JSON leaves out zero, the empty text and the empty list. */
function given(message: object): object {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => {
      if (Array.isArray(value)) return value.length > 0;
      return value !== '' && value !== 0 && value !== '0';
    }),
  );
}
