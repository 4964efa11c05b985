import type { IncomingMessage } from 'node:http';
import { urlToHttpOptions } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { asError } from '../errors.ts';
import { type Clock, sleep } from '../lifecycle/clock.ts';
import { connect } from '../registry/connect.ts';
import { suppressTracing } from './suppress.ts';
import type { Target } from './tracing.ts';

/** Answers after which the same request may be sent again (OTLP specification, OTLP/HTTP response). */
const RETRYABLE = [429, 502, 503, 504];

/** First wait before a repetition, and the longest, in milliseconds: a shutdown has little time. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 1_000;

/** Why a collector did not take a request. */
export interface Refusal {
  readonly reason: string;
  /** It may take the same request later. */
  readonly retryable: boolean;
  /** When it asked to be called again, in milliseconds. */
  readonly afterMs?: number;
}

/**
 * Sends OTLP/HTTP requests with JSON bodies, as `HttpClient` calls a registry: no agent, so that a collector whose name is
 * that of a service too is not taken for one; `ClientRequest` itself under suppressed tracing; a connection for each request,
 * which reads certificates anew, as they rotate, and keeps no process alive.
 */
export class CollectorClient {
  readonly #target: Target;
  readonly #clock: Clock;

  constructor(target: Target, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  /** Sends `body` again and again while that may help, within the target's time-out. Never rejects. */
  async send(body: string): Promise<Refusal | undefined> {
    const end = this.#clock.now() + this.#target.timeoutMs;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      const refusal = await this.post(body, end - this.#clock.now());
      const pauseMs = refusal?.afterMs ?? waitMs;
      if (!refusal?.retryable || this.#clock.now() + pauseMs >= end) return refusal;
      await sleep(this.#clock, pauseMs);
    }
  }

  /** Sends `body` once. Resolves with why it was not taken, or with nothing. Never rejects. */
  async post(body: string, withinMs: number = this.#target.timeoutMs): Promise<Refusal | undefined> {
    try {
      return await this.#post(body, withinMs);
    } catch (thrown) {
      return { reason: asError(thrown).message, retryable: false };
    }
  }

  async #post(body: string, withinMs: number): Promise<Refusal | undefined> {
    const { endpoint, headers, compression, tls } = this.#target;
    const content = compression === 'gzip' ? await promisify(gzip)(body) : Buffer.from(body);
    const { hostname, port, path, auth } = urlToHttpOptions(endpoint);
    const isSecure = endpoint.protocol === 'https:';
    const defaultPort = isSecure ? 443 : 80;
    const server = { host: hostname ?? '', port: Number(port) || defaultPort };
    const { ClientRequest } = process.getBuiltinModule('node:http');
    return new Promise((resolve) => {
      const call = suppressTracing(
        () =>
          new ClientRequest({
            ...server,
            defaultPort,
            path,
            auth,
            method: 'POST',
            createConnection: () => connect(server, isSecure ? tls : undefined),
            headers: {
              ...headers,
              'content-type': 'application/json',
              'content-length': content.length,
              ...(compression === 'gzip' && { 'content-encoding': 'gzip' }),
            },
          }),
      );
      const late = this.#clock.after(withinMs, () => call.destroy(new Error(`no answer within ${withinMs} ms`)));
      const settle = (refusal?: Refusal): void => {
        late.cancel();
        resolve(refusal);
      };
      call.on('error', (error) => settle({ reason: error.message, retryable: true }));
      call.on('response', (response: IncomingMessage) => {
        response.resume();
        settle(refusalOf(response));
      });
      call.end(content);
    });
  }
}

function refusalOf({ statusCode = 0, headers }: IncomingMessage): Refusal | undefined {
  if (statusCode >= 200 && statusCode < 300) return undefined;
  const seconds = Number(headers['retry-after']);
  return {
    reason: `the collector answered ${statusCode}`,
    retryable: RETRYABLE.includes(statusCode),
    ...(seconds > 0 && { afterMs: seconds * 1_000 }),
  };
}
