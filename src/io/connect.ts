import type { Socket } from 'node:net';
import { readLinked } from './small-file.ts';

/** Where a server of others is: of a registry, or a collector. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** Paths of PEM files. They are read for each connection: certificates rotate. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * A connection to a server of a registry or to a collector, which never keeps the process alive.
 *
 * @param tls undefined: without TLS
 */
export function connect({ host, port }: Server, tls: TlsFiles | undefined): Socket {
  const net = process.getBuiltinModule('node:net');
  if (tls === undefined) return net.connect({ host, port, noDelay: true }).unref();
  return process
    .getBuiltinModule('node:tls')
    .connect({
      host,
      port,
      ...(net.isIP(host) === 0 && { servername: host }),
      ...(tls.ca !== undefined && { ca: readLinked(tls.ca) }),
      ...(tls.cert !== undefined && { cert: readLinked(tls.cert) }),
      ...(tls.key !== undefined && { key: readLinked(tls.key) }),
    })
    .unref();
}
