/** `http2.connect`: opens a session. */
export type Connect = (...call: unknown[]) => NodeJS.EventEmitter;

/**
 * Replaces `http2.connect`, also for ES modules that have imported it, and in its promisified form. It loads `node:http2`.
 *
 * @param wrap makes the new function from the former one
 * @returns a function that restores the former one
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
