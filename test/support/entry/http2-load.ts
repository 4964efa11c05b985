import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { closing, type Load, openLoop, PATIENCE_MS, type Rate } from './load.ts';

export interface Http2Options extends Rate {
  readonly host: string;
  readonly port: number;
  /** Uses TLS without checking the certificate. */
  readonly isSecure?: true;
}

/** HTTP/2 clients, one session each; a client opens a new session after a GOAWAY. No request is sent twice. */
export function startHttp2({ host, port, isSecure, ...rate }: Http2Options): Load {
  const sessions: (ClientHttp2Session | undefined)[] = Array.from({ length: rate.clients });
  const sessionOf = (client: number): ClientHttp2Session => {
    const open = sessions[client];
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const session = connect(`${isSecure ? 'https' : 'http'}://${host}:${port}`, { rejectUnauthorized: false });
    session.on('error', () => {});
    session.on('goaway', () => {
      if (sessions[client] === session) sessions[client] = undefined;
    });
    sessions[client] = session;
    return session;
  };
  const load = openLoop(rate, (client) => request(sessionOf(client)));
  return closing(load, () => {
    for (const session of sessions) session?.close();
  });
}

function request(session: ClientHttp2Session): Promise<string | undefined> {
  return new Promise((resolve) => {
    const stream = session.request({ ':path': '/work', ':method': 'POST' });
    let status: number | undefined;
    stream.setTimeout(PATIENCE_MS, () => {
      resolve('timeout');
      stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('response', (headers) => {
      status = headers[':status'];
    });
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      resolve(/NGHTTP2_\w+/.exec(message)?.[0] ?? code ?? 'error'),
    );
    stream.on('close', () =>
      resolve(status === 200 ? undefined : status === undefined ? 'closed' : `status ${status}`),
    );
    stream.resume().end('x'.repeat(512));
  });
}
