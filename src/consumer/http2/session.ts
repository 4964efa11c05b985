import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { CONSUMER_HEADER, DRAINING_HEADER } from '../../protocol/header.ts';
import { dropHeader } from '../../protocol/raw-headers.ts';
import type { CallContext } from '../call/call-context.ts';
import type { OpenSession } from '../directory/connections.ts';
import type { Listed } from '../directory/directory.ts';

/** What the guard calls this. */
const HOOK = 'a session of node:http2';

/** The highest stream that an HTTP/2 GOAWAY frame can name, so that it refuses no open stream. */
const LAST_STREAM = 2 ** 31 - 1;

/** Headers of an application: by name, or names and values in turn. */
type Headers = Record<string | symbol, unknown> | string[];

type Request = (this: ClientHttp2Session, headers?: Headers, ...more: unknown[]) => ClientHttp2Stream;

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

  /** @param way gives its instance; undefined: not known yet, and its requests wait unchanged */
  constructor(context: CallContext, session: ClientHttp2Session, way: { readonly listed: Listed | undefined }) {
    this.#context = context;
    this.#way = way;
    this.#session = session;
    const { guard } = context;
    const own = session as unknown as { request: Request };
    const { request } = own;
    // Shared by all streams, so that a call costs as little as possible.
    const ended = guard.listener(HOOK, () => void this.#streams--);
    const answered = guard.listener(HOOK, (headers: IncomingHttpHeaders) => this.#answered(headers));
    const began = guard.listener(HOOK, (stream: ClientHttp2Stream) => {
      this.#streams++;
      stream.on('close', ended).on('response', answered);
    });
    const headed = (headers: Headers | undefined): Headers | undefined =>
      this.#way.listed === undefined ? headers : withHeader(headers, context.header);
    own.request = function (headers, ...more) {
      const mine = guard.attempt(
        HOOK,
        () => headed(headers),
        () => headers,
      );
      const stream = request.call(this, mine, ...more);
      began(stream);
      return stream;
    };
  }

  get outstanding(): number {
    return this.#streams;
  }

  /**
   * The session leads to this instance. @param socket its socket, which keeps its listeners when a client removes those of the
   * session
   */
  join(listed: Listed, socket: Socket): void {
    if (socket.destroyed) return;
    const { connections } = listed.endpoint;
    connections.addSession(this);
    const closed = (): void => connections.removeSession(this);
    socket.once('close', this.#context.guard.listener(HOOK, closed));
    listed.service.reached(listed.endpoint);
  }

  leave(): void {
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

  #answered({ [DRAINING_HEADER]: marker }: IncomingHttpHeaders): void {
    const { listed } = this.#way;
    if (listed !== undefined && typeof marker === 'string')
      this.#context.marked(listed.service, listed.endpoint, marker);
  }
}

/** A copy of the headers with the consumer header of this process in place of a copied one. */
function withHeader(headers: Headers | undefined, value: string | undefined): Headers {
  if (Array.isArray(headers)) {
    const list = [...headers];
    dropHeader(list, CONSUMER_HEADER);
    return value === undefined ? list : [...list, CONSUMER_HEADER, value];
  }
  const own: Record<string | symbol, unknown> = { ...headers };
  for (const name in own)
    if (name.length === CONSUMER_HEADER.length && name.toLowerCase() === CONSUMER_HEADER) delete own[name];
  if (value !== undefined) own[CONSUMER_HEADER] = value;
  return own;
}
