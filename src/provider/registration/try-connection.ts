import { asError } from '../../errors.ts';
import { connect } from '../../io/connect.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { type Scheme, UNCHECKED } from './probe-target.ts';

/** Longest wait for a connection, in milliseconds. */
const CONNECT_MS = 1_000;

/**
 * Tests whether a server accepts connections, by one that it closes at once. Over TLS it completes the handshake, so that the
 * server logs no error; it does not check certificates, because it sends nothing.
 *
 * @returns the reason of a failure; undefined on success. Never rejects
 */
export async function tryConnection(
  { host, port, scheme }: { readonly host: string; readonly port: number; readonly scheme: Scheme },
  clock: Clock,
): Promise<string | undefined> {
  const tls = scheme === 'https' ? UNCHECKED : undefined;
  const socket = connect({ host, port }, tls);
  return new Promise((resolve) => {
    const timer = clock.after(CONNECT_MS, () => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)));
    socket.once('connect', () => {
      resolve(undefined);
      if (tls === undefined) socket.end();
    });
    socket.once('secureConnect', () => socket.end());
    socket.once('error', (thrown: NodeJS.ErrnoException) => resolve(thrown.code ?? asError(thrown).message));
    socket.once('close', () => timer.cancel());
    socket.resume();
  });
}
