import type { OutgoingHttpHeaders } from 'node:http';
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import type { Guard } from '../../guard.ts';
import type { Stream } from '../traffic/session.ts';

/** Error code of a cut stream (RFC 9113, section 7). Not CANCEL, in which clients of Node.js see no error. */
const INTERNAL_ERROR = 2;

/** Status of a gRPC call whose server goes away, with the reason as its message. */
const UNAVAILABLE: OutgoingHttpHeaders = { 'grpc-status': '14', 'grpc-message': 'the instance is leaving' };

/** Ends HTTP/2 streams that outlive their instance: those of gRPC with a status, which every client understands. */
export class StreamEnds {
  readonly #guard: Guard;
  readonly #ended = new WeakSet<Stream>();
  #count = 0;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** Streams that were being answered and were ended with a status. */
  get count(): number {
    return this.#count;
  }

  /**
   * Ends watch streams of sessions that go away, because they would keep the session open, and shortly before the deadline
   * streams that are being answered. It waits for a call without an answer.
   */
  end(streams: readonly Stream[], isLate: boolean): void {
    for (const stream of streams) {
      const { http2, isAnswering, isAwaited } = stream;
      if (isAwaited ? isLate && isAnswering : http2.session?.closed) this.#end(stream);
    }
  }

  /**
   * Ends all streams, with a status where possible, else with an error: without one a client would take a part for the whole.
   *
   * @returns the sessions that lost work; a stream that was ended before may still be on its way to its client
   */
  cut(streams: readonly Stream[]): Set<Http2Session | undefined> {
    const lost = new Set<Http2Session | undefined>();
    for (const stream of streams) {
      if (this.#ended.has(stream)) continue;
      const { http2, isAnswering, isAwaited } = stream;
      const { session } = http2;
      const isEnded = this.#end(stream);
      if (!isEnded) this.#guard.attempt(HOOK, () => http2.close(INTERNAL_ERROR), ignore);
      if (isAwaited && !(isEnded && isAnswering)) lost.add(session);
    }
    return lost;
  }

  /** @returns false when it has no status, or was ended before */
  #end(stream: Stream): boolean {
    const { http2, isAnswering, isAwaited, isGrpc } = stream;
    if (!isGrpc || http2.writableEnded || http2.closed || http2.destroyed || this.#ended.has(stream)) return false;
    this.#ended.add(stream);
    const work = (): boolean => {
      endWith(http2, UNAVAILABLE);
      return true;
    };
    const isEnded = this.#guard.attempt(HOOK, work, () => false);
    if (isEnded && isAwaited && isAnswering) this.#count++;
    return isEnded;
  }
}

/** What the guard calls this. */
const HOOK = 'the end of an HTTP/2 stream';

const ignore = (): void => {};

/**
 * Ends the answer with these trailers, or answers with them alone. Later writes of the application are dropped, and it gets the
 * event `close` of the stream.
 */
function endWith(stream: ServerHttp2Stream, trailers: OutgoingHttpHeaders): void {
  if (stream.headersSent) {
    const { sendTrailers } = stream;
    let isSent = false;
    const send = (): void => {
      if (isSent) return;
      isSent = true;
      sendTrailers.call(stream, trailers);
    };
    // The application may be sending at this moment.
    stream.sendTrailers = send;
    stream.once('wantTrailers', send);
    stream.end();
  } else {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
  }
  Object.assign(stream, { respond: ignore, write: () => false, end: () => stream });
}
