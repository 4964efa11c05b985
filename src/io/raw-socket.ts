import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** The socket under a session of HTTP/2, which hides it behind a proxy: whatever of that returns itself returns the socket. */
export function rawSocket({ socket }: Pick<Http2Session, 'socket'>): Socket {
  return socket.setMaxListeners(socket.getMaxListeners()) as Socket;
}
