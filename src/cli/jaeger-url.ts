import { configured } from './configured.ts';
import { given, httpUrl } from './given.ts';

/**
 * Where traces are read: the URL that the command was given, else that of the environment.
 *
 * @throws LosslessError LOSSLESS_USAGE or LOSSLESS_CONFIG_INVALID when it is no URL
 */
export function jaegerUrl(url: string | undefined): URL {
  return given('--url', url, httpUrl) ?? new URL(configured().jaegerUrl);
}
