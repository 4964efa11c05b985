import { asError, LosslessError } from '../errors.ts';

/**
 * Runs `work`; any failure becomes `LOSSLESS_REGISTRY_UNAVAILABLE`, as the contract requires.
 *
 * @param registry its name for people, for example `the consul registry at 127.0.0.1:8500`
 * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
 */
export async function attempt<T>(registry: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof LosslessError) throw thrown;
    const message = `${registry} cannot be used: ${asError(thrown).message}`;
    throw new LosslessError('LOSSLESS_REGISTRY_UNAVAILABLE', message, { cause: thrown });
  }
}
