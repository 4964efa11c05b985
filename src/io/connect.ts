import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { readLinked } from './small-file.ts';
import { suppressTracing } from './suppress.ts';

/** Where a server is. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** What a connection goes to: a port, from one address of ours or from any, or a Unix socket. */
export type Peer = (Server & { readonly localAddress?: string | undefined }) | { readonly socketPath: string };

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * How TLS is spoken with these files, read now: certificates rotate, so each connection asks anew.
 *
 * @throws Error when a file cannot be read or is none of its kind
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
 * A connection of the plugin's own, which no instrumentation of the application sees and which never keeps the process alive.
 *
 * @param tls undefined: without TLS
 */
export function connect(peer: Peer, tls: ConnectionOptions | undefined): Socket {
  const net = process.getBuiltinModule('node:net');
  const to = 'socketPath' in peer ? { path: peer.socketPath } : { ...peer, noDelay: true };
  const name = 'host' in peer && net.isIP(peer.host) === 0 ? { servername: peer.host } : {};
  return suppressTracing(() =>
    // A socket of our own: an application may have put something of its own in the place of `net.connect`.
    tls === undefined
      ? new net.Socket().connect(to)
      : process.getBuiltinModule('node:tls').connect({ ...to, ...name, ...tls }),
  ).unref();
}

/** An error of the network in words: several addresses of a host fail with one error that has no message. */
export function tell(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name;
}
