import type { SecureClientSessionOptions } from 'node:http2';
import type { Socket, TcpNetConnectOpts } from 'node:net';

/** Destination of a connection. */
export type Target = Pick<TcpNetConnectOpts, 'host' | 'port'>;

/** Destinations of a connection, one after the other. */
export interface Way {
  /** The first one, at once or when it is known. */
  readonly first: Target | Promise<Target>;
  /** The next one after a failure; undefined: the connection has failed. */
  next(error: Error): Target | undefined;
}

/** Linux reports a refusal once more when a refused socket connects again. */
const ONCE_MORE = 'ECONNABORTED';

/**
 * A connection that begins at once, or when its destination is known. It has a kernel handle from the start, because `node:http2`
 * wraps a socket without one in a JavaScript stream that loses requests. So the same socket connects to the next destination.
 */
export function dial(way: Way): Socket {
  const { first } = way;
  const socket = process.getBuiltinModule('node:net').connect({ host: 'later.invalid', port: 1, lookup: () => {} });
  const { destroy } = socket;
  let again: Target | undefined;
  socket.destroy = (error) => {
    const isRepeated = again !== undefined && (error as NodeJS.ErrnoException | undefined)?.code === ONCE_MORE;
    const target = isRepeated ? again : error && way.next(error);
    again = isRepeated ? undefined : target;
    return target === undefined ? destroy.call(socket, error) : socket.connect(target);
  };
  socket.once('connect', () => {
    socket.destroy = destroy;
  });
  if (!(first instanceof Promise)) return socket.connect(first);
  first.then((found) => {
    if (!socket.destroyed) socket.connect(found);
  });
  return socket;
}

/**
 * The same under TLS, as `node:http2` makes it. @param host the name that the certificate must have, unless the options have one
 */
export function dialSecure(way: Way, host: string, options: SecureClientSessionOptions): Socket {
  const servername = options.servername ?? host;
  const ALPNProtocols = options.ALPNProtocols ?? ['h2'];
  return process.getBuiltinModule('node:tls').connect({ ...options, servername, ALPNProtocols, socket: dial(way) });
}
