import type { HttpServer } from './http-server.ts';
import type { Ends } from './recent-caller.ts';

/** How much longer than an idle connection the head of a request may take, in milliseconds: else the latter ends the former. */
const HEAD_MS = 5_000;

/** The idle time-out of most proxies and balancers (AWS ALB, nginx), in milliseconds. */
const PROXY_MS = 60_000;

/** Sets how long a server keeps an idle connection, in milliseconds. Over HTTP/2 no proxy relies on it. */
export function setKeepAlive(server: HttpServer, ms: number): void {
  if (!('keepAliveTimeout' in server)) return;
  server.keepAliveTimeout = ms;
  if (server.headersTimeout > 0) server.headersTimeout = Math.max(server.headersTimeout, ms + HEAD_MS);
}

/** How long the server of a connection keeps it, in milliseconds, when that is shorter than proxies rely on; else undefined. */
export function tooShort(connection: Ends): number | undefined {
  const ms = connection.server?.keepAliveTimeout;
  return ms !== undefined && ms > 0 && ms < PROXY_MS ? ms : undefined;
}
