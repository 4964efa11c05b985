import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import { DRAINING_HEADER } from '../../protocol/header.ts';
import type { CallContext } from '../call/call-context.ts';
import type { OpenSession } from '../directory/connections.ts';
import type { Listed } from '../directory/directory.ts';
import { headRequests } from './consumer-header.ts';

/** What the guard calls this. */
const HOOK = 'a session of node:http2';

/** Symbol of the session on each of its streams. */
const OWNER = Symbol('lossless.session');

type Owned = ClientHttp2Stream & { [OWNER]?: ServiceSession };

/**
 * Tells each session of the answers and the ends of its streams. The channels of Node.js cost a call less than listeners: Node.js itself
 * listens to what is added to a stream.
 *
 * @returns a function that ends it
 */
export function watchStreams(guard: Guard): () => void {
  const channels: Readonly<Record<string, (message: never) => void>> = {
    'http2.client.stream.finish': ({ stream, headers }: { stream: Owned; headers: IncomingHttpHeaders }) => {
      const marker = headers[DRAINING_HEADER];
      if (typeof marker === 'string') stream[OWNER]?.marked(marker);
    },
    'http2.client.stream.close': ({ stream }: { stream: Owned }) => stream[OWNER]?.ended(),
  };
  const watched = Object.entries(channels).map(
    ([name, listener]) => [name, guard.listener(HOOK, listener) as (message: unknown) => void] as const,
  );
  for (const [name, listener] of watched) subscribe(name, listener);
  return () => {
    for (const [name, listener] of watched) unsubscribe(name, listener);
  };
}

/** The highest stream that an HTTP/2 GOAWAY frame can name, so that it refuses no open stream. */
const LAST_STREAM = 2 ** 31 - 1;

/**
 * An HTTP/2 session to an instance. Its requests carry the consumer header and count until their streams close. When the instance
 * is isolated, the session emits `goaway`, so its pool removes it and opens another one; open streams end normally, and then the
 * connection closes.
 */
export class ServiceSession implements OpenSession {
  readonly #context: CallContext;
  readonly #session: ClientHttp2Session;
  readonly #way: { readonly listed: Listed | undefined };
  #streams = 0;
  #isHeaded = false;
  /** A request was made over it. */
  #isInUse = false;

  /** @param way gives its instance; undefined: not known yet, and its requests wait unchanged */
  constructor(context: CallContext, session: ClientHttp2Session, way: { readonly listed: Listed | undefined }) {
    this.#context = context;
    this.#way = way;
    this.#session = session;
    const { guard } = context;
    const begins = guard.listener(HOOK, () => this.#head());
    const began = guard.listener(HOOK, (stream: Owned) => {
      // Its signal was aborted before.
      if (stream.destroyed) return;
      stream[OWNER] = this;
      this.#streams++;
      this.#isInUse = true;
    });
    const { request } = session;
    session.request = (headers, options) => {
      if (!this.#isHeaded) begins();
      const stream = request.call(session, headers, options);
      began(stream);
      return stream;
    };
  }

  get outstanding(): number {
    return this.#streams;
  }

  /** A response carried a draining marker. */
  marked(marker: string): void {
    const { listed } = this.#way;
    if (listed !== undefined) this.#context.marked(listed.service, listed.endpoint, marker);
  }

  /** A stream has closed. */
  ended(): void {
    this.#streams--;
  }

  /**
   * The session leads to this instance. @param socket its socket, which keeps its listeners when a client removes those of the
   * session
   */
  join(listed: Listed, socket: Socket): void {
    if (socket.destroyed) return;
    this.#head();
    const { connections } = listed.endpoint;
    connections.addSession(this);
    const closed = (): void => connections.removeSession(this);
    socket.once('close', this.#context.guard.listener(HOOK, closed));
    listed.service.reached(listed.endpoint);
  }

  leave(): void {
    const session = this.#session;
    if (session.closed || session.destroyed) return;
    const leaving = this.#context.guard.listener(HOOK, () => this.#leave());
    // Its client may still be at work on it: grpc-js takes a session over with the server's first frame. Until then nobody hears a
    // `goaway`, and the close would be a failure to connect. The answer to a ping comes after that frame, or with the end of the session.
    if (this.#isInUse) leaving();
    else session.ping(() => setImmediate(leaving));
  }

  #leave(): void {
    const session = this.#session;
    if (session.closed || session.destroyed) return;
    const { close } = session;
    // Requests of this turn are written at its end; a GOAWAY frame from here before them would make the instance refuse them.
    const later = (done?: () => void): void => {
      setImmediate(() => setImmediate(() => close.call(session, done)));
    };
    session.close = later;
    // An error of a listener of the application must not keep the other sessions from leaving.
    this.#context.guard.listener(HOOK, () => session.emit('goaway', 0, LAST_STREAM, Buffer.alloc(0)))();
    session.close();
  }

  /** From here on requests carry the consumer header, also those that have waited for the connection. */
  #head(): void {
    if (!this.#isHeaded && this.#way.listed !== undefined)
      this.#isHeaded = headRequests(this.#session, () => this.#context.header);
  }
}
