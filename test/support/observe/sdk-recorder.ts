/** The spans of OpenTelemetry's SDK, which those of the plugin are compared with. */
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  type IdGenerator,
  type ReadableSpan,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { LifecycleRecord, SpanIds, WorkRecord } from '../../../src/lifecycle/records.ts';
import type { Identity } from '../../../src/protocol/identity.ts';
import { attributesOf, identityOf, resourceOf } from '../../../src/trace/attributes.ts';
import { SCOPE, SPANS, spanName } from '../../../src/trace/model/schema.ts';
import { VERSION } from '../../../src/version.ts';

/** The SDK's numbers for the words of the schema. */
const KINDS = { INTERNAL: SpanKind.INTERNAL, CLIENT: SpanKind.CLIENT, SERVER: SpanKind.SERVER } as const;

/** A finished span, ready to be sent or written. */
export type FinishedSpan = ReadableSpan;

/** Hands out the ids of the record that is being turned into a span. */
class RecordIds implements IdGenerator {
  next: SpanIds = { traceId: '', spanId: '' };
  generateTraceId = (): string => this.next.traceId;
  generateSpanId = (): string => this.next.spanId;
}

export interface RecorderOptions {
  readonly identity: () => Identity;
  readonly resource: Readonly<Record<string, string>>;
  /** Takes each span as it ends. */
  readonly finished: (span: FinishedSpan) => void;
}

/** Makes spans of records. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #ids = new RecordIds();
  readonly #open = new Map<string, Span>();
  readonly #provider: TracerProvider;

  constructor(options: RecorderOptions) {
    this.#options = options;
    const processor: SpanProcessor = {
      onStart: () => {},
      onEnd: (span) => options.finished(span),
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    this.#provider = new TracerProvider({
      sampler: new AlwaysOnSampler(),
      idGenerator: this.#ids,
      resource: resourceFromAttributes(resourceOf(options.identity(), options.resource) as Record<string, string>),
      spanProcessors: [processor],
    });
  }

  record(record: LifecycleRecord): void {
    if (record.kind === 'started') this.#start(record);
    else if (record.kind === 'ended') this.#end(record);
  }

  #start(record: WorkRecord & { kind: 'started' }): void {
    const { at, work, ids, parentSpanId, remoteParent, links } = record;
    const context =
      parentSpanId === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, contextOf({ traceId: ids.traceId, spanId: parentSpanId }, remoteParent));
    this.#ids.next = ids;
    const span = this.#provider.getTracer(SCOPE, VERSION).startSpan(
      spanName(work),
      {
        kind: KINDS[SPANS[work].kind],
        startTime: hrTime(at),
        links: (links ?? []).map((link) => ({ context: contextOf(link, true) })),
        attributes: { ...identityOf(this.#options.identity()), ...attributesOf(record) } as Record<string, string>,
      },
      context,
    );
    this.#open.set(ids.spanId, span);
  }

  #end(record: WorkRecord & { kind: 'ended' }): void {
    const { at, ids, failure } = record;
    const span = this.#open.get(ids.spanId);
    if (span === undefined) return;
    this.#open.delete(ids.spanId);
    span.setAttributes(attributesOf(record) as Record<string, string>);
    if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
    span.end(hrTime(at));
  }
}

/** Spans as the body of one OTLP/HTTP request. */
export function serialize(spans: readonly FinishedSpan[]): string {
  const bytes = JsonTraceSerializer.serializeRequest([...spans]);
  return Buffer.from(bytes ?? []).toString('utf8');
}

function contextOf(
  { traceId, spanId }: SpanIds,
  isRemote = false,
): { traceId: string; spanId: string; traceFlags: number; isRemote: boolean } {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote };
}

/** Seconds and nanoseconds of a time in milliseconds since the epoch. */
function hrTime(at: number): [number, number] {
  const seconds = Math.trunc(at / 1_000);
  return [seconds, Math.round((at - seconds * 1_000) * 1e6)];
}
