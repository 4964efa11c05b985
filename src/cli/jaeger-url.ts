import { configured } from './configured.ts';
import { given, httpUrl } from './given.ts';

/**
 * The URL from which a command reads traces: the argument `--url`, else LOSSLESS_JAEGER_URL.
 *
 * @throws LosslessError LOSSLESS_USAGE or LOSSLESS_CONFIG_INVALID when it is no URL
 */
export function jaegerUrl(url: string | undefined): URL {
  return given('--url', url, httpUrl) ?? new URL(configured().jaegerUrl);
}
