import type { Server } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Facts } from '../../lifecycle/facts.ts';
import { within } from '../../lifecycle/within.ts';
import type { Traffic } from '../traffic/traffic.ts';

/** How long clients get to answer the end of an HTTP/2 session before it is cut, in milliseconds. */
const GOODBYE_MS = 50;

/**
 * Takes no connection any more, at once, and asks HTTP/2 clients to end their sessions: streams that are open go on, and what such a
 * client begins after that is refused in a way that it may repeat elsewhere. Who has closed a listener cannot come back.
 */
export function stopListening(traffic: Pick<Traffic, 'servers' | 'sessions'>): void {
  for (const server of traffic.servers) closeListener(server);
  for (const session of traffic.sessions) session.close();
}

/**
 * Closes the idle connections, then what is left, after {@link stopListening}. After a drain that ended quiet nothing is in flight
 * and no request is lost by it; after a time-out the rest is cut and counted as forced.
 */
export async function stop(traffic: Traffic, clock: Clock): Promise<Facts['stop']> {
  const servers = traffic.servers;
  const { busy, idle } = traffic.connections;
  const sessions = traffic.sessions;
  for (const socket of [...idle, ...busy]) socket.destroy();
  await end(sessions, clock);
  const unfinished = sessions.filter((session) => !session.destroyed);
  const forcedSessions = traffic.inflight > 0 ? unfinished.length : 0;
  for (const session of unfinished) session.destroy();
  for (const server of servers) if ('closeAllConnections' in server) server.closeAllConnections();
  return {
    listeners: servers.length,
    idle: idle.length + sessions.length - forcedSessions,
    forced: busy.length + forcedSessions,
  };
}

/** Resolves when every session has ended, and soon. */
async function end(sessions: Traffic['sessions'], clock: Clock): Promise<void> {
  if (sessions.length === 0) return;
  const ended = sessions.map((session) => new Promise((resolve) => session.once('close', resolve)));
  await within(clock, GOODBYE_MS, Promise.all(ended), () => {});
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
