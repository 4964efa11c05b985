import type { Server } from 'node:net';
import type { Clock } from '../lifecycle/clock.ts';
import { sleep } from '../lifecycle/clock.ts';
import type { Traffic } from './traffic.ts';

/** How long clients get to answer the end of an HTTP/2 session or an idle connection before it is cut, in milliseconds. */
const GOODBYE_MS = 50;

/** What a stop has closed. */
export interface Stopped {
  readonly listeners: number;
  readonly idle: number;
  readonly forced: number;
}

/**
 * Closes the listeners, then the idle connections, then what is left. After a drain that ended quiet nothing is in flight
 * and no request is lost by it; after a time-out the rest is cut and counted as forced.
 */
export async function stop(traffic: Traffic, clock: Clock): Promise<Stopped> {
  const servers = traffic.servers;
  const { busy, idle } = traffic.connections;
  const sessions = traffic.sessions;
  for (const server of servers) close(server);
  for (const session of sessions) session.close();
  for (const socket of idle) socket.end();
  for (const socket of busy) socket.destroy();
  if (idle.length + sessions.length > 0) await sleep(clock, GOODBYE_MS);
  const unfinished = traffic.sessions.filter((session) => !session.destroyed);
  const forcedSessions = traffic.inflight > 0 ? unfinished.length : 0;
  for (const session of unfinished) session.destroy();
  for (const socket of idle) socket.destroy();
  for (const server of servers) if ('closeAllConnections' in server) server.closeAllConnections();
  return {
    listeners: servers.length,
    idle: idle.length + sessions.length - forcedSessions,
    forced: busy.length + forcedSessions,
  };
}

/** Closes `server`; the application then closes it as well, and for it that is the first time and no error. */
function close(server: Server): void {
  const original = server.close;
  original.call(server);
  server.close = (done) => original.call(server, done && (() => done()));
}
