import { writeSync } from 'node:fs';
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { rawSocket } from '../../io/raw-socket.ts';
import type { Clock } from '../../lifecycle/clock.ts';

/**
 * A GOAWAY frame that announces the end (RFC 9113, section 6.8): length 8, type 7, of the connection; last stream 2^31 - 1,
 * NO_ERROR. Its receiver begins no more streams; those on their way are still served.
 */
const NOTICE = Buffer.from('0000080700000000007fffffff00000000', 'hex');

/** How long to retry the rest of a notice synchronously, in milliseconds: nothing else may be written before it. */
const REST_MS = 5;

/** The handle of a connection in Node.js (src/stream_base.cc, src/tcp_wrap.cc). */
interface Handle {
  readonly fd: number;
  readonly writeQueueSize: number;
}

/**
 * Outcome of a notice. `written`; `waits`: other data is queued before it; `impossible`: there is no descriptor, or the kernel
 * refuses the write; `torn`: only a part was written, so the connection can no longer be used.
 */
export type Noticed = 'written' | 'waits' | 'impossible' | 'torn';

/** The used part of a session. */
type Noticeable = Pick<ServerHttp2Session, 'destroyed' | 'encrypted' | 'socket'>;

/** Bytes that the kernel has taken; throws when it takes none. */
type Write = (fd: number, bytes: Uint8Array) => number;

/** Whether a session can get a notice at all: under TLS a plain write would not be a TLS record. */
export function canNotice(session: Noticeable): boolean {
  return process.platform !== 'win32' && !session.encrypted && handleOf(session) !== undefined;
}

/**
 * Writes the notice to the descriptor of a connection, below Node.js. Node's own `goaway()` makes nghttp2 ignore every new
 * stream, whatever the frame says; a write to the socket, unknown to the session, aborts the process when it ends. nghttp2 writes
 * whole frames, which are all in the kernel while nothing is queued.
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

/** Undefined when the connection has ended, or has no descriptor of the operating system. */
function handleOf(session: Noticeable): Handle | undefined {
  if (session.destroyed) return undefined;
  const own = rawSocket(session) as Socket & { _handle?: Partial<Handle> | null };
  const { fd, writeQueueSize } = own._handle ?? {};
  if (own.destroyed || fd === undefined || fd < 0 || writeQueueSize === undefined) return undefined;
  return { fd, writeQueueSize };
}

/** 0 when the kernel has no room, or the connection has ended. */
function taken(write: () => number): number {
  try {
    return write();
  } catch {
    return 0;
  }
}
