import type { HttpServer } from './http-server.ts';
import type { Ends } from './recent-caller.ts';

/**
 * How much longer than the idle time the time-out of a head must be, in milliseconds, because otherwise it closes idle
 * connections.
 */
const HEAD_MS = 5_000;

/** The idle time-out of most proxies and balancers (AWS ALB, nginx), in milliseconds. */
const PROXY_MS = 60_000;

/** Sets how long a server keeps an idle connection, in milliseconds. HTTP/2 proxies do not rely on it. */
export function setKeepAlive(server: HttpServer, ms: number): void {
  if (!('keepAliveTimeout' in server)) return;
  server.keepAliveTimeout = ms;
  if (server.headersTimeout > 0) server.headersTimeout = Math.max(server.headersTimeout, ms + HEAD_MS);
}

/**
 * The idle time-out of the server of a connection, in milliseconds, when it is shorter than that of most proxies; else undefined.
 */
export function tooShort(connection: Ends): number | undefined {
  const ms = connection.server?.keepAliveTimeout;
  return ms !== undefined && ms > 0 && ms < PROXY_MS ? ms : undefined;
}
