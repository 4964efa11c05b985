import type { StoredSpan, Tag } from './otlp.ts';
import type { Store, TraceQuery } from './store.ts';

/** An answer of the query API. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** Traces of one answer when `limit` is not given, and at the most. */
const LIMIT = { default: 100, most: 1_500 };

/** Milliseconds and microseconds of the units of a duration, as Go writes them. */
const UNITS: Readonly<Record<string, number>> = {
  us: 1,
  µs: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
};

/** Answers one GET of Jaeger's query API (the JSON that its user interface reads); undefined for any other path. */
export function answerQuery(store: Store, path: string, query: URLSearchParams): Answer | undefined {
  const [, api, first, second, third] = path.split('/');
  if (api !== 'api') return undefined;
  if (first === 'services' && second === undefined) return listing(store.services());
  if (first === 'services' && third === 'operations') return listing(names(store, decodeURIComponent(second ?? '')));
  if (first === 'operations' && second === undefined) return operations(store, query.get('service'));
  if (first === 'traces' && second === undefined) return search(store, query);
  if (first === 'traces' && second !== undefined && third === undefined) return one(store, second);
  return undefined;
}

/** What Jaeger says when a request is wrong. */
export function failure(status: number, message: string): Answer {
  return { status, body: { data: null, total: 0, limit: 0, offset: 0, errors: [{ code: status, msg: message }] } };
}

function listing(data: readonly unknown[], total: number = data.length): Answer {
  return { status: 200, body: { data, total, limit: 0, offset: 0, errors: null } };
}

function names(store: Store, service: string): readonly string[] {
  return [...new Set(store.operations(service).map((operation) => operation.name))];
}

function operations(store: Store, service: string | null): Answer {
  if (!service) return failure(400, "parameter 'service' is required");
  return listing(store.operations(service).map(({ name, kind }) => ({ name, spanKind: kind })));
}

function one(store: Store, id: string): Answer {
  if (!/^[0-9a-f]{1,32}$/i.test(id)) return failure(400, `cannot parse trace id ${JSON.stringify(id.slice(0, 64))}`);
  const trace = traceOf(store, id);
  return trace === undefined ? failure(404, 'trace not found') : listing([trace], 0);
}

function search(store: Store, query: URLSearchParams): Answer {
  const ids = query.getAll('traceID');
  if (ids.length > 0)
    return listing(
      ids.flatMap((id) => traceOf(store, id) ?? []),
      0,
    );
  try {
    const parsed = parseQuery(query);
    return listing(
      store.find(parsed).flatMap((id) => traceOf(store, id) ?? []),
      0,
    );
  } catch (thrown) {
    return failure(400, (thrown as Error).message);
  }
}

function parseQuery(query: URLSearchParams): TraceQuery {
  const service = query.get('service');
  if (!service) throw new Error("parameter 'service' is required");
  const optional = <K extends string>(key: K, value: string | number | undefined): { [P in K]?: never } =>
    value === undefined ? {} : ({ [key]: value } as never);
  return {
    service,
    tags: tagsOf(query),
    limit: Math.min(number(query, 'limit') ?? LIMIT.default, LIMIT.most),
    ...optional('operation', query.get('operation') || undefined),
    ...optional('startMin', number(query, 'start')),
    ...optional('startMax', number(query, 'end')),
    ...optional('durationMin', duration(query, 'minDuration')),
    ...optional('durationMax', duration(query, 'maxDuration')),
  };
}

/** `tags={"key":"value"}` with text only, and `tag=key:value`, which may be repeated. */
function tagsOf(query: URLSearchParams): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const pair of query.getAll('tag')) {
    const at = pair.indexOf(':');
    if (at < 1) throw new Error(`malformed 'tag' parameter, expecting key:value, received: ${pair.slice(0, 64)}`);
    tags[pair.slice(0, at)] = pair.slice(at + 1);
  }
  for (const text of query.getAll('tags')) {
    const parsed = parseObject(text);
    for (const [key, value] of Object.entries(parsed)) {
      if (typeof value !== 'string')
        throw new Error(`malformed 'tags' parameter, cannot unmarshal JSON: ${key} is not text`);
      tags[key] = value;
    }
  }
  return tags;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new Error("malformed 'tags' parameter, cannot unmarshal JSON");
}

function number(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  if (!/^\d{1,18}$/.test(text)) throw new Error(`unable to parse param '${name}': not a whole number`);
  return Number(text);
}

function duration(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text)
    throw new Error(`unable to parse param '${name}': not a duration such as 800ms`);
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * (UNITS[unit ?? ''] ?? 0), 0);
}

/** A trace as Jaeger's user interface reads it. */
function traceOf(store: Store, id: string): object | undefined {
  const traceId = id.toLowerCase().padStart(32, '0');
  const spans = store.trace(traceId);
  if (spans.length === 0) return undefined;
  const processes = new Map<string, { readonly id: string; readonly process: object }>();
  const processOf = (span: StoredSpan): string => {
    const tags = span.resource.filter((tag) => tag.key !== 'service.name');
    const key = JSON.stringify([span.service, tags]);
    const known = processes.get(key) ?? { id: `p${processes.size + 1}`, process: { serviceName: span.service, tags } };
    processes.set(key, known);
    return known.id;
  };
  return {
    traceID: traceId,
    spans: spans.map((span) => spanOf(span, processOf(span))),
    processes: Object.fromEntries([...processes.values()].map((entry) => [entry.id, entry.process])),
    warnings: null,
  };
}

function spanOf(span: StoredSpan, processID: string): object {
  const parents =
    span.parentSpanId === '' ? [] : [{ refType: 'CHILD_OF', traceID: span.traceId, spanID: span.parentSpanId }];
  const links = span.links.map((link) => ({ refType: 'FOLLOWS_FROM', traceID: link.traceId, spanID: link.spanId }));
  return {
    traceID: span.traceId,
    spanID: span.spanId,
    operationName: span.name,
    references: [...parents, ...links],
    startTime: span.start,
    duration: span.duration,
    tags: [...span.tags, ...ownTags(span)],
    logs: span.events.map((event) => ({
      timestamp: event.at,
      fields: [{ key: 'event', type: 'string', value: event.name }, ...event.tags],
    })),
    processID,
    warnings: null,
  };
}

/** What OTLP has fields for and Jaeger shows as tags. */
function ownTags({ kind, scope, status }: StoredSpan): readonly Tag[] {
  const tag = (key: string, value: string | boolean): Tag => ({
    key,
    type: typeof value === 'string' ? 'string' : 'bool',
    value,
  });
  return [
    ...(scope.name === '' ? [] : [tag('otel.scope.name', scope.name)]),
    ...(scope.version === '' ? [] : [tag('otel.scope.version', scope.version)]),
    ...(kind === '' ? [] : [tag('span.kind', kind)]),
    ...(status.code === 'unset' ? [] : [tag('otel.status_code', status.code.toUpperCase())]),
    ...(status.code === 'error' ? [tag('error', true)] : []),
    ...(status.message === '' ? [] : [tag('otel.status_description', status.message)]),
  ];
}
