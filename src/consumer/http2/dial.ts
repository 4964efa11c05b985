import type { SecureClientSessionOptions } from 'node:http2';
import type { Socket, TcpNetConnectOpts } from 'node:net';

/** Where a connection leads. */
export type Target = Pick<TcpNetConnectOpts, 'host' | 'port'>;

/** Where a connection goes. */
export interface Way {
  /** At once, or when it is known. */
  readonly first: Target | Promise<Target>;
  /** What is tried after it could not be connected to the last one; undefined: it has failed. */
  next(error: Error): Target | undefined;
}

/** Linux says it once more of a socket that was refused, when that is to connect again. */
const ONCE_MORE = 'ECONNABORTED';

/**
 * A connection that begins at once, or when it is known where to. It has what the kernel knows it by from the start: around one
 * that has not, `node:http2` puts a stream of JavaScript that loses requests. So it is the same one that is connected to the next place.
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

/** The same under TLS, as `node:http2` makes it. @param host what the certificate must be for, unless the options say it */
export function dialSecure(way: Way, host: string, options: SecureClientSessionOptions): Socket {
  const servername = options.servername ?? host;
  const ALPNProtocols = options.ALPNProtocols ?? ['h2'];
  return process.getBuiltinModule('node:tls').connect({ ...options, servername, ALPNProtocols, socket: dial(way) });
}
