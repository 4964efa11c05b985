import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Signal, Target } from '../config/target.ts';
import { asError } from '../errors.ts';
import { tlsOf } from '../io/connect.ts';
import { partsOf, type Answer as Received, request } from '../io/request.ts';
import { isObject, type Json, objectIn, parseObject } from '../json.ts';
import { Backoff } from '../lifecycle/backoff.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';
import { decode, encode } from './model/protobuf.ts';
import { SIGNALS } from './signals.ts';

/** Answers after which the same request may be sent again (OTLP specification, OTLP/HTTP response). */
const RETRYABLE = [429, 502, 503, 504];

/** Answers to metrics of a collector that takes traces only. */
const UNSUPPORTED = [404, 405, 415, 501];

/** Answers that concern the caller or the path, whatever the request holds. */
const ABOUT_THE_CALL = [401, 403, 404];

/** No process listens, or the machine does not exist: a retry within a second rarely helps. */
const NOBODY_THERE = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'];

/** The port of OTLP/gRPC, and the type of the first frame of an HTTP/2 server: SETTINGS, on stream 0. */
const GRPC_PORT = '4317';
const SETTINGS = 4;

/** Waits before a retry, unless the collector names one. A shutdown has two seconds for all attempts. */
const WAITS = { initialMs: 100, factor: 2, capMs: 1_000 };

/** Content type of a request in each protocol of OTLP over HTTP. */
const CONTENT_TYPES = { 'http/protobuf': 'application/x-protobuf', 'http/json': 'application/json' } as const;

/** Shortest request that is compressed, in bytes: below it, loading a compressor costs more than the packets it saves. */
const LEAST_COMPRESSED = 4_096;

/** The answer of a collector that does not read the format of a request. */
const WRONG_TYPE = 415;

/** Longest answer that is read, in bytes, and longest message of it that is passed on, in characters. */
const LONGEST_ANSWER = 64 * 1_024;
const LONGEST_MESSAGE = 200;

/** Most values of an answer in Protobuf. */
const MOST_ANSWERED = 100;

/** Why a collector did not take a request. */
export interface Refusal {
  readonly reason: string;
  /** HTTP status; absent when there was no answer. */
  readonly status?: number;
  /** The collector may take the same request later. */
  readonly retryable: boolean;
  /** No collector is there. */
  readonly isAbsent?: boolean;
  /** The collector takes nothing of this signal. */
  readonly isUnsupported?: boolean;
  /** What the collector refuses now: every request, this one for its content, or not known. */
  readonly refuses: 'every' | 'this' | 'unknown';
  /** Wait that the collector asked for, in milliseconds. */
  readonly afterMs?: number;
}

/** The collector took a request, but not all of it (OTLP specification, partial success). */
export interface Rejection {
  /** Items that the collector will never take; 0 when it only warns. */
  readonly rejected: number;
  readonly reason: string;
}

/** What became of a request; undefined when the collector took all of it. */
export type Answer = Refusal | Rejection | undefined;

/** Sends OTLP/HTTP requests; callers pass the bodies as values of JSON, or as its text. */
export class CollectorClient {
  readonly #target: Target;
  readonly #clock: Clock;
  #protocol: Target['protocol'];
  /** The collector refused the configured protocol. */
  #hasChanged = false;
  #failure: string | undefined;

  constructor(target: Target, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#protocol = target.protocol;
  }

  /** Why the collector did not take the last finished request; undefined when it did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Sends `body`, and retries while a retry may help, within the target's time-out. Never rejects.
   *
   * @param hurry once aborted, an absent collector gets one more attempt, at once
   * @param signal ends the attempts
   */
  async send(body: Json | string, hurry?: AbortSignal, signal?: AbortSignal): Promise<Answer> {
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
  async post(body: Json | string, withinMs: number = this.#target.timeoutMs, signal?: AbortSignal): Promise<Answer> {
    const answer = await this.#postEither(body, Math.min(withinMs, this.#target.timeoutMs), signal).catch(
      (thrown): Refusal => ({ reason: asError(thrown).message, retryable: false, refuses: 'every' }),
    );
    this.#failure = answer && 'refuses' in answer ? answer.reason : undefined;
    return answer;
  }

  /** Switches to the other format when the collector answers 415: once, and for all later requests. */
  async #postEither(body: Json | string, withinMs: number, signal: AbortSignal | undefined): Promise<Answer> {
    const end = this.#clock.now() + withinMs;
    const protocol = this.#protocol;
    const answer = await this.#post(body, protocol, withinMs, signal);
    if (answer === undefined || 'rejected' in answer || answer.status !== WRONG_TYPE) return answer;
    if (!this.#hasChanged) this.#protocol = protocol === 'http/json' ? 'http/protobuf' : 'http/json';
    this.#hasChanged = true;
    if (protocol === this.#protocol) return answer;
    return this.#post(body, this.#protocol, end - this.#clock.now(), signal);
  }

  async #post(
    body: Json | string,
    protocol: Target['protocol'],
    withinMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { endpoint, headers, compression, tls } = this.#target;
    let plain: Buffer;
    try {
      plain = protocol === 'http/json' ? Buffer.from(textOf(body)) : this.#encode(body);
    } catch (thrown) {
      const reason = `the plugin cannot write the request in Protobuf: ${asError(thrown).message}`;
      return { reason, retryable: false, refuses: 'this' };
    }
    const isCompressed = compression === 'gzip' && plain.length >= LEAST_COMPRESSED;
    const content = isCompressed ? await promisify(gzip)(plain) : plain;
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
            'content-type': CONTENT_TYPES[protocol],
            ...(isCompressed && { 'content-encoding': 'gzip' }),
          },
          body: content,
          timeoutMs: withinMs,
          signal,
        },
        (received) => answerOf(received, this.#target.signal),
      );
    } catch (thrown) {
      // Node.js refuses to send it, so a retry would fail too.
      if (thrown instanceof TypeError) throw thrown;
      return failureOf(asError(thrown), endpoint);
    }
  }

  #encode(body: Json | string): Buffer {
    const value = typeof body === 'string' ? parseObject(body, 'the request') : body;
    return encode(SIGNALS[this.#target.signal].request, value);
  }
}

function textOf(body: Json | string): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
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
    // The status alone says that the request was taken; its body may be unreadable.
    if (!headers['content-type']?.startsWith('text/html'))
      return rejectionOf(await saidIn(answer, signal).catch(() => undefined), SIGNALS[signal].rejected);
    return { reason: `the collector answered ${status} with a web page`, retryable: false, refuses: 'every' };
  }
  const seconds = Number(headers['retry-after']);
  const isUnsupported = signal === 'metrics' && UNSUPPORTED.includes(status);
  return {
    reason: `the collector answered ${status}${isUnsupported ? '; set OTEL_METRICS_EXPORTER=none to send no metrics' : ''}`,
    status,
    retryable: RETRYABLE.includes(status),
    refuses: refusedBy(status),
    ...(seconds > 0 && { afterMs: seconds * 1_000 }),
    ...(isUnsupported && { isUnsupported }),
  };
}

function refusedBy(statusCode: number): Refusal['refuses'] {
  if ([...RETRYABLE, ...ABOUT_THE_CALL].includes(statusCode)) return 'every';
  return statusCode >= 400 && statusCode < 500 ? 'this' : 'unknown';
}

/** The message in an answer; undefined when it is neither JSON nor Protobuf. */
async function saidIn(answer: Received, signal: Signal): Promise<Json | undefined> {
  const bytes = await answer.bytes(LONGEST_ANSWER);
  if (!answer.headers['content-type']?.startsWith(CONTENT_TYPES['http/protobuf'])) return objectIn(bytes.toString());
  return decode(SIGNALS[signal].response, bytes, MOST_ANSWERED);
}

function rejectionOf(said: Json | undefined, field: string): Rejection | undefined {
  const partial = said?.['partialSuccess'];
  if (!isObject(partial)) return undefined;
  const { [field]: count, errorMessage } = partial;
  const rejected = ['string', 'number'].includes(typeof count) ? Number(count) || 0 : 0;
  const reason = typeof errorMessage === 'string' ? errorMessage.slice(0, LONGEST_MESSAGE) : '';
  return rejected > 0 || reason !== '' ? { rejected, reason } : undefined;
}
