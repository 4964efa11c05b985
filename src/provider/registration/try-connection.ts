import { asError } from '../../errors.ts';
import { connect } from '../../io/connect.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { type Scheme, UNCHECKED } from './probe-target.ts';

/** Longest wait for a connection, in milliseconds. */
const CONNECT_MS = 1_000;

/**
 * Tries whether somebody takes connections there, by one that is closed at once. Over TLS the handshake is done, so that the
 * server has no error to tell of; certificates are not checked, as nothing is sent.
 *
 * @returns why not; undefined when somebody does. Never rejects
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
