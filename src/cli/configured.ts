import type { RawEnvironment } from '../config/environment.ts';
import { loadOptions, type Options } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { LosslessError } from '../errors.ts';

/**
 * The configuration that an instance reads from this environment.
 *
 * @param named variables that the command line stands for
 * @throws LosslessError LOSSLESS_CONFIG_INVALID
 */
export function configured(named: RawEnvironment = {}): Options {
  const { options, problems } = loadOptions({ ...processEnvironment(), ...named });
  if (options !== undefined) return options;
  const fatal = problems.filter((problem) => problem.fatal).map(({ message }) => message);
  throw new LosslessError('LOSSLESS_CONFIG_INVALID', fatal.join('; '));
}
