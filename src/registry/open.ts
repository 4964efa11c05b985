import { LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import type { Registry } from './registry.ts';

/** What every adapter is given. */
export interface RegistryContext {
  readonly clock: Clock;
  readonly log: Log;
}

/** Adapters by the scheme of their URL; each is loaded only when it is named. */
const ADAPTERS: ReadonlyMap<string, (url: URL, context: RegistryContext) => Promise<Registry>> = new Map([
  ['file:', async (url, context) => (await import('./file.ts')).fileRegistry(url, context)],
  ['memory:', async (url) => (await import('./memory.ts')).memoryRegistry(url)],
]);

/**
 * Opens the registry that `url` names. Nothing is contacted before it is used.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL when no adapter has that scheme, or the adapter cannot use the URL
 */
export async function openRegistry(url: URL, context: RegistryContext): Promise<Registry> {
  const adapter = ADAPTERS.get(url.protocol);
  if (adapter === undefined) {
    const known = [...ADAPTERS.keys()].join(' or ');
    throw new LosslessError(
      'LOSSLESS_REGISTRY_URL',
      `expected a URL beginning with ${known}, received ${url.protocol}`,
    );
  }
  return adapter(url, context);
}
