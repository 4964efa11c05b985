import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { readLinked } from './small-file.ts';
import { suppressTracing } from './suppress.ts';

/** Address of a server. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** Destination of a connection: a port, from a given or any local address, or a Unix socket. */
export type Peer = (Server & { readonly localAddress?: string | undefined }) | { readonly socketPath: string };

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * TLS options from these files, read now: certificates rotate, so each connection reads them again.
 *
 * @throws Error when a file cannot be read or has the wrong content
 */
export function tlsOf({ ca, cert, key }: TlsFiles): ConnectionOptions {
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  return {
    secureContext: createSecureContext({
      ...(ca !== undefined && { ca: readLinked(ca) }),
      ...(cert !== undefined && { cert: readLinked(cert) }),
      ...(key !== undefined && { key: readLinked(key) }),
    }),
  };
}

/**
 * A connection of the plugin, invisible to the application's instrumentation, that never keeps the process alive.
 *
 * @param tls undefined: without TLS
 */
export function connect(peer: Peer, tls: ConnectionOptions | undefined): Socket {
  const net = process.getBuiltinModule('node:net');
  const to = 'socketPath' in peer ? { path: peer.socketPath } : { ...peer, noDelay: true };
  const name = 'host' in peer && net.isIP(peer.host) === 0 ? { servername: peer.host } : {};
  return suppressTracing(() =>
    // Made directly, because an application may have replaced `net.connect`.
    tls === undefined
      ? new net.Socket().connect(to)
      : process.getBuiltinModule('node:tls').connect({ ...to, ...name, ...tls }),
  ).unref();
}

/** The message of a network error. When several addresses of a host fail, Node.js gives one error without a message. */
export function tell(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name;
}
