/**
 * Calls `then`, which must not throw, once `signal` is aborted, or at once if it already is. Returns a function that removes the
 * listener; call it when the wait is over, because the signal may live much longer.
 */
export function whenAborted(signal: AbortSignal, then: () => void): () => void {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true });
  return () => signal.removeEventListener('abort', then);
}

/** Settles like `work`, or resolves with `instead` when `signal` is aborted first. */
export async function unlessAborted<T, L>(signal: AbortSignal, work: Promise<T>, instead: L): Promise<T | L> {
  const { promise, resolve } = Promise.withResolvers<L>();
  const forget = whenAborted(signal, () => resolve(instead));
  try {
    return await Promise.race([work, promise]);
  } finally {
    forget();
  }
}
