/** A span as commands and pages read it. */
export interface Span {
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** Service of the process that made it. */
  readonly service: string;
  /** Start, milliseconds since the Unix epoch, with a fraction. */
  readonly start: number;
  readonly durationMs: number;
  readonly isError: boolean;
  readonly message: string;
  readonly tags: Readonly<Record<string, string | number | boolean>>;
  /** `service.version` of the process that made it; absent when its resource does not say it. */
  readonly version?: string;
  /** `service.namespace` of that process; absent likewise. */
  readonly namespace?: string;
}

/** One trace, spans by their start. */
export interface Trace {
  readonly traceId: string;
  readonly spans: readonly Span[];
}

/** A trace in an answer of `/api/traces`, the interface that Jaeger 1.x and 2.x share. */
export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, JaegerProcess>>;
  readonly warnings?: null;
}

/** A process that made spans. */
export interface JaegerProcess {
  readonly serviceName: string;
  readonly tags?: readonly { readonly key?: unknown; readonly value?: unknown }[];
}

export interface JaegerSpan {
  readonly traceID?: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references?: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  readonly startTime: number;
  readonly duration: number;
  readonly processID: string;
  readonly tags?: readonly { readonly key: string; readonly value: string | number | boolean }[];
  readonly logs?: readonly object[];
  readonly warnings?: null;
}

/** Reads a trace of Jaeger. */
export function traceOf({ traceID, spans, processes }: JaegerTrace): Trace {
  const origins = new Map(Object.entries(processes).map(([id, process]) => [id, originOf(process)]));
  return {
    traceId: traceID.padStart(32, '0'),
    spans: spans
      .map((span) => ({ ...spanOf(span, traceID), ...(origins.get(span.processID) ?? { service: '' }) }))
      .sort((a, b) => a.start - b.start),
  };
}

function spanOf(span: JaegerSpan, traceID: string): Omit<Span, keyof Origin> {
  const tags = Object.fromEntries(
    (span.tags ?? []).map(({ key, value }) => [key, typeof value === 'string' ? printable(value) : value]),
  );
  return {
    spanId: span.spanID,
    parentSpanId:
      span.references?.find((reference) => reference.refType === 'CHILD_OF' && reference.traceID === traceID)?.spanID ??
      '',
    name: printable(span.operationName),
    start: span.startTime / 1_000,
    durationMs: span.duration / 1_000,
    isError: tags['error'] === true || tags['otel.status_code'] === 'ERROR',
    message: String(tags['otel.status_description'] ?? ''),
    tags,
  };
}

/** What a span says of the process that made it. */
type Origin = Pick<Span, 'service' | keyof typeof RESOURCE>;

/** The attributes that are read from the resource of a process. */
const RESOURCE = { version: 'service.version', namespace: 'service.namespace' } as const;

function originOf({ serviceName, tags }: JaegerProcess): Origin {
  const resource = Object.entries(RESOURCE).flatMap(([name, key]) => {
    const value = tags?.find((tag) => tag.key === key)?.value;
    return typeof value === 'string' ? [[name, printable(value)]] : [];
  });
  return { service: printable(serviceName ?? ''), ...Object.fromEntries(resource) };
}

/** Replaces control characters: in a terminal they could move the cursor or worse, and anybody may have sent the text. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** A duration for people. */
export function milliseconds(ms: number): string {
  if (ms >= 600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

/** `1 consumer`, `2 consumers`. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
