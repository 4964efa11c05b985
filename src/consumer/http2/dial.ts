import type { SecureClientSessionOptions } from 'node:http2';
import type { Socket, TcpNetConnectOpts } from 'node:net';

/** Where a connection leads. */
export type Target = Pick<TcpNetConnectOpts, 'host' | 'port'>;

/**
 * A connection that begins at once, or when it is known where to. It has what the kernel knows it by from the start: around one
 * that has not, `node:http2` puts a stream of JavaScript that loses requests.
 */
export function dial(target: Target | Promise<Target>): Socket {
  const { connect } = process.getBuiltinModule('node:net');
  if (!(target instanceof Promise)) return connect(target);
  const socket = connect({ host: 'later.invalid', port: 1, lookup: () => {} });
  target.then((found) => {
    if (!socket.destroyed) socket.connect(found);
  });
  return socket;
}

/** The same under TLS, as `node:http2` makes it. @param host what the certificate must be for, unless the options say it */
export function dialSecure(
  target: Target | Promise<Target>,
  host: string,
  options: SecureClientSessionOptions,
): Socket {
  const servername = options.servername ?? host;
  const ALPNProtocols = options.ALPNProtocols ?? ['h2'];
  return process.getBuiltinModule('node:tls').connect({ ...options, servername, ALPNProtocols, socket: dial(target) });
}
