import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { asError } from '../errors.ts';
import { tlsOf } from '../io/connect.ts';
import { partsOf, type Answer as Received, request } from '../io/request.ts';
import { isObject, objectIn } from '../json.ts';
import { Backoff } from '../lifecycle/backoff.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';
import { SIGNALS, type Signal } from './signals.ts';
import type { Target } from './tracing.ts';

/** Answers after which the same request may be sent again (OTLP specification, OTLP/HTTP response). */
const RETRYABLE = [429, 502, 503, 504];

/** Answers of a collector that takes traces only, and is sent metrics. */
const UNSUPPORTED = [404, 405, 415, 501];

/** Answers that are about who asks and where, not about what the request holds. */
const ABOUT_THE_CALL = [401, 403, 404];

/** Nobody listens, or there is no such machine: to try again within the next second is of little use. */
const NOBODY_THERE = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'];

/** The port that takes OTLP by gRPC, and what a server of HTTP/2 says first: the type of the frame SETTINGS, on stream 0. */
const GRPC_PORT = '4317';
const SETTINGS = 4;

/** Waits before a repetition, unless the collector names one: a shutdown has two seconds for all of them. */
const WAITS = { initialMs: 100, factor: 2, capMs: 1_000 };

/** Longest answer that is read, in bytes, and longest message of it that is passed on, in characters. */
const LONGEST_ANSWER = 64 * 1_024;
const LONGEST_MESSAGE = 200;

/** Why a collector did not take a request. */
export interface Refusal {
  readonly reason: string;
  /** It may take the same request later. */
  readonly retryable: boolean;
  /** No collector is there. */
  readonly isAbsent?: boolean;
  /** A collector is there, and takes nothing of this signal. */
  readonly isUnsupported?: boolean;
  /** Which requests it refuses now: every one, this one for what it holds, or nobody knows. */
  readonly refuses: 'every' | 'this' | 'unknown';
  /** When it asked to be called again, in milliseconds. */
  readonly afterMs?: number;
}

/** What a collector said that took a request, but not all of it (OTLP specification, partial success). */
export interface Rejection {
  /** Items that it will never take; none when it only warns. */
  readonly rejected: number;
  readonly reason: string;
}

/** What became of a request; undefined when all of it was taken. */
export type Answer = Refusal | Rejection | undefined;

/** Sends OTLP/HTTP requests with JSON bodies. */
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
    const secured = endpoint.protocol === 'https:' ? tlsOf(tls) : undefined;
    try {
      return await request(
        {
          ...partsOf(endpoint),
          clock: this.#clock,
          tls: secured,
          method: 'POST',
          headers: {
            ...headers,
            'content-type': 'application/json',
            ...(compression === 'gzip' && { 'content-encoding': 'gzip' }),
          },
          body: content,
          timeoutMs: withinMs,
          signal,
        },
        (received) => answerOf(received, this.#target.signal),
      );
    } catch (thrown) {
      // What Node.js does not send at all: another try would change nothing.
      if (thrown instanceof TypeError) throw thrown;
      return failureOf(asError(thrown), endpoint);
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

async function answerOf(answer: Received, signal: Signal): Promise<Answer> {
  const { status, headers } = answer;
  if (status >= 200 && status < 300) {
    // That the request was taken the status has said, whatever becomes of the rest.
    if (!headers['content-type']?.startsWith('text/html'))
      return rejectionOf(await answer.text(LONGEST_ANSWER).catch(() => ''), SIGNALS[signal].rejected);
    return { reason: `the collector answered ${status} with a web page`, retryable: false, refuses: 'every' };
  }
  const seconds = Number(headers['retry-after']);
  return {
    reason: `the collector answered ${status}`,
    retryable: RETRYABLE.includes(status),
    refuses: refusedBy(status),
    ...(seconds > 0 && { afterMs: seconds * 1_000 }),
    ...(signal === 'metrics' && UNSUPPORTED.includes(status) && { isUnsupported: true }),
  };
}

function refusedBy(statusCode: number): Refusal['refuses'] {
  if ([...RETRYABLE, ...ABOUT_THE_CALL].includes(statusCode)) return 'every';
  return statusCode >= 400 && statusCode < 500 ? 'this' : 'unknown';
}

/** Undefined also for an answer that is no JSON: a collector may answer in Protobuf. */
function rejectionOf(text: string, field: string): Rejection | undefined {
  const partial = objectIn(text)?.['partialSuccess'];
  if (!isObject(partial)) return undefined;
  const { [field]: count, errorMessage } = partial;
  const rejected = ['string', 'number'].includes(typeof count) ? Number(count) || 0 : 0;
  const reason = typeof errorMessage === 'string' ? errorMessage.slice(0, LONGEST_MESSAGE) : '';
  return rejected > 0 || reason !== '' ? { rejected, reason } : undefined;
}
