import type { OutgoingHttpHeaders } from 'node:http';
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import type { Guard } from '../../guard.ts';
import type { Stream } from '../traffic/session.ts';

/** Error code of a stream that its server could not end (RFC 9113, section 7): clients of Node.js see no error in CANCEL. */
const INTERNAL_ERROR = 2;

/** How a call of gRPC ends whose server goes away; its message tells why. */
const UNAVAILABLE: OutgoingHttpHeaders = { 'grpc-status': '14', 'grpc-message': 'the instance is leaving' };

/** Ends HTTP/2 streams that outlive their instance: those of gRPC with a status, which every client understands. */
export class StreamEnds {
  readonly #guard: Guard;
  readonly #ended = new WeakSet<Stream>();
  #count = 0;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** Streams that were answering and were ended with a status. */
  get count(): number {
    return this.#count;
  }

  /**
   * Ends those that nobody waits for and whose session goes away, which would keep that open, and when it is late those that are
   * answering. A call without any answer is waited for.
   */
  end(streams: readonly Stream[], isLate: boolean): void {
    for (const stream of streams) {
      const { http2, isAnswering, isAwaited } = stream;
      if (isAwaited ? isLate && isAnswering : http2.session?.closed) this.#end(stream);
    }
  }

  /**
   * Ends all of them, with a status where that is possible, else with an error: without one a client takes what it has for the whole.
   *
   * @returns the sessions of which work was lost; one that was ended before may still be on its way to its client
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
 * Ends the answer with these trailers, or answers with them alone. What the application writes after that goes nowhere, and it hears
 * the end of the stream (`close`).
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
    // The application may have something to send in this very moment.
    stream.sendTrailers = send;
    stream.once('wantTrailers', send);
    stream.end();
  } else {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
  }
  Object.assign(stream, { respond: ignore, write: () => false, end: () => stream });
}
