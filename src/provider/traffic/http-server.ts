import type { Server } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** A server that speaks HTTP. */
export type HttpServer = (Server | Http2Server) & { readonly listening: boolean };

/** The protocol of a server, from its shape: loading `node:http2` or `node:https` for `instanceof` would cost 15 ms each. */
export function kindOf(server: object): 'http1' | 'http2' | 'other' {
  const shape = server as { updateSettings?: unknown; headersTimeout?: unknown; closeIdleConnections?: unknown };
  if (typeof shape.updateSettings === 'function') return 'http2';
  return typeof shape.headersTimeout === 'number' && typeof shape.closeIdleConnections === 'function'
    ? 'http1'
    : 'other';
}

/** Whether a server takes HTTP/1.1: an HTTP/2 server does over TLS with `allowHTTP1`, and then has the time-outs of HTTP/1.1. */
export function speaksHttp1(server: object): boolean {
  const { headersTimeout } = server as { headersTimeout?: unknown };
  return kindOf(server) === 'http1' || typeof headersTimeout === 'number';
}

/** Where a server listens now: an address with a port, or the path of a Unix socket; undefined when it does not. */
export function boundTo(server: HttpServer): AddressInfo | string | undefined {
  return server.listening ? (server.address() ?? undefined) : undefined;
}
