import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { urlToHttpOptions } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { asError } from '../errors.ts';
import { connect } from '../io/connect.ts';
import { suppressTracing } from '../io/suppress.ts';
import { Backoff } from '../lifecycle/backoff.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';
import type { Target } from './tracing.ts';

/** Answers after which the same request may be sent again (OTLP specification, OTLP/HTTP response). */
const RETRYABLE = [429, 502, 503, 504];

/** Answers that are about who asks and where, not about what the request holds. */
const ABOUT_THE_CALL = [401, 403, 404];

/** Nobody listens, or there is no such machine: to try again within the next second is of little use. */
const NOBODY_THERE = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'];

/** The port that takes OTLP by gRPC, and what a server of HTTP/2 says first: the type of the frame SETTINGS, on stream 0. */
const GRPC_PORT = '4317';
const SETTINGS = 4;

/** Waits before a repetition, unless the collector names one: a shutdown has two seconds for all of them. */
const WAITS = { initialMs: 100, factor: 2, capMs: 1_000 };

/** Longest answer that is read, and longest message of it that is passed on, in characters. */
const LONGEST_ANSWER = 64 * 1_024;
const LONGEST_MESSAGE = 200;

/** Why a collector did not take a request. */
export interface Refusal {
  readonly reason: string;
  /** It may take the same request later. */
  readonly retryable: boolean;
  /** No collector is there. */
  readonly isAbsent?: boolean;
  /** Which requests it refuses now: every one, this one for what it holds, or nobody knows. */
  readonly refuses: 'every' | 'this' | 'unknown';
  /** When it asked to be called again, in milliseconds. */
  readonly afterMs?: number;
}

/** What a collector said that took a request, but not all of it (OTLP specification, partial success). */
export interface Rejection {
  /** Spans that it will never take; none when it only warns. */
  readonly rejected: number;
  readonly reason: string;
}

/** What became of a request; undefined when all of it was taken. */
export type Answer = Refusal | Rejection | undefined;

/**
 * Sends OTLP/HTTP requests with JSON bodies, as `HttpClient` calls a registry: no agent, so that a collector whose name is
 * that of a service too is not taken for one; `ClientRequest` itself under suppressed tracing; a connection for each request,
 * which reads certificates anew, as they rotate, and keeps no process alive.
 */
export class CollectorClient {
  readonly #target: Target;
  readonly #clock: Clock;
  #failure: string | undefined;

  constructor(target: Target, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  /** Why the last request that was answered, or failed, was not taken; undefined when it was. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Sends `body` again and again while that may help, within the target's time-out. Never rejects.
   *
   * @param hurry when it is aborted, a collector that is not there is asked once more, at once, and no more
   * @param signal ends it
   */
  async send(body: string, hurry?: AbortSignal, signal?: AbortSignal): Promise<Answer> {
    const end = this.#clock.now() + this.#target.timeoutMs;
    const backoff = new Backoff(WAITS);
    for (;;) {
      const isLast = hurry?.aborted === true;
      const answer = await this.post(body, end - this.#clock.now(), signal);
      if (answer === undefined || 'rejected' in answer) return answer;
      const pauseMs = answer.afterMs ?? backoff.next();
      const isInVain = isLast && answer.isAbsent === true;
      if (isInVain || !answer.retryable || this.#clock.now() + pauseMs >= end) return answer;
      await sleep(this.#clock, pauseMs, answer.isAbsent ? hurry : signal);
      if (signal?.aborted) return answer;
    }
  }

  /** Sends `body` once, within the target's time-out too. Never rejects. */
  async post(body: string, withinMs: number = this.#target.timeoutMs, signal?: AbortSignal): Promise<Answer> {
    const answer = await this.#post(body, Math.min(withinMs, this.#target.timeoutMs), signal).catch(
      (thrown): Refusal => ({ reason: asError(thrown).message, retryable: false, refuses: 'every' }),
    );
    this.#failure = answer && 'refuses' in answer ? answer.reason : undefined;
    return answer;
  }

  async #post(body: string, withinMs: number, signal: AbortSignal | undefined): Promise<Answer> {
    const { endpoint, headers, compression, tls } = this.#target;
    const content = compression === 'gzip' ? await promisify(gzip)(body) : Buffer.from(body);
    const { hostname, port, path, auth } = urlToHttpOptions(endpoint);
    const isSecure = endpoint.protocol === 'https:';
    const defaultPort = isSecure ? 443 : 80;
    const server = { host: hostname ?? '', port: Number(port) || defaultPort };
    const { ClientRequest } = process.getBuiltinModule('node:http');
    const call = suppressTracing(
      () =>
        new ClientRequest({
          ...server,
          defaultPort,
          path,
          auth,
          method: 'POST',
          ...(signal && { signal }),
          createConnection: () => connect(server, isSecure ? tls : undefined),
          headers: {
            ...headers,
            'content-type': 'application/json',
            'content-length': content.length,
            ...(compression === 'gzip' && { 'content-encoding': 'gzip' }),
          },
        }),
    );
    call.on('error', () => {}); // Also one that comes when nobody waits any more.
    const late = this.#clock.after(withinMs, () =>
      call.destroy(new Error(`no answer within ${Math.round(withinMs)} ms`)),
    );
    try {
      call.end(content);
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      return await answerOf(response);
    } catch (thrown) {
      return failureOf(asError(thrown), endpoint);
    } finally {
      late.cancel();
      call.destroy();
    }
  }
}

function failureOf(error: NodeJS.ErrnoException & { readonly rawPacket?: Uint8Array }, { port }: URL): Refusal {
  const { code = '', message, rawPacket } = error;
  const isHttp2 = rawPacket?.[3] === SETTINGS && rawPacket.subarray(5, 9).every((byte) => byte === 0);
  const isGrpc = isHttp2 || (port === GRPC_PORT && !NOBODY_THERE.includes(code));
  const hint = isGrpc ? '; this looks like OTLP/gRPC: name the port that takes OTLP over HTTP, 4318 by default' : '';
  return {
    reason: `${message}${hint}`,
    retryable: true,
    refuses: 'every',
    ...(NOBODY_THERE.includes(code) && { isAbsent: true }),
  };
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const { statusCode = 0, headers } = response;
  if (statusCode >= 200 && statusCode < 300) {
    if (!headers['content-type']?.startsWith('text/html')) return rejectionOf(await textOf(response));
    return { reason: `the collector answered ${statusCode} with a web page`, retryable: false, refuses: 'every' };
  }
  const seconds = Number(headers['retry-after']);
  return {
    reason: `the collector answered ${statusCode}`,
    retryable: RETRYABLE.includes(statusCode),
    refuses: refusedBy(statusCode),
    ...(seconds > 0 && { afterMs: seconds * 1_000 }),
  };
}

function refusedBy(statusCode: number): Refusal['refuses'] {
  if ([...RETRYABLE, ...ABOUT_THE_CALL].includes(statusCode)) return 'every';
  return statusCode >= 400 && statusCode < 500 ? 'this' : 'unknown';
}

/** The text of an answer, as far as it came: that the request was taken its status has said. */
async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk;
      if (text.length > LONGEST_ANSWER) break;
    }
  } catch {
    // It was cut off.
  }
  return text;
}

/** Undefined also for an answer that is no JSON: a collector may answer in Protobuf. */
function rejectionOf(text: string): Rejection | undefined {
  try {
    const { partialSuccess } = JSON.parse(text) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
    };
    const rejected = Number(partialSuccess?.rejectedSpans) || 0;
    const reason = String(partialSuccess?.errorMessage ?? '').slice(0, LONGEST_MESSAGE);
    return rejected > 0 || reason !== '' ? { rejected, reason } : undefined;
  } catch {
    return undefined;
  }
}
