/**
 * One field: its number, its content, and whether it repeats. The content is another message or a scalar of Protobuf; `hex` and
 * `base64` are bytes, named after their form in JSON, and `varint` is any whole number in that encoding.
 */
export type Field = readonly [number: number, holds: string, repeated?: 'repeated'];

/** A message: its fields by their names in JSON. */
export type Message = Readonly<Record<string, Field>>;

const ATTRIBUTES = ['KeyValue', 'repeated'] as const;
const PARTIAL = (rejected: string): Message => ({ [rejected]: [1, 'varint'], errorMessage: [2, 'string'] });

/**
 * The messages of OTLP that are written or read here (opentelemetry-proto 1.9). The writer and the reader both follow this table;
 * the reader skips fields that it does not name.
 */
export const MESSAGES: Readonly<Record<string, Message>> = {
  TracesRequest: { resourceSpans: [1, 'ResourceSpans', 'repeated'] },
  ResourceSpans: { resource: [1, 'Resource'], scopeSpans: [2, 'ScopeSpans', 'repeated'] },
  ScopeSpans: { scope: [1, 'Scope'], spans: [2, 'Span', 'repeated'] },
  Span: {
    traceId: [1, 'hex'],
    spanId: [2, 'hex'],
    traceState: [3, 'string'],
    parentSpanId: [4, 'hex'],
    name: [5, 'string'],
    kind: [6, 'varint'],
    startTimeUnixNano: [7, 'fixed64'],
    endTimeUnixNano: [8, 'fixed64'],
    attributes: [9, ...ATTRIBUTES],
    events: [11, 'Event', 'repeated'],
    links: [13, 'Link', 'repeated'],
    status: [15, 'Status'],
    flags: [16, 'fixed32'],
  },
  Event: { timeUnixNano: [1, 'fixed64'], name: [2, 'string'], attributes: [3, ...ATTRIBUTES] },
  Link: {
    traceId: [1, 'hex'],
    spanId: [2, 'hex'],
    traceState: [3, 'string'],
    attributes: [4, ...ATTRIBUTES],
    flags: [6, 'fixed32'],
  },
  Status: { message: [2, 'string'], code: [3, 'varint'] },

  MetricsRequest: { resourceMetrics: [1, 'ResourceMetrics', 'repeated'] },
  ResourceMetrics: { resource: [1, 'Resource'], scopeMetrics: [2, 'ScopeMetrics', 'repeated'] },
  ScopeMetrics: { scope: [1, 'Scope'], metrics: [2, 'Metric', 'repeated'] },
  Metric: { name: [1, 'string'], description: [2, 'string'], unit: [3, 'string'], gauge: [5, 'Gauge'] },
  Gauge: { dataPoints: [1, 'NumberDataPoint', 'repeated'] },
  NumberDataPoint: {
    timeUnixNano: [3, 'fixed64'],
    asDouble: [4, 'double'],
    asInt: [6, 'sfixed64'],
    attributes: [7, ...ATTRIBUTES],
  },

  Resource: { attributes: [1, ...ATTRIBUTES] },
  Scope: { name: [1, 'string'], version: [2, 'string'], attributes: [3, ...ATTRIBUTES] },
  KeyValue: { key: [1, 'string'], value: [2, 'AnyValue'] },
  AnyValue: {
    stringValue: [1, 'string'],
    boolValue: [2, 'bool'],
    intValue: [3, 'varint'],
    doubleValue: [4, 'double'],
    arrayValue: [5, 'ArrayValue'],
    kvlistValue: [6, 'KeyValueList'],
    bytesValue: [7, 'base64'],
  },
  ArrayValue: { values: [1, 'AnyValue', 'repeated'] },
  KeyValueList: { values: [1, ...ATTRIBUTES] },

  TracesResponse: { partialSuccess: [1, 'TracesPartialSuccess'] },
  TracesPartialSuccess: PARTIAL('rejectedSpans'),
  MetricsResponse: { partialSuccess: [1, 'MetricsPartialSuccess'] },
  MetricsPartialSuccess: PARTIAL('rejectedDataPoints'),
  /** `google.rpc.Status`: why a request was not taken. */
  Failure: { code: [1, 'varint'], message: [2, 'string'] },
};
