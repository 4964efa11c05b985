import { writeSync } from 'node:fs';
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { rawSocket } from '../../io/raw-socket.ts';
import type { Clock } from '../../lifecycle/clock.ts';

/**
 * A GOAWAY frame that ends nothing yet (RFC 9113, section 6.8): length 8, type 7, of the connection; last stream 2^31 - 1, NO_ERROR. Its
 * receiver begins no stream any more, and those that are on their way are still served.
 */
const NOTICE = Buffer.from('0000080700000000007fffffff00000000', 'hex');

/** How long the rest of a notice is tried at once, in milliseconds: nothing else may be written before it. */
const REST_MS = 5;

/** What Node.js keeps of a connection (src/stream_base.cc, src/tcp_wrap.cc). */
interface Handle {
  readonly fd: number;
  readonly writeQueueSize: number;
}

/**
 * What became of a notice: `written`; `waits`: something is queued before it; `impossible`: there is no descriptor, or the connection
 * takes nothing; `torn`: a part of it was written and the rest was not taken, so the connection is of no use any more.
 */
export type Noticed = 'written' | 'waits' | 'impossible' | 'torn';

/** What of a session is needed. */
type Noticeable = Pick<ServerHttp2Session, 'destroyed' | 'encrypted' | 'socket'>;

/** How many bytes the kernel has taken; throws when it takes none. */
type Write = (fd: number, bytes: Uint8Array) => number;

/** Whether a session can get a notice at all: under TLS what is written beside it is no record of that. */
export function canNotice(session: Noticeable): boolean {
  return process.platform !== 'win32' && !session.encrypted && handleOf(session) !== undefined;
}

/**
 * Writes the notice to the descriptor of a connection, below Node.js: its own `goaway()` makes nghttp2 ignore every new stream
 * whatever the frame says, and a write to the socket, of which the session does not know, aborts the process when it ends.
 * What nghttp2 has made is whole frames and, while nothing is queued, in the kernel.
 */
export function writeNotice(session: Noticeable, clock: Pick<Clock, 'now'>, write: Write = writeSync): Noticed {
  const handle = handleOf(session);
  if (handle === undefined) return 'impossible';
  if (handle.writeQueueSize > 0) return 'waits';
  const take = (bytes: Uint8Array): number => taken(() => write(handle.fd, bytes));
  let written = take(NOTICE);
  if (written === 0) return 'impossible';
  for (const until = clock.now() + REST_MS; written < NOTICE.length && clock.now() < until; )
    written += take(NOTICE.subarray(written));
  return written === NOTICE.length ? 'written' : 'torn';
}

/** Undefined when the connection has ended, or is none of the operating system. */
function handleOf(session: Noticeable): Handle | undefined {
  if (session.destroyed) return undefined;
  const own = rawSocket(session) as Socket & { _handle?: Partial<Handle> | null };
  const { fd, writeQueueSize } = own._handle ?? {};
  if (own.destroyed || fd === undefined || fd < 0 || writeQueueSize === undefined) return undefined;
  return { fd, writeQueueSize };
}

/** None when the kernel has no room, or the connection has ended. */
function taken(write: () => number): number {
  try {
    return write();
  } catch {
    return 0;
  }
}
