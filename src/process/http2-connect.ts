/** `http2.connect`: opens a session. */
export type Connect = (...call: unknown[]) => NodeJS.EventEmitter;

/**
 * Puts another function in the place of `http2.connect`, also where an ES module has imported it, and where it was made to give
 * promises. It loads `node:http2`.
 *
 * @param wrap makes it, of the one that was there
 * @returns how to take it back
 */
export function wrapConnect(wrap: (connect: Connect) => Connect): () => void {
  const http2 = process.getBuiltinModule('node:http2') as unknown as { connect: Connect };
  const { promisify } = process.getBuiltinModule('node:util');
  const { syncBuiltinESMExports } = process.getBuiltinModule('node:module');
  const { connect } = http2;
  const wrapped = wrap(connect);
  const promised = (...call: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const session = wrapped(...call);
      session.once('error', reject).once('connect', () => {
        session.off('error', reject);
        resolve(session);
      });
    });
  Object.defineProperty(wrapped, promisify.custom, { value: promised });
  http2.connect = wrapped;
  syncBuiltinESMExports();
  return () => {
    if (http2.connect === wrapped) http2.connect = connect;
    syncBuiltinESMExports();
  };
}
