import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Guard } from '../../guard.ts';
import type { Connection } from './connection.ts';

/** Puts the draining marker on responses. A failure leaves the response as the application made it. */
export class Marker {
  readonly #name: string;
  readonly #guard: Guard;
  /** Answers end their connections. */
  ends = true;

  constructor(name: string, guard: Guard) {
    this.#name = name;
    this.#guard = guard;
  }

  /**
   * Puts the marker on `response` when a consumer asks; other callers do not learn the identity of this instance. Adds
   * `connection: close` when no other request is queued on the connection, the client has never pipelined there (races R4), and
   * no upload is running: Node.js destroys the connection after the answer, and a client that still writes would lose the answer.
   *
   * `writeHead` is wrapped on this one response, because a header set earlier is wiped by error handlers and makes
   * `writeHead(status, array)` throw inside the application.
   */
  response(response: ServerResponse, connection: Connection, value: string): void {
    this.#onHead(response, (args) => this.#marked(response, connection, value, args));
  }

  /** Answers a health check with 503, whatever the application says. */
  fail(response: ServerResponse): void {
    this.#onHead(response, ([, second, ...rest]) => [UNAVAILABLE, ...(typeof second === 'string' ? rest : [second])]);
  }

  /** Passes the arguments of `writeHead` of this one response through `change`. */
  #onHead(response: ServerResponse, change: (args: unknown[]) => unknown[]): void {
    if (response.headersSent) return;
    const original = response.writeHead;
    const guard = this.#guard;
    response.writeHead = function (this: ServerResponse, ...args: unknown[]): ServerResponse {
      this.writeHead = original;
      const changed = guard.attempt(
        HOOK,
        () => change(args),
        () => args,
      );
      return Reflect.apply(original, this, changed) as ServerResponse;
    } as ServerResponse['writeHead'];
  }

  /** Puts the marker on the response of an HTTP/2 stream; its session is left open (races R5, R6). */
  stream(stream: ServerHttp2Stream, value: string): void {
    this.#onStreamHead(stream, this.#name, value);
  }

  /** Answers a health check with 503, whatever the application says. */
  failStream(stream: ServerHttp2Stream): void {
    this.#onStreamHead(stream, ':status', UNAVAILABLE);
  }

  #onStreamHead(stream: ServerHttp2Stream, name: string, value: string | number): void {
    if (stream.headersSent) return;
    const guard = this.#guard;
    for (const [method, at] of Object.entries(HEADS) as [keyof typeof HEADS, number][]) {
      const original = stream[method] as (...args: unknown[]) => void;
      stream[method] = function (this: ServerHttp2Stream, ...args: unknown[]): void {
        stream[method] = original as never;
        const changed = guard.attempt(
          HOOK,
          () => withStreamHeader(args, at, name, value),
          () => args,
        );
        Reflect.apply(original, this, changed);
      } as never;
    }
  }

  #marked(response: ServerResponse, connection: Connection, value: string, args: readonly unknown[]): unknown[] {
    const marked = [...args];
    if (connection.header !== undefined) {
      const [, second, third] = args;
      const at = typeof second === 'string' || (second == null && third !== undefined) ? 2 : 1;
      const headers = args[at];
      if (Array.isArray(headers)) marked[at] = withMarker(headers, this.#name, value);
      else response.setHeader(this.#name, value);
    }
    if (this.ends && connection.inflight <= 1 && !connection.pipelined && isSent(response.req))
      response.shouldKeepAlive = false;
    return marked;
  }
}

/** Status of a health check that fails. */
const UNAVAILABLE = 503;

/** What the guard calls this. */
const HOOK = 'the draining marker';

/**
 * Whether the client has sent all of `request`. Node.js calls the handler before it parses even a short body, and the body may
 * arrive after the head. So only an empty body is known to be complete.
 */
function isSent({ complete, headers }: IncomingMessage): boolean {
  return complete || (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0);
}

/** `writeHead` takes pairs or a flat list. */
function withMarker(headers: readonly unknown[], name: string, value: string): unknown[] {
  return Array.isArray(headers[0]) ? [...headers, [name, value]] : [...headers, name, value];
}

/** The ways in which an HTTP/2 stream sends its head, and where its headers stand among the arguments. */
const HEADS = { respond: 0, respondWithFD: 1, respondWithFile: 1 } as const;

/** Headers are an object or a flat list; a list has each name once. */
function withStreamHeader(args: readonly unknown[], at: number, name: string, value: string | number): unknown[] {
  const changed = [...args];
  const headers = args[at];
  changed[at] = Array.isArray(headers) ? withHeader(headers, name, value) : { ...(headers as object), [name]: value };
  return changed;
}

function withHeader(headers: readonly unknown[], name: string, value: string | number): unknown[] {
  const at = headers.findIndex((each, index) => index % 2 === 0 && each === name);
  return at < 0 ? [...headers, name, value] : headers.with(at + 1, value);
}
