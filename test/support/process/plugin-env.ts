import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The published plugin, for `--import`. */
export const REGISTER = new URL('../../../dist/src/register.js', import.meta.url).href;

/** The registry of all processes with this folder. */
export function registryIn(folder: string): string {
  return pathToFileURL(join(folder, 'registry')).href;
}

/** Environment of a process with the plugin, whose registry and spool lie in `folder`. */
export function pluginEnv(folder: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${REGISTER}`,
    LOSSLESS_ENABLED: 'true',
    LOSSLESS_STRICT: 'true',
    LOSSLESS_REGISTRY: registryIn(folder),
    LOSSLESS_CONTROL_HOST: '127.0.0.1',
    LOSSLESS_CONTROL_PORT: '0',
    LOSSLESS_SPOOL_DIR: join(folder, 'spool'),
    ...more,
  };
}
