import type { WorkName } from '../lifecycle/facts.ts';
import type { Failure, LifecycleRecord, SpanIds } from '../lifecycle/records.ts';
import type { Identity } from '../protocol/identity.ts';
import { VERSION } from '../version.ts';
import { attributesOf, identityOf } from './attributes.ts';
import { type Attributes, type AttributeValue, SCOPE, SPANS, spanName } from './model/schema.ts';

/** A piece of work that has ended, with all that its span says. Times are milliseconds since the Unix epoch. */
export interface PlainSpan {
  readonly work: WorkName;
  readonly ids: SpanIds;
  readonly parentSpanId?: string;
  readonly links: readonly SpanIds[];
  readonly start: number;
  readonly end: number;
  readonly attributes: Attributes;
  readonly failure?: Failure;
}

/** Numbers of OTLP for the words of the schema. */
const KINDS = { INTERNAL: 1, SERVER: 2, CLIENT: 3 } as const;
const ERROR = 2;

/**
 * The body of one OTLP/HTTP request, made without the SDK: for a process that ends before that is loaded, and for one that speaks
 * for another that is dead.
 */
export function otlpBody(resource: Attributes, spans: readonly PlainSpan[]): string {
  const scopeSpans = [{ scope: { name: SCOPE, version: VERSION }, spans: spans.map(spanOf) }];
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: keyValues(resource) }, scopeSpans }] });
}

/** The spans of records; of work that has not ended none can be made. */
export function spansOf(records: readonly LifecycleRecord[], identity: Identity): readonly PlainSpan[] {
  const ended = new Map(records.flatMap((record) => (record.kind === 'ended' ? [[record.ids.spanId, record]] : [])));
  return records.flatMap((record) => {
    const end = record.kind === 'started' ? ended.get(record.ids.spanId) : undefined;
    if (record.kind !== 'started' || end === undefined) return [];
    const { work, ids, parentSpanId, links = [], at } = record;
    return {
      work,
      ids,
      ...(parentSpanId !== undefined && { parentSpanId }),
      links,
      start: at,
      end: end.at,
      attributes: {
        ...identityOf(identity),
        ...attributesOf(record),
        ...attributesOf(end),
      },
      ...(end.failure && { failure: end.failure }),
    };
  });
}

function spanOf({ work, ids, parentSpanId, links, start, end, attributes, failure }: PlainSpan): object {
  return {
    ...ids,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name: spanName(work),
    kind: KINDS[SPANS[work].kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: keyValues(attributes),
    links,
    status: failure === undefined ? {} : { code: ERROR, message: failure.message },
  };
}

/** A number of milliseconds is exact to a thousandth; to multiply it would not be. */
function nanoseconds(ms: number): string {
  const whole = Math.trunc(ms);
  return `${BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6))}`;
}

function keyValues(attributes: Attributes): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: typedValue(value) }));
}

/** Whole numbers as the SDK writes them, whatever the attribute holds otherwise. */
function typedValue(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
  return { arrayValue: { values: value.map(typedValue) } };
}
