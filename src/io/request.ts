import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { urlToHttpOptions } from 'node:url';
import { asError } from '../errors.ts';
import { whenAborted } from '../lifecycle/abort.ts';
import type { Clock, Timer } from '../lifecycle/clock.ts';
import { boundedBytes } from './bounded-text.ts';
import { connect, type Peer, tell } from './connect.ts';
import { suppressTracing } from './suppress.ts';

/** One request, its body JSON. */
export interface Request {
  readonly clock: Clock;
  readonly to: Peer;
  /** TLS options; undefined: plain HTTP. */
  readonly tls: ConnectionOptions | undefined;
  /** Default: GET. */
  readonly method?: string;
  /** With its query. */
  readonly path: string;
  /** User and password for HTTP Basic, with a colon between. */
  readonly auth?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | undefined;
  /** Longest time until the answer is read, in milliseconds, unless its reader cancels `late`; undefined: no limit. */
  readonly timeoutMs: number | undefined;
  /** Ends the request; it then rejects with the reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The answer, or a part of it, did not come in time. */
export class NoAnswer extends Error {
  constructor(ms: number) {
    super(`no answer within ${Math.round(ms)} ms`);
  }
}

/** The parts of a URL for a request. */
export function partsOf(url: URL): Pick<Request, 'path' | 'auth'> & { readonly to: Peer } {
  const { hostname, port, path, auth } = urlToHttpOptions(url);
  const host = hostname ?? '';
  return {
    to: { host, port: Number(port) || (url.protocol === 'https:' ? 443 : 80) },
    path: path ?? '/',
    auth: auth ?? undefined,
  };
}

/** An answer whose head has arrived. Its reads are bounded, and fail as the request does. */
export class Answer {
  readonly #response: IncomingMessage;
  readonly #failed: Promise<never>;
  /** The time-out of the request; a reader that waits longer cancels it. */
  readonly late: Timer | undefined;

  constructor(response: IncomingMessage, failed: Promise<never>, late: Timer | undefined) {
    this.#response = response;
    this.#failed = failed;
    this.late = late;
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  get headers(): IncomingHttpHeaders {
    return this.#response.headers;
  }

  /** The address of the server. */
  get remoteAddress(): string | undefined {
    return this.#response.socket.remoteAddress;
  }

  /** The whole body. @throws Error when it has more than `most` bytes */
  bytes(most: number): Promise<Buffer> {
    return Promise.race([bytesOf(this.#response, most), this.#failed]);
  }

  /** The same as text. */
  async text(most: number): Promise<string> {
    return (await this.bytes(most)).toString('utf8');
  }

  /**
   * Calls `onLine` with each line that is not blank, until the answer ends or `onLine` returns false.
   *
   * @throws Error when a line has more than `longest` characters, and what `onLine` throws
   */
  lines(longest: number, onLine: (line: string) => unknown): Promise<void> {
    return Promise.race([readLines(this.#response, longest, onLine), this.#failed]);
  }
}

/**
 * Makes one request of the plugin, hidden from everything that watches the calls of the application. It has no agent, so no hook
 * picks an address for it. It is a plain `ClientRequest` under suppressed tracing, so it has no span and no second `traceparent`,
 * which every parser rejects. Its connection is its own, never keeps the process alive, and is closed when `read` has ended.
 *
 * @returns what `read` returns
 * @throws NoAnswer, the reason of `signal`, the error of the network, which has a message, or what `read` throws
 */
export async function request<T>(asked: Request, read: (answer: Answer) => T | Promise<T>): Promise<T> {
  const { clock, timeoutMs, signal } = asked;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // An error may also come after the last reader has gone.
  const onError = (error: Error): void => failed.reject(Object.assign(error, { message: tell(error) }));
  const late =
    timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => failed.reject(new NoAnswer(timeoutMs)));
  const forget = signal && whenAborted(signal, () => failed.reject(asError(signal.reason)));
  let sent: ClientRequest | undefined;
  try {
    signal?.throwIfAborted();
    sent = suppressTracing(() => clientRequest(asked));
    const head = Promise.withResolvers<IncomingMessage>();
    let response: IncomingMessage | undefined;
    sent.on('error', onError);
    sent.on('response', head.resolve);
    sent.on('close', () => {
      if (response?.complete !== true) onError(new Error('the connection was closed before the answer was complete'));
    });
    sent.end(asked.body);
    response = await Promise.race([head.promise, failed.promise]);
    response.on('error', onError);
    return await read(new Answer(response, failed.promise, late));
  } finally {
    late?.cancel();
    forget?.();
    sent?.destroy();
  }
}

function clientRequest({ to, tls, method, path, auth, headers, body }: Request): ClientRequest {
  const { ClientRequest } = process.getBuiltinModule('node:http') as unknown as {
    ClientRequest: new (options: RequestOptions) => ClientRequest;
  };
  return new ClientRequest({
    ...('host' in to && { host: to.host, port: to.port }),
    defaultPort: tls === undefined ? 80 : 443,
    ...(method !== undefined && { method }),
    path,
    auth: auth ?? null,
    createConnection: () => connect(to, tls),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
      ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
    },
  });
}

async function bytesOf(response: IncomingMessage, most: number): Promise<Buffer> {
  const bytes = await boundedBytes(response, most);
  if (bytes === undefined) throw new Error(`the answer has more than ${most} bytes`);
  return bytes;
}

function readLines(response: IncomingMessage, longest: number, onLine: (line: string) => unknown): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let started = '';
  const isEnough = (chunk: string): boolean => {
    // A long line comes in many pieces, which are joined once.
    const lines = chunk.includes('\n') ? (started + chunk).split('\n') : [started + chunk];
    started = lines.pop() ?? '';
    if (started.length > longest) throw new Error(`a line of the answer has more than ${longest} characters`);
    return lines.some((line) => line.trim() !== '' && onLine(line) === false);
  };
  const onData = (chunk: string): void => {
    try {
      if (!isEnough(chunk)) return;
      resolve();
    } catch (thrown) {
      reject(thrown);
    }
    response.off('data', onData);
  };
  // Listeners, as an iterator of a stream costs more than the rest of a short answer.
  response.setEncoding('utf8').on('data', onData).on('end', resolve);
  return promise;
}
