import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { LosslessError } from '../errors.ts';
import { type JaegerTrace, printable, type Trace, traceOf } from '../trace/model/trace.ts';

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

/** Longest answer, in bytes: about 200,000 spans. */
const LONGEST_ANSWER = 256 * 1_024 * 1_024;

/** What every answer of `/api/...` is wrapped in. */
interface Answer<T> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly msg?: string }[] | null;
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
    return (traces ?? [])
      .map((trace) => this.#read(trace))
      .sort((one, other) => (other.spans[0]?.start ?? 0) - (one.spans[0]?.start ?? 0));
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
    return this.#read(trace);
  }

  /** The data of an answer; undefined when there is none (404). */
  async #get<T>(path: string, query: Readonly<Record<string, string>>): Promise<T | undefined> {
    const url = new URL(
      `${this.#base.pathname.replace(/\/+$/, '')}/api/${path}?${new URLSearchParams(query)}`,
      this.#base,
    );
    const { status, body } = await fetchText(url);
    const answer = parse<T>(body);
    // An unknown path is answered by Jaeger with 200 and its user interface, and what Jaeger refuses is JSON that is called text.
    if (answer === undefined) throw this.#foreign(`JSON, received ${status} and ${body.slice(0, 40) || 'nothing'}`);
    if (status === 404) return undefined;
    if (status >= 400)
      throw new LosslessError(
        'LOSSLESS_COLLECTOR_UNREACHABLE',
        `${url.origin} answered ${status}: ${answer.errors?.[0]?.msg ?? 'no reason'}`,
      );
    if (!Array.isArray(answer.data ?? [])) throw this.#foreign('a list under `data`');
    return answer.data ?? undefined;
  }

  #read(trace: JaegerTrace): Trace {
    try {
      return traceOf(trace);
    } catch {
      throw this.#foreign('traces as Jaeger 1 and 2 answer them at /api/traces');
    }
  }

  #foreign(expected: string): LosslessError {
    return new LosslessError(
      'LOSSLESS_COLLECTOR_UNREACHABLE',
      `${this.#base.origin} does not answer Jaeger's query API: expected ${printable(expected)}`,
    );
  }
}

function parse<T>(body: string): Answer<T> | undefined {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === 'object' && answer !== null && 'data' in answer ? (answer as Answer<T>) : undefined;
  } catch {
    return undefined;
  }
}

function fetchText(url: URL): Promise<{ readonly status: number; readonly body: string }> {
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
        readText(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), failed);
      },
    );
    call.on('error', failed);
    call.end();
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_ANSWER) throw new Error(`the answer is longer than ${LONGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
