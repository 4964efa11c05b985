import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';

/**
 * The socket under an HTTP/2 session, which hides it behind a proxy: a method of the proxy that returns `this` returns the
 * socket.
 */
export function rawSocket({ socket }: Pick<Http2Session, 'socket'>): Socket {
  return socket.setMaxListeners(socket.getMaxListeners()) as Socket;
}
