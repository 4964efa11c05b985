import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';

/**
 * Longest wait for clients to close their ends of idle connections, in milliseconds: a round trip, and as long as a client may need
 * to read that the connection has ended.
 */
const CROSSING_MS = 100;

/** The properties of an HTTP/1.1 connection that Node.js does not document (lib/_http_server.js). */
interface Inside {
  readonly parser?: unknown;
  readonly _httpMessage?: unknown;
}

/**
 * Closes idle connections. A client that sends a request at that very moment gets no answer. The handlers of the application do not
 * see that request, but the plugin does: it ends its side of each connection first, and reads until the client ends its own.
 *
 * @param leftMs longest wait, in milliseconds
 * @returns connections on which something came. Never rejects
 */
export async function sayGoodbye(idle: readonly Socket[], clock: Clock, leftMs: number): Promise<number> {
  let crossed = 0;
  const ending = idle.filter(isWithoutAnswer);
  // The parser of the server reads no more of them.
  for (const socket of ending)
    socket
      .removeAllListeners('data')
      .once('data', () => crossed++)
      .end();
  await allClosed(ending, clock, Math.min(CROSSING_MS, leftMs));
  for (const socket of idle) socket.destroy();
  return crossed;
}

/** Whether it is a connection of an HTTP/1.1 server on which no answer runs. */
function isWithoutAnswer(socket: Socket): boolean {
  const { parser, _httpMessage: answer } = socket as Inside;
  return Boolean(parser) && !answer && !socket.destroyed;
}

/** Resolves when each connection or session has emitted `close`, and after `ms` milliseconds at the latest. */
export async function allClosed(open: readonly EventEmitter[], clock: Clock, ms: number): Promise<void> {
  if (open.length === 0) return;
  const closed = open.map((one) => new Promise((resolve) => one.once('close', resolve)));
  await within(clock, ms, Promise.all(closed), () => {});
}
