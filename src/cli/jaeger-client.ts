import { asError, LosslessError } from '../errors.ts';
import { partsOf, request } from '../io/request.ts';
import { objectIn } from '../json.ts';
import { systemClock } from '../lifecycle/clock.ts';
import { type JaegerTrace, printable, type Trace, traceOf } from '../trace/model/trace.ts';

/** A search; service, operation and tags must match on the same span. */
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

/** The envelope of every answer of `/api/...`. */
interface Answer<T> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly msg?: string }[] | null;
}

/** Reads traces from a Jaeger, or from the embedded collector. */
export class JaegerClient {
  readonly #base: URL;

  /** @param base URL of the query API, for example `http://127.0.0.1:16686` */
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

  /** The data of an answer; undefined for the status 404. */
  async #get<T>(path: string, query: Readonly<Record<string, string>>): Promise<T | undefined> {
    const url = new URL(
      `${this.#base.pathname.replace(/\/+$/, '')}/api/${path}?${new URLSearchParams(query)}`,
      this.#base,
    );
    const { status, body } = await fetchText(url);
    const answer = objectIn(body) as Answer<T> | undefined;
    // Jaeger answers an unknown path with 200 and its user interface, and labels the JSON of a refusal as text.
    if (answer === undefined || !('data' in answer))
      throw this.#foreign(`JSON, received ${status} and ${body.slice(0, 40) || 'nothing'}`);
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

async function fetchText(url: URL): Promise<{ readonly status: number; readonly body: string }> {
  const tls = url.protocol === 'https:' ? {} : undefined;
  try {
    return await request({ ...partsOf(url), clock: systemClock, tls, timeoutMs: TIMEOUT_MS }, async (answer) => ({
      status: answer.status,
      body: await answer.text(LONGEST_ANSWER),
    }));
  } catch (thrown) {
    throw new LosslessError(
      'LOSSLESS_COLLECTOR_UNREACHABLE',
      `no answer from ${url.origin} (${asError(thrown).message}); start \`lossless collector\` or name a Jaeger with --url`,
    );
  }
}
