import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { text } from 'node:stream/consumers';
import { LosslessError } from '../errors.ts';

/** A span as commands look at it. */
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
}

/** One trace, spans by their start. */
export interface Trace {
  readonly traceId: string;
  readonly spans: readonly Span[];
}

/** What is searched for; service, operation and tags must match on the same span. */
export interface Search {
  readonly service: string;
  readonly operation?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Milliseconds since the Unix epoch. */
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
}

/** Longest wait for one answer, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** The answers of `/api/...`, the interface that Jaeger 1.x and 2.x share. */
interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly references?: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  readonly startTime: number;
  readonly duration: number;
  readonly processID: string;
  readonly tags?: readonly { readonly key: string; readonly value: string | number | boolean }[];
}

/** Reads traces from a Jaeger, or from the embedded collector. */
export class JaegerClient {
  readonly #base: URL;

  /** @param base where its query API is, for example `http://127.0.0.1:16686` */
  constructor(base: URL) {
    this.#base = base;
  }

  /** Services that have sent spans. */
  async services(): Promise<readonly string[]> {
    return (await this.#get<string[]>('services', {})) ?? [];
  }

  /** Traces that match, most recent first. */
  async search({ service, operation, tags, since, until, limit = 100 }: Search): Promise<readonly Trace[]> {
    const traces = await this.#get<JaegerTrace[]>('traces', {
      service,
      limit: String(limit),
      ...(operation !== undefined && { operation }),
      ...(tags !== undefined && { tags: JSON.stringify(tags) }),
      ...(since !== undefined && { start: String(Math.floor(since * 1_000)) }),
      ...(until !== undefined && { end: String(Math.ceil(until * 1_000)) }),
    });
    return (traces ?? []).map(traceOf).sort((a, b) => (b.spans[0]?.start ?? 0) - (a.spans[0]?.start ?? 0));
  }

  /**
   * One trace by its id.
   *
   * @throws LosslessError LOSSLESS_TRACE_NOT_FOUND
   */
  async trace(traceId: string): Promise<Trace> {
    const [trace] = (await this.#get<JaegerTrace[]>(`traces/${encodeURIComponent(traceId)}`, {})) ?? [];
    if (trace === undefined)
      throw new LosslessError('LOSSLESS_TRACE_NOT_FOUND', `${this.#base.origin} knows no trace ${traceId}`);
    return traceOf(trace);
  }

  /** The data of an answer; undefined when there is none (404). */
  async #get<T>(path: string, query: Readonly<Record<string, string>>): Promise<T | undefined> {
    const url = new URL(
      `${this.#base.pathname.replace(/\/+$/, '')}/api/${path}?${new URLSearchParams(query)}`,
      this.#base,
    );
    const { status, type, body } = await fetchText(url);
    if (status === 404) return undefined;
    // An unknown path is answered by Jaeger with its user interface.
    if (!type.includes('json'))
      throw new LosslessError(
        'LOSSLESS_COLLECTOR_UNREACHABLE',
        `${url.origin} does not answer Jaeger's query API: expected JSON, received ${type || 'nothing'}`,
      );
    const { data, errors } = JSON.parse(body) as {
      data?: T | null;
      errors?: readonly { readonly msg?: string }[] | null;
    };
    if (status >= 400)
      throw new LosslessError(
        'LOSSLESS_COLLECTOR_UNREACHABLE',
        `${url.origin} answered ${status}: ${errors?.[0]?.msg ?? 'no reason'}`,
      );
    return data ?? undefined;
  }
}

function fetchText(url: URL): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(
        new LosslessError(
          'LOSSLESS_COLLECTOR_UNREACHABLE',
          `no answer from ${url.origin} (${error.message}); start \`lossless collector\` or name a Jaeger with --url`,
        ),
      );
    const call = (url.protocol === 'https:' ? requestTls : request)(
      url,
      { signal: AbortSignal.timeout(TIMEOUT_MS) },
      (response) => {
        text(response).then(
          (body) => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }),
          failed,
        );
      },
    );
    call.on('error', failed);
    call.end();
  });
}

function traceOf({ traceID, spans, processes }: JaegerTrace): Trace {
  return {
    traceId: traceID.padStart(32, '0'),
    spans: spans.map((span) => spanOf(span, traceID, processes)).sort((a, b) => a.start - b.start),
  };
}

function spanOf(span: JaegerSpan, traceID: string, processes: JaegerTrace['processes']): Span {
  const tags = Object.fromEntries((span.tags ?? []).map(({ key, value }) => [key, value]));
  return {
    spanId: span.spanID,
    parentSpanId:
      span.references?.find((reference) => reference.refType === 'CHILD_OF' && reference.traceID === traceID)?.spanID ??
      '',
    name: span.operationName,
    service: processes[span.processID]?.serviceName ?? '',
    start: span.startTime / 1_000,
    durationMs: span.duration / 1_000,
    isError: tags['error'] === true || tags['otel.status_code'] === 'ERROR',
    message: String(tags['otel.status_description'] ?? ''),
    tags,
  };
}
