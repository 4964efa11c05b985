import type { IncomingHttpHeaders } from 'node:http';
import { asError } from '../errors.ts';
import { type Server, type TlsFiles, tlsOf } from '../io/connect.ts';
import { type Answer as Received, request } from '../io/request.ts';
import { parseJson } from '../json.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { within } from '../lifecycle/within.ts';
import { hostPort } from '../protocol/host-port.ts';
import type { Failure } from './registry.ts';
import { Secrets } from './secrets.ts';

/** Default longest time for one call, in milliseconds: an offline waits ten seconds for the registry. */
const TIMEOUT_MS = 3_000;

/** Most servers that one call tries. */
const MOST_TRIES = 3;

/** Longest answer in bytes, and longest line of an endless one in characters: ten thousand instances of 3 kB. */
const LONGEST = 32 * 1_024 * 1_024;

/** Calls at a time; further ones wait. An agent of Consul allows an address 200 connections. */
const MOST_AT_A_TIME = 16;

export interface HttpOptions {
  readonly clock: Clock;
  /** Addresses of the registry, tried in turn, beginning with the one that answered last. */
  readonly servers: readonly Server[];
  /** Undefined: plain HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Headers for every call, requested each time because tokens rotate. */
  readonly headers?: () => Readonly<Record<string, string>>;
  /** Secrets to mask in texts of a server, beside those headers. */
  readonly secrets?: Secrets | undefined;
}

/** One call. It must be idempotent, because it may go to more than one server. */
export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** With its query, which messages omit. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Longest time for the whole answer, or until the head of a stream, in milliseconds. Default: 3000 ms. */
  readonly timeoutMs?: number;
  /** Further statuses that are an answer, beside 2xx. */
  readonly expected?: readonly number[];
  /** The registry holds the answer back until a change; such calls do not count towards the limit. */
  readonly waits?: boolean;
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/**
 * The error of a call; `status` is absent without an answer. Messages contain no query, header or body of the call, and mask
 * secrets that the server repeats.
 */
export class HttpError extends Error {
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

/** HTTP client of a registry: tries its servers in turn, with few calls at a time, and masks secrets. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #secrets: Secrets;
  /** Index of the server that answered last. */
  #current = 0;
  #failure: Failure | undefined;
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#secrets = options.secrets ?? new Secrets();
  }

  /** The beginning of a server's text, with secrets masked. */
  excerpt(text: unknown): string {
    return this.#secrets.excerpt(text);
  }

  /** Since when and why the registry does not answer; undefined when the last call was answered. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** @throws HttpError */
  async send(call: Call): Promise<Answer> {
    if (!call.waits) await this.#slot();
    try {
      return await this.#inTurn(call, MOST_TRIES, async (answer) => ({
        status: answer.status,
        headers: answer.headers,
        text: await answer.text(LONGEST),
      }));
    } finally {
      if (!call.waits) this.#release();
    }
  }

  /** The JSON of an answer; undefined for an empty one. @throws HttpError */
  async json(call: Call): Promise<unknown> {
    const { text } = await this.send(call);
    return text.trim() === '' ? undefined : parseJson(text, 'the answer');
  }

  /**
   * Reads an endless answer with one JSON value on each line. Resolves when the server ends it, or after `lastsMs`, because a
   * silently dead connection would otherwise never be noticed.
   *
   * @param onLine returns false when it wants no further line
   * @param onOpen called when the server has begun to answer
   * @throws HttpError, also for an error of `onLine`
   */
  lines(
    call: Call & { readonly lastsMs: number },
    onLine: (value: unknown) => boolean,
    onOpen: () => void = () => {},
  ): Promise<void> {
    return this.#inTurn(call, 1, (answer) => {
      answer.late?.cancel();
      onOpen();
      const read = answer.lines(LONGEST, (line) => onLine(parseJson(line, 'a line of the answer')));
      return within(this.#options.clock, call.lastsMs, read, () => {});
    });
  }

  /** A call that ends gives its place to the one that has waited longest. */
  async #slot(): Promise<void> {
    if (this.#running < MOST_AT_A_TIME) this.#running++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  async #inTurn<T>(call: Call, mostTries: number, read: Read<T>): Promise<T> {
    const { clock, servers } = this.#options;
    // Concurrent calls choose by themselves, so that none moves another one away from the server that answers.
    let at = this.#current;
    for (let left = Math.min(servers.length, mostTries); ; left--) {
      try {
        const answer = await this.#exchange(servers[at] as Server, call, read);
        this.#current = at;
        return answer;
      } catch (thrown) {
        const { message, status } = thrown as HttpError;
        if (call.signal?.aborted === true) throw thrown;
        this.#failure = { since: this.#failure?.since ?? clock.wall(), message };
        // A refusal is final: another server of the registry would give the same answer.
        if (status !== undefined && status < 500) throw thrown;
        at = (at + 1) % servers.length;
        if (left > 1) continue;
        this.#current = at;
        throw thrown;
      }
    }
  }

  async #exchange<T>(server: Server, call: Call, read: Read<T>): Promise<T> {
    const { clock, tls } = this.#options;
    const { method, path, headers, body, expected = [], signal, timeoutMs = TIMEOUT_MS } = call;
    const what = `${method} ${path.replace(/\?.*/s, '')} at ${hostPort(server)}`;
    try {
      const credentials = this.#options.headers?.() ?? {};
      this.#secrets.addHeaders(credentials);
      return await request(
        {
          clock,
          to: server,
          tls: tls && tlsOf(tls),
          method,
          path,
          headers: { accept: 'application/json', ...credentials, ...headers },
          body,
          timeoutMs,
          signal,
        },
        async (answer) => {
          const { status } = answer;
          if (Math.floor(status / 100) !== 2 && !expected.includes(status)) {
            const said = this.excerpt(await answer.text(LONGEST).catch(() => ''));
            throw new HttpError([what, refusal(status), said].filter((part) => part !== '').join(': '), status);
          }
          this.#failure = undefined;
          return read(answer);
        },
      );
    } catch (thrown) {
      if (thrown instanceof HttpError) throw thrown;
      const why = signal?.aborted ? 'ended by this process' : this.excerpt(asError(thrown).message);
      throw new HttpError(`${what}: ${why}`);
    }
  }
}

type Read<T> = (answer: Received) => T | Promise<T>;

/** A status in words. */
function refusal(status: number): string {
  return status === 401 || status === 403 ? `the registry refuses these credentials (${status})` : `status ${status}`;
}
