/** What is kept of a span: enough to answer Jaeger's query API as Jaeger does. */
export interface StoredSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** `internal`, `server`, `client`, `producer` or `consumer`; empty when unspecified. */
  readonly kind: string;
  readonly service: string;
  /** Start, microseconds since the Unix epoch. */
  readonly start: number;
  /** Microseconds. */
  readonly duration: number;
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
  readonly tags: readonly Tag[];
  readonly resource: readonly Tag[];
  readonly scope: { readonly name: string; readonly version: string };
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly events: readonly { readonly at: number; readonly name: string; readonly tags: readonly Tag[] }[];
}

/** One attribute, as Jaeger types it. */
export interface Tag {
  readonly key: string;
  readonly type: 'string' | 'bool' | 'int64' | 'float64';
  readonly value: string | number | boolean;
}

/** Most spans of one request. */
const MOST_SPANS = 50_000;

/** Longest text of one attribute that is kept, in characters. */
const LONGEST_VALUE = 65_536;

/** The names of OTLP's span kinds, by their number. */
const KINDS = ['', 'internal', 'server', 'client', 'producer', 'consumer'];

const STATUS = ['unset', 'ok', 'error'] as const;

/** A body that is not OTLP JSON; its message says where. */
export class OtlpError extends Error {}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads the body of an OTLP/HTTP JSON request (OpenTelemetry protocol specification 1.9, JSON protobuf encoding). Fields
 * that are missing take their protobuf default.
 *
 * @throws OtlpError when the body is malformed
 */
export function decodeOtlp(body: string): readonly StoredSpan[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new OtlpError('the body is not JSON');
  }
  const spans: StoredSpan[] = [];
  for (const resourceSpans of list(object(parsed, 'the body')['resourceSpans'], 'resourceSpans')) {
    const group = object(resourceSpans, 'resourceSpans');
    const resource = tagsOf(object(group['resource'] ?? {}, 'resource')['attributes']);
    const service = resource.find((tag) => tag.key === 'service.name')?.value;
    for (const scopeSpans of list(group['scopeSpans'], 'scopeSpans')) {
      const scoped = object(scopeSpans, 'scopeSpans');
      const scope = object(scoped['scope'] ?? {}, 'scope');
      for (const span of list(scoped['spans'], 'spans')) {
        if (spans.length >= MOST_SPANS) throw new OtlpError(`more than ${MOST_SPANS} spans in one request`);
        spans.push(
          spanOf(object(span, 'spans'), String(service ?? ''), resource, {
            name: text(scope['name']),
            version: text(scope['version']),
          }),
        );
      }
    }
  }
  return spans;
}

function spanOf(span: Json, service: string, resource: readonly Tag[], scope: StoredSpan['scope']): StoredSpan {
  const start = microseconds(span['startTimeUnixNano'], 'startTimeUnixNano');
  const status = object(span['status'] ?? {}, 'status');
  return {
    traceId: id(span['traceId'], 32, 'traceId'),
    spanId: id(span['spanId'], 16, 'spanId'),
    parentSpanId: span['parentSpanId'] ? id(span['parentSpanId'], 16, 'parentSpanId') : '',
    name: text(span['name']),
    kind:
      KINDS[
        numbered(span['kind'], 'SPAN_KIND_', ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])
      ] ?? '',
    service,
    start,
    duration: Math.max(0, microseconds(span['endTimeUnixNano'], 'endTimeUnixNano') - start),
    status: {
      code: STATUS[numbered(status['code'], 'STATUS_CODE_', ['UNSET', 'OK', 'ERROR'])] ?? 'unset',
      message: text(status['message']),
    },
    tags: tagsOf(span['attributes']),
    resource,
    scope,
    links: list(span['links'], 'links').map((link) => {
      const { traceId, spanId } = object(link, 'links');
      return { traceId: id(traceId, 32, 'links.traceId'), spanId: id(spanId, 16, 'links.spanId') };
    }),
    events: list(span['events'], 'events').map((event) => {
      const { timeUnixNano, name, attributes } = object(event, 'events');
      return { at: microseconds(timeUnixNano, 'timeUnixNano'), name: text(name), tags: tagsOf(attributes) };
    }),
  };
}

function tagsOf(attributes: unknown): readonly Tag[] {
  return list(attributes, 'attributes').map((attribute) => {
    const { key, value } = object(attribute, 'attributes');
    if (typeof key !== 'string') throw new OtlpError('an attribute has no key');
    return { key, ...typedValue(object(value ?? {}, `the value of ${key}`)) };
  });
}

/** Arrays, maps and bytes become JSON text, as Jaeger shows them. */
function typedValue(value: Json): Omit<Tag, 'key'> {
  if (typeof value['boolValue'] === 'boolean') return { type: 'bool', value: value['boolValue'] };
  if (value['intValue'] !== undefined) return { type: 'int64', value: Number(value['intValue']) };
  if (value['doubleValue'] !== undefined) return { type: 'float64', value: Number(value['doubleValue']) };
  if (value['arrayValue'] !== undefined || value['kvlistValue'] !== undefined)
    return { type: 'string', value: cut(JSON.stringify(plain(value, 0))) };
  return { type: 'string', value: cut(text(value['stringValue'] ?? value['bytesValue'])) };
}

function plain(value: unknown, depth: number): unknown {
  if (depth > 8) return null;
  const any = object(value, 'a value');
  if (any['arrayValue'] !== undefined)
    return list(object(any['arrayValue'], 'arrayValue')['values'], 'values').map((each) => plain(each, depth + 1));
  if (any['kvlistValue'] !== undefined)
    return Object.fromEntries(
      list(object(any['kvlistValue'], 'kvlistValue')['values'], 'values').map((each) => {
        const { key, value: inner } = object(each, 'values');
        return [String(key), plain(inner ?? {}, depth + 1)];
      }),
    );
  if (any['intValue'] !== undefined) return Number(any['intValue']);
  return any['boolValue'] ?? any['doubleValue'] ?? any['stringValue'] ?? null;
}

function cut(value: string): string {
  return value.length > LONGEST_VALUE ? value.slice(0, LONGEST_VALUE) : value;
}

function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OtlpError(`${what} is not an object`);
  return value as Json;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new OtlpError(`${what} is not a list`);
  return value;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function id(value: unknown, digits: number, what: string): string {
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-fA-F]+$/.test(value) || /^0+$/.test(value))
    throw new OtlpError(`${what} is not ${digits} hexadecimal digits`);
  return value.toLowerCase();
}

/** Nanoseconds arrive as decimal text or as a number. */
function microseconds(value: unknown, what: string): number {
  if (value === undefined) return 0;
  if ((typeof value !== 'string' && typeof value !== 'number') || !/^\d{1,20}$/.test(String(value)))
    throw new OtlpError(`${what} is not a time in nanoseconds`);
  return Number(BigInt(value) / 1_000n);
}

/** Enumerations arrive as a number or as their name. */
function numbered(value: unknown, prefix: string, names: readonly string[]): number {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value < names.length ? value : 0;
  return typeof value === 'string' ? Math.max(0, names.indexOf(value.replace(prefix, ''))) : 0;
}
