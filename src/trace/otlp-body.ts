import type { Json } from '../json.ts';
import type { WorkName } from '../lifecycle/facts.ts';
import type { EndRecord, Failure, LifecycleRecord, SpanIds, StartRecord } from '../lifecycle/records.ts';
import type { Identity } from '../protocol/identity.ts';
import { VERSION } from '../version.ts';
import { attributesOf, identityOf } from './attributes.ts';
import { OFFLINE_METRICS, type OfflineMetricName } from './model/offline-metrics.ts';
import { type Attributes, type AttributeValue, SCOPE, SPANS, spanName } from './model/schema.ts';

/** The span of finished work. Times are milliseconds since the Unix epoch. */
export interface PlainSpan {
  readonly work: WorkName;
  readonly ids: SpanIds;
  readonly parentSpanId?: string;
  /** Whether the parent is in another process. */
  readonly remoteParent?: boolean;
  readonly links: readonly SpanIds[];
  readonly start: number;
  readonly end: number;
  readonly attributes: Attributes;
  readonly failure?: Failure;
}

/** One value of a gauge. */
export interface Point {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly value: number;
  readonly attributes: Attributes;
}

/** A gauge, with points in the order of their times. */
export interface PlainMetric {
  readonly name: OfflineMetricName;
  readonly points: readonly Point[];
}

/** Numbers of OTLP for the words of the schema. */
const KINDS = { INTERNAL: 1, SERVER: 2, CLIENT: 3 } as const;
const ERROR = 2;

/** Bits of a span's and a link's flags: sampled, it is known whether the parent or link is in another process, and it is. */
const FLAGS = 0x101;
const REMOTE = 0x200;

const OWN_SCOPE = { name: SCOPE, version: VERSION };

/** One OTLP/HTTP request with spans, in its JSON form. */
export function otlpBody(resource: Attributes, spans: readonly PlainSpan[]): Json {
  const scopeSpans = [{ scope: OWN_SCOPE, spans: spans.map(spanOf) }];
  return { resourceSpans: [{ resource: { attributes: keyValues(resource) }, scopeSpans }] };
}

/** The same with metrics. */
export function metricsBody(resource: Attributes, metrics: readonly PlainMetric[]): Json {
  const scopeMetrics = [{ scope: OWN_SCOPE, metrics: metrics.map(metricOf) }];
  return { resourceMetrics: [{ resource: { attributes: keyValues(resource) }, scopeMetrics }] };
}

/** The spans of records. Unfinished work has none. */
export function spansOf(records: readonly LifecycleRecord[], identity: Identity): readonly PlainSpan[] {
  const ended = new Map(records.flatMap((record) => (record.kind === 'ended' ? [[record.ids.spanId, record]] : [])));
  return records.flatMap((record) => {
    const end = record.kind === 'started' ? ended.get(record.ids.spanId) : undefined;
    return record.kind === 'started' && end !== undefined ? [spanBetween(record, end, identity)] : [];
  });
}

/** The span of one piece of work, from the records of its start and of its end. */
export function spanBetween(started: StartRecord, ended: EndRecord, identity: Identity): PlainSpan {
  const { work, ids, parentSpanId, remoteParent, links = [], at } = started;
  return {
    work,
    ids,
    ...(parentSpanId !== undefined && { parentSpanId }),
    ...(remoteParent !== undefined && { remoteParent }),
    links,
    start: at,
    end: ended.at,
    attributes: { ...identityOf(identity), ...attributesOf(started), ...attributesOf(ended) },
    ...(ended.failure && { failure: ended.failure }),
  };
}

function spanOf(span: PlainSpan): object {
  const { work, ids, parentSpanId, remoteParent = false, links, start, end, attributes, failure } = span;
  return {
    ...ids,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name: spanName(work),
    kind: KINDS[SPANS[work].kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: keyValues(attributes),
    links: links.map((link) => ({ ...link, flags: FLAGS | REMOTE })),
    flags: remoteParent ? FLAGS | REMOTE : FLAGS,
    status: failure === undefined ? {} : { code: ERROR, message: failure.message },
  };
}

function metricOf({ name, points }: PlainMetric): object {
  const { doc, unit } = OFFLINE_METRICS[name];
  const dataPoints = points.map(({ at, value, attributes }) => ({
    timeUnixNano: nanoseconds(at),
    ...(Number.isInteger(value) ? { asInt: String(value) } : { asDouble: value }),
    attributes: keyValues(attributes),
  }));
  return { name, description: doc, unit, gauge: { dataPoints } };
}

/** Whole milliseconds and their fraction are converted apart, because one product would lose digits. */
function nanoseconds(ms: number): string {
  const whole = Math.trunc(ms);
  return `${BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6))}`;
}

function keyValues(attributes: Attributes): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: typedValue(value) }));
}

/** A whole number is an integer, as in OpenTelemetry's SDK, even for an attribute of decimals. */
function typedValue(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
  return { arrayValue: { values: value.map(typedValue) } };
}
