import type { Server } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Facts } from '../../lifecycle/facts.ts';
import { within } from '../../lifecycle/within.ts';
import type { Session } from '../traffic/session.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { StreamEnds } from './streams.ts';

/** Longest wait for clients to answer the end of an HTTP/2 session before it is cut, in milliseconds. */
const GOODBYE_MS = 500;

/** Takes no connection any more, at once. Who has closed a listener cannot come back. */
export function stopListening(traffic: Pick<Traffic, 'servers'>): void {
  for (const server of traffic.servers) closeListener(server);
}

export interface StopOptions {
  readonly clock: Clock;
  readonly ends: StreamEnds;
  /** What is left for it, in milliseconds. */
  readonly leftMs: number;
}

/**
 * Closes the idle connections, then what is left, after {@link stopListening}. After a drain that ended quiet nothing is in flight
 * and no request is lost by it; after a time-out the rest is cut and counted as forced.
 */
export async function stop(traffic: Traffic, { clock, ends, leftMs }: StopOptions): Promise<Facts['stop']> {
  const { servers, sessions } = traffic;
  const { busy, idle } = traffic.connections;
  for (const socket of [...idle, ...busy]) socket.destroy();
  const lost = ends.cut(traffic.streams);
  for (const { http2 } of sessions) if (!http2.destroyed) http2.close();
  await allClosed(sessions, clock, Math.min(GOODBYE_MS, leftMs));
  for (const { http2, isAwaited } of traffic.streams) if (isAwaited) lost.add(http2.session);
  for (const { http2 } of sessions) if (!http2.destroyed) http2.destroy();
  for (const server of servers) if ('closeAllConnections' in server) server.closeAllConnections();
  return {
    listeners: servers.length,
    idle: idle.length + sessions.length - lost.size,
    forced: busy.length + lost.size,
    ended: ends.count,
  };
}

/** Resolves when every session has ended, and soon. */
async function allClosed(sessions: readonly Session[], clock: Clock, ms: number): Promise<void> {
  const open = sessions.filter(({ http2 }) => !http2.destroyed);
  if (open.length === 0) return;
  const closed = open.map(({ http2 }) => new Promise((resolve) => http2.once('close', resolve)));
  await within(clock, ms, Promise.all(closed), () => {});
}

/** What a server listens by (lib/net.js). */
interface Handle {
  readonly close: () => void;
  readonly [name: string]: unknown;
}

/**
 * Takes no connection any more and leaves the server as it is for the application: it listens, at its address, until the
 * application closes it. That is then the first time, however it calls `close`, and no error.
 */
function closeListener(server: Server): void {
  const own = server as unknown as { _handle?: Handle | null };
  const handle = own._handle;
  // A server of another kind: what it offers is to be closed.
  if (!handle) return void server.close();
  const address = server.address();
  own._handle = {
    close: () => {},
    ref: () => {},
    unref: () => {},
    hasRef: () => false,
    // A server on a Unix socket tells its path without asking.
    ...(typeof address === 'object' && { getsockname: (out: object) => void Object.assign(out, address) }),
  };
  handle.close();
}
