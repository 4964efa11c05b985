import { loadOptions } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { LosslessError } from '../errors.ts';

/**
 * Where traces are looked at: what the command was given, else what the environment says.
 *
 * @throws LosslessError LOSSLESS_USAGE when it is no URL
 */
export function jaegerUrl(given: string | undefined): URL {
  const fallback = 'http://127.0.0.1:16686';
  const configured = loadOptions({ LOSSLESS_SERVICE: 'cli', ...processEnvironment() }).options?.jaegerUrl;
  const url = URL.parse(given ?? configured ?? fallback);
  if (url === null) throw new LosslessError('LOSSLESS_USAGE', `--url must be a URL, received ${given}`);
  return url;
}
