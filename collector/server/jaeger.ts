import type { JaegerProcess, JaegerSpan, JaegerTrace } from '../../src/trace/model/trace.ts';
import { type Tag, tagOf } from './attributes.ts';
import { type Answer, searchDepth, traceIdOf } from './jaeger-answer.ts';
import { type Event, KINDS, microseconds, type Origin, type Span, STATUS, type StoredSpan, timesOf } from './otlp.ts';
import { duration, tags, wholeNumber } from './query-parameters.ts';
import { Refused } from './refused.ts';
import type { Store, TraceQuery } from './store.ts';

/** Default of `limit`: traces of one answer. */
const DEFAULT_LIMIT = 100;

/** How far back a search goes without `start`, in microseconds. */
const LOOKBACK = 2 * 24 * 3_600_000_000;

/**
 * Answers one GET of the JSON interface that Jaeger's user interface reads, as Jaeger 2.13.0 does; undefined for any
 * other path.
 *
 * @throws Refused
 */
export function answerQuery(
  store: Store,
  [kind, ...rest]: readonly string[],
  query: URLSearchParams,
): Answer | undefined {
  const [name, part] = rest;
  if (kind === 'services' && rest.length === 0) return names(store.services());
  if (kind === 'services' && name !== undefined && part === 'operations' && rest.length === 2)
    return names([...new Set(store.operations(name).map((operation) => operation.name))]);
  if (kind === 'operations' && rest.length === 0) return operations(store, query);
  if (kind === 'traces' && rest.length === 0) return search(store, query);
  if (kind === 'traces' && name !== undefined && rest.length === 1) return one(store, name);
  return undefined;
}

/** Jaeger's answer to a refused request. */
export function failure({ status, message }: Refused): Answer {
  return { status, body: { data: null, total: 0, limit: 0, offset: 0, errors: [{ code: status, msg: message }] } };
}

function listing(data: readonly unknown[] | null): Answer {
  return { status: 200, body: { data, total: data?.length ?? 0, limit: 0, offset: 0, errors: null } };
}

/** An empty list of names is null, as in Jaeger. */
function names(data: readonly string[]): Answer {
  return listing(data.length > 0 ? data : null);
}

function traces(data: readonly (readonly StoredSpan[])[], errors: readonly object[] = []): Answer {
  const body = {
    data: data.map(jaegerTrace),
    total: 0,
    limit: 0,
    offset: 0,
    errors: errors.length > 0 ? errors : null,
  };
  return { status: 200, body };
}

function operations(store: Store, query: URLSearchParams): Answer {
  const service = required(query, 'service');
  const kind = query.get('spanKind');
  const found = store.operations(service).filter((operation) => !kind || operation.kind === kind);
  return listing(found.map((operation) => ({ name: operation.name, spanKind: operation.kind })));
}

function one(store: Store, id: string): Answer {
  const found = store.traces([traceIdOf(id)]);
  if (found.length === 0) throw new Refused(404, 'trace not found');
  return traces(found);
}

function search(store: Store, query: URLSearchParams): Answer {
  const ids = query.getAll('traceID').map(traceIdOf);
  if (ids.length === 0) return traces(store.traces(store.find(parse(query))));
  const found = store.traces(ids);
  const known = new Set(found.map(([span]) => span?.traceId));
  const missing = ids.filter((id) => !known.has(id));
  return traces(
    found,
    missing.map((id) => ({ msg: 'trace not found', traceID: shortId(id) })),
  );
}

function parse(query: URLSearchParams): TraceQuery {
  const now = Date.now() * 1_000;
  const durationMin = duration(query, 'minDuration') || undefined;
  const durationMax = duration(query, 'maxDuration') || undefined;
  if (durationMin !== undefined && durationMax !== undefined && durationMax < durationMin)
    throw new Refused(400, "'maxDuration' should be greater than 'minDuration'");
  return {
    startMin: wholeNumber(query, 'start') ?? now - LOOKBACK,
    startMax: wholeNumber(query, 'end') ?? now,
    tags: tags(query),
    durationMin,
    durationMax,
    service: required(query, 'service'),
    operation: query.get('operation') || undefined,
    limit: searchDepth(wholeNumber(query, 'limit') ?? DEFAULT_LIMIT),
  };
}

function required(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (!value) throw new Refused(400, `parameter '${name}' is required`);
  return value;
}

/** A trace in the JSON interface. */
export function jaegerTrace(spans: readonly StoredSpan[]): JaegerTrace {
  const processes = new Map<string, { readonly id: string; readonly process: JaegerProcess }>();
  const keys = new Map<Origin, string>();
  const processOf = (origin: Origin): string => {
    const { service, resource } = origin;
    const key = keys.get(origin) ?? JSON.stringify(resource);
    keys.set(origin, key);
    const known = processes.get(key) ?? {
      id: `p${processes.size + 1}`,
      process: {
        serviceName: service,
        tags: resource.filter((attribute) => attribute.key !== 'service.name').map(tagOf),
      },
    };
    processes.set(key, known);
    return known.id;
  };
  return {
    traceID: shortId(spans[0]?.traceId ?? ''),
    spans: spans.map((span) => spanOf(span, processOf(span.origin))),
    processes: Object.fromEntries([...processes.values()].map(({ id, process }) => [id, process])),
    warnings: null,
  };
}

function spanOf(span: StoredSpan, processID: string): JaegerSpan {
  const { start, duration: length } = timesOf(span);
  return {
    traceID: shortId(span.traceId),
    spanID: span.spanId,
    operationName: span.name,
    references: referencesOf(span),
    startTime: start,
    duration: length,
    tags: [...span.attributes.map(tagOf), ...ownTags(span)],
    logs: span.events.map(logOf),
    processID,
    warnings: null,
  };
}

/** References to the parent and the links; a link to the parent names the kind of that reference. */
function referencesOf({ traceId, parentSpanId, links }: Span): NonNullable<JaegerSpan['references']> {
  const reference = (refType: string, trace: string, spanID: string) => ({
    refType,
    traceID: shortId(trace),
    spanID,
  });
  const typed = links.map((link) => {
    const isChild = link.attributes.some(
      ({ key, value }) => key === 'opentracing.ref_type' && 'stringValue' in value && value.stringValue === 'child_of',
    );
    return { ...link, refType: isChild ? 'CHILD_OF' : 'FOLLOWS_FROM' };
  });
  const isToParent = (link: { readonly traceId: string; readonly spanId: string }): boolean =>
    link.traceId === traceId && link.spanId === parentSpanId;
  return [
    ...(parentSpanId === ''
      ? []
      : [reference(typed.findLast(isToParent)?.refType ?? 'CHILD_OF', traceId, parentSpanId)]),
    ...typed.filter((link) => !isToParent(link)).map((link) => reference(link.refType, link.traceId, link.spanId)),
  ];
}

function logOf({ timeUnixNano, name, attributes }: Event): object {
  const isNamed = name === '' || attributes.some((attribute) => attribute.key === 'event');
  return {
    timestamp: microseconds(timeUnixNano),
    fields: [...(isNamed ? [] : [textTag('event', name)]), ...attributes.map(tagOf)],
  };
}

/** Fields of OTLP that Jaeger shows as tags. */
function ownTags({ kind, origin: { scope }, status, traceState }: StoredSpan): readonly Tag[] {
  const code = STATUS[status.code] ?? '';
  const texts = [
    ['otel.scope.name', scope.name],
    ['otel.scope.version', scope.version],
    ['span.kind', KINDS[kind] ?? ''],
    ['otel.status_code', code],
    ['otel.status_description', status.message],
    ['w3c.tracestate', traceState],
  ] as const;
  return [
    ...texts.filter(([, value]) => value !== '').map(([key, value]) => textTag(key, value)),
    ...(code === 'ERROR' ? [{ key: 'error', type: 'bool', value: true } as const] : []),
  ];
}

function textTag(key: string, value: string): Tag {
  return { key, type: 'string', value };
}

/** Shows an id of 64 bits with 16 digits. */
function shortId(traceId: string): string {
  return traceId.replace(/^0{16}/, '');
}
