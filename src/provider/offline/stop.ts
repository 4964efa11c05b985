import type { Server } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Facts } from '../../lifecycle/facts.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { allClosed, sayGoodbye } from './goodbye.ts';
import type { StreamEnds } from './streams.ts';

/** Longest wait for clients to answer the end of an HTTP/2 session before it is cut, in milliseconds. */
const GOODBYE_MS = 500;

/** Closes the listeners, at once and for good. */
export function stopListening(traffic: Pick<Traffic, 'servers'>): void {
  for (const server of traffic.servers) closeListener(server);
}

export interface StopOptions {
  readonly clock: Clock;
  readonly ends: StreamEnds;
  /** Milliseconds left for it. */
  readonly leftMs: number;
}

/**
 * Closes the connections, after {@link stopListening}. After a quiet drain nothing is in flight, and a request is lost only when it
 * comes at that very moment. After a time-out it cuts what is in flight and counts it as forced.
 */
export async function stop(traffic: Traffic, { clock, ends, leftMs }: StopOptions): Promise<Facts['stop']> {
  const { servers, sessions } = traffic;
  const { busy, checks, idle } = traffic.connections;
  for (const socket of [...busy, ...checks]) socket.destroy();
  const lost = ends.cut(traffic.streams);
  const open = sessions.map(({ http2 }) => http2).filter(({ destroyed }) => !destroyed);
  for (const http2 of open) http2.close();
  const [crossed] = await Promise.all([
    sayGoodbye(idle, clock, leftMs),
    allClosed(open, clock, Math.min(GOODBYE_MS, leftMs)),
  ]);
  for (const { http2, isAwaited } of traffic.streams) if (isAwaited) lost.add(http2.session);
  for (const http2 of open) if (!http2.destroyed) http2.destroy();
  for (const server of servers) if ('closeAllConnections' in server) server.closeAllConnections();
  return {
    listeners: servers.length,
    idle: idle.length + checks.length + sessions.length - lost.size,
    forced: busy.length + lost.size,
    ended: ends.count,
    crossed,
  };
}

/** The listening handle of a server (lib/net.js). */
interface Handle {
  readonly close: () => void;
  readonly [name: string]: unknown;
}

/**
 * Closes the listening handle and leaves the server unchanged for the application: it seems to listen at its address until the
 * application closes it, for the first time and without an error.
 */
function closeListener(server: Server): void {
  const own = server as unknown as { _handle?: Handle | null };
  const handle = own._handle;
  // A server of another kind: close it by its own method.
  if (!handle) return void server.close();
  const address = server.address();
  own._handle = {
    close: () => {},
    ref: () => {},
    unref: () => {},
    hasRef: () => false,
    // A server on a Unix socket keeps its path in a property.
    ...(typeof address === 'object' && { getsockname: (out: object) => void Object.assign(out, address) }),
  };
  handle.close();
}
